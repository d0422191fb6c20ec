//! Sockets that a service manager has bound.

use crate::{ListenError, Listener, TlsFiles, listen::Socket};
use rustix::net::AddressFamily;
use std::{io, os::fd::OwnedFd};

impl Listener {
    /// A listening socket, unix or TCP (with TLS where files are given). Needs a tokio
    /// runtime.
    pub fn inherited(socket: OwnedFd, tls: Option<&TlsFiles>) -> Result<Self, ListenError> {
        let failed = |source: io::Error| ListenError::Bind {
            address: "fd://".to_owned(),
            source,
        };
        let family = rustix::net::sockopt::socket_domain(&socket).map_err(|e| failed(e.into()))?;
        rustix::io::ioctl_fionbio(&socket, true).map_err(|e| failed(e.into()))?;
        if family == AddressFamily::UNIX {
            let listener = std::os::unix::net::UnixListener::from(socket);
            let listener = tokio::net::UnixListener::from_std(listener).map_err(failed)?;
            return Ok(Self(Socket::Unix(listener)));
        }
        let tls = tls.map(crate::listen::acceptor).transpose()?;
        let listener = std::net::TcpListener::from(socket);
        let listener = tokio::net::TcpListener::from_std(listener).map_err(failed)?;
        Ok(Self(Socket::Tcp { listener, tls }))
    }
}
