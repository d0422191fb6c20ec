//! Standard streams as a client asks for them where the process has others: `POST
//! /exec/{id}/start` may name a terminal that the process does not have, or none where it
//! has one. dockerd 28 answers in the shape that was asked for.

use crate::Duplex;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes of a frame's header: the stream, three zeros, the length (big-endian).
const HEADER_BYTES: usize = 8;
/// Bytes of output in one frame of ours.
const PIECE_BYTES: usize = 32 << 10;
const STDOUT: u8 = 1;

/// What is done to what is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Raw bytes become frames of the standard output.
    Frames,
    /// Frames become raw bytes, whichever stream they are of.
    Raw,
}

/// A connection whose output has another shape; its input stays.
pub(crate) struct Reframed {
    inner: Box<dyn Duplex>,
    shape: Shape,
    /// Read, not handed out: a frame of ours, or the beginning of a header.
    kept: BytesMut,
    /// Bytes to come of the frame that is read.
    left: usize,
}

impl Reframed {
    pub fn new(inner: Box<dyn Duplex>, shape: Shape) -> Self {
        Self {
            inner,
            shape,
            kept: BytesMut::new(),
            left: 0,
        }
    }

    /// Reads at most `most` bytes; none at the end.
    fn poll_piece(&mut self, cx: &mut Context<'_>, most: usize) -> Poll<io::Result<Bytes>> {
        let mut piece = vec![0; most];
        let mut buffer = ReadBuf::new(&mut piece);
        ready!(Pin::new(&mut self.inner).poll_read(cx, &mut buffer))?;
        let length = buffer.filled().len();
        piece.truncate(length);
        Poll::Ready(Ok(piece.into()))
    }

    fn poll_frames(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.kept.is_empty() {
            let piece = ready!(self.poll_piece(cx, PIECE_BYTES))?;
            if !piece.is_empty() {
                self.kept.put_slice(&[STDOUT, 0, 0, 0]);
                self.kept.put_u32(piece.len() as u32);
                self.kept.put(piece);
            }
        }
        let count = self.kept.len().min(buffer.remaining());
        buffer.put_slice(&self.kept.split_to(count));
        Poll::Ready(Ok(()))
    }

    fn poll_raw(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.left == 0 {
            let piece = ready!(self.poll_piece(cx, HEADER_BYTES - self.kept.len()))?;
            if piece.is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.kept.put(piece);
            if self.kept.len() == HEADER_BYTES {
                self.kept.advance(4);
                self.left = self.kept.get_u32() as usize;
            }
        }
        let most = self.left.min(buffer.remaining()).min(PIECE_BYTES);
        let piece = ready!(self.poll_piece(cx, most))?;
        self.left -= piece.len();
        buffer.put_slice(&piece);
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Reframed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.shape {
            Shape::Frames => self.poll_frames(cx, buffer),
            Shape::Raw => self.poll_raw(cx, buffer),
        }
    }
}

impl AsyncWrite for Reframed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn reshaped(bytes: &[u8], shape: Shape) -> Vec<u8> {
        // Small, so that frames are cut anywhere.
        let (near, mut far) = tokio::io::duplex(5);
        let mut reframed = Reframed::new(Box::new(near), shape);
        let writing = async {
            far.write_all(bytes).await.unwrap();
            drop(far);
        };
        let mut read = Vec::new();
        let (_, done) = tokio::join!(writing, reframed.read_to_end(&mut read));
        done.unwrap();
        read
    }

    #[tokio::test]
    async fn what_was_framed_is_raw_again() {
        let text = b"some output, longer than a piece on its way";
        let framed = reshaped(text, Shape::Frames).await;
        assert_eq!(framed[..4], [1, 0, 0, 0]);
        assert!(framed.len() > text.len());
        assert_eq!(reshaped(&framed, Shape::Raw).await, text);
        let both = b"\x01\0\0\0\0\0\0\x02ab\x02\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\x01c";
        assert_eq!(reshaped(both, Shape::Raw).await, b"abc");
        assert!(reshaped(b"", Shape::Frames).await.is_empty());
    }
}
