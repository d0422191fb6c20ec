//! The container's pseudo-terminal, pts(4).

use crate::WindowSize;
use corten_sys::mount;
use corten_sys::root::Root;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Both ends of a terminal.
pub(crate) struct Console {
    pub master: OwnedFd,
    pub slave: OwnedFd,
}

/// Opens one out of the container's own devpts. The other end is asked of the kernel
/// (TIOCGPTPEER, Linux 4.13), no name in the container's tree is trusted
/// (CVE-2025-52565).
pub(crate) fn open(root: &Root, size: WindowSize) -> io::Result<Console> {
    let flags = OFlags::RDWR | OFlags::NOCTTY;
    let master = root.open_file(Path::new("/dev/pts/ptmx"), flags, Mode::empty())?;
    const DEVPTS_SUPER_MAGIC: i64 = 0x1cd1;
    if rustix::fs::fstatfs(&master)?.f_type != DEVPTS_SUPER_MAGIC {
        return Err(Errno::NODEV.into());
    }
    rustix::pty::unlockpt(&master)?;
    let peer = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let slave = rustix::pty::ioctl_tiocgptpeer(&master, peer)?;
    resize(master.as_fd(), size)?;
    Ok(Console { master, slave })
}

/// Tells the terminal a new size; zeros change nothing.
pub(crate) fn resize(master: BorrowedFd<'_>, size: WindowSize) -> io::Result<()> {
    if size == WindowSize::default() {
        return Ok(());
    }
    let size = Winsize {
        ws_row: size.rows,
        ws_col: size.columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    Ok(rustix::termios::tcsetwinsize(master, size)?)
}

/// Binds the terminal to `/dev/console`.
pub(crate) fn bind(root: &Root, slave: BorrowedFd<'_>) -> io::Result<()> {
    let target = root.create_file(Path::new("/dev/console"), Mode::from_raw_mode(0o666))?;
    let tree = mount::clone_tree_of(slave, false)?;
    mount::attach(tree.as_fd(), target.as_fd())
}
