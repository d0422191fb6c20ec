//! Joining and making namespaces, setns(2), unshare(2), and what a new one needs.

use rustix::net::{AddressFamily, SocketFlags, SocketType};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// CLONE_NEWNS: mounts.
pub const NEWNS: u32 = libc::CLONE_NEWNS as u32;
/// CLONE_NEWUSER: IDs and capabilities.
pub const NEWUSER: u32 = libc::CLONE_NEWUSER as u32;
/// CLONE_NEWNET: network.
pub const NEWNET: u32 = libc::CLONE_NEWNET as u32;
/// CLONE_NEWTIME (Linux 5.6).
pub const NEWTIME: u32 = 0x80;

/// Joins the namespaces of kinds `flags` that `fd` stands for: one namespace's file, or
/// a pidfd (Linux 5.8), which joins all of them at once or none.
///
/// # Errors
/// EINVAL for a kind that does not fit or a namespace one is in already (user), EPERM
/// without the privilege there.
pub fn setns(fd: BorrowedFd<'_>, flags: u32) -> io::Result<()> {
    // SAFETY: setns takes two plain numbers; the descriptor is open.
    let result = unsafe { libc::setns(fd.as_raw_fd(), flags as libc::c_int) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Moves the calling thread into new namespaces of kinds `flags` (CLONE_NEW… only).
///
/// # Errors
/// EINVAL for other flags; those of unshare(2).
pub fn unshare(flags: u32) -> io::Result<()> {
    let others = libc::CLONE_FILES | libc::CLONE_FS | libc::CLONE_SYSVSEM | libc::CLONE_VM;
    if flags & others as u32 != 0 {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    // SAFETY: unshare takes a plain number, and no flag is left that would split the
    // descriptor table or the memory.
    let result = unsafe { libc::unshare(flags as libc::c_int) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Sets the interface `lo` of the caller's network namespace up, netdevice(7).
pub fn loopback_up() -> io::Result<()> {
    let socket = rustix::net::socket_with(
        AddressFamily::INET,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    // struct ifreq: a name of 16 bytes, then a union of 24 whose first two are flags.
    let mut request = [0u8; 40];
    request[..2].copy_from_slice(b"lo");
    let flags = (libc::IFF_UP | libc::IFF_RUNNING) as u16;
    request[16..18].copy_from_slice(&flags.to_ne_bytes());
    // SAFETY: SIOCSIFFLAGS reads a struct ifreq (40 bytes) during the call.
    let result = unsafe {
        libc::ioctl(
            socket.as_raw_fd(),
            libc::SIOCSIFFLAGS as _,
            request.as_ptr(),
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
