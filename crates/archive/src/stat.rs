//! One path inside a root, as the API's `X-Docker-Container-Path-Stat` tells it.

use crate::{
    Error, Limits, Result,
    tar::Time,
    tree::{Tree, file_type, make_nothing},
};
use rustix::fs::{self, FileType, Stat};
use std::{
    ffi::OsString,
    os::{
        fd::BorrowedFd,
        unix::ffi::{OsStrExt, OsStringExt},
    },
    path::{Path, PathBuf},
};

/// What a path inside a root is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathStat {
    /// The last component as asked for; `/` for the root.
    pub name: OsString,
    /// Bytes.
    pub size: u64,
    /// `st_mode`; see [`go_file_mode`].
    pub mode: u32,
    /// Last modification.
    pub mtime: Time,
    /// Where a symbolic link leads, resolved inside the root and absolute there; else
    /// empty.
    pub link_target: PathBuf,
}

/// Looks at `path` inside `root`. Links in its parents are followed inside the root, the
/// last component only where `path` ends with `/` or `/.`.
///
/// Fails with [`Error::NotFound`].
pub fn stat(root: BorrowedFd<'_>, path: &Path) -> Result<PathStat> {
    let mut tree = Tree::new(root, &Limits::default());
    let place = find(&mut tree, path)?;
    let (name, stat) = match place {
        Place::Directory => {
            let stat = fs::fstat(tree.here());
            let name = default_name(path);
            (
                name,
                stat.map_err(|error| tree.failed("looking at", b".", error))?,
            )
        }
        Place::Entry(name, stat) => (OsString::from_vec(name), stat),
    };
    let link_target = match file_type(&stat) {
        FileType::Symlink => {
            let parts = path.as_os_str().as_bytes().split(|&byte| byte == b'/');
            match tree.enter(&parts.collect::<Vec<_>>(), &mut make_nothing)? {
                true => Path::new("/").join(tree.location()),
                false => Path::new("/").join(tree.destination()),
            }
        }
        _ => PathBuf::new(),
    };
    Ok(PathStat {
        name,
        size: stat.st_size as u64,
        mode: stat.st_mode,
        mtime: Time {
            seconds: stat.st_mtime,
            nanoseconds: stat.st_mtime_nsec as u32,
        },
        link_target,
    })
}

/// What a path inside a root leads to.
pub(crate) enum Place {
    /// The directory that the tree is at now: the root, or a path with a slash at its end.
    Directory,
    /// This name in the directory that the tree is at now.
    Entry(Vec<u8>, Stat),
}

/// Goes to `path`, as [`stat`] and [`crate::pack()`] understand it.
pub(crate) fn find(tree: &mut Tree<'_>, path: &Path) -> Result<Place> {
    let bytes = path.as_os_str().as_bytes();
    let missing = || Error::NotFound { path: path.into() };
    let parts: Vec<&[u8]> = bytes.split(|&byte| byte == b'/').collect();
    let last = parts.last().copied().unwrap_or_default();
    if matches!(last, b"" | b"." | b"..") {
        return match tree.enter(&parts, &mut make_nothing)? {
            true => Ok(Place::Directory),
            false => Err(missing()),
        };
    }
    if !tree.enter(&parts[..parts.len() - 1], &mut make_nothing)? {
        return Err(missing());
    }
    let stat = tree.stat(last)?.ok_or_else(missing)?;
    Ok(Place::Entry(last.to_vec(), stat))
}

/// The last component of a path as it was asked for.
pub(crate) fn default_name(path: &Path) -> OsString {
    let bytes = path.as_os_str().as_bytes();
    if bytes.ends_with(b"/.") && bytes.len() > 2 {
        return ".".into();
    }
    path.file_name().map_or_else(|| "/".into(), Into::into)
}

/// Go's `os.FileMode` of a `st_mode`, which Docker's API carries.
pub fn go_file_mode(st_mode: u32) -> u32 {
    // Go 1.22 io/fs § FileMode: type bits from the top, setuid 1<<23, setgid 1<<22, sticky 1<<20.
    let kind = match st_mode & 0o170_000 {
        0o040_000 => 1 << 31,
        0o120_000 => 1 << 27,
        0o060_000 => 1 << 26,
        0o020_000 => (1 << 26) | (1 << 21),
        0o010_000 => 1 << 25,
        0o140_000 => 1 << 24,
        _ => 0,
    };
    let special = [(0o4000, 1 << 23), (0o2000, 1 << 22), (0o1000, 1 << 20)];
    let special = special
        .iter()
        .filter(|(bit, _)| st_mode & bit != 0)
        .map(|(_, go)| go);
    special.fold(kind | (st_mode & 0o777), |mode, go| mode | go)
}
