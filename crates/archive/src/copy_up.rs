//! Files and attributes of lower layers copied into a layer.

use crate::{
    Result, emit::failed, lower::Other, name::path, tree::file_type, unpack::chown, xattrs,
};
use rustix::{
    fs::{self, AtFlags, FileType, Mode, OFlags, Stat, Timespec, Timestamps},
    io::Errno,
};
use std::{
    fs::File,
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

/// The times of a file as it is.
fn times_of(stat: &Stat) -> Timestamps {
    Timestamps {
        last_access: Timespec {
            tv_sec: stat.st_atime,
            tv_nsec: stat.st_atime_nsec as _,
        },
        last_modification: Timespec {
            tv_sec: stat.st_mtime,
            tv_nsec: stat.st_mtime_nsec as _,
        },
    }
}

/// Gives a directory the owner, mode, attributes and times of another.
pub(crate) fn directory(from: &OwnedFd, to: &OwnedFd) -> Result<(), Errno> {
    let stat = fs::fstat(from)?;
    chown(to, stat.st_uid, stat.st_gid)?;
    fs::fchmod(to, Mode::from_raw_mode(stat.st_mode & 0o7777))?;
    xattrs::copy(from.as_fd(), to)?;
    fs::futimens(to, &times_of(&stat))
}

/// Copies a lower file, with everything about it, to `name` in `to`; gives its bytes.
pub(crate) fn file(from: &Other, to: BorrowedFd<'_>, name: &[u8]) -> Result<u64> {
    copy(from, to, name).map_err(|error| failed("copying", name, error))
}

fn copy(from: &Other, to: BorrowedFd<'_>, name: &[u8]) -> Result<u64, Errno> {
    let stat = &from.stat;
    let kind = file_type(stat);
    let source_path = path(&from.name);
    let mut bytes = 0;
    match kind {
        FileType::RegularFile => {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let source = fs::openat(&from.directory, source_path, flags, Mode::empty())?;
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            let copy = fs::openat(to, path(name), flags, Mode::RUSR | Mode::WUSR)?;
            // Between two kinds of file system it reads and writes.
            let (mut source, mut copy) = (File::from(source), File::from(copy));
            bytes = io::copy(&mut source, &mut copy).map_err(errno)?;
        }
        FileType::Symlink => {
            let target = fs::readlinkat(&from.directory, source_path, Vec::new())?;
            fs::symlinkat(target.as_c_str(), to, path(name))?;
        }
        kind => {
            let mode = Mode::from_raw_mode(stat.st_mode & 0o777);
            fs::mknodat(to, path(name), kind, mode, stat.st_rdev)?;
        }
    }
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let source = fs::openat(&from.directory, source_path, flags, Mode::empty())?;
    let copy = fs::openat(to, path(name), flags, Mode::empty())?;
    let (uid, gid) = (
        fs::Uid::from_raw(stat.st_uid),
        fs::Gid::from_raw(stat.st_gid),
    );
    fs::chownat(&copy, "", Some(uid), Some(gid), AtFlags::EMPTY_PATH)?;
    if kind != FileType::Symlink {
        let magic = format!("/proc/self/fd/{}", copy.as_raw_fd());
        fs::chmod(&magic, Mode::from_raw_mode(stat.st_mode & 0o7777))?;
        xattrs::copy(source.as_fd(), &copy)?;
    }
    fs::utimensat(&copy, "", &times_of(stat), AtFlags::EMPTY_PATH)?;
    Ok(bytes)
}

fn errno(error: io::Error) -> Errno {
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}
