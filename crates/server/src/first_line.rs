//! A connection whose first request may have a line that is no URI.

use bytes::Bytes;
use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection on which the first request's line is made a URI: what people write into
/// `curl 'http://d/containers/json?filters={"status":["running"]}'` has quotes, which Go's
/// server takes and hyper refuses without a word. They are written as `%22` before hyper
/// sees them. Everything behind that line, further requests too, passes as it is.
#[derive(Debug)]
pub(crate) struct FirstLine<S> {
    stream: S,
    /// The line has not ended yet.
    within: bool,
    /// Bytes that did not fit where they were read, and how many of them are read by now.
    left: Vec<u8>,
    taken: usize,
}

impl<S> FirstLine<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self {
            stream,
            within: true,
            left: Vec::new(),
            taken: 0,
        }
    }

    /// The connection, and what has been read of it: by the reader, who gives it back, and
    /// behind that what was not given out.
    pub(crate) fn with_read(self, given_back: &[u8]) -> (S, Bytes) {
        let left = self.left.get(self.taken..).unwrap_or_default();
        (self.stream, [given_back, left].concat().into())
    }

    /// Gives what fits of the bytes to the reader, and keeps the rest for the next reads.
    fn give(&mut self, buffer: &mut ReadBuf<'_>) {
        let rest = self.left.get(self.taken..).unwrap_or_default();
        let count = rest.len().min(buffer.remaining());
        buffer.put_slice(&rest[..count]);
        self.taken += count;
        if self.taken == self.left.len() {
            (self.left, self.taken) = (Vec::new(), 0);
        }
    }
}

/// The bytes with the characters written out that stand in no URI.
fn encoded(line: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(line.len() + 32);
    for byte in line {
        match byte {
            b'"' => bytes.extend_from_slice(b"%22"),
            b'<' => bytes.extend_from_slice(b"%3C"),
            b'>' => bytes.extend_from_slice(b"%3E"),
            _ => bytes.push(*byte),
        }
    }
    bytes
}

impl<S: AsyncRead + Unpin> AsyncRead for FirstLine<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.left.is_empty() {
            self.give(buffer);
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let read = &buffer.filled()[before..];
        if !self.within || read.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let end = read.iter().position(|byte| *byte == b'\n');
        let (line, rest) = read.split_at(end.unwrap_or(read.len()));
        self.within = end.is_none();
        if line.iter().any(|byte| matches!(byte, b'"' | b'<' | b'>')) {
            self.left = [encoded(line).as_slice(), rest].concat();
            buffer.set_filled(before);
            self.give(buffer);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FirstLine<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    /// What comes out at the other end, read in pieces of `piece` bytes.
    async fn through(sent: &str, piece: usize) -> String {
        let (mut client, served) = duplex(piece);
        let sending = async {
            client.write_all(sent.as_bytes()).await.unwrap();
            drop(client);
        };
        let mut read = Vec::new();
        let mut served = FirstLine::new(served);
        let reading = async {
            let mut part = vec![0; piece];
            while let Ok(count @ 1..) = served.read(&mut part).await {
                read.extend_from_slice(&part[..count]);
            }
        };
        tokio::join!(sending, reading);
        String::from_utf8(read).unwrap()
    }

    #[tokio::test]
    async fn only_the_first_line_is_written_anew() {
        let sent = "GET /x?filters={\"a\":[\"<b>\"]} HTTP/1.1\r\nQuoted: \"x\"\r\n\r\n{\"a\":1}";
        let wanted =
            "GET /x?filters={%22a%22:[%22%3Cb%3E%22]} HTTP/1.1\r\nQuoted: \"x\"\r\n\r\n{\"a\":1}";
        for piece in [1, 3, 20, 35, 1024] {
            assert_eq!(through(sent, piece).await, wanted, "{piece}");
        }
    }
}
