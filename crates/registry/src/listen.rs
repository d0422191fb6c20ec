//! Addresses the registry serves, with TLS where it is configured.

use crate::{
    config::TlsConfig,
    limits::HANDSHAKE_TIME,
    outlet::{Outlet, Queue},
    serve::ServeError,
};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use std::{
    io,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

/// After a failure to accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// A bound address.
pub struct Listener {
    tcp: TcpListener,
    tls: Option<Arc<Certificates>>,
}

/// The TLS set-up, read again when a file changes.
struct Certificates {
    files: TlsConfig,
    // Lock: held while files are read, which is short.
    loaded: Mutex<(Option<(SystemTime, SystemTime)>, TlsAcceptor)>,
}

pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection before its TLS handshake, if it has one.
pub(crate) struct Accepted {
    stream: TcpStream,
    pub from: SocketAddr,
    tls: Option<Arc<Certificates>>,
}

impl Listener {
    /// Binds `host:port`.
    pub async fn bind(address: &str, tls: Option<&TlsConfig>) -> Result<Self, ServeError> {
        let tls = match tls {
            None => None,
            Some(files) => Some(Arc::new(Certificates {
                loaded: Mutex::new((files_time(files), load(files)?)),
                files: files.clone(),
            })),
        };
        let tcp = TcpListener::bind(address).await;
        let tcp = tcp.map_err(|source| ServeError::Bind {
            address: address.to_owned(),
            source,
        })?;
        Ok(Self { tcp, tls })
    }

    /// The address bound, with its port.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    pub(crate) async fn accept(&self) -> Accepted {
        loop {
            match self.tcp.accept().await {
                Ok((stream, from)) => {
                    return Accepted {
                        stream,
                        from,
                        tls: self.tls.clone(),
                    };
                }
                Err(error) => {
                    tracing::warn!(%error, "accepting a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

impl Accepted {
    /// The stream, and the queue for files where the kernel can send them.
    pub async fn handshake(self) -> io::Result<(Box<dyn Stream>, Option<Queue>)> {
        self.stream.set_nodelay(true)?;
        let Some(tls) = self.tls else {
            let (outlet, queue) = Outlet::new(self.stream);
            return Ok((Box::new(outlet), Some(queue)));
        };
        let accepting = timeout(HANDSHAKE_TIME, tls.acceptor().accept(self.stream));
        let stream = accepting.await.map_err(|_| io::ErrorKind::TimedOut)??;
        Ok((Box::new(stream), None))
    }
}

impl Certificates {
    fn acceptor(&self) -> TlsAcceptor {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let time = files_time(&self.files);
        if time != loaded.0 {
            match load(&self.files) {
                Ok(acceptor) => *loaded = (time, acceptor),
                // Half-way through a renewal the old certificate still serves.
                Err(error) => tracing::warn!(%error, "the new certificate cannot be used"),
            }
        }
        loaded.1.clone()
    }
}

fn files_time(files: &TlsConfig) -> Option<(SystemTime, SystemTime)> {
    let time = |path: &Path| std::fs::metadata(path).and_then(|m| m.modified()).ok();
    Some((time(&files.certificate)?, time(&files.key)?))
}

fn load(files: &TlsConfig) -> Result<TlsAcceptor, ServeError> {
    let unreadable = |path: &Path, error: &dyn std::fmt::Display| ServeError::Key {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let certificates: Vec<CertificateDer<'static>> =
        CertificateDer::pem_file_iter(&files.certificate)
            .and_then(Iterator::collect)
            .map_err(|error| unreadable(&files.certificate, &error))?;
    let key =
        PrivateKeyDer::from_pem_file(&files.key).map_err(|error| unreadable(&files.key, &error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unreadable(&files.certificate, &error))?
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .map_err(|error| unreadable(&files.certificate, &error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
