//! The option `tmpcopyup`: a tmpfs that starts with the content of what it covers.

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, chownat, fchmod, mkdirat, openat};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// Directories below which nothing is copied any more.
const DEPTH_LIMIT: usize = 64;

/// Copies directories, regular files and links of `from` to `to`, by descriptor and
/// without leaving the file system `from` is on.
pub(crate) fn copy(from: &impl AsFd, to: &impl AsFd) -> io::Result<()> {
    level(from.as_fd(), to.as_fd(), 0)
}

fn level(from: BorrowedFd<'_>, to: BorrowedFd<'_>, depth: usize) -> io::Result<()> {
    if depth > DEPTH_LIMIT {
        return Err(Errno::LOOP.into());
    }
    let directory = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let from = openat(from, c".", directory, Mode::empty())?;
    for entry in Dir::read_from(&from)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let stat = rustix::fs::statat(&from, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let mode = Mode::from_raw_mode(stat.st_mode);
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                mkdirat(to, name, Mode::RWXU)?;
                let (source, target) = (
                    openat(&from, name, directory, Mode::empty())?,
                    openat(to, name, directory, Mode::empty())?,
                );
                level(source.as_fd(), target.as_fd(), depth + 1)?;
            }
            FileType::RegularFile => {
                let read = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
                let write = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
                let mut source = std::fs::File::from(openat(&from, name, read, Mode::empty())?);
                let mut target = std::fs::File::from(openat(to, name, write, Mode::RWXU)?);
                io::copy(&mut source, &mut target)?;
            }
            FileType::Symlink => {
                let link = rustix::fs::readlinkat(&from, name, Vec::new())?;
                rustix::fs::symlinkat(&link, to, name)?;
            }
            _ => continue,
        }
        let (uid, gid) = (
            rustix::fs::Uid::from_raw(stat.st_uid),
            rustix::fs::Gid::from_raw(stat.st_gid),
        );
        chownat(to, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
            let path = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            fchmod(openat(to, name, path, Mode::empty())?, mode)?;
        }
    }
    Ok(())
}
