//! A tree written into an archive, entry by entry in the order of names.

use crate::{
    Error, Owners, Result, Times,
    name::path,
    tar::{Entry, EntryKind, Time, Writer},
    tree::{DIRECTORY, file_type, is_whiteout},
    unpack::{CAPABILITY, OPAQUE, WHITEOUT},
    xattrs,
};
use rustix::{
    fs::{self, AtFlags, Dir, FileType, Mode, OFlags, Stat},
    io::Errno,
};
use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io::{self, Write},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::PathBuf,
};

/// Writes trees. The same tree gives the same bytes.
pub(crate) struct Emitter<W> {
    pub writer: Writer<W>,
    /// overlay's marks become whiteouts.
    pub layer: bool,
    /// Keep the sub-second part of times.
    pub nanoseconds: bool,
    /// What becomes of times.
    pub times: Times,
    /// Paths inside the tree left out; with all below them, or only what is in them.
    pub exclude: HashSet<PathBuf>,
    pub keep_excluded: bool,
    /// In whose words owners are told.
    pub owners: Option<Owners>,
    /// The first name of each file that has several.
    seen: HashMap<(u64, u64), Vec<u8>>,
}

/// A directory being written: its names still to come (the next last).
struct Level {
    directory: OwnedFd,
    names: Vec<Vec<u8>>,
    /// Its name in the archive, and its path inside the tree.
    prefix: Vec<u8>,
    inside: PathBuf,
}

impl<W: Write> Emitter<W> {
    pub fn new(out: W, layer: bool) -> Self {
        Self {
            writer: Writer::new(out),
            layer,
            nanoseconds: false,
            times: Times::Kept,
            exclude: HashSet::new(),
            keep_excluded: false,
            owners: None,
            seen: HashMap::new(),
        }
    }

    /// What is below `directory`, each name after `prefix`; paths in `exclude` begin at
    /// `inside`.
    pub fn below(&mut self, directory: OwnedFd, prefix: Vec<u8>, inside: PathBuf) -> Result<()> {
        let mut open = vec![Level::new(directory, prefix, inside)?];
        while let Some(level) = open.last_mut() {
            let Some(name) = level.names.pop() else {
                open.pop();
                continue;
            };
            let inside = level.inside.join(path(&name));
            let full = joined(&level.prefix, &name);
            let directory = level.directory.as_fd();
            let stat = match fs::statat(directory, path(&name), AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => stat,
                // Gone since its directory was read: as if it never was.
                Err(Errno::NOENT) => continue,
                Err(error) => return Err(failed("looking at", &full, error)),
            };
            if let Some((below, prefix)) = self.entry(directory, &name, full, &stat, &inside)? {
                open.push(Level::new(below, prefix, inside)?);
            }
        }
        Ok(())
    }

    /// Writes one entry called `full`; gives a directory back, to go on in it.
    pub fn entry(
        &mut self,
        directory: BorrowedFd<'_>,
        name: &[u8],
        full: Vec<u8>,
        stat: &Stat,
        inside: &std::path::Path,
    ) -> Result<Option<(OwnedFd, Vec<u8>)>> {
        let excluded = !self.exclude.is_empty() && self.exclude.contains(inside);
        if excluded && !self.keep_excluded {
            return Ok(None);
        }
        if self.layer && is_whiteout(stat) {
            return self.whiteout(&full, WHITEOUT).map(|()| None);
        }
        let mut entry = self.describe(full, stat);
        let kind = file_type(stat);
        // Not blocking: it may be replaced by a pipe in between.
        let flags = match kind {
            FileType::Directory => DIRECTORY,
            _ => OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC,
        };
        match kind {
            FileType::Directory | FileType::RegularFile => {
                let file = match fs::openat(directory, path(name), flags, Mode::empty()) {
                    Ok(file) => file,
                    // Gone or replaced since it was looked at.
                    Err(Errno::NOENT | Errno::LOOP | Errno::NOTDIR | Errno::NXIO) => {
                        return Ok(None);
                    }
                    Err(error) => return Err(failed("opening", &entry.path, error)),
                };
                let now = fs::fstat(&file).map_err(|e| failed("looking at", &entry.path, e))?;
                if file_type(&now) != kind {
                    return Ok(None);
                }
                entry = self.describe(entry.path, &now);
                entry.xattrs = xattrs::read(file.as_fd())
                    .map_err(|error| failed("reading the attributes of", &entry.path, error))?;
                entry.xattrs.retain(|(name, _)| xattrs::archived(name));
                if let Some(owners) = &self.owners {
                    for (_, value) in entry.xattrs.iter_mut().filter(|it| it.0 == CAPABILITY) {
                        *value = owners.capability_inside(value);
                    }
                }
                if kind == FileType::RegularFile {
                    return self.file(entry, file, &now).map(|()| None);
                }
                self.directory(entry, file, excluded)
            }
            FileType::Symlink => {
                match fs::readlinkat(directory, path(name), Vec::new()) {
                    Ok(target) => entry.link = target.into_bytes(),
                    Err(Errno::NOENT | Errno::INVAL) => return Ok(None),
                    Err(error) => return Err(failed("reading the link", &entry.path, error)),
                }
                self.linked(entry, stat).map(|()| None)
            }
            // A socket is nothing without the process that listens.
            FileType::Socket | FileType::Unknown => Ok(None),
            _ => self.linked(entry, stat).map(|()| None),
        }
    }

    fn directory(
        &mut self,
        mut entry: Entry,
        file: OwnedFd,
        excluded: bool,
    ) -> Result<Option<(OwnedFd, Vec<u8>)>> {
        let prefix = entry.path.clone();
        if !entry.path.ends_with(b"/") {
            entry.path.push(b'/');
        }
        self.writer.append(&entry, io::empty())?;
        if self.layer
            && xattrs::is_opaque(file.as_fd())
                .map_err(|error| failed("reading the attributes of", &entry.path, error))?
        {
            self.whiteout(&joined(&prefix, OPAQUE), b"")?;
        }
        Ok((!excluded).then_some((file, prefix)))
    }

    fn file(&mut self, mut entry: Entry, file: OwnedFd, stat: &Stat) -> Result<()> {
        if self.is_second_name(&mut entry, stat) {
            return self.writer.append(&entry, io::empty());
        }
        entry.size = stat.st_size as u64;
        self.writer.append(&entry, File::from(file))
    }

    /// A file without data, which may have several names.
    fn linked(&mut self, mut entry: Entry, stat: &Stat) -> Result<()> {
        self.is_second_name(&mut entry, stat);
        self.writer.append(&entry, io::empty())
    }

    /// Makes a hard link of an entry whose file was written under another name.
    fn is_second_name(&mut self, entry: &mut Entry, stat: &Stat) -> bool {
        if stat.st_nlink < 2 {
            return false;
        }
        let key = (stat.st_dev, stat.st_ino);
        match self.seen.get(&key) {
            Some(first) => {
                entry.kind = EntryKind::HardLink;
                entry.link = first.clone();
                entry.xattrs.clear();
                true
            }
            None => {
                self.seen.insert(key, entry.path.clone());
                false
            }
        }
    }

    /// An empty file whose last component gets `mark` in front.
    fn whiteout(&mut self, full: &[u8], mark: &[u8]) -> Result<()> {
        let at = full
            .iter()
            .rposition(|&byte| byte == b'/')
            .map_or(0, |slash| slash + 1);
        let name = [&full[..at], mark, &full[at..]].concat();
        let entry = Entry {
            mode: 0o600,
            ..Entry::file(name, 0)
        };
        self.writer.append(&entry, io::empty())
    }

    fn describe(&self, full: Vec<u8>, stat: &Stat) -> Entry {
        let (major, minor) = (fs::major(stat.st_rdev), fs::minor(stat.st_rdev));
        let kind = match file_type(stat) {
            FileType::Directory => EntryKind::Directory,
            FileType::Symlink => EntryKind::Symlink,
            FileType::CharacterDevice => EntryKind::CharDevice { major, minor },
            FileType::BlockDevice => EntryKind::BlockDevice { major, minor },
            FileType::Fifo => EntryKind::Fifo,
            _ => EntryKind::Regular,
        };
        let nanoseconds = if self.nanoseconds {
            stat.st_mtime_nsec as u32
        } else {
            0
        };
        let owner = (stat.st_uid, stat.st_gid);
        let (uid, gid) = match &self.owners {
            Some(owners) => owners.inside(owner.0, owner.1),
            None => owner,
        };
        Entry {
            mode: stat.st_mode & 0o7777,
            uid,
            gid,
            mtime: self.times.told(Time {
                seconds: stat.st_mtime,
                nanoseconds,
            }),
            ..Entry::new(full, kind)
        }
    }
}

impl Level {
    fn new(directory: OwnedFd, prefix: Vec<u8>, inside: PathBuf) -> Result<Self> {
        let names = names(directory.as_fd()).map_err(|error| failed("reading", &prefix, error))?;
        Ok(Self {
            directory,
            names,
            prefix,
            inside,
        })
    }
}

/// The names in a directory, the first one last.
pub(crate) fn names(directory: BorrowedFd<'_>) -> Result<Vec<Vec<u8>>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(name);
        }
    }
    names.sort_by(|one, other| other.cmp(one));
    Ok(names)
}

fn joined(prefix: &[u8], name: &[u8]) -> Vec<u8> {
    match prefix {
        b"" => name.to_vec(),
        _ if prefix.ends_with(b"/") => [prefix, name].concat(),
        _ => [prefix, b"/", name].concat(),
    }
}

pub(crate) fn failed(operation: &'static str, name: &[u8], error: Errno) -> Error {
    Error::Path {
        operation,
        path: path(name).into(),
        source: error.into(),
    }
}

/// Paths as [`Emitter::exclude`] wants them: relative, without a slash at the end.
pub(crate) fn relative(paths: &[PathBuf]) -> HashSet<PathBuf> {
    let clean = |path: &PathBuf| {
        let bytes = path.as_os_str().as_bytes();
        let parts: Vec<&[u8]> = bytes
            .split(|&byte| byte == b'/')
            .filter(|part| !matches!(*part, b"" | b"."))
            .collect();
        crate::name::join(&parts)
    };
    paths.iter().map(clean).collect()
}
