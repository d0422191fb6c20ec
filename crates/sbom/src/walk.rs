//! A tree gone through by descriptors: no link is followed.

use crate::{Error, Result};
use rustix::{
    fs::{AtFlags, Dir, FileType, Mode, OFlags, fstat, openat, statat},
    io::Errno,
};
use std::{
    fs::File,
    io::Read,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

/// Names in a whole tree.
const NAMES_MAX: usize = 10_000_000;
/// Directories below each other; those deeper down hold no records.
const DEPTH_MAX: usize = 64;
/// Bytes of one record of a module.
pub(crate) const RECORD_BYTES_MAX: u64 = 4 << 20;

pub(crate) const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Tells each directory below `root` with its path (`/usr/lib`) and its open descriptor.
pub(crate) fn directories(
    root: OwnedFd,
    mut tell: impl FnMut(&str, BorrowedFd<'_>) -> Result<()>,
) -> Result<()> {
    let mut names = 0;
    let mut open = vec![Level::read(root, String::new(), &mut names)?];
    while let Some(level) = open.last_mut() {
        let Some(name) = level.below.pop() else {
            open.pop();
            continue;
        };
        let path = format!("{}/{name}", level.path);
        let directory = match openat(&level.directory, name.as_str(), DIRECTORY, Mode::empty()) {
            Ok(directory) => directory,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => continue,
            Err(error) => return Err(Error::path("opening", path, error)),
        };
        tell(&path, directory.as_fd())?;
        if open.len() < DEPTH_MAX {
            open.push(Level::read(directory, path, &mut names)?);
        }
    }
    Ok(())
}

struct Level {
    directory: OwnedFd,
    path: String,
    /// Directories still to come, the next last.
    below: Vec<String>,
}

impl Level {
    fn read(directory: OwnedFd, path: String, names: &mut usize) -> Result<Self> {
        let mut below = entries(directory.as_fd(), &path, names)?;
        below.retain(|(_, kind)| *kind == FileType::Directory);
        let mut below: Vec<String> = below.into_iter().map(|it| it.0).collect();
        below.sort_unstable_by(|a, b| b.cmp(a));
        Ok(Self {
            directory,
            path,
            below,
        })
    }
}

/// The names in a directory that are text, and what they are.
pub(crate) fn entries(
    directory: BorrowedFd<'_>,
    path: &str,
    names: &mut usize,
) -> Result<Vec<(String, FileType)>> {
    let failed = |error: Errno| Error::path("reading", path, error);
    let mut list = Vec::new();
    for entry in Dir::read_from(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let Ok(name) = entry.file_name().to_str() else {
            continue;
        };
        if matches!(name, "." | "..") {
            continue;
        }
        *names += 1;
        if *names > NAMES_MAX {
            return Err(Error::TooLarge {
                what: "files",
                limit: NAMES_MAX,
            });
        }
        let kind = match entry.file_type() {
            FileType::Unknown => statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)
                .map_or(FileType::Unknown, |it| FileType::from_raw_mode(it.st_mode)),
            kind => kind,
        };
        list.push((name.to_owned(), kind));
    }
    list.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    Ok(list)
}

/// A regular file's bytes; none when there is no such file or it is longer than a record.
pub(crate) fn read(directory: BorrowedFd<'_>, name: &str) -> Option<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    // A device is not even opened.
    let before = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    if FileType::from_raw_mode(before.st_mode) != FileType::RegularFile {
        return None;
    }
    let file = openat(directory, name, flags, Mode::empty()).ok()?;
    let now = fstat(&file).ok()?;
    if FileType::from_raw_mode(now.st_mode) != FileType::RegularFile {
        return None;
    }
    let mut bytes = Vec::new();
    let read = File::from(file)
        .take(RECORD_BYTES_MAX + 1)
        .read_to_end(&mut bytes);
    let whole = read.is_ok() && bytes.len() as u64 <= RECORD_BYTES_MAX;
    whole.then_some(bytes)
}
