//! Where to connect to, with what connecting needs.

use crate::error::LoggerError;
use crate::wire::Wire;
use crate::{dial, tls};
use rustls::ClientConfig;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a host's own syslog may listen.
const LOCAL: [&str; 3] = ["/dev/log", "/var/run/syslog", "/var/run/log"];

/// A receiver's address.
#[derive(Debug)]
pub(crate) enum Target {
    LocalSyslog,
    Unix(PathBuf),
    UnixDatagram(PathBuf),
    Udp(String, u16),
    Tcp(String, u16),
    Tls(Arc<ClientConfig>, String, u16),
}

impl Target {
    pub(crate) fn connect(&self) -> Result<Wire, LoggerError> {
        match self {
            Self::LocalSyslog => {
                let datagram = |path| dial::unix_datagram(Path::new(path)).map(Wire::UnixDatagram);
                let stream = |path| dial::unix(Path::new(path)).map(Wire::Unix);
                let found = LOCAL
                    .iter()
                    .find_map(|path| datagram(path).or_else(|_| stream(path)).ok());
                found.ok_or(LoggerError::NoLocalSyslog)
            }
            Self::Unix(path) => dial::unix(path).map(Wire::Unix),
            Self::UnixDatagram(path) => dial::unix_datagram(path).map(Wire::UnixDatagram),
            Self::Udp(host, port) => dial::udp(host, *port).map(Wire::Udp),
            Self::Tcp(host, port) => dial::tcp(host, *port).map(|(stream, _)| Wire::Tcp(stream)),
            Self::Tls(config, host, port) => tls::connect(config, host, *port),
        }
    }
}
