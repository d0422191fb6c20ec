//! How a connection begins: with HTTP/2, or with a request whose line may be no URI.

use bytes::Bytes;
use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// What a client that speaks HTTP/2 sends first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Room for the bytes that tell which version a client speaks, and for most heads.
const FIRST_BYTES: usize = 4096;

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

    /// Whether the client speaks HTTP/2 from the first byte on (RFC 9113, 3.4). Waits for as
    /// many bytes as tell it.
    ///
    /// # Errors
    /// Those of reading.
    pub(crate) async fn is_http2(&mut self) -> io::Result<bool>
    where
        S: AsyncRead + Unpin,
    {
        let mut read = Vec::with_capacity(FIRST_BYTES);
        while read.len() < PREFACE.len() && PREFACE.starts_with(&read) {
            if self.stream.read_buf(&mut read).await? == 0 {
                break;
            }
        }
        let is_http2 = read.starts_with(PREFACE);
        self.within = !is_http2;
        self.left = read;
        self.taken = 0;
        self.look();
        Ok(is_http2)
    }

    /// Writes anew what is left of the line in what has been read and not been given out.
    fn look(&mut self) {
        if !self.within || self.left.is_empty() {
            return;
        }
        let end = self.left.iter().position(|byte| *byte == b'\n');
        self.within = end.is_none();
        let (line, rest) = self.left.split_at(end.unwrap_or(self.left.len()));
        if line.iter().any(is_written_out) {
            self.left = [encoded(line).as_slice(), rest].concat();
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

/// Whether a byte stands in no URI, and is sent in one by people.
fn is_written_out(byte: &u8) -> bool {
    matches!(byte, b'"' | b'<' | b'>')
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
        if self.within {
            self.left = buffer.filled()[before..].to_vec();
            buffer.set_filled(before);
            self.look();
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
    async fn through(sent: &str, piece: usize, ask: bool) -> String {
        let (mut client, served) = duplex(piece);
        let sending = async {
            client.write_all(sent.as_bytes()).await.unwrap();
            drop(client);
        };
        let mut read = Vec::new();
        let mut served = FirstLine::new(served);
        let reading = async {
            assert!(!ask || !served.is_http2().await.unwrap());
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
            for ask in [false, true] {
                assert_eq!(through(sent, piece, ask).await, wanted, "{piece}");
            }
        }
    }

    #[tokio::test]
    async fn a_client_of_http_2_is_known_by_its_first_bytes() {
        for (sent, wanted) in [
            (PREFACE.to_vec(), true),
            ([PREFACE, b"\0\0\0\"<>"].concat(), true),
            (b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".to_vec(), false),
            (b"POST /x HTTP/1.1\r\n".to_vec(), false),
            (b"PRI".to_vec(), false),
            (Vec::new(), false),
        ] {
            for piece in [1, 7, 1024] {
                let (mut client, served) = duplex(piece);
                let sending = async {
                    client.write_all(&sent).await.unwrap();
                    drop(client);
                };
                let reading = async {
                    let mut served = FirstLine::new(served);
                    assert_eq!(served.is_http2().await.unwrap(), wanted, "{sent:?}");
                    let mut read = Vec::new();
                    served.read_to_end(&mut read).await.unwrap();
                    assert_eq!(read, sent);
                };
                tokio::join!(sending, reading);
            }
        }
    }
}
