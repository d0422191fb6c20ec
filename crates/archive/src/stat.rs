//! One path inside a root, as the API's `X-Docker-Container-Path-Stat` tells it.

use crate::{Error, Result, tar::Time};
use std::{ffi::OsString, os::fd::BorrowedFd, path::Path, path::PathBuf};

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
    let _ = root;
    Err(Error::NotFound { path: path.into() })
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
