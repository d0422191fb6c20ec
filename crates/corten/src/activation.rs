//! The service manager: sockets that it hands over, and what it is told.

use std::{
    io,
    os::{fd::OwnedFd, linux::net::SocketAddrExt, unix::net::UnixDatagram},
};

/// Sockets of socket activation: sd_listen_fds(3). None where there is no service manager.
/// To be called once, before anything else is opened.
pub(crate) fn sockets() -> io::Result<Vec<OwnedFd>> {
    let number = |name: &str| {
        let value = std::env::var(name).ok()?;
        value.parse::<u32>().ok()
    };
    // Variables may be inherited from a parent for whom they were meant.
    if number("LISTEN_PID") != Some(std::process::id()) {
        return Ok(Vec::new());
    }
    let count = number("LISTEN_FDS").and_then(|count| u16::try_from(count).ok());
    match count {
        None | Some(0) => Ok(Vec::new()),
        Some(count) => corten_sys::inherited::take(count),
    }
}

/// Tells the service manager, if there is one: sd_notify(3).
pub(crate) fn notify(state: &str) {
    let Some(address) = std::env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    let sent = UnixDatagram::unbound().and_then(|socket| {
        match address.to_string_lossy().strip_prefix('@') {
            Some(name) => {
                let name = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
                socket.send_to_addr(state.as_bytes(), &name)
            }
            None => socket.send_to(state.as_bytes(), &address),
        }
    });
    if let Err(error) = sent {
        tracing::warn!(%error, "telling the service manager");
    }
}

/// That settings are being read again, with the time that sd_notify(3) asks for.
pub(crate) fn notify_reloading() {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let microseconds = now.tv_sec * 1_000_000 + now.tv_nsec / 1000;
    notify(&format!("RELOADING=1\nMONOTONIC_USEC={microseconds}"));
}
