//! Trees that are copied from: what a source of `COPY` selects in them, and its content.
//!
//! A tree may be hostile: every path is resolved inside of it, and what is below a
//! selected path is walked by descriptors without following a link.

use crate::{Error, Result, key::Key};
use corten_dockerfile::{Patterns, is_pattern};
use corten_oci::{Digest, Hasher};
use corten_sys::root::Root;
use rustix::{
    fs::{self, AtFlags, FileType, Mode, OFlags, Stat},
    io::Errno,
};
use std::{
    collections::HashMap,
    ffi::OsString,
    fs::File,
    io::Read,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::{OsStrExt, OsStringExt},
    },
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// Entries of one selection.
const ENTRIES_MAX: usize = 10_000_000;
/// Directories below each other.
const DEPTH_MAX: usize = 512;
/// Bytes read at a time for a hash.
const CHUNK_BYTES: usize = 256 << 10;
/// Files whose content is remembered.
const REMEMBERED: usize = 400_000;

pub(crate) const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

/// A tree and what of it is not there for anybody.
pub(crate) struct Source {
    pub root: Root,
    /// `.dockerignore`, where the client has not left those files out already.
    pub ignore: Option<Patterns>,
    /// For messages.
    pub name: String,
}

/// One path that a source fits.
pub(crate) struct Item {
    /// Inside the tree, symbolic links not resolved.
    pub path: PathBuf,
    /// The path itself first (its own path is empty), then, for a directory, what is
    /// below it: parents before children, sorted.
    pub entries: Vec<Entry>,
}

/// A file, directory or other thing.
pub(crate) struct Entry {
    /// Relative to its item.
    pub path: PathBuf,
    pub stat: Stat,
    /// Of a symbolic link.
    pub target: Option<Vec<u8>>,
    /// SHA-256 of a regular file.
    pub hash: Option<[u8; 32]>,
    pub xattrs: Vec<(OsString, Vec<u8>)>,
}

impl Entry {
    pub fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.stat.st_mode)
    }

    pub fn is_directory(&self) -> bool {
        self.kind() == FileType::Directory
    }
}

impl Item {
    pub fn is_directory(&self) -> bool {
        self.entries.first().is_some_and(Entry::is_directory)
    }

    /// Puts everything but times into a key.
    pub fn add_to(&self, key: &mut Key) {
        key.part(self.path.file_name().unwrap_or_default().as_bytes());
        key.number(self.entries.len() as u64);
        for entry in &self.entries {
            key.part(entry.path.as_os_str().as_bytes());
            key.number(entry.stat.st_mode.into());
            key.number(u64::from(entry.stat.st_uid) << 32 | u64::from(entry.stat.st_gid));
            match entry.kind() {
                FileType::CharacterDevice | FileType::BlockDevice => {
                    key.number(entry.stat.st_rdev);
                }
                _ => {}
            }
            key.part(entry.target.as_deref().unwrap_or_default());
            key.part(entry.hash.as_ref().map_or(&[][..], |hash| hash));
            for (name, value) in &entry.xattrs {
                key.part(name.as_bytes()).part(value);
            }
        }
    }
}

impl Source {
    /// Everything that `pattern` fits; empty when it is a pattern that fits nothing. A
    /// path that is not there is [`Error::SourceMissing`]. Blocking.
    pub fn select(&self, pattern: &str, excludes: &Patterns) -> Result<Vec<Item>> {
        let mut clean = PathBuf::new();
        for part in pattern.split('/') {
            match part {
                "" | "." => {}
                // Above the root is the root.
                ".." => drop(clean.pop()),
                part => clean.push(part),
            }
        }
        let text = clean.to_string_lossy().into_owned();
        let paths = match is_pattern(&text) {
            false => vec![clean],
            true => self.expand(&text)?,
        };
        let mut items = Vec::new();
        for path in paths {
            let ignored = |path: &Path| {
                self.ignore
                    .as_ref()
                    .is_some_and(|ignore| ignore.excludes(&path.to_string_lossy()))
            };
            if !path.as_os_str().is_empty() && ignored(&path) && !self.holds_something(&path) {
                if is_pattern(&text) {
                    continue;
                }
                return Err(self.missing(&path));
            }
            items.push(self.item(path, excludes)?);
        }
        Ok(items)
    }

    fn holds_something(&self, path: &Path) -> bool {
        self.ignore
            .as_ref()
            .is_none_or(|ignore| ignore.may_take_back_below(&path.to_string_lossy()))
    }

    pub fn missing(&self, path: &Path) -> Error {
        Error::SourceMissing {
            reference: self.name.clone(),
            path: format!("/{}", path.display()),
        }
    }

    /// The paths that a pattern fits, component by component, sorted.
    fn expand(&self, pattern: &str) -> Result<Vec<PathBuf>> {
        let mut found = vec![PathBuf::new()];
        for part in pattern.split('/') {
            let mut next = Vec::new();
            for parent in found {
                if !is_pattern(part) {
                    let path = parent.join(part);
                    if self.root.stat_link(&path).is_ok() {
                        next.push(path);
                    }
                    continue;
                }
                let one =
                    Patterns::new([part]).map_err(|error| Error::Invalid(error.to_string()))?;
                let Ok(directory) = self.root.open_file(&parent, DIRECTORY, Mode::empty()) else {
                    continue;
                };
                for name in names(directory.as_fd(), &parent)? {
                    if one.fits(&name.to_string_lossy()) {
                        next.push(parent.join(name));
                    }
                }
            }
            found = next;
        }
        Ok(found)
    }

    fn item(&self, path: PathBuf, excludes: &Patterns) -> Result<Item> {
        let found = self.root.open_file(&path, OFlags::PATH, Mode::empty());
        let found =
            found.map_err(
                |error| match error.raw_os_error().map(Errno::from_raw_os_error) {
                    Some(Errno::NOENT | Errno::NOTDIR) => self.missing(&path),
                    _ => Error::path("opening", &path, error),
                },
            )?;
        let stat = fs::fstat(&found).map_err(|error| Error::path("looking at", &path, error))?;
        let mut walk = Walk {
            source: self,
            excludes,
            at: path.clone(),
            entries: Vec::new(),
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                let directory = self
                    .root
                    .open_file(&path, DIRECTORY, Mode::empty())
                    .map_err(|error| Error::path("opening", &path, error))?;
                let xattrs = xattrs(directory.as_fd());
                walk.add(Entry {
                    path: PathBuf::new(),
                    stat,
                    target: None,
                    hash: None,
                    xattrs,
                })?;
                walk.below(directory, PathBuf::new(), 0)?;
            }
            FileType::RegularFile => {
                let flags = OFlags::RDONLY | OFlags::NONBLOCK;
                let file = self
                    .root
                    .open_file(&path, flags, Mode::empty())
                    .map_err(|error| Error::path("opening", &path, error))?;
                let content = match remembered(&stat) {
                    Some(content) => content,
                    None => read_content(file, &path)?,
                };
                walk.add(Entry {
                    path: PathBuf::new(),
                    stat,
                    target: None,
                    hash: Some(content.hash),
                    xattrs: content.xattrs,
                })?;
            }
            _ => walk.add(Entry {
                path: PathBuf::new(),
                stat,
                target: None,
                hash: None,
                xattrs: Vec::new(),
            })?,
        }
        let entries = walk.entries;
        Ok(Item { path, entries })
    }
}

struct Walk<'a> {
    source: &'a Source,
    excludes: &'a Patterns,
    /// Of the item in the tree.
    at: PathBuf,
    entries: Vec<Entry>,
}

impl Walk<'_> {
    fn add(&mut self, entry: Entry) -> Result<()> {
        if self.entries.len() >= ENTRIES_MAX {
            return Err(Error::Invalid(format!(
                "more than {ENTRIES_MAX} files to copy"
            )));
        }
        self.entries.push(entry);
        Ok(())
    }

    fn below(&mut self, directory: OwnedFd, inside: PathBuf, depth: usize) -> Result<()> {
        if depth > DEPTH_MAX {
            return Err(Error::Invalid(format!(
                "more than {DEPTH_MAX} directories within each other"
            )));
        }
        for name in names(directory.as_fd(), &inside)? {
            let path = inside.join(&name);
            let failed =
                |operation, error: Errno| Error::path(operation, self.at.join(&path), error);
            let whole = self.at.join(&path).to_string_lossy().into_owned();
            let excluded = self.excludes.excludes(&path.to_string_lossy());
            let ignored = self
                .source
                .ignore
                .as_ref()
                .is_some_and(|it| it.excludes(&whole));
            let stat = fs::statat(&directory, &name, AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|error| failed("looking at", error))?;
            let kind = FileType::from_raw_mode(stat.st_mode);
            let left_out = excluded || ignored;
            if left_out {
                let back = kind == FileType::Directory
                    && (!excluded || self.excludes.may_take_back_below(&path.to_string_lossy()))
                    && (!ignored || self.source.holds_something(Path::new(&whole)));
                if !back {
                    continue;
                }
            }
            let mut entry = Entry {
                path: path.clone(),
                stat,
                target: None,
                hash: None,
                xattrs: Vec::new(),
            };
            match kind {
                FileType::Directory => {
                    let child = fs::openat(
                        &directory,
                        &name,
                        DIRECTORY | OFlags::NOFOLLOW,
                        Mode::empty(),
                    )
                    .map_err(|error| failed("opening", error))?;
                    entry.xattrs = xattrs(child.as_fd());
                    let before = self.entries.len();
                    self.add(entry)?;
                    self.below(child, path, depth + 1)?;
                    // A left-out directory is there only for what came back.
                    if left_out && self.entries.len() == before + 1 {
                        self.entries.pop();
                    }
                    continue;
                }
                FileType::RegularFile => {
                    let content = match remembered(&stat) {
                        Some(content) => content,
                        None => {
                            let flags = OFlags::RDONLY
                                | OFlags::NONBLOCK
                                | OFlags::NOFOLLOW
                                | OFlags::CLOEXEC;
                            let file = fs::openat(&directory, &name, flags, Mode::empty())
                                .map_err(|error| failed("opening", error))?;
                            read_content(file, &path)?
                        }
                    };
                    entry.hash = Some(content.hash);
                    entry.xattrs = content.xattrs;
                }
                FileType::Symlink => {
                    let target = fs::readlinkat(&directory, &name, Vec::new())
                        .map_err(|error| failed("reading the link", error))?;
                    entry.target = Some(target.into_bytes());
                }
                // Sockets have no content that could be copied.
                FileType::Socket => continue,
                _ => {}
            }
            self.add(entry)?;
        }
        Ok(())
    }
}

/// The names in a directory, sorted.
pub(crate) fn names(directory: BorrowedFd<'_>, path: &Path) -> Result<Vec<OsString>> {
    let failed = |error: Errno| Error::path("reading", path, error);
    let mut names = Vec::new();
    for entry in fs::Dir::read_from(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(OsString::from_vec(name.to_vec()));
        }
    }
    names.sort();
    Ok(names)
}

/// Attributes that belong to the content.
fn xattrs(file: BorrowedFd<'_>) -> Xattrs {
    const LIST_BYTES: usize = 64 << 10;
    let mut probe: [u8; 0] = [];
    match fs::flistxattr(file, &mut probe) {
        Ok(0) | Err(_) => return Vec::new(),
        Ok(_) => {}
    }
    let mut list = vec![0; LIST_BYTES];
    let Ok(length) = fs::flistxattr(file, &mut list[..]) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for name in list[..length]
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
    {
        if !(name.starts_with(b"user.") || name == b"security.capability") {
            continue;
        }
        let name = OsString::from_vec(name.to_vec());
        let mut value = vec![0; LIST_BYTES];
        if let Ok(length) = fs::fgetxattr(file, &name, &mut value[..]) {
            value.truncate(length);
            found.push((name, value));
        }
    }
    found.sort();
    found
}

/// A file as it was when it was read: device, inode, bytes, and the times of its content
/// and of anything else about it.
type Seen = (u64, u64, u64, i128, i128);

/// What of a regular file counts, beside its mode and owner.
#[derive(Clone)]
struct Content {
    hash: [u8; 32],
    xattrs: Xattrs,
}

type Xattrs = Vec<(OsString, Vec<u8>)>;

// Lock: held for memory work only.
static CONTENTS: Mutex<Option<HashMap<Seen, Content>>> = Mutex::new(None);

fn seen(stat: &Stat) -> Seen {
    let nanoseconds =
        |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
    (
        stat.st_dev,
        stat.st_ino,
        stat.st_size as u64,
        nanoseconds(stat.st_mtime, stat.st_mtime_nsec as i64),
        // A change of attributes shows here, too.
        nanoseconds(stat.st_ctime, stat.st_ctime_nsec as i64),
    )
}

/// The content of a file that by its stat has not changed since it was read.
fn remembered(stat: &Stat) -> Option<Content> {
    let known = CONTENTS.lock().unwrap_or_else(PoisonError::into_inner);
    known.as_ref()?.get(&seen(stat)).cloned()
}

/// Reads a file, and remembers it under the stat that it has while it is open.
fn read_content(file: OwnedFd, path: &Path) -> Result<Content> {
    let stat = fs::fstat(&file).map_err(|error| Error::path("looking at", path, error))?;
    let xattrs = xattrs(file.as_fd());
    let mut hasher = Hasher::sha256();
    let mut file = File::from(file);
    let mut chunk = vec![0; CHUNK_BYTES.min(stat.st_size as usize + 1)];
    loop {
        match file.read(&mut chunk) {
            Ok(0) => break,
            Ok(length) => hasher.update(&chunk[..length]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::path("reading", path, error)),
        }
    }
    let content = Content {
        hash: raw(&hasher.finish()),
        xattrs,
    };
    // A file that changed within the clock's grain could look unchanged later.
    let now = corten_base::Timestamp::now().unix_seconds();
    if now - stat.st_ctime > 2 {
        remember(&stat, content.clone());
    }
    Ok(content)
}

/// Keeps the content of a file that has just come from a client and is complete, times and
/// all, so that it is not read again for its hash. Only the receiver writes where it lies,
/// never into a file that is there: one that comes in its place has another inode, or is
/// told here under the same stat.
pub(crate) fn remember_received(stat: &Stat, digest: &Digest) {
    let content = Content {
        hash: raw(digest),
        // It was made just now, and nobody has given it any.
        xattrs: Vec::new(),
    };
    remember(stat, content);
}

fn remember(stat: &Stat, content: Content) {
    let mut guard = CONTENTS.lock().unwrap_or_else(PoisonError::into_inner);
    let known = guard.get_or_insert_default();
    if known.len() >= REMEMBERED {
        known.clear();
    }
    known.insert(seen(stat), content);
}

fn raw(digest: &Digest) -> [u8; 32] {
    let mut hash = [0; 32];
    hex::decode_to_slice(digest.hex(), &mut hash).expect("a digest is hexadecimal");
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FileStat, TreeSync};

    #[test]
    fn what_came_from_a_client_is_known_without_being_read_also_what_comes_in_its_place() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        // The same bytes and times to the eye of a stat, but for the kernel's own.
        for content in [b"one", b"two", b"six"] {
            let _ = std::fs::remove_file(&path);
            let mut sync = TreeSync::begin(directory.path(), None).unwrap();
            let file = FileStat {
                path: "file".into(),
                mode: 0o100_644,
                size: 3,
                modified: 1_700_000_000_000_000_000,
                link: String::new(),
                owner: (0, 0),
                device: (0, 0),
            };
            sync.add(file).unwrap();
            assert_eq!(sync.plan().unwrap(), [0]);
            sync.data(0, &content[..1]).unwrap();
            sync.data(0, &content[1..]).unwrap();
            sync.data(0, &[]).unwrap();
            sync.finish().unwrap();
            let known = remembered(&fs::lstat(&path).unwrap()).unwrap();
            assert_eq!(known.hash, raw(&Digest::of(content)));
        }
    }
}
