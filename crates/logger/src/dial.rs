//! Connecting, with Go's sentences for what fails.

use crate::LoggerError;
use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::time::Duration;

/// How long one address may take to answer.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// After so long without progress a writer looks whether it is to go on.
pub(crate) const PATIENCE: Duration = Duration::from_millis(500);

pub(crate) fn tcp(host: &str, port: u16) -> Result<(TcpStream, SocketAddr), LoggerError> {
    let mut failure = None;
    for address in resolve("tcp", host, port)? {
        let connected = TcpStream::connect_timeout(&address, CONNECT_LIMIT).and_then(|stream| {
            stream.set_write_timeout(Some(PATIENCE))?;
            stream.set_read_timeout(Some(PATIENCE))?;
            Ok(stream)
        });
        match connected {
            Ok(stream) => return Ok((stream, address)),
            Err(source) => failure = Some(connect_failed("tcp", &address.to_string(), source)),
        }
    }
    Err(failure.unwrap_or_else(|| nowhere("tcp", host)))
}

pub(crate) fn udp(host: &str, port: u16) -> Result<UdpSocket, LoggerError> {
    let address = resolve("udp", host, port)?.next();
    let address = address.ok_or_else(|| nowhere("udp", host))?;
    let any: SocketAddr = match address {
        SocketAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
        SocketAddr::V6(_) => ([0_u16; 8], 0).into(),
    };
    UdpSocket::bind(any)
        .and_then(|socket| {
            socket.connect(address)?;
            Ok(socket)
        })
        .map_err(|source| connect_failed("udp", &address.to_string(), source))
}

pub(crate) fn unix(path: &Path) -> Result<UnixStream, LoggerError> {
    UnixStream::connect(path)
        .and_then(|stream| {
            stream.set_write_timeout(Some(PATIENCE))?;
            stream.set_read_timeout(Some(PATIENCE))?;
            Ok(stream)
        })
        .map_err(|source| connect_failed("unix", &path.to_string_lossy(), source))
}

pub(crate) fn unix_datagram(path: &Path) -> Result<UnixDatagram, LoggerError> {
    UnixDatagram::unbound()
        .and_then(|socket| {
            socket.connect(path)?;
            Ok(socket)
        })
        .map_err(|source| connect_failed("unixgram", &path.to_string_lossy(), source))
}

fn resolve(
    network: &'static str,
    host: &str,
    port: u16,
) -> Result<std::vec::IntoIter<SocketAddr>, LoggerError> {
    // Go dials the host itself where none is named.
    let host = if host.is_empty() { "localhost" } else { host };
    (host, port)
        .to_socket_addrs()
        .map_err(|source| LoggerError::Lookup {
            network,
            host: host.to_owned(),
            source,
        })
}

fn connect_failed(network: &'static str, address: &str, source: io::Error) -> LoggerError {
    LoggerError::Connect {
        network,
        address: address.to_owned(),
        source,
    }
}

fn nowhere(network: &'static str, host: &str) -> LoggerError {
    LoggerError::Lookup {
        network,
        host: host.to_owned(),
        source: io::Error::new(io::ErrorKind::NotFound, "no such host"),
    }
}
