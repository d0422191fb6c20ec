//! Network namespaces.

use crate::NetlinkError;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A network namespace, held open. It lives as long as a process is in it or a descriptor
/// is open; dropping the last one lets the kernel take down its links later.
#[derive(Debug)]
pub struct Netns {
    fd: OwnedFd,
}

impl Netns {
    /// Makes a new namespace with its loopback interface up.
    pub fn create() -> Result<Self, NetlinkError> {
        Err(NetlinkError::Thread)
    }

    /// Takes over an open namespace (`/proc/<pid>/ns/net`).
    pub fn from_fd(fd: OwnedFd) -> Result<Self, NetlinkError> {
        Ok(Self { fd })
    }

    /// The descriptor, to be handed to the shim.
    pub fn try_clone_fd(&self) -> Result<OwnedFd, NetlinkError> {
        rustix::io::fcntl_dupfd_cloexec(&self.fd, 3).map_err(|source| NetlinkError::System {
            operation: "duplicating a namespace descriptor",
            source,
        })
    }
}

impl AsFd for Netns {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
