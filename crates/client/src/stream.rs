//! Raw streams: hijacked connections and Docker's multiplexed frames.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

/// A connection that the engine turned into a raw stream in both directions. Shutting
/// down its write side tells the container that its input has ended.
pub struct Hijacked {
    pub(crate) io: hyper_util::rt::TokioIo<hyper::upgrade::Upgraded>,
    /// Whether output comes in frames (no tty) rather than raw.
    pub multiplexed: Option<bool>,
}

impl AsyncRead for Hijacked {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Hijacked {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

/// Copies at most so much at once.
const CHUNK_BYTES: usize = 64 << 10;

/// Splits frames (`[stream, 0, 0, 0, length as u32 big-endian] payload`) into stdout and
/// stderr until the stream ends.
pub async fn demultiplex(
    mut from: impl AsyncRead + Unpin,
    mut stdout: impl AsyncWrite + Unpin,
    mut stderr: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut held = 0..0;
    let mut frame: Option<(u8, usize)> = None;
    loop {
        match frame {
            None if held.len() >= 8 => {
                let header = &buffer[held.start..held.start + 8];
                let length = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
                frame = Some((header[0], length as usize));
                held.start += 8;
                continue;
            }
            Some((_, 0)) => {
                frame = None;
                continue;
            }
            Some((stream, left)) if !held.is_empty() => {
                let take = held.len().min(left);
                let piece = &buffer[held.start..held.start + take];
                match stream {
                    0 | 1 => write_now(&mut stdout, piece).await?,
                    2 => write_now(&mut stderr, piece).await?,
                    3 => {
                        let text = String::from_utf8_lossy(piece).into_owned();
                        return Err(io::Error::other(format!(
                            "error from daemon in stream: {text}"
                        )));
                    }
                    other => {
                        return Err(io::Error::new(
                            io::ErrorKind::InvalidData,
                            format!("unrecognized stream: {other}"),
                        ));
                    }
                }
                held.start += take;
                frame = Some((stream, left - take));
                continue;
            }
            _ => {}
        }
        // More bytes are needed; what is held (less than a header) moves to the front.
        buffer.copy_within(held.clone(), 0);
        held = 0..held.len();
        let read = from.read(&mut buffer[held.end..]).await?;
        if read == 0 {
            return Ok(());
        }
        held.end += read;
    }
}

async fn write_now(to: &mut (impl AsyncWrite + Unpin), piece: &[u8]) -> io::Result<()> {
    to.write_all(piece).await?;
    to.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn split(chunks: &'static [&'static [u8]]) -> (Vec<u8>, Vec<u8>, io::Result<()>) {
        let (mut far, near) = tokio::io::duplex(64);
        let feed = async move {
            for chunk in chunks {
                if far.write_all(chunk).await.is_err() {
                    break;
                }
            }
        };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let (_, result) = tokio::join!(feed, demultiplex(near, &mut out, &mut err));
        (out, err, result)
    }

    #[tokio::test]
    async fn frames_are_split_however_the_bytes_arrive() {
        let (out, err, result) = split(&[
            b"\x01\0\0\0\0\0",
            b"\0\x05he",
            b"llo\x02\0\0\0\0\0\0\x02no\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\x01!",
        ])
        .await;
        assert!(result.is_ok());
        assert_eq!(
            (out.as_slice(), err.as_slice()),
            (&b"hello!"[..], &b"no"[..])
        );
    }

    #[tokio::test]
    async fn a_stream_that_is_not_framed_is_refused() {
        let (_, _, result) = split(&[b"plain text, no frame"]).await;
        assert_eq!(result.unwrap_err().to_string(), "unrecognized stream: 112");
    }
}
