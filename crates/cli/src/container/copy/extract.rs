//! A container's tar stream into a local directory.
//!
//! The archive comes from a container and is not trusted: every name is walked component
//! by component from the target's descriptor and no symbolic link is followed, neither
//! one of the archive nor one that somebody swaps in (CVE-2019-14271, CVE-2018-15664).

use super::place::Local;
use rustix::{
    fs::{AtFlags, CWD, FileType, Mode, OFlags, RawMode, Timespec, Timestamps},
    io::Errno,
};
use std::{
    ffi::OsString,
    fs::File,
    io::{self, Read},
    os::{fd::OwnedFd, unix::ffi::OsStringExt},
    path::{Component, Path},
};
use tar::EntryType;
use thiserror::Error;

/// Deepest name that is extracted.
const DEPTH_LIMIT: usize = 1024;

/// How to extract.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Owner and group of the archive instead of the caller's.
    pub keep_owner: bool,
}

/// A failed extraction.
#[derive(Debug, Error)]
pub enum ExtractError {
    #[error("reading the archive: {0}")]
    Read(#[source] io::Error),
    #[error("invalid tar entry {0:?}: the name leaves the target directory")]
    Outside(String),
    #[error("{operation} {path}: {source}")]
    Write {
        operation: &'static str,
        path: String,
        source: io::Error,
    },
}

/// Extracts all entries; the first component of each name is replaced by the target's.
pub fn extract(stream: impl Read, target: &Local, options: Options) -> Result<(), ExtractError> {
    let directory = open_directory(CWD, &target.directory)
        .map_err(|e| failed("open", &target.directory.display().to_string(), e))?;
    let mut archive = tar::Archive::new(stream);
    let mut directories = Vec::new();
    for entry in archive.entries().map_err(ExtractError::Read)? {
        let mut entry = entry.map_err(ExtractError::Read)?;
        let path = entry.path_bytes().into_owned();
        let Some(parts) = components(&path, target)? else {
            continue;
        };
        let item = Item {
            directory: &directory,
            parts: &parts,
            options,
        };
        if entry.header().entry_type() == EntryType::Directory {
            item.make_directory()?;
            directories.push((parts, mode(&entry), mtime(&entry)));
        } else {
            item.make(&mut entry, target)?;
        }
    }
    // Modes and times of directories last: a read-only one could not be filled.
    for (parts, mode, time) in directories.iter().rev() {
        Item {
            directory: &directory,
            parts,
            options,
        }
        .finish_directory(*mode, *time)?;
    }
    // The rest of the stream is read, or its sender would see a broken pipe.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(ExtractError::Read)?;
    Ok(())
}

fn failed(operation: &'static str, path: &str, errno: Errno) -> ExtractError {
    ExtractError::Write {
        operation,
        path: path.to_owned(),
        source: errno.into(),
    }
}

fn mode(entry: &tar::Entry<'_, impl Read>) -> RawMode {
    entry.header().mode().unwrap_or(0o644) & 0o7777
}

fn mtime(entry: &tar::Entry<'_, impl Read>) -> i64 {
    entry
        .header()
        .mtime()
        .ok()
        .and_then(|t| i64::try_from(t).ok())
        .unwrap_or(0)
}

/// The components of a name under the target, `None` for the target itself.
fn components(path: &[u8], target: &Local) -> Result<Option<Vec<OsString>>, ExtractError> {
    let outside = || ExtractError::Outside(String::from_utf8_lossy(path).into_owned());
    let text = OsString::from_vec(path.to_vec());
    let mut parts = Vec::new();
    for component in Path::new(&text).components() {
        match component {
            Component::Normal(part) => parts.push(part.to_owned()),
            Component::CurDir => {}
            _ => return Err(outside()),
        }
    }
    if parts.len() > DEPTH_LIMIT {
        return Err(outside());
    }
    if target.rooted && !parts.is_empty() {
        parts.remove(0);
    }
    if let Some(name) = &target.name {
        parts.insert(0, name.into());
    }
    Ok((!parts.is_empty()).then_some(parts))
}

fn open_directory(
    at: impl std::os::fd::AsFd,
    path: impl rustix::path::Arg,
) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(at, path, flags, Mode::empty())
}

/// One name below the target.
struct Item<'a> {
    directory: &'a OwnedFd,
    parts: &'a [OsString],
    options: Options,
}

impl Item<'_> {
    fn shown(&self) -> String {
        let parts: Vec<_> = self.parts.iter().map(|p| p.to_string_lossy()).collect();
        parts.join("/")
    }

    fn failed(&self, operation: &'static str, errno: Errno) -> ExtractError {
        failed(operation, &self.shown(), errno)
    }

    /// The directory that holds the name; missing ones are made.
    fn parent(&self) -> Result<OwnedFd, ExtractError> {
        let mut at = self
            .directory
            .try_clone()
            .map_err(|source| ExtractError::Write {
                operation: "open",
                path: self.shown(),
                source,
            })?;
        for part in &self.parts[..self.parts.len() - 1] {
            at = self.step(&at, part)?;
        }
        Ok(at)
    }

    fn step(&self, at: &OwnedFd, part: &OsString) -> Result<OwnedFd, ExtractError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(at, part, flags, Mode::empty()) {
            Err(Errno::NOENT) => {
                match rustix::fs::mkdirat(at, part, Mode::from_raw_mode(0o755)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(errno) => return Err(self.failed("mkdir", errno)),
                }
                rustix::fs::openat(at, part, flags, Mode::empty())
                    .map_err(|errno| self.failed("open", errno))
            }
            other => other.map_err(|errno| self.failed("open", errno)),
        }
    }

    fn last(&self) -> &OsString {
        &self.parts[self.parts.len() - 1]
    }

    fn make_directory(&self) -> Result<(), ExtractError> {
        let parent = self.parent()?;
        match rustix::fs::mkdirat(&parent, self.last(), Mode::from_raw_mode(0o700)) {
            Ok(()) => Ok(()),
            Err(Errno::EXIST) => self.step(&parent, self.last()).map(drop),
            Err(errno) => Err(self.failed("mkdir", errno)),
        }
    }

    fn finish_directory(&self, mode: RawMode, seconds: i64) -> Result<(), ExtractError> {
        let directory = self.step(&self.parent()?, self.last())?;
        rustix::fs::fchmod(&directory, Mode::from_raw_mode(mode))
            .and_then(|()| rustix::fs::futimens(&directory, &times(seconds)))
            .map_err(|errno| self.failed("chmod", errno))
    }

    fn make(
        &self,
        entry: &mut tar::Entry<'_, impl Read>,
        target: &Local,
    ) -> Result<(), ExtractError> {
        let parent = self.parent()?;
        match rustix::fs::unlinkat(&parent, self.last(), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(self.failed("replace", errno)),
        }
        match entry.header().entry_type() {
            EntryType::Symlink => {
                let link = self.link(entry)?;
                rustix::fs::symlinkat(link, &parent, self.last())
                    .map_err(|errno| self.failed("symlink", errno))?;
                self.own(&parent, entry)
            }
            EntryType::Link => {
                let link = self.link(entry)?;
                let Some(parts) = components(&link, target)? else {
                    return Ok(());
                };
                let other = Item {
                    directory: self.directory,
                    parts: &parts,
                    options: self.options,
                };
                let from = other.parent()?;
                rustix::fs::linkat(&from, other.last(), &parent, self.last(), AtFlags::empty())
                    .map_err(|errno| self.failed("link", errno))
            }
            kind @ (EntryType::Fifo | EntryType::Char | EntryType::Block) => {
                self.node(&parent, entry, kind)
            }
            _ => self.file(&parent, entry),
        }
    }

    fn link(&self, entry: &tar::Entry<'_, impl Read>) -> Result<Vec<u8>, ExtractError> {
        entry
            .link_name_bytes()
            .map(|name| name.into_owned())
            .ok_or_else(|| ExtractError::Outside(self.shown()))
    }

    fn file(
        &self,
        parent: &OwnedFd,
        entry: &mut tar::Entry<'_, impl Read>,
    ) -> Result<(), ExtractError> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(parent, self.last(), flags, Mode::from_raw_mode(0o600))
            .map_err(|errno| self.failed("create", errno))?;
        let mut file = File::from(fd);
        io::copy(entry, &mut file).map_err(ExtractError::Read)?;
        self.own(parent, entry)?;
        rustix::fs::fchmod(&file, Mode::from_raw_mode(mode(entry)))
            .and_then(|()| rustix::fs::futimens(&file, &times(mtime(entry))))
            .map_err(|errno| self.failed("chmod", errno))
    }

    fn node(
        &self,
        parent: &OwnedFd,
        entry: &tar::Entry<'_, impl Read>,
        kind: EntryType,
    ) -> Result<(), ExtractError> {
        let header = entry.header();
        let number = |value: io::Result<Option<u32>>| value.ok().flatten().unwrap_or(0);
        let device =
            rustix::fs::makedev(number(header.device_major()), number(header.device_minor()));
        let kind = match kind {
            EntryType::Fifo => FileType::Fifo,
            EntryType::Char => FileType::CharacterDevice,
            _ => FileType::BlockDevice,
        };
        rustix::fs::mknodat(
            parent,
            self.last(),
            kind,
            Mode::from_raw_mode(mode(entry)),
            device,
        )
        .map_err(|errno| self.failed("mknod", errno))?;
        self.own(parent, entry)
    }

    fn own(&self, parent: &OwnedFd, entry: &tar::Entry<'_, impl Read>) -> Result<(), ExtractError> {
        if !self.options.keep_owner {
            return Ok(());
        }
        let id = |value: io::Result<u64>| value.ok().and_then(|id| u32::try_from(id).ok());
        let user = id(entry.header().uid()).map(rustix::fs::Uid::from_raw);
        let group = id(entry.header().gid()).map(rustix::fs::Gid::from_raw);
        rustix::fs::chownat(parent, self.last(), user, group, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|errno| self.failed("chown", errno))
    }
}

fn times(seconds: i64) -> Timestamps {
    let time = Timespec {
        tv_sec: seconds,
        tv_nsec: 0,
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn archive(fill: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        fill(&mut builder);
        builder.into_inner().unwrap()
    }

    fn file(builder: &mut tar::Builder<Vec<u8>>, name: &str, content: &str) {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o640);
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        builder.append(&header, content.as_bytes()).unwrap();
    }

    fn link(builder: &mut tar::Builder<Vec<u8>>, name: &str, target: &str) {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(EntryType::Symlink);
        header.set_size(0);
        builder.append_link(&mut header, name, target).unwrap();
    }

    fn into(directory: &Path, name: Option<&str>, archive: &[u8]) -> Result<(), ExtractError> {
        let target = Local {
            directory: directory.to_owned(),
            rooted: true,
            name: name.map(str::to_owned),
        };
        extract(archive, &target, Options { keep_owner: false })
    }

    #[test]
    fn the_root_of_the_archive_gets_the_targets_name() {
        let directory = tempfile::tempdir().unwrap();
        let bytes = archive(|b| file(b, "etc/hosts", "x"));
        into(directory.path(), Some("new"), &bytes).unwrap();
        assert_eq!(
            fs::read_to_string(directory.path().join("new/hosts")).unwrap(),
            "x"
        );
        into(directory.path(), None, &bytes).unwrap();
        assert_eq!(
            fs::read_to_string(directory.path().join("hosts")).unwrap(),
            "x"
        );
    }

    #[test]
    fn nothing_is_written_outside_the_target() {
        let outside = tempfile::tempdir().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let through = archive(|b| {
            link(b, "d/out", outside.path().to_str().unwrap());
            file(b, "d/out/evil", "x");
        });
        assert!(into(directory.path(), Some("d"), &through).is_err());
        let dots = archive(|b| file(b, "d/../../evil", "x"));
        assert!(into(directory.path(), Some("d"), &dots).is_err());
        let absolute = archive(|b| file(b, "/evil", "x"));
        assert!(into(directory.path(), Some("d"), &absolute).is_err());
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
        assert!(!directory.path().parent().unwrap().join("evil").exists());
    }
}
