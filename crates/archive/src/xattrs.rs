//! Extended attributes read from files.

use crate::unpack::is_overlay;
use rustix::{
    fs::{self, XattrFlags},
    io::Errno,
};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// XATTR_LIST_MAX and XATTR_SIZE_MAX of linux/limits.h.
const MOST_BYTES: usize = 64 << 10;

/// Names and values.
pub(crate) type Attributes = Vec<(Vec<u8>, Vec<u8>)>;

/// All attributes of an open file, sorted by name, without overlay's own.
pub(crate) fn read(file: BorrowedFd<'_>) -> Result<Attributes, Errno> {
    // Most files have none: ask for the length first.
    let length = match fs::flistxattr_query(file) {
        Err(Errno::NOTSUP) => 0,
        other => other?,
    };
    if length == 0 {
        return Ok(Vec::new());
    }
    let mut names = vec![0; MOST_BYTES];
    let length = fs::flistxattr(file, &mut names[..])?;
    names.truncate(length);
    let mut attributes = Vec::new();
    for name in names
        .split(|&byte| byte == 0)
        .filter(|name| !name.is_empty())
    {
        if is_overlay(name) {
            continue;
        }
        let mut value = vec![0; MOST_BYTES];
        match fs::fgetxattr(file, name, &mut value[..]) {
            Ok(length) => {
                value.truncate(length);
                attributes.push((name.to_vec(), value));
            }
            // Removed in between, or not ours to read.
            Err(Errno::NODATA | Errno::NOTSUP | Errno::PERM) => {}
            Err(error) => return Err(error),
        }
    }
    attributes.sort();
    Ok(attributes)
}

/// Attributes that go into an archive: file capabilities and what users and programs set.
/// Labels and access control lists belong to the machine (Docker leaves them out, too).
pub(crate) fn archived(name: &[u8]) -> bool {
    name == b"security.capability" || name.starts_with(b"user.") || name.starts_with(b"trusted.")
}

/// Whether a directory hides what lower directories of its name have.
pub(crate) fn is_opaque(directory: BorrowedFd<'_>) -> Result<bool, Errno> {
    let mut value = [0; 4];
    match fs::fgetxattr(directory, crate::unpack::OPAQUE_XATTR, &mut value[..]) {
        Ok(length) => Ok(value[..length] == *b"y"),
        Err(Errno::NODATA | Errno::NOTSUP | Errno::RANGE) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Copies all attributes, as far as the file system takes them. `from` may name a file
/// that is not open (O_PATH).
pub(crate) fn copy(from: BorrowedFd<'_>, to: impl AsFd) -> Result<(), Errno> {
    let attributes = match read(from) {
        Err(Errno::BADF) => by_magic_link(from)?,
        other => other?,
    };
    let magic = format!("/proc/self/fd/{}", to.as_fd().as_raw_fd());
    for (name, value) in attributes {
        match fs::setxattr(&magic, &name[..], &value, XattrFlags::empty()) {
            Err(Errno::NOTSUP | Errno::PERM) => {}
            other => other?,
        }
    }
    Ok(())
}

fn by_magic_link(file: BorrowedFd<'_>) -> Result<Attributes, Errno> {
    let magic = format!("/proc/self/fd/{}", file.as_raw_fd());
    let mut names = vec![0; MOST_BYTES];
    let length = match fs::listxattr(&magic, &mut names[..]) {
        Err(Errno::NOTSUP) => 0,
        other => other?,
    };
    let mut attributes = Vec::new();
    for name in names[..length]
        .split(|&byte| byte == 0)
        .filter(|name| !name.is_empty())
    {
        let mut value = vec![0; MOST_BYTES];
        if let Ok(length) = fs::getxattr(&magic, name, &mut value[..]) {
            value.truncate(length);
            attributes.push((name.to_vec(), value));
        }
    }
    Ok(attributes)
}

/// A file's capabilities, as the kernel keeps them. The file need not be open (O_PATH).
pub(crate) fn capability(file: BorrowedFd<'_>) -> Result<Option<Vec<u8>>, Errno> {
    let magic = format!("/proc/self/fd/{}", file.as_raw_fd());
    let mut value = vec![0; 64];
    match fs::getxattr(&magic, "security.capability", &mut value[..]) {
        Ok(length) => {
            value.truncate(length);
            Ok(Some(value))
        }
        Err(Errno::NODATA | Errno::NOTSUP) => Ok(None),
        Err(error) => Err(error),
    }
}
