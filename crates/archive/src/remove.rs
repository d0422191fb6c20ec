//! A tree removed, without leaving it.

use crate::{
    Error, Result,
    name::path,
    tree::{DIRECTORY, file_type},
};
use rustix::{
    fs::{self, AtFlags, FileType, Mode},
    io::Errno,
};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Removes `name` in `directory` and everything below it. What is gone already is fine.
/// Never follows a link, never crosses into another file system. Holds one descriptor a
/// level, no matter how deep.
pub(crate) fn remove_all(directory: BorrowedFd<'_>, name: &[u8]) -> Result<()> {
    let failed = |error: Errno| Error::Path {
        operation: "removing",
        path: path(name).into(),
        source: error.into(),
    };
    match fs::unlinkat(directory, path(name), AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(error) => return Err(failed(error)),
    }
    let device = match fs::statat(directory, path(name), AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if file_type(&stat) == FileType::Directory => stat.st_dev,
        Ok(_) => return Err(failed(Errno::PERM)),
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    // Directories being emptied, the deepest last, each with its name in the one above.
    let top = fs::openat(directory, path(name), DIRECTORY, Mode::empty()).map_err(failed)?;
    let mut open: Vec<(Vec<u8>, OwnedFd)> = vec![(name.to_vec(), top)];
    while let Some((_, current)) = open.last() {
        match empty(current.as_fd(), device).map_err(failed)? {
            Some((name, below)) => open.push((name, below)),
            None => {
                let Some((name, _)) = open.pop() else { break };
                let above = open.last().map_or(directory, |(_, above)| above.as_fd());
                match fs::unlinkat(above, path(&name), AtFlags::REMOVEDIR) {
                    Ok(()) | Err(Errno::NOENT) => {}
                    Err(error) => return Err(failed(error)),
                }
            }
        }
    }
    Ok(())
}

/// Removes the files of a directory; gives its first subdirectory that is not empty.
fn empty(directory: BorrowedFd<'_>, device: u64) -> Result<Option<(Vec<u8>, OwnedFd)>, Errno> {
    for entry in fs::Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        match fs::unlinkat(directory, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => continue,
            Err(Errno::ISDIR | Errno::PERM) => {}
            Err(error) => return Err(error),
        }
        match fs::unlinkat(directory, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => continue,
            Err(Errno::NOTEMPTY | Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
        let below = fs::openat(directory, name, DIRECTORY, Mode::empty())?;
        if fs::fstat(&below)?.st_dev != device {
            return Err(Errno::XDEV);
        }
        return Ok(Some((name.to_bytes().to_vec(), below)));
    }
    Ok(None)
}
