//! A container's changes, read from overlay's upper directory.

use crate::{
    LowerView, Result,
    emit::{failed, names, relative},
    lower::{Found, duplicate, look},
    name::path,
    tree::{DIRECTORY, file_type, is_whiteout},
    xattrs,
};
use rustix::{
    fs::{self, AtFlags, FileType, Mode, OFlags, Stat},
    io::Errno,
};
use std::{
    collections::{BTreeSet, HashSet},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

/// How a path differs. The numbers are those of Docker's API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ChangeKind {
    /// Its content or metadata, or (a directory) something in it.
    Modified = 0,
    /// Not in the image.
    Added = 1,
    /// In the image, gone from the container.
    Deleted = 2,
}

/// One changed path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Absolute, inside the container.
    pub path: PathBuf,
    /// How it differs.
    pub kind: ChangeKind,
}

/// The changes of `upper` against the image's layers, sorted by path; directories above
/// a changed path are in the list as modified (as Docker's `diff` shows them). Paths in
/// `exclude` and all below them are no changes: mount points that the engine made.
pub fn changes(
    upper: BorrowedFd<'_>,
    lower: &LowerView,
    exclude: &[PathBuf],
) -> Result<Vec<Change>> {
    let mut walk = Walk {
        exclude: relative(exclude),
        changes: Vec::new(),
    };
    let top = fs::openat(upper, ".", DIRECTORY, Mode::empty())
        .map_err(|error| failed("opening", b"/", error))?;
    walk.run(top, lower.roots()?)?;
    walk.changes.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(walk.changes)
}

struct Walk {
    exclude: HashSet<PathBuf>,
    changes: Vec<Change>,
}

/// A directory that the container has touched.
struct Level {
    upper: OwnedFd,
    names: Vec<Vec<u8>>,
    lower: Vec<OwnedFd>,
    place: PathBuf,
    /// Where its own change stands, if it is not known to be one yet.
    undecided: Option<usize>,
}

impl Walk {
    fn run(&mut self, upper: OwnedFd, lower: Vec<OwnedFd>) -> Result<()> {
        let mut open = vec![Level::new(upper, lower, PathBuf::new(), None)?];
        while let Some(level) = open.last_mut() {
            let Some(name) = level.names.pop() else {
                // A directory with nothing changed in it is none.
                if let Some(Level {
                    undecided: Some(at),
                    place,
                    ..
                }) = open.pop()
                    && self.changes.len() > at
                {
                    self.add(&place, ChangeKind::Modified);
                }
                continue;
            };
            let place = level.place.join(path(&name));
            if self.exclude.contains(&place) {
                continue;
            }
            let stat = match fs::statat(&level.upper, path(&name), AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => stat,
                Err(Errno::NOENT) => continue,
                Err(error) => return Err(failed("looking at", &name, error)),
            };
            let below = look(&level.lower, &name)?;
            if let Some(next) = self.entry(level, &name, place, &stat, below)? {
                open.push(next);
            }
        }
        Ok(())
    }

    /// Notes how one entry differs; gives a directory to go on in.
    fn entry(
        &mut self,
        level: &Level,
        name: &[u8],
        place: PathBuf,
        stat: &Stat,
        below: Found,
    ) -> Result<Option<Level>> {
        if is_whiteout(stat) {
            if !matches!(below, Found::Missing) {
                self.add(&place, ChangeKind::Deleted);
            }
            return Ok(None);
        }
        let mut undecided = None;
        let mut lower = Vec::new();
        match below {
            Found::Missing => self.add(&place, ChangeKind::Added),
            Found::Other(other) => {
                let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let old = fs::openat(&other.directory, path(name), flags, Mode::empty());
                let old = old.map_err(|error| failed("opening", name, error))?;
                if differs(&other.stat, stat)
                    || self.capability(&old)? != self.capability_at(level, name)?
                {
                    self.add(&place, ChangeKind::Modified);
                }
            }
            Found::Directory(directories) => {
                let old = fs::fstat(&directories[0])
                    .map_err(|error| failed("looking at", name, error))?;
                match differs(&old, stat) {
                    true => self.add(&place, ChangeKind::Modified),
                    false => undecided = Some(self.changes.len()),
                }
                lower = directories;
            }
        }
        if file_type(stat) != FileType::Directory {
            return Ok(None);
        }
        let upper = match fs::openat(&level.upper, path(name), DIRECTORY, Mode::empty()) {
            Ok(upper) => upper,
            // Replaced since it was looked at.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
            Err(error) => return Err(failed("opening", name, error)),
        };
        let opaque = xattrs::is_opaque(upper.as_fd())
            .map_err(|error| failed("reading the attributes of", name, error))?;
        if opaque {
            self.hidden(&upper, &lower, &place)?;
            // What is there was made anew; compared with what was there under its name.
        }
        Level::new(upper, lower, place, undecided).map(Some)
    }

    /// What an opaque directory no longer shows is deleted.
    fn hidden(&mut self, upper: &OwnedFd, lower: &[OwnedFd], place: &Path) -> Result<()> {
        let here: BTreeSet<Vec<u8>> = list(upper)?.into_iter().collect();
        let mut gone = BTreeSet::new();
        for directory in lower {
            gone.extend(
                list(directory)?
                    .into_iter()
                    .filter(|name| !here.contains(name)),
            );
        }
        for name in gone {
            let place = place.join(path(&name));
            if !self.exclude.contains(&place) && !matches!(look(lower, &name)?, Found::Missing) {
                self.add(&place, ChangeKind::Deleted);
            }
        }
        Ok(())
    }

    fn add(&mut self, place: &Path, kind: ChangeKind) {
        self.changes.push(Change {
            path: Path::new("/").join(place),
            kind,
        });
    }

    fn capability_at(&self, level: &Level, name: &[u8]) -> Result<Option<Vec<u8>>> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match fs::openat(&level.upper, path(name), flags, Mode::empty()) {
            Ok(file) => self.capability(&file),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(failed("opening", name, error)),
        }
    }

    fn capability(&self, file: &OwnedFd) -> Result<Option<Vec<u8>>> {
        xattrs::capability(file.as_fd())
            .map_err(|error| failed("reading the capabilities of", b".", error))
    }
}

impl Level {
    fn new(
        upper: OwnedFd,
        lower: Vec<OwnedFd>,
        place: PathBuf,
        undecided: Option<usize>,
    ) -> Result<Self> {
        let names = list(&upper)?;
        Ok(Self {
            upper,
            names,
            lower,
            place,
            undecided,
        })
    }
}

fn list(directory: &OwnedFd) -> Result<Vec<Vec<u8>>> {
    names(duplicate(directory)?.as_fd()).map_err(|error| failed("reading", b".", error))
}

/// Docker's rule: mode, owner, device; for what is no directory also time and size.
fn differs(old: &Stat, new: &Stat) -> bool {
    let shape = |stat: &Stat| (stat.st_mode, stat.st_uid, stat.st_gid, stat.st_rdev);
    let content = |stat: &Stat| (stat.st_mtime, stat.st_size);
    if shape(old) != shape(new) {
        return true;
    }
    if file_type(old) == FileType::Directory {
        return false;
    }
    // A time without nanoseconds came from an archive that had none.
    let (one, other) = (old.st_mtime_nsec, new.st_mtime_nsec);
    content(old) != content(new) || (one != other && one != 0 && other != 0)
}
