//! A `/proc` that nobody can put anything over or redirect.
//!
//! Writes to `/proc/self/…`, `/proc/PID/uid_map` and `/proc/sys/…` decide over
//! privileges. In a tree that an adversary arranges, such a path may lead to another
//! file of procfs that does harm (CVE-2019-16884, CVE-2025-52881). A mount of our own
//! that was never attached has no name in any tree.

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// A private procfs of the pid namespace in which it was made.
#[derive(Debug)]
pub struct Procfs(OwnedFd);

/// Nothing that these refuse belongs to the plain files of procfs: mounts on top,
/// links to other trees, ways out.
const RESOLVE: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_XDEV)
    .union(ResolveFlags::NO_MAGICLINKS);

impl Procfs {
    /// Mounts it, detached. Needs CAP_SYS_ADMIN.
    pub fn new() -> io::Result<Self> {
        crate::mount::new_filesystem("proc", None, &[], 0xe).map(Self)
    }

    /// The host's `/proc`, whose files are reached with the same care: a mount over
    /// one of them is an error (EXDEV) and no file of procfs.
    ///
    /// For a process whose mount namespace is still the host's own or a copy of it.
    pub fn host() -> io::Result<Self> {
        const PROC_ROOT_INODE: u64 = 1;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let proc = rustix::fs::open("/proc", flags, Mode::empty())?;
        let is_procfs = rustix::fs::fstatfs(&proc)?.f_type == libc::PROC_SUPER_MAGIC;
        if !is_procfs || rustix::fs::fstat(&proc)?.st_ino != PROC_ROOT_INODE {
            return Err(io::Error::from_raw_os_error(libc::EXDEV));
        }
        Ok(Self(proc))
    }

    /// Opens the file at `path` below the root of procfs.
    ///
    /// # Errors
    /// EXDEV where something else is mounted, ELOOP on a magic link.
    pub fn open(&self, path: &str, flags: OFlags) -> io::Result<OwnedFd> {
        Ok(openat2(
            &self.0,
            path,
            flags | OFlags::CLOEXEC,
            Mode::empty(),
            RESOLVE,
        )?)
    }

    /// Writes `text` to the file at `path` with one write(2).
    pub fn write(&self, path: &str, text: &[u8]) -> io::Result<()> {
        let file = self.open(path, OFlags::WRONLY)?;
        match rustix::io::write(&file, text)? {
            written if written == text.len() => Ok(()),
            _ => Err(io::Error::from_raw_os_error(libc::EIO)),
        }
    }

    /// Reads the file at `path`, at most `limit` bytes.
    ///
    /// # Errors
    /// EFBIG when there is more.
    pub fn read(&self, path: &str, limit: u64) -> io::Result<Vec<u8>> {
        let mut file = std::fs::File::from(self.open(path, OFlags::RDONLY)?).take(limit + 1);
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        if text.len() as u64 > limit {
            return Err(io::Error::from_raw_os_error(libc::EFBIG));
        }
        Ok(text)
    }

    /// Opens the namespace `kind` (`mnt`, `net`, …) of process `pid` (`self`, or a
    /// number of this procfs's pid namespace). These files are magic links, followed in
    /// the last step only.
    pub fn namespace(&self, pid: &str, kind: &str) -> io::Result<OwnedFd> {
        let directory = self.open(&format!("{pid}/ns"), OFlags::PATH | OFlags::DIRECTORY)?;
        let name = Path::new(kind).file_name().unwrap_or_default();
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(
            directory.as_fd(),
            name,
            flags,
            Mode::empty(),
        )?)
    }
}
