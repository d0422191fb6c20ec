//! The sockets that hold host ports.

use crate::{
    Protocol,
    proxy::{Hub, Serving},
};
use rustix::{
    io::Errno,
    net::{
        AddressFamily, Protocol as SocketProtocol, SocketFlags, SocketType, bind, listen,
        socket_with, sockopt,
    },
};
use std::{
    net::{Ipv6Addr, SocketAddr},
    os::fd::OwnedFd,
};

/// Pending connections of a holding socket: it accepts none, see above.
const BACKLOG: i32 = 1;
/// Pending connections of a socket that is served.
const SERVED_BACKLOG: i32 = 128;

/// What keeps a port from others.
#[derive(Debug)]
pub(crate) enum Held {
    /// No socket of its own: the kernel lacks the address family, so that no program can have
    /// the port either; or the IPv6 socket of the same port holds both families.
    Nothing,
    Socket {
        _socket: OwnedFd,
    },
    Served {
        serving: Serving,
    },
}

/// What a holding socket is bound to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Span {
    /// One address, of one family.
    Address(SocketAddr),
    /// A port on all addresses of both families, ipv6(7) `IPV6_V6ONLY`.
    Everywhere(u16),
}

/// Binds a socket to a host port; the hub, if given, serves it.
pub(crate) fn hold(
    span: Span,
    protocol: Protocol,
    target: SocketAddr,
    hub: Option<&Hub>,
) -> Result<Held, Errno> {
    let (address, one_family) = match span {
        Span::Address(address) => (address, true),
        Span::Everywhere(port) => ((Ipv6Addr::UNSPECIFIED, port).into(), false),
    };
    let family = if address.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let (kind, number) = match protocol {
        Protocol::Tcp => (SocketType::STREAM, rustix::net::ipproto::TCP),
        Protocol::Udp => (SocketType::DGRAM, rustix::net::ipproto::UDP),
        Protocol::Sctp => (SocketType::STREAM, rustix::net::ipproto::SCTP),
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = match socket_with(family, kind, flags, Some(number as SocketProtocol)) {
        Ok(socket) => socket,
        Err(Errno::AFNOSUPPORT) => return Ok(Held::Nothing),
        Err(errno) => return Err(errno),
    };
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, one_family)?;
    }
    // Connections of an earlier user of the port may linger (TIME_WAIT); a listening socket
    // is in the way all the same.
    if protocol != Protocol::Udp {
        sockopt::set_socket_reuseaddr(&socket, true)?;
    }
    bind(&socket, &address)?;
    let hub = hub.filter(|_| protocol != Protocol::Sctp);
    if protocol != Protocol::Udp {
        let backlog = if hub.is_some() {
            SERVED_BACKLOG
        } else {
            BACKLOG
        };
        listen(&socket, backlog)?;
    }
    let Some(hub) = hub else {
        return Ok(Held::Socket { _socket: socket });
    };
    let serving = match protocol {
        Protocol::Udp => hub.serve_datagrams(socket, target),
        Protocol::Tcp | Protocol::Sctp => hub.serve_connections(socket, target),
    };
    let failed = |error: std::io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
    serving
        .map(|serving| Held::Served { serving })
        .map_err(failed)
}

/// Whether sockets of the host can speak IPv6.
pub(crate) fn host_has_ipv6() -> bool {
    std::path::Path::new("/proc/sys/net/ipv6").exists()
}

/// The text of an error as Go prints it, which Docker's users see.
pub(crate) fn go_words(errno: Errno) -> String {
    match errno {
        Errno::ADDRINUSE => "address already in use".into(),
        Errno::ADDRNOTAVAIL => "cannot assign requested address".into(),
        Errno::ACCESS => "permission denied".into(),
        Errno::PERM => "operation not permitted".into(),
        other => corten_base::errno_text(&other.into()),
    }
}
