//! A client's connection, whichever way it came.

use crate::limits;
use corten_sys::socket::unsent_bytes;
use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::{TcpStream, UnixStream},
    time::{sleep, timeout},
};
use tokio_rustls::server::TlsStream;

/// A connection after its TLS handshake, if it had one.
#[derive(Debug)]
pub enum ClientStream {
    /// On a unix socket.
    Unix(UnixStream),
    /// On a TCP address, in the clear.
    Tcp(TcpStream),
    /// On a TCP address, in TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

impl From<UnixStream> for ClientStream {
    fn from(stream: UnixStream) -> Self {
        Self::Unix(stream)
    }
}

impl ClientStream {
    /// Waits until the client has most likely taken the head of an answer off the
    /// connection, so that a hijacked stream's first byte is a read of its own.
    ///
    /// A client such as docker-py reads the head through a buffer, forgets the buffer and
    /// goes on with the bare socket: what came with the head is lost to it. dockerd
    /// writes the head before it begins to make the process, and is slow enough.
    /// On a unix socket the kernel knows what the peer has read; on TCP only what has
    /// arrived in its kernel, and a moment more must do.
    pub(crate) async fn head_taken(&self) {
        let waited = match self {
            Self::Unix(stream) => {
                timeout(
                    limits::HEAD_TAKEN,
                    stream.async_io(Interest::WRITABLE, || match unsent_bytes(stream)? {
                        0 => Ok(()),
                        // The peer's read makes the socket writable once more.
                        _ => Err(io::ErrorKind::WouldBlock.into()),
                    }),
                )
                .await
            }
            Self::Tcp(_) | Self::Tls(_) => {
                sleep(limits::HEAD_AHEAD).await;
                Ok(Ok(()))
            }
        };
        match waited {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "asking what a client has read"),
            Err(_) => tracing::debug!("a client does not read the head of its answer"),
        }
    }
}

/// The same call on whichever it is.
macro_rules! either {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Self::Unix($stream) => {
                let $stream = Pin::new($stream);
                $call
            }
            Self::Tcp($stream) => {
                let $stream = Pin::new($stream);
                $call
            }
            Self::Tls($stream) => {
                let $stream = Pin::new($stream.as_mut());
                $call
            }
        }
    };
}

impl AsyncRead for ClientStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_read(context, buffer))
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        either!(self, stream => stream.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, stream => stream.poll_write_vectored(context, parts))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Unix(stream) => stream.is_write_vectored(),
            Self::Tcp(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_shutdown(context))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn the_head_is_taken_when_the_client_has_read_it() -> io::Result<()> {
        let (mut client, served) = UnixStream::pair()?;
        let mut served = ClientStream::from(served);
        served.write_all(b"head").await?;
        let mut waiting = Box::pin(served.head_taken());
        assert!(
            timeout(Duration::from_millis(50), &mut waiting)
                .await
                .is_err()
        );
        client.read_exact(&mut [0; 4]).await?;
        timeout(limits::HEAD_TAKEN / 2, waiting).await?;
        Ok(())
    }

    #[tokio::test]
    async fn a_client_that_leaves_is_not_waited_for() -> io::Result<()> {
        let (client, served) = UnixStream::pair()?;
        let mut served = ClientStream::from(served);
        served.write_all(b"head").await?;
        drop(client);
        timeout(limits::HEAD_TAKEN / 2, served.head_taken()).await?;
        Ok(())
    }
}
