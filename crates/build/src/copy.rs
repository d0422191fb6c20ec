//! Selected files put into a root file system.

use crate::{
    Error, Result,
    fresh_file::{Metadata, copy_content},
    owner::{Chmod, Owner},
    tree::{DIRECTORY, Entry, Item, Source},
};
use corten_sys::root::Root;
use rustix::{
    fs::{self, AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags},
    io::Errno,
};
use std::{
    collections::HashMap,
    ffi::OsStr,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::{Component, Path, PathBuf},
};

/// Symbolic links that are followed one after the other; path_resolution(7).
const LINKS_MAX: usize = 40;

/// How files are put.
#[derive(Debug, Clone, Default)]
pub(crate) struct PutOptions {
    pub owner: Option<Owner>,
    pub chmod: Option<Chmod>,
    /// Keep the directories of the source's path below the destination; the number of
    /// components that are cut first.
    pub parents: Option<usize>,
    /// Seconds that every time is set to.
    pub epoch: Option<i64>,
    /// The destination has been made just now, for what is copied.
    pub into_new: bool,
}

/// Makes `path` and what is missing above it, also where a link that is on the way leads to
/// nothing yet. Blocking.
pub(crate) fn make_directories(
    root: &Root,
    path: &Path,
    owner: Option<Owner>,
    mode: u32,
) -> Result<(OwnedFd, bool)> {
    make_below(root, path, owner, mode, LINKS_MAX)
}

fn make_below(
    root: &Root,
    path: &Path,
    owner: Option<Owner>,
    mode: u32,
    links: usize,
) -> Result<(OwnedFd, bool)> {
    let mut at = PathBuf::from("/");
    let failed = |path: &Path, error| Error::path("creating", path, error);
    let open = |path: &Path| root.open_file(path, DIRECTORY, Mode::empty());
    let mut directory = open(&at).map_err(|error| Error::path("opening", &at, error))?;
    let mut created = false;
    for part in path.components() {
        match part {
            Component::Normal(name) => {
                at.push(name);
                match open(&at) {
                    Ok(next) => {
                        directory = next;
                        created = false;
                        continue;
                    }
                    Err(error) if error.raw_os_error() == Some(Errno::NOENT.raw_os_error()) => {}
                    Err(error) => return Err(failed(&at, error)),
                }
                if let Ok(link) = fs::readlinkat(&directory, name, Vec::new()) {
                    if links == 0 {
                        return Err(failed(&at, Errno::LOOP.into()));
                    }
                    let above = at.parent().unwrap_or(Path::new("/"));
                    let target = above.join(OsStr::from_bytes(link.as_bytes()));
                    (directory, created) = make_below(root, &target, owner, mode, links - 1)?;
                    continue;
                }
                fs::mkdirat(&directory, name, Mode::from_raw_mode(mode))
                    .map_err(|error| failed(&at, error.into()))?;
                let flags = DIRECTORY | OFlags::NOFOLLOW;
                directory = fs::openat(&directory, name, flags, Mode::empty())
                    .map_err(|error| failed(&at, error.into()))?;
                // The umask may have taken bits.
                fs::fchmod(&directory, Mode::from_raw_mode(mode))
                    .map_err(|error| failed(&at, error.into()))?;
                if let Some(owner) = owner {
                    chown(directory.as_fd(), owner, &at)?;
                }
                created = true;
            }
            Component::ParentDir => {
                at.pop();
                directory = open(&at).map_err(|error| failed(&at, error))?;
                created = false;
            }
            _ => {}
        }
    }
    Ok((directory, created))
}

fn chown(file: BorrowedFd<'_>, owner: Owner, path: &Path) -> Result<()> {
    fs::fchown(
        file,
        Some(Uid::from_raw(owner.uid)),
        Some(Gid::from_raw(owner.gid)),
    )
    .map_err(|error| Error::path("changing the owner of", path, error))
}

/// Where the destination of a file leads when a symbolic link has its name, also one to
/// nothing: BuildKit writes what the link names.
fn followed(root: &Root, mut target: PathBuf) -> Result<PathBuf> {
    for _ in 0..LINKS_MAX {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let Ok(found) = root.open_file(&target, flags, Mode::empty()) else {
            return Ok(target);
        };
        match fs::readlinkat(&found, "", Vec::new()) {
            Ok(link) => {
                target.pop();
                target.push(OsStr::from_bytes(link.as_bytes()));
            }
            // What is no link has nothing to be read.
            Err(Errno::NOENT | Errno::INVAL) => return Ok(target),
            Err(error) => return Err(Error::path("reading the link", &target, error)),
        }
    }
    Err(Error::path("following", &target, Errno::LOOP))
}

/// Puts one selected path to `destination` (absolute; with `/` at its end it is a
/// directory). Blocking.
pub(crate) fn put(
    source: &Source,
    item: &Item,
    root: &Root,
    destination: &str,
    options: &PutOptions,
) -> Result<()> {
    put_one(source, item, root, destination, options).map_err(no_place)
}

/// BuildKit's sentences about a destination that no directory can be made at.
pub(crate) fn no_place(error: Error) -> Error {
    let (path, errno) = match &error {
        Error::Path { path, source, .. } => (path, source.raw_os_error()),
        _ => return error,
    };
    match errno.map(Errno::from_raw_os_error) {
        Some(Errno::NOTDIR) => Error::Invalid(format!("mkdir {}: not a directory", path.display())),
        Some(Errno::LOOP) => Error::Invalid("too many links".into()),
        _ => error,
    }
}

fn put_one(
    source: &Source,
    item: &Item,
    root: &Root,
    destination: &str,
    options: &PutOptions,
) -> Result<()> {
    let mut target = PathBuf::from(destination);
    let mut into_directory = destination.ends_with('/') || destination.ends_with("/.");
    if let Some(cut) = options.parents {
        let kept: PathBuf = item.path.iter().skip(cut).collect();
        let parent = kept.parent().map(Path::to_owned).unwrap_or_default();
        target.push(parent);
        into_directory = true;
        if item.is_directory() {
            target.push(kept.file_name().unwrap_or_default());
        }
    }
    if item.is_directory() {
        let made = make_directories(root, &target, options.owner, 0o755);
        let (directory, created) = made.map_err(|error| match error {
            Error::Path { source, .. }
                if source.raw_os_error() == Some(Errno::NOTDIR.raw_os_error()) =>
            {
                Error::Invalid(format!(
                    "cannot copy to non-directory: {}",
                    target.display()
                ))
            }
            other => other,
        })?;
        let created = created || options.into_new;
        let top = &item.entries[0];
        let from = source
            .root
            .open_file(&item.path, DIRECTORY, Mode::empty())
            .map_err(|error| Error::path("opening", &item.path, error))?;
        let mut putting = Putting {
            options,
            linked: HashMap::new(),
            place: target.clone(),
            top: directory
                .try_clone()
                .map_err(|error| Error::path("opening", &target, error))?,
        };
        putting.below(from, directory.as_fd(), &item.entries[1..])?;
        return putting.destination(directory.as_fd(), top, created);
    }
    let name = item.path.file_name().unwrap_or_default().to_owned();
    let exists = || root.open_file(&target, DIRECTORY, Mode::empty()).is_ok();
    let (place, name) = if into_directory || exists() {
        (target.as_path(), name)
    } else {
        target = followed(root, target)?;
        let parent = target.parent().unwrap_or(Path::new("/"));
        (parent, target.file_name().unwrap_or_default().to_owned())
    };
    let (directory, _) = make_directories(root, place, options.owner, 0o755)?;
    let mut putting = Putting {
        options,
        linked: HashMap::new(),
        place: place.to_owned(),
        top: directory
            .try_clone()
            .map_err(|error| Error::path("opening", &target, error))?,
    };
    let entry = &item.entries[0];
    let from = match entry.kind() {
        FileType::RegularFile => Some(
            source
                .root
                .open_file(&item.path, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty())
                .map_err(|error| Error::path("opening", &item.path, error))?,
        ),
        _ => None,
    };
    putting.entry(from, directory.as_fd(), &name, entry)
}

struct Putting<'a> {
    options: &'a PutOptions,
    /// Where the first of several links to one file went, below `top`.
    linked: HashMap<(u64, u64), PathBuf>,
    /// The path of `top`, for messages.
    place: PathBuf,
    top: OwnedFd,
}

/// A directory on the way down.
struct Level<'a> {
    path: &'a Path,
    from: OwnedFd,
    to: OwnedFd,
    entry: Option<&'a Entry>,
}

impl Putting<'_> {
    fn below(&mut self, from: OwnedFd, to: BorrowedFd<'_>, entries: &[Entry]) -> Result<()> {
        let to = to
            .try_clone_to_owned()
            .map_err(|error| Error::path("opening", "/", error))?;
        let mut levels = vec![Level {
            path: Path::new(""),
            from,
            to,
            entry: None,
        }];
        for entry in entries {
            let parent = entry.path.parent().unwrap_or(Path::new(""));
            while levels.last().is_some_and(|level| level.path != parent) {
                self.leave(levels.pop())?;
            }
            let Some(level) = levels.last() else { continue };
            let name = entry.path.file_name().unwrap_or_default();
            let failed = |operation, error: Errno| Error::path(operation, &entry.path, error);
            if entry.is_directory() {
                let flags = DIRECTORY | OFlags::NOFOLLOW;
                let from = fs::openat(&level.from, name, flags, Mode::empty())
                    .map_err(|error| failed("opening", error))?;
                match fs::mkdirat(&level.to, name, Mode::from_raw_mode(0o700)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(failed("creating", error)),
                }
                let to =
                    fs::openat(&level.to, name, flags, Mode::empty()).map_err(
                        |error| match error {
                            Errno::NOTDIR | Errno::LOOP => Error::Invalid(format!(
                                "cannot copy to non-directory: {}",
                                self.place.join(&entry.path).display()
                            )),
                            error => failed("opening", error),
                        },
                    )?;
                levels.push(Level {
                    path: &entry.path,
                    from,
                    to,
                    entry: Some(entry),
                });
                continue;
            }
            let file = match entry.kind() {
                FileType::RegularFile => {
                    let flags =
                        OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                    let opened = fs::openat(&level.from, name, flags, Mode::empty());
                    Some(opened.map_err(|error| failed("opening", error))?)
                }
                _ => None,
            };
            self.entry(file, level.to.as_fd(), name, entry)?;
        }
        while let Some(level) = levels.pop() {
            self.leave(Some(level))?;
        }
        Ok(())
    }

    /// A directory's own metadata is set when everything is in it.
    fn leave(&self, level: Option<Level<'_>>) -> Result<()> {
        match level {
            Some(Level {
                to,
                entry: Some(entry),
                ..
            }) => self.metadata(to.as_fd(), entry),
            _ => Ok(()),
        }
    }

    fn entry(
        &mut self,
        from: Option<OwnedFd>,
        to: BorrowedFd<'_>,
        name: &OsStr,
        entry: &Entry,
    ) -> Result<()> {
        let failed = |operation, error: Errno| Error::path(operation, Path::new(name), error);
        let key = (entry.stat.st_dev, entry.stat.st_ino);
        if entry.stat.st_nlink > 1
            && !entry.path.as_os_str().is_empty()
            && let Some(first) = self.linked.get(&key)
        {
            self.clear(to, name, entry)?;
            return fs::linkat(&self.top, first, to, name, AtFlags::empty())
                .map_err(|error| failed("linking", error));
        }
        match entry.kind() {
            FileType::RegularFile => {
                let flags = OFlags::WRONLY
                    | OFlags::CREATE
                    | OFlags::EXCL
                    | OFlags::NOFOLLOW
                    | OFlags::CLOEXEC;
                // What the umask leaves of it need not be set again.
                let mode = Mode::from_raw_mode(self.mode(entry) & 0o777);
                let create = || fs::openat(to, name, flags, mode);
                let created = match create() {
                    Err(Errno::EXIST) => {
                        self.clear(to, name, entry)?;
                        create()
                    }
                    created => created,
                };
                let file = created.map_err(|error| failed("creating", error))?;
                let mut file = std::fs::File::from(file);
                if let Some(from) = from {
                    let size = entry.stat.st_size as u64;
                    let copied = copy_content(std::fs::File::from(from), &mut file, size);
                    copied.map_err(|error| Error::path("copying", Path::new(name), error))?;
                }
                self.metadata(file.as_fd(), entry)?;
                if entry.stat.st_nlink > 1 {
                    self.linked.insert(key, entry.path.clone());
                }
            }
            FileType::Symlink => {
                self.clear(to, name, entry)?;
                let target = entry.target.as_deref().unwrap_or_default();
                fs::symlinkat(OsStr::from_bytes(target), to, name)
                    .map_err(|error| failed("linking", error))?;
                let (uid, gid) = self.owner(entry);
                fs::chownat(to, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
                    .map_err(|error| failed("changing the owner of", error))?;
                fs::utimensat(to, name, &self.times(entry), AtFlags::SYMLINK_NOFOLLOW)
                    .map_err(|error| failed("setting the times of", error))?;
            }
            kind => {
                self.clear(to, name, entry)?;
                let mode = Mode::from_raw_mode(self.mode(entry));
                fs::mknodat(to, name, kind, mode, entry.stat.st_rdev)
                    .map_err(|error| failed("creating", error))?;
                let (uid, gid) = self.owner(entry);
                fs::chownat(to, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
                    .map_err(|error| failed("changing the owner of", error))?;
                fs::chmodat(to, name, mode, AtFlags::empty())
                    .map_err(|error| failed("changing", error))?;
            }
        }
        Ok(())
    }

    /// Takes away what has the name of something that comes, unless it is a directory.
    fn clear(&self, to: BorrowedFd<'_>, name: &OsStr, entry: &Entry) -> Result<()> {
        match fs::unlinkat(to, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(Errno::ISDIR) => {
                let path = match entry.path.as_os_str().is_empty() {
                    true => self.place.join(name),
                    false => self.place.join(&entry.path),
                };
                Err(Error::Invalid(format!(
                    "cannot replace to directory {} with file",
                    path.display()
                )))
            }
            Err(error) => Err(Error::path("replacing", Path::new(name), error)),
        }
    }

    fn owner(&self, entry: &Entry) -> (Uid, Gid) {
        let own = Owner {
            uid: entry.stat.st_uid,
            gid: entry.stat.st_gid,
        };
        let owner = self.options.owner.unwrap_or(own);
        (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid))
    }

    fn mode(&self, entry: &Entry) -> u32 {
        match &self.options.chmod {
            Some(chmod) => chmod.apply(entry.stat.st_mode, entry.is_directory()),
            None => entry.stat.st_mode & 0o7777,
        }
    }

    fn times(&self, entry: &Entry) -> Timestamps {
        let time = match self.options.epoch {
            Some(seconds) => Timespec {
                tv_sec: seconds,
                tv_nsec: 0,
            },
            None => Timespec {
                tv_sec: entry.stat.st_mtime,
                tv_nsec: entry.stat.st_mtime_nsec as _,
            },
        };
        Timestamps {
            last_access: time,
            last_modification: time,
        }
    }

    /// The directory that a directory's content went to has the source's time, and nothing
    /// else of it; where it was made for this, `--chmod` counts if it says all of the mode.
    fn destination(&self, directory: BorrowedFd<'_>, entry: &Entry, created: bool) -> Result<()> {
        let failed = |operation, error: Errno| Error::path(operation, &entry.path, error);
        if created && let Some(Chmod::Bits(bits)) = self.options.chmod {
            fs::fchmod(directory, Mode::from_raw_mode(bits))
                .map_err(|error| failed("changing", error))?;
        }
        fs::futimens(directory, &self.times(entry))
            .map_err(|error| failed("setting the times of", error))
    }

    fn metadata(&self, file: BorrowedFd<'_>, entry: &Entry) -> Result<()> {
        let failed = |operation, error: Errno| Error::path(operation, &entry.path, error);
        let wanted = Metadata {
            owner: self.owner(entry),
            mode: self.mode(entry),
        };
        wanted
            .set(file)
            .map_err(|error| failed("changing", error))?;
        for (name, value) in &entry.xattrs {
            match fs::fsetxattr(file, name, value, XattrFlags::empty()) {
                Ok(()) | Err(Errno::NOTSUP) => {}
                Err(error) => return Err(failed("setting an attribute of", error)),
            }
        }
        fs::futimens(file, &self.times(entry))
            .map_err(|error| failed("setting the times of", error))
    }
}
