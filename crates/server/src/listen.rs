//! Addresses the daemon listens on.

use crate::ClientStream;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{
    RootCertStore, ServerConfig, pki_types::pem::PemObject, server::WebPkiClientVerifier,
};
use std::{
    io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};
use thiserror::Error;
use tokio::{
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

/// A bound address.
pub struct Listener(pub(crate) Socket);

pub(crate) enum Socket {
    Unix(UnixListener),
    Tcp {
        listener: TcpListener,
        tls: Option<TlsAcceptor>,
    },
}

/// Files of `--tlscert`, `--tlskey` and, with `--tlsverify`, `--tlscacert`.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The server's certificates, PEM.
    pub certificate: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
    /// Clients must show a certificate that one of these has signed, PEM.
    pub client_authority: Option<PathBuf>,
}

/// An address cannot be listened on.
#[derive(Debug, Error)]
pub enum ListenError {
    /// The socket cannot be made.
    #[error("listening on {address}")]
    Bind {
        /// As the user wrote it.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// A file of the TLS set-up cannot be read.
    #[error("reading {path}: {message}")]
    TlsFile {
        /// The file.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// The TLS set-up does not fit together.
    #[error("setting up TLS: {0}")]
    Tls(String),
}

/// A connection before its TLS handshake, if it has one.
pub(crate) struct Accepted(Stream);

enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream, Option<TlsAcceptor>),
}

impl Listener {
    /// A unix socket with mode 0660 and group `group` (a number), or root's.
    ///
    /// It is bound in a private directory beside its place and moved there when its mode
    /// and owner are right: nobody can connect before. A socket that is there already is
    /// replaced; whether its daemon lives must be known before (the pid file says it).
    pub fn unix(path: &Path, group: Option<u32>) -> Result<Self, ListenError> {
        let bind = || {
            let parent = path.parent().unwrap_or(Path::new("/"));
            std::fs::create_dir_all(parent)?;
            let private = parent.join(format!(".corten-{}", std::process::id()));
            std::fs::DirBuilder::new().mode(0o700).create(&private)?;
            let made = private.join("sock");
            let bound = UnixListener::bind(&made).and_then(|listener| {
                std::fs::set_permissions(&made, std::fs::Permissions::from_mode(0o660))?;
                std::os::unix::fs::chown(&made, None, group)?;
                std::fs::rename(&made, path)?;
                Ok(listener)
            });
            if bound.is_err() {
                // Only what this call has made; the failure itself is what counts.
                let _ = std::fs::remove_file(&made);
            }
            let _ = std::fs::remove_dir(&private);
            bound
        };
        let listener = bind().map_err(|source| ListenError::Bind {
            address: format!("unix://{}", path.display()),
            source,
        })?;
        Ok(Self(Socket::Unix(listener)))
    }

    /// A TCP address `host:port`, with TLS where files are given.
    pub async fn tcp(address: &str, tls: Option<&TlsFiles>) -> Result<Self, ListenError> {
        let tls = tls.map(acceptor).transpose()?;
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| ListenError::Bind {
                address: format!("tcp://{address}"),
                source,
            })?;
        Ok(Self(Socket::Tcp { listener, tls }))
    }

    /// The next connection. Failures to accept pass: a client that left, or no descriptor
    /// free for a moment.
    pub(crate) async fn accept(&mut self) -> Accepted {
        loop {
            let accepted = match &self.0 {
                Socket::Unix(listener) => listener
                    .accept()
                    .await
                    .map(|(stream, _)| Stream::Unix(stream)),
                Socket::Tcp { listener, tls } => listener
                    .accept()
                    .await
                    .map(|(stream, _)| Stream::Tcp(stream, tls.clone())),
            };
            match accepted {
                Ok(stream) => return Accepted(stream),
                Err(error) => {
                    tracing::warn!(%error, "accepting a connection");
                    sleep(std::time::Duration::from_millis(20)).await;
                }
            }
        }
    }
}

impl Accepted {
    pub(crate) async fn handshake(self) -> io::Result<ClientStream> {
        match self.0 {
            Stream::Unix(stream) => Ok(ClientStream::Unix(stream)),
            Stream::Tcp(stream, None) => {
                stream.set_nodelay(true)?;
                Ok(ClientStream::Tcp(stream))
            }
            Stream::Tcp(stream, Some(tls)) => {
                stream.set_nodelay(true)?;
                let handshake = timeout(crate::limits::HANDSHAKE_TIME, tls.accept(stream));
                let stream = handshake.await.map_err(|_| io::ErrorKind::TimedOut)??;
                Ok(ClientStream::Tls(Box::new(stream)))
            }
        }
    }
}

pub(crate) fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, ListenError> {
    let unreadable = |path: &Path, error: rustls::pki_types::pem::Error| ListenError::TlsFile {
        path: path.to_owned(),
        message: error.to_string(),
    };
    let certificates = |path: &Path| {
        CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| unreadable(path, error))
    };
    let tls = |error: &dyn std::fmt::Display| ListenError::Tls(error.to_string());

    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| tls(&error))?;
    let builder = match &files.client_authority {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|error| tls(&error))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(|error| tls(&error))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let key =
        PrivateKeyDer::from_pem_file(&files.key).map_err(|error| unreadable(&files.key, error))?;
    let config = builder
        .with_single_cert(certificates(&files.certificate)?, key)
        .map_err(|error| tls(&error))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
