//! A byte stream in pieces between two threads, whose end is told from its breaking off.

use bytes::Bytes;
use std::{
    io::{self, Read},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
};

/// Pieces (of at most 256 KiB) under way.
pub(crate) const PIECES: usize = 32;

/// A piece of a stream; without `End` it broke off.
pub(crate) enum Piece {
    Data(Bytes),
    End,
}

/// The reading end.
pub(crate) struct PieceReader {
    pieces: Receiver<Piece>,
    now: Bytes,
    /// The whole stream has come.
    ended: bool,
    read: Arc<AtomicU64>,
}

/// Both ends; `read` counts the bytes read.
pub(crate) fn channel(read: Arc<AtomicU64>) -> (SyncSender<Piece>, PieceReader) {
    let (sender, pieces) = sync_channel(PIECES);
    (
        sender,
        PieceReader {
            pieces,
            now: Bytes::new(),
            ended: false,
            read,
        },
    )
}

impl Read for PieceReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.now.is_empty() && !self.ended {
            match self.pieces.recv() {
                Ok(Piece::Data(bytes)) => self.now = bytes,
                Ok(Piece::End) => self.ended = true,
                Err(_) => return Err(io::Error::other("the stream broke off")),
            }
        }
        let count = buffer.len().min(self.now.len());
        buffer[..count].copy_from_slice(&self.now.split_to(count));
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
