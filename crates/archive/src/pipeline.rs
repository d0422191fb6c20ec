//! Decompressing and hashing beside whoever reads the tar; only decompressing where
//! nobody asks for a digest.
//!
//! ```text
//!  reader ── decode + hash (own thread) ──full pieces──> Pieces (BufRead) ── caller
//!                      ^──────────── empty pieces ───────────┘
//! ```

use crate::{Compression, Decoder, Error, Result, decode::BUFFER_BYTES};
use corten_oci::{Digest, Hasher};
use std::{
    io::{self, BufRead, Read},
    sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel},
    thread,
};

/// Pieces in flight: 2 MiB, enough to even out small files against large ones.
const PIECES: usize = 8;

/// What went through.
pub(crate) struct Passed {
    /// SHA-256 of the uncompressed stream.
    pub diff_id: Digest,
    /// Its length.
    pub bytes: u64,
    pub compression: Compression,
}

/// The uncompressed stream, piece by piece.
pub(crate) struct Pieces {
    full: Receiver<Result<Vec<u8>>>,
    used: Sender<Vec<u8>>,
    piece: Vec<u8>,
    start: usize,
}

/// Runs `work` on the uncompressed bytes of `reader`. `work` should read to the end;
/// otherwise what passed is what it read, more or less.
pub(crate) fn run<R: Read + Send, T>(
    reader: R,
    work: impl FnOnce(Pieces) -> Result<T>,
) -> Result<(T, Passed)> {
    let mut hasher = Hasher::sha256();
    let open = || Decoder::new(reader);
    let (done, passed) = beside(open, |piece| hasher.update(piece), work)?;
    let passed = Passed {
        diff_id: hasher.finish(),
        ..passed
    };
    Ok((done, passed))
}

/// As [`run`], of a stream that was looked at, and without a digest.
pub(crate) fn run_unhashed<R: Read + Send, T>(
    decoder: Decoder<R>,
    work: impl FnOnce(Pieces) -> Result<T>,
) -> Result<T> {
    beside(|| Ok(decoder), |_| (), work).map(|(done, _)| done)
}

fn beside<R: Read, T>(
    open: impl FnOnce() -> Result<Decoder<R>> + Send,
    each: impl FnMut(&[u8]) + Send,
    work: impl FnOnce(Pieces) -> Result<T>,
) -> Result<(T, Passed)> {
    let (full_sender, full) = sync_channel(PIECES);
    let (used, used_receiver) = channel();
    thread::scope(|scope| {
        let decoder = thread::Builder::new()
            .name("layer-decode".to_owned())
            .spawn_scoped(scope, move || {
                decode(open, each, &full_sender, &used_receiver)
            })
            .map_err(Error::Read)?;
        // Failing, `work` drops the pieces, which ends the other thread.
        let done = work(Pieces {
            full,
            used,
            piece: Vec::new(),
            start: 0,
        });
        let passed = match decoder.join() {
            Ok(passed) => passed,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        Ok((done?, passed))
    })
}

fn decode<R: Read>(
    open: impl FnOnce() -> Result<Decoder<R>>,
    mut each: impl FnMut(&[u8]),
    full: &SyncSender<Result<Vec<u8>>>,
    used: &Receiver<Vec<u8>>,
) -> Passed {
    let mut passed = Passed {
        diff_id: Digest::of(b""),
        bytes: 0,
        compression: Compression::None,
    };
    let result = open().and_then(|mut decoder| {
        passed.compression = decoder.format();
        loop {
            let mut piece = used.try_recv().unwrap_or_default();
            piece.resize(BUFFER_BYTES, 0);
            let count = fill(&mut decoder, &mut piece)?;
            piece.truncate(count);
            each(&piece);
            passed.bytes += count as u64;
            if count == 0 || full.send(Ok(piece)).is_err() {
                return Ok(());
            }
        }
    });
    if let Err(error) = result {
        // A reader that has gone has its own error to tell.
        let _ = full.send(Err(error));
    }
    passed
}

fn fill<R: Read>(decoder: &mut Decoder<R>, piece: &mut [u8]) -> Result<usize> {
    let mut have = 0;
    while have < piece.len() {
        match decoder.read_some(&mut piece[have..])? {
            0 => break,
            count => have += count,
        }
    }
    Ok(have)
}

impl BufRead for Pieces {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start == self.piece.len() {
            match self.full.recv() {
                Ok(Ok(piece)) => {
                    let used = std::mem::replace(&mut self.piece, piece);
                    self.start = 0;
                    // At the end nobody takes it back.
                    let _ = self.used.send(used);
                }
                Ok(Err(error)) => return Err(io::Error::other(error)),
                // The other side has sent everything.
                Err(_) => return Ok(&[]),
            }
        }
        Ok(&self.piece[self.start..])
    }

    fn consume(&mut self, count: usize) {
        self.start += count;
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let piece = self.fill_buf()?;
        let count = piece.len().min(buffer.len());
        buffer[..count].copy_from_slice(&piece[..count]);
        self.consume(count);
        Ok(count)
    }
}
