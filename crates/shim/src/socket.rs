//! The listening socket.

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 64;

/// Where the engine reconnects; unlinked when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    directory: OwnedFd,
    name: OsString,
}

/// Listens at `path`, which may be longer than a socket address (unix(7): 107 bytes):
/// the directory is named by its descriptor. A socket that is left from a shim that was
/// killed is taken away. Mode 0600.
pub(crate) fn listen(path: &Path) -> io::Result<(OwnedFd, Place)> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Errno::INVAL.into());
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::open(parent, flags, Mode::empty())?;
    let place = Place {
        directory,
        name: name.to_owned(),
    };
    place.remove();
    let short = PathBuf::from(format!("/proc/self/fd/{}", place.directory.as_raw_fd()));
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    // The mode of the socket before bind is the mode of the file: nobody can come in
    // between.
    rustix::fs::fchmod(&socket, Mode::from_raw_mode(0o600))?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(short.join(name))?)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok((socket, place))
}

impl Place {
    fn remove(&self) {
        // Nothing there is as good.
        let flags = AtFlags::empty();
        let _removed = rustix::fs::unlinkat(&self.directory, &self.name, flags).is_ok();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.remove();
    }
}
