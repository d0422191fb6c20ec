//! The terminal, which a runtime hands over on a socket (runc: docs/terminals.md).

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketAddrUnix,
    SocketFlags, SocketType, accept_with, recvmsg,
};
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

const NAME: &str = "console";

/// Listens for one terminal.
pub(super) struct Console {
    directory: OwnedFd,
    listener: OwnedFd,
}

impl Console {
    /// In `place`, whose path may be longer than a socket address.
    pub(super) fn listen(place: &Path) -> io::Result<Self> {
        let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC;
        let directory = rustix::fs::open(place, flags, rustix::fs::Mode::empty())?;
        let _removed = rustix::fs::unlinkat(&directory, NAME, rustix::fs::AtFlags::empty()).is_ok();
        // Whoever has sent it has connected before: nobody is waited for.
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let listener =
            rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        let console = Self {
            directory,
            listener,
        };
        let address = SocketAddrUnix::new(console.address())?;
        rustix::net::bind(&console.listener, &address)?;
        rustix::net::listen(&console.listener, 1)?;
        Ok(console)
    }

    /// The socket, as another process finds it.
    pub(super) fn address(&self) -> String {
        let own = rustix::process::getpid().as_raw_nonzero();
        format!("/proc/{own}/fd/{}/{NAME}", self.directory.as_raw_fd())
    }

    /// What has been handed over.
    pub(super) fn receive(self) -> io::Result<OwnedFd> {
        let connection = accept_with(&self.listener, SocketFlags::CLOEXEC)?;
        // The name of the terminal comes along.
        let mut name = [0; 256];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(&mut name)];
        recvmsg(
            &connection,
            &mut parts,
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        )?;
        let master = control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut files) => files.next(),
            _ => None,
        });
        master.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}
