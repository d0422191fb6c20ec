//! Two unpacked layers held beside each other.

use crate::{
    Error, Result,
    name::path,
    tree::{DIRECTORY, file_type, is_whiteout},
    xattrs::{self, archived, is_opaque},
};
use rustix::{
    fs::{self, AtFlags, Dir, FileType, Mode, OFlags, Stat},
    io::Errno,
};
use std::{
    collections::BTreeSet,
    fmt,
    fs::File,
    io::Read,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::{Path, PathBuf},
};

/// Bytes of both files held at a time.
const CHUNK_BYTES: usize = 128 << 10;

/// The first difference between two trees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Relative to the root.
    pub path: PathBuf,
    /// What is different there.
    pub what: Differs,
}

/// What differs of one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Differs {
    /// Only the second tree has it.
    Missing,
    /// Only the first tree has it.
    Added,
    /// A file here, something else there, or another device.
    Type,
    /// Permissions.
    Mode,
    /// User or group.
    Owner,
    /// The second of the last modification (of directories it is not looked at).
    Time,
    /// Extended attributes, or a directory that hides what is below it.
    Attributes,
    /// A file's bytes, or where a link leads.
    Content,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = Path::new("/").join(&self.path);
        let what = match self.what {
            Differs::Missing => "is missing",
            Differs::Added => "does not belong there",
            Differs::Type => "is of another type",
            Differs::Mode => "has other permissions",
            Differs::Owner => "has another owner",
            Differs::Time => "was modified",
            Differs::Attributes => "has other attributes",
            Differs::Content => "has other contents",
        };
        write!(f, "{} {what}", path.display())
    }
}

/// Holds the tree in `found` against the one in `expected` and tells the first difference
/// in the order of names. The roots' own attributes are not looked at, nor are times of
/// directories, access times and parts of a second: unpacking twice need not give the same.
pub fn compare(found: BorrowedFd<'_>, expected: BorrowedFd<'_>) -> Result<Option<Difference>> {
    directories(found, expected, Path::new(""))
}

fn directories(
    found: BorrowedFd<'_>,
    expected: BorrowedFd<'_>,
    here: &Path,
) -> Result<Option<Difference>> {
    let (left, right) = (names(found, here)?, names(expected, here)?);
    for name in left.union(&right) {
        let at = here.join(std::ffi::OsStr::from_bytes(name));
        let differs = match (left.contains(name), right.contains(name)) {
            (true, true) => match entry(found, expected, name, &at)? {
                Ok(()) => continue,
                Err(difference) => return Ok(Some(difference)),
            },
            (true, false) => Differs::Added,
            _ => Differs::Missing,
        };
        return Ok(Some(Difference {
            path: at,
            what: differs,
        }));
    }
    Ok(None)
}

/// Compares one name that both have.
fn entry(
    found: BorrowedFd<'_>,
    expected: BorrowedFd<'_>,
    name: &[u8],
    at: &Path,
) -> Result<Result<(), Difference>> {
    let look = |directory| {
        fs::statat(directory, path(name), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|error| failed("looking at", at, error))
    };
    let (a, b) = (look(found)?, look(expected)?);
    let differs = |what| {
        Ok(Err(Difference {
            path: at.to_owned(),
            what,
        }))
    };
    if let Some(what) = attributes(&a, &b) {
        return differs(what);
    }
    let open = |directory, flags| {
        fs::openat(directory, path(name), flags, Mode::empty())
            .map_err(|error| failed("opening", at, error))
    };
    let same = match file_type(&a) {
        FileType::Directory => {
            let (a, b) = (open(found, DIRECTORY)?, open(expected, DIRECTORY)?);
            let opaque = |directory: &OwnedFd| {
                is_opaque(directory.as_fd()).map_err(|error| failed("reading", at, error))
            };
            if opaque(&a)? != opaque(&b)? || !same_xattrs(&a, &b, at)? {
                return differs(Differs::Attributes);
            }
            return Ok(match directories(a.as_fd(), b.as_fd(), at)? {
                Some(difference) => Err(difference),
                None => Ok(()),
            });
        }
        FileType::RegularFile => {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let (a, b) = (open(found, flags)?, open(expected, flags)?);
            if !same_xattrs(&a, &b, at)? {
                return differs(Differs::Attributes);
            }
            same_bytes(a.into(), b.into(), at)?
        }
        FileType::Symlink => {
            let target = |directory| {
                fs::readlinkat(directory, path(name), Vec::new())
                    .map_err(|error| failed("reading the link", at, error))
            };
            target(found)? == target(expected)?
        }
        _ => true,
    };
    if !same {
        return differs(Differs::Content);
    }
    match !is_whiteout(&a) && a.st_mtime != b.st_mtime {
        true => differs(Differs::Time),
        false => Ok(Ok(())),
    }
}

fn attributes(a: &Stat, b: &Stat) -> Option<Differs> {
    let kind = file_type(a);
    let is_device = matches!(kind, FileType::CharacterDevice | FileType::BlockDevice);
    if kind != file_type(b) || (is_device && a.st_rdev != b.st_rdev) {
        return Some(Differs::Type);
    }
    if is_whiteout(a) {
        return None;
    }
    if a.st_mode != b.st_mode {
        return Some(Differs::Mode);
    }
    if (a.st_uid, a.st_gid) != (b.st_uid, b.st_gid) {
        return Some(Differs::Owner);
    }
    if kind == FileType::RegularFile && a.st_size != b.st_size {
        return Some(Differs::Content);
    }
    None
}

fn names(directory: BorrowedFd<'_>, at: &Path) -> Result<BTreeSet<Vec<u8>>> {
    let mut names = BTreeSet::new();
    let entries = Dir::read_from(directory).map_err(|error| failed("reading", at, error))?;
    for entry in entries {
        let entry = entry.map_err(|error| failed("reading", at, error))?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.insert(name.to_vec());
        }
    }
    Ok(names)
}

fn same_xattrs(a: &OwnedFd, b: &OwnedFd, at: &Path) -> Result<bool> {
    let read = |file: &OwnedFd| -> Result<Vec<_>> {
        let mut attributes =
            xattrs::read(file.as_fd()).map_err(|error| failed("reading", at, error))?;
        attributes.retain(|(name, _)| archived(name));
        Ok(attributes)
    };
    Ok(read(a)? == read(b)?)
}

fn same_bytes(mut a: File, mut b: File, at: &Path) -> Result<bool> {
    let (mut left, mut right) = (vec![0; CHUNK_BYTES], vec![0; CHUNK_BYTES]);
    loop {
        let (x, y) = (fill(&mut a, &mut left, at)?, fill(&mut b, &mut right, at)?);
        if left[..x] != right[..y] {
            return Ok(false);
        }
        if x == 0 {
            return Ok(true);
        }
    }
}

fn fill(file: &mut File, buffer: &mut [u8], at: &Path) -> Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(source) => {
                return Err(Error::Path {
                    operation: "reading",
                    path: at.to_owned(),
                    source,
                });
            }
        }
    }
    Ok(filled)
}

fn failed(operation: &'static str, at: &Path, error: Errno) -> Error {
    Error::Path {
        operation,
        path: at.to_owned(),
        source: error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    /// A small tree, changed by `change`.
    fn tree(change: impl Fn(&Path)) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::create_dir_all(at("etc/deep")).unwrap();
        std::fs::write(at("etc/deep/file"), "contents").unwrap();
        std::fs::write(at("etc/other"), "contents").unwrap();
        symlink("deep/file", at("etc/link")).unwrap();
        change(directory.path());
        for name in ["etc/deep/file", "etc/other"] {
            if let Ok(file) = File::options().write(true).open(at(name)) {
                file.set_modified(std::time::UNIX_EPOCH).unwrap();
            }
        }
        let link = fs::Timestamps {
            last_access: fs::Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            },
            last_modification: fs::Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            },
        };
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        fs::utimensat(fs::CWD, at("etc/link"), &link, flags).unwrap();
        directory
    }

    fn difference(change: impl Fn(&Path)) -> Option<String> {
        let (found, expected) = (tree(change), tree(|_| {}));
        let open = |directory: &tempfile::TempDir| File::open(directory.path()).unwrap();
        let found = compare(open(&found).as_fd(), open(&expected).as_fd());
        found.unwrap().map(|difference| difference.to_string())
    }

    #[test]
    fn whatever_is_changed_in_a_tree_is_told() {
        assert_eq!(difference(|_| {}), None);
        let told = |change: fn(&Path)| difference(change).unwrap();
        assert_eq!(
            told(|at| std::fs::write(at.join("etc/deep/file"), "CONTENTS").unwrap()),
            "/etc/deep/file has other contents"
        );
        assert_eq!(
            told(|at| std::fs::write(at.join("etc/deep/file"), "").unwrap()),
            "/etc/deep/file has other contents"
        );
        assert_eq!(
            told(|at| std::fs::remove_file(at.join("etc/other")).unwrap()),
            "/etc/other is missing"
        );
        assert_eq!(
            told(|at| std::fs::write(at.join("etc/new"), "").unwrap()),
            "/etc/new does not belong there"
        );
        assert_eq!(
            told(|at| {
                let mode = PermissionsExt::from_mode(0o4755);
                std::fs::set_permissions(at.join("etc/other"), mode).unwrap();
            }),
            "/etc/other has other permissions"
        );
        assert_eq!(
            told(|at| {
                std::fs::remove_file(at.join("etc/link")).unwrap();
                symlink("elsewhere", at.join("etc/link")).unwrap();
            }),
            "/etc/link has other contents"
        );
        assert_eq!(
            told(|at| {
                std::fs::remove_file(at.join("etc/link")).unwrap();
                std::fs::create_dir(at.join("etc/link")).unwrap();
            }),
            "/etc/link is of another type"
        );
    }
}
