//! One entry made into one file.

use super::{Unpacker, make_implied};
use crate::{
    Error, Result, copy_up,
    lower::{Found, look},
    name::{components, join, path},
    remove::remove_all,
    tar::{Entry, EntryKind, Reader},
    tree::{DIRECTORY, Obstacle, file_type, is_whiteout},
};
use rustix::{
    fs::{self, AtFlags, FileType, Mode, OFlags},
    io::Errno,
};
use std::{
    io::BufRead,
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
};

/// From this size on a layer's file is given to the disk as soon as it is whole, while the
/// processors are busy with the next ones.
const EARLY_BYTES: u64 = 256 << 10;
/// Tries against somebody who keeps making a file where one is to be made.
const TRIES: usize = 16;

/// The file that a hard link leads to: its directory and its name there.
pub(super) type Target = (OwnedFd, Vec<u8>);

impl Unpacker<'_> {
    pub(super) fn regular<R: BufRead>(
        &mut self,
        entry: &Entry,
        name: &[u8],
        reader: &mut Reader<R>,
    ) -> Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let mode = Mode::from_raw_mode(entry.mode & 0o777);
        let file = self.in_free_place(name, |unpacker| {
            fs::openat(
                unpacker.tree.here(),
                path(name),
                flags | OFlags::CLOEXEC,
                mode,
            )
        })?;
        // A sparse file's holes are not in the archive: what is there is recorded.
        if entry.sparse.is_none() {
            reader.data_at(&self.tree.child(name));
        }
        self.data(entry, name, &file, reader)?;
        self.size_bytes += entry.size;
        if self.rules.layer && entry.size >= EARLY_BYTES {
            // Only sooner: whoever wants it durable flushes, and hears of what went wrong.
            let _ = corten_sys::writeback::begin(file.as_fd());
        }
        self.file_attributes(&file, entry)
            .map_err(|error| self.tree.failed("setting the attributes of", name, error))
    }

    fn data<R: BufRead>(
        &mut self,
        entry: &Entry,
        name: &[u8],
        file: &OwnedFd,
        reader: &mut Reader<R>,
    ) -> Result<()> {
        let whole = [(0, entry.size)];
        let parts: &[(u64, u64)] = entry.sparse.as_deref().unwrap_or(&whole);
        for &(offset, length) in parts {
            let (mut at, end) = (offset, offset + length);
            while at < end {
                let piece = reader.peek_data()?;
                let piece = &piece[..piece
                    .len()
                    .min(usize::try_from(end - at).unwrap_or(usize::MAX))];
                let count = match rustix::io::pwrite(file, piece, at) {
                    Ok(count) => count,
                    Err(Errno::INTR) => continue,
                    Err(error) => return Err(self.tree.failed("writing", name, error)),
                };
                reader.take_data(count);
                at += count as u64;
                self.check_space(count as u64)?;
            }
        }
        if entry.sparse.is_some() {
            fs::ftruncate(file, entry.size)
                .map_err(|error| self.tree.failed("extending", name, error))?;
        }
        Ok(())
    }

    pub(super) fn directory(&mut self, entry: &Entry, name: &[u8]) -> Result<()> {
        let place = self.tree.child(name);
        let mode = Mode::from_raw_mode(entry.mode & 0o777);
        let mut hides = false;
        for _ in 0..TRIES {
            match fs::mkdirat(self.tree.here(), path(name), mode) {
                Ok(()) => break,
                Err(Errno::EXIST) => {}
                Err(error) => return Err(self.tree.failed("creating", name, error)),
            }
            match self.tree.stat(name)? {
                // Docker merges a directory into a directory, and replaces anything else.
                Some(stat) if file_type(&stat) == FileType::Directory => break,
                Some(_) if self.rules.no_overwrite => {
                    return Err(Error::OtherByDirectory {
                        path: absolute(&place),
                        root: absolute(&join(&self.rules.base)),
                    });
                }
                // What stood here in this layer hid a lower directory: it stays hidden.
                Some(_) => {
                    self.replaced = true;
                    remove_all(self.tree.here(), name)?;
                    hides = self.rules.layer;
                }
                None => {}
            }
        }
        let directory = fs::openat(self.tree.here(), path(name), DIRECTORY, Mode::empty())
            .map_err(|error| self.tree.failed("opening", name, error))?;
        if hides {
            super::set_opaque(&directory)
                .map_err(|error| self.tree.failed("marking", name, error))?;
        }
        self.directory_attributes(&directory, entry, place)
    }

    /// A symbolic link, device or pipe.
    pub(super) fn node(&mut self, entry: &Entry, name: &[u8]) -> Result<()> {
        let (kind, device) = match entry.kind {
            EntryKind::CharDevice { major, minor } => {
                (FileType::CharacterDevice, fs::makedev(major, minor))
            }
            EntryKind::BlockDevice { major, minor } => {
                (FileType::BlockDevice, fs::makedev(major, minor))
            }
            EntryKind::Fifo => (FileType::Fifo, 0),
            _ => (FileType::Symlink, 0),
        };
        let mode = Mode::from_raw_mode(entry.mode & 0o777);
        self.in_free_place(name, |unpacker| {
            let here = unpacker.tree.here();
            match kind {
                FileType::Symlink => fs::symlinkat(entry.link(), here, path(name)),
                _ => fs::mknodat(here, path(name), kind, mode, device),
            }
        })?;
        if kind == FileType::Symlink {
            // lstat(2): a link is as long as the path it holds, and Docker counts it.
            self.size_bytes += entry.link.len() as u64;
        }
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let failed = |unpacker: &Self, error| {
            unpacker
                .tree
                .failed("setting the attributes of", name, error)
        };
        let node = fs::openat(self.tree.here(), path(name), flags, Mode::empty())
            .map_err(|error| failed(self, error))?;
        let stat = fs::fstat(&node).map_err(|error| failed(self, error))?;
        if file_type(&stat) != kind {
            // Swapped by somebody else in between.
            return Err(failed(self, Errno::AGAIN));
        }
        self.node_attributes(&node, entry, kind == FileType::Symlink)
            .map_err(|error| failed(self, error))
    }

    /// Looks for what a hard link leads to, before the link's own directory is entered.
    /// A file that only lower layers have is copied into this one. None if whether there
    /// is one depends on them and they are not known.
    pub(super) fn find_target(&mut self, entry: &Entry) -> Result<Option<Target>> {
        let parts = components(&entry.link, &self.limits)?;
        let missing = || Error::LinkTarget {
            path: entry.path().into(),
            target: entry.link().into(),
        };
        let (&name, parents) = parts.split_last().ok_or_else(missing)?;
        let there = self.enter_target(parents)?;
        let stat = match there {
            true => self.tree.stat(name)?,
            false => None,
        };
        if stat.is_none() && self.rules.alone {
            self.notes.needs_lower = true;
            return Ok(None);
        }
        match stat {
            Some(stat) if is_whiteout(&stat) && self.rules.layer => return Err(missing()),
            Some(_) => {}
            None if there && self.copy_up(name)? => {}
            None => return Err(missing()),
        }
        let directory = self.tree.here().try_clone_to_owned();
        let directory = directory.map_err(|source| Error::Path {
            operation: "holding",
            path: self.tree.location(),
            source,
        })?;
        Ok(Some((directory, name.to_vec())))
    }

    /// Goes to the directory of a hard link's target; false if there is none.
    fn enter_target(&mut self, parents: &[&[u8]]) -> Result<bool> {
        let Self {
            tree, rules, notes, ..
        } = self;
        let walk: Vec<&[u8]> = rules
            .base
            .iter()
            .map(Vec::as_slice)
            .chain(parents.iter().copied())
            .collect();
        tree.enter(&walk, &mut |directory, name, obstacle, place| {
            if obstacle == Obstacle::Lower {
                make_implied(directory, name).map_err(|error| Error::Path {
                    operation: "creating",
                    path: place(),
                    source: error.into(),
                })?;
                notes.implied(place(), false);
            }
            Ok(obstacle == Obstacle::Lower)
        })
    }

    /// Copies a file that only lower layers have to the directory at hand; false if they
    /// have none.
    fn copy_up(&mut self, name: &[u8]) -> Result<bool> {
        let Found::Other(lower) = look(self.tree.below(), name)? else {
            return Ok(false);
        };
        let bytes = copy_up::file(&lower, self.tree.here(), name)?;
        self.notes.copied(self.tree.child(name));
        self.size_bytes += bytes;
        self.check_space(bytes)?;
        Ok(true)
    }

    pub(super) fn hard_link(
        &mut self,
        entry: &Entry,
        name: &[u8],
        (directory, target): Target,
    ) -> Result<()> {
        // A link to itself would remove itself first.
        if self.same_file(&directory, &target, name)? {
            return Ok(());
        }
        self.in_free_place(name, |unpacker| {
            let here = unpacker.tree.here();
            fs::linkat(
                &directory,
                path(&target),
                here,
                path(name),
                AtFlags::empty(),
            )
        })
        .map_err(|error| match error {
            Error::Path { ref source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                Error::LinkTarget {
                    path: entry.path().into(),
                    target: entry.link().into(),
                }
            }
            other => other,
        })
    }

    fn same_file(&self, directory: &OwnedFd, target: &[u8], name: &[u8]) -> Result<bool> {
        let other = fs::statat(directory, path(target), AtFlags::SYMLINK_NOFOLLOW);
        Ok(match (self.tree.stat(name)?, other) {
            (Some(one), Ok(other)) => (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino),
            _ => false,
        })
    }

    /// Makes something where maybe something else stands, which is removed.
    fn in_free_place<T>(
        &mut self,
        name: &[u8],
        make: impl Fn(&Self) -> Result<T, Errno>,
    ) -> Result<T> {
        for _ in 0..TRIES {
            match make(self) {
                Err(Errno::EXIST) => self.clear(name)?,
                Err(error) => return Err(self.tree.failed("creating", name, error)),
                Ok(made) => return Ok(made),
            }
        }
        Err(self.tree.failed("creating", name, Errno::EXIST))
    }

    /// Removes what stands where something that is no directory is to be made.
    fn clear(&mut self, name: &[u8]) -> Result<()> {
        let Some(stat) = self.tree.stat(name)? else {
            return Ok(());
        };
        if file_type(&stat) == FileType::Directory {
            let place = self.tree.child(name);
            if self.rules.no_overwrite {
                return Err(Error::DirectoryByOther {
                    path: absolute(&place),
                    root: absolute(&join(&self.rules.base)),
                });
            }
            self.notes.removed(&place);
            self.forget(&place);
        }
        self.replaced = true;
        remove_all(self.tree.here(), name)
    }
}

fn absolute(inside: &Path) -> PathBuf {
    Path::new("/").join(inside)
}
