//! A connection to the engine, whatever carries it.

use crate::{ClientError, Endpoint, TlsFiles, ssh, tls};
use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
};

/// How long a connection over the network may take to open.
const CONNECT_DEADLINE: Duration = Duration::from_secs(30);

/// An open connection.
pub(crate) enum Connection {
    Unix(UnixStream),
    Tcp(TcpStream),
    Tls(Box<tokio_rustls::client::TlsStream<TcpStream>>),
}

/// Opens a connection.
pub(crate) async fn connect(
    endpoint: &Endpoint,
    tls: Option<&TlsFiles>,
) -> Result<Connection, ClientError> {
    let failed = |source: io::Error| {
        let host = endpoint.to_string();
        if source.kind() == io::ErrorKind::PermissionDenied {
            ClientError::PermissionDenied { host }
        } else {
            ClientError::Connect { host, source }
        }
    };
    match endpoint {
        Endpoint::Unix(path) => Ok(Connection::Unix(
            UnixStream::connect(path).await.map_err(failed)?,
        )),
        Endpoint::Ssh {
            user,
            host,
            port,
            socket,
        } => {
            let stream = ssh::dial(user.as_deref(), host, *port, socket.as_deref())?;
            Ok(Connection::Unix(stream))
        }
        Endpoint::Tcp { host, port, .. } => {
            let connecting = TcpStream::connect((host.as_str(), *port));
            let stream = tokio::time::timeout(CONNECT_DEADLINE, connecting)
                .await
                .map_err(|_| failed(io::ErrorKind::TimedOut.into()))?
                .map_err(failed)?;
            // Requests are small and answers are waited for.
            stream.set_nodelay(true).map_err(failed)?;
            match tls {
                None => Ok(Connection::Tcp(stream)),
                Some(files) => {
                    let connector = tls::connector(files)?;
                    let name = tls::server_name(host)?;
                    let handshake = connector.connect(name, stream);
                    let stream = tokio::time::timeout(CONNECT_DEADLINE, handshake)
                        .await
                        .map_err(|_| failed(io::ErrorKind::TimedOut.into()))?
                        .map_err(failed)?;
                    Ok(Connection::Tls(Box::new(stream)))
                }
            }
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(s) => Pin::new(s).poll_read(cx, buf),
            Self::Tcp(s) => Pin::new(s).poll_read(cx, buf),
            Self::Tls(s) => Pin::new(s.as_mut()).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Unix(s) => Pin::new(s).poll_write(cx, buf),
            Self::Tcp(s) => Pin::new(s).poll_write(cx, buf),
            Self::Tls(s) => Pin::new(s.as_mut()).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(s) => Pin::new(s).poll_flush(cx),
            Self::Tcp(s) => Pin::new(s).poll_flush(cx),
            Self::Tls(s) => Pin::new(s.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(s) => Pin::new(s).poll_shutdown(cx),
            Self::Tcp(s) => Pin::new(s).poll_shutdown(cx),
            Self::Tls(s) => Pin::new(s.as_mut()).poll_shutdown(cx),
        }
    }
}
