//! Walking a volume's files by descriptor, without leaving its mount.

use crate::VolumeError;
use rustix::{
    fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, openat2, statat, unlinkat},
    io::Errno,
};
use std::{
    collections::HashSet,
    ffi::CStr,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

/// Deeper trees than any program makes; each level holds a descriptor.
const MAX_DEPTH: usize = 512;

/// A directory below another one; `EXDEV` when it is a mount point, `ELOOP` or `ENOTDIR`
/// when it is none any more.
fn open_below(parent: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    openat2(
        parent,
        name,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
        ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH,
    )
}

fn open_top(path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty())
}

/// Removes a tree. A mount point in it stops the removal.
pub(crate) fn remove(path: &Path) -> Result<(), VolumeError> {
    let failed = |path: &Path, errno: Errno| VolumeError::Io {
        operation: "removing",
        path: path.to_owned(),
        source: errno.into(),
    };
    let top = match open_top(path) {
        Ok(top) => top,
        Err(Errno::NOENT) => return Ok(()),
        Err(errno) => return Err(failed(path, errno)),
    };
    remove_entries(top.as_fd(), path, 0).map_err(|(path, errno)| failed(&path, errno))?;
    match rustix::fs::rmdir(path) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(failed(path, errno)),
    }
}

fn remove_entries(
    directory: BorrowedFd<'_>,
    path: &Path,
    depth: usize,
) -> Result<(), (PathBuf, Errno)> {
    if depth > MAX_DEPTH {
        return Err((path.to_owned(), Errno::NAMETOOLONG));
    }
    for (name, is_directory) in entries(directory).map_err(|errno| (path.to_owned(), errno))? {
        let here = || path.join(name.to_string_lossy().as_ref());
        let flags = if is_directory {
            let below = open_below(directory, &name).map_err(|errno| (here(), errno))?;
            remove_entries(below.as_fd(), &here(), depth + 1)?;
            AtFlags::REMOVEDIR
        } else {
            AtFlags::empty()
        };
        match unlinkat(directory, &name, flags) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err((here(), errno)),
        }
    }
    Ok(())
}

/// Bytes of a tree's regular files, each inode once; what cannot be read counts nothing.
pub(crate) fn size(path: &Path) -> u64 {
    fn add(directory: BorrowedFd<'_>, seen: &mut HashSet<(u64, u64)>, depth: usize) -> u64 {
        let Ok(list) = entries(directory) else {
            return 0;
        };
        let mut total = 0;
        for (name, is_directory) in list {
            if is_directory && depth < MAX_DEPTH {
                if let Ok(below) = open_below(directory, &name) {
                    total += add(below.as_fd(), seen, depth + 1);
                }
            } else if let Ok(stat) = statat(directory, &name, AtFlags::SYMLINK_NOFOLLOW)
                && FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
                && (stat.st_nlink == 1 || seen.insert((stat.st_dev, stat.st_ino)))
            {
                total += stat.st_size as u64;
            }
        }
        total
    }
    match open_top(path) {
        Ok(top) => add(top.as_fd(), &mut HashSet::new(), 0),
        Err(_) => 0,
    }
}

/// Names in a directory and whether each is a directory itself.
pub(crate) fn entries(directory: BorrowedFd<'_>) -> Result<Vec<(std::ffi::CString, bool)>, Errno> {
    let mut list = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => {
                let stat = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
                FileType::from_raw_mode(stat.st_mode)
            }
            kind => kind,
        };
        list.push((name.to_owned(), kind == FileType::Directory));
    }
    Ok(list)
}
