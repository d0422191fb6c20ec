//! Directories inside a root, walked on descriptors.
//!
//! Every step opens one component relative to a directory already held, never following a
//! symbolic link; links are read and resolved here, with the root as their `/` and held
//! descriptors as their `..`. So neither a link nor a concurrent rename leads outside.
//!
//! A tree may stand on lower layers: where it has nothing itself, their links are followed
//! and their directories told of.

use crate::{
    Error, Limit, Limits, Result,
    limits::MAX_SYMLINKS,
    lower::{Found, Other, look},
    name::{join, path},
    tar::over,
    xattrs,
};
use rustix::{
    fs::{self, AtFlags, FileType, Mode, OFlags, Stat},
    io::Errno,
};
use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::PathBuf,
};

/// A place in a tree: the directory entered last, and those above it.
pub(crate) struct Tree<'a> {
    root: BorrowedFd<'a>,
    /// What shows through the root; empty where the tree stands on nothing.
    below_root: Vec<OwnedFd>,
    /// From the root down; names of directories, never of links.
    stack: Vec<Level>,
    /// What a walk that stopped still had to go, the obstacle first.
    rest: Vec<Vec<u8>>,
    limits: Limits,
}

struct Level {
    name: Vec<u8>,
    directory: OwnedFd,
    /// The lower directories that show through it.
    below: Vec<OwnedFd>,
}

/// What stands where a directory was looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// Nothing.
    Missing,
    /// Nothing in the tree itself, a directory in the layers below.
    Lower,
    /// Something that is no directory and no link.
    Other,
}

/// Decides about an obstacle: true after making a directory of mode 0755 of that name.
pub(crate) type Maker<'m> =
    &'m mut dyn FnMut(BorrowedFd<'_>, &[u8], Obstacle, &dyn Fn() -> PathBuf) -> Result<bool>;

/// How a directory is opened: readable, so that attributes can be set through it.
pub(crate) const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

impl<'a> Tree<'a> {
    pub fn new(root: BorrowedFd<'a>, limits: &Limits) -> Self {
        Self {
            root,
            below_root: Vec::new(),
            stack: Vec::new(),
            rest: Vec::new(),
            limits: limits.clone(),
        }
    }

    /// From now on the tree stands on layers with these roots, the uppermost first.
    pub fn stand_on(&mut self, roots: Vec<OwnedFd>) {
        self.below_root = roots;
        self.stack.clear();
    }

    /// The lower directories that show through the directory entered last.
    pub fn below(&self) -> &[OwnedFd] {
        self.stack
            .last()
            .map_or(&self.below_root, |level| &level.below)
    }

    /// Nothing shows through the directory entered last any more.
    pub fn hide_below(&mut self) {
        match self.stack.last_mut() {
            Some(level) => level.below.clear(),
            None => self.below_root.clear(),
        }
    }

    /// The directory entered last.
    pub fn here(&self) -> BorrowedFd<'_> {
        self.stack
            .last()
            .map_or(self.root, |level| level.directory.as_fd())
    }

    /// Where it really is, relative to the root.
    pub fn location(&self) -> PathBuf {
        join(
            &self
                .stack
                .iter()
                .map(|level| &level.name)
                .collect::<Vec<_>>(),
        )
    }

    /// Where a walk that stopped would have led, had nothing been in its way.
    pub fn destination(&self) -> PathBuf {
        let mut parts = self.components();
        for part in &self.rest {
            match &part[..] {
                b"" | b"." => {}
                b".." => drop(parts.pop()),
                _ => parts.push(part.clone()),
            }
        }
        join(&parts)
    }

    /// As [`Tree::location`], component by component.
    pub fn components(&self) -> Vec<Vec<u8>> {
        self.stack.iter().map(|level| level.name.clone()).collect()
    }

    /// Where `name` in it really is.
    pub fn child(&self, name: &[u8]) -> PathBuf {
        let mut parts: Vec<&[u8]> = self.stack.iter().map(|level| &level.name[..]).collect();
        parts.push(name);
        join(&parts)
    }

    /// Goes to the directory that `parts` lead to from the root. Where one is missing or
    /// none, `make` decides; false if it did not make one (then the place is where the
    /// walk stopped).
    pub fn enter<T: AsRef<[u8]>>(&mut self, parts: &[T], make: Maker<'_>) -> Result<bool> {
        let common = self
            .stack
            .iter()
            .zip(parts)
            .take_while(|(level, part)| level.name == part.as_ref())
            .count();
        self.stack.truncate(common);
        if common == parts.len() {
            return Ok(true);
        }
        // What is still to walk, the next component last.
        let mut ahead: Vec<Vec<u8>> = parts[common..]
            .iter()
            .rev()
            .map(|part| part.as_ref().to_vec())
            .collect();
        let mut links = 0;
        while let Some(name) = ahead.pop() {
            match &name[..] {
                b"" | b"." => {}
                b".." => {
                    self.stack.pop();
                }
                _ => match self.step(&name, make)? {
                    Step::Entered => {}
                    Step::Stopped => {
                        ahead.push(name);
                        ahead.reverse();
                        self.rest = ahead;
                        return Ok(false);
                    }
                    Step::Link(target) => {
                        links += 1;
                        if links > MAX_SYMLINKS {
                            return Err(over(Limit::SymlinksFollowed, &self.limits));
                        }
                        if target.starts_with(b"/") {
                            self.stack.clear();
                        }
                        let parts = target.split(|&byte| byte == b'/').rev();
                        ahead.extend(parts.map(<[u8]>::to_vec));
                    }
                },
            }
        }
        Ok(true)
    }

    fn step(&mut self, name: &[u8], make: Maker<'_>) -> Result<Step> {
        if self.stack.len() >= self.limits.path_depth {
            return Err(over(Limit::PathDepth, &self.limits));
        }
        // Bounds a race with somebody who keeps replacing the entry.
        for _ in 0..MAX_SYMLINKS {
            let obstacle = match fs::openat(self.here(), path(name), DIRECTORY, Mode::empty()) {
                Ok(directory) => {
                    let below = self.below_child(&directory, name)?;
                    self.stack.push(Level {
                        name: name.to_vec(),
                        directory,
                        below,
                    });
                    return Ok(Step::Entered);
                }
                Err(Errno::NOENT) => match look(self.below(), name)? {
                    Found::Directory(_) => Obstacle::Lower,
                    Found::Other(lower) if file_type(&lower.stat) == FileType::Symlink => {
                        return self.lower_link(&lower).map(Step::Link);
                    }
                    // A directory covers a lower file, whatever the file is.
                    Found::Other(_) | Found::Missing => Obstacle::Missing,
                },
                Err(Errno::LOOP | Errno::NOTDIR) => {
                    match fs::readlinkat(self.here(), path(name), Vec::new()) {
                        Ok(target) => return Ok(Step::Link(target.into_bytes())),
                        Err(Errno::INVAL) => Obstacle::Other,
                        Err(Errno::NOENT) => continue,
                        Err(error) => return Err(self.failed("reading the link", name, error)),
                    }
                }
                Err(error) => return Err(self.failed("opening", name, error)),
            };
            if !make(self.here(), name, obstacle, &|| self.child(name))? {
                return Ok(Step::Stopped);
            }
        }
        Err(self.failed("opening", name, Errno::LOOP))
    }

    /// What shows through a directory of the directory at hand.
    fn below_child(&self, directory: &OwnedFd, name: &[u8]) -> Result<Vec<OwnedFd>> {
        if self.below().is_empty() {
            return Ok(Vec::new());
        }
        let opaque = xattrs::is_opaque(directory.as_fd())
            .map_err(|error| self.failed("reading the attributes of", name, error))?;
        Ok(match look(self.below(), name)? {
            Found::Directory(below) if !opaque => below,
            _ => Vec::new(),
        })
    }

    fn lower_link(&self, link: &Other) -> Result<Vec<u8>> {
        fs::readlinkat(&link.directory, path(&link.name), Vec::new())
            .map(|target| target.into_bytes())
            .map_err(|error| self.failed("reading the link", &link.name, error))
    }

    /// What `name` in the directory at hand is, not following a link.
    pub fn stat(&self, name: &[u8]) -> Result<Option<Stat>> {
        match fs::statat(self.here(), path(name), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(self.failed("looking at", name, error)),
        }
    }

    /// The kernel's answer about `name` in the directory at hand.
    pub fn failed(&self, operation: &'static str, name: &[u8], error: Errno) -> Error {
        Error::Path {
            operation,
            path: self.child(name),
            source: error.into(),
        }
    }
}

enum Step {
    Entered,
    Stopped,
    Link(Vec<u8>),
}

/// A [`Maker`] that makes nothing.
pub(crate) fn make_nothing(
    _: BorrowedFd<'_>,
    _: &[u8],
    _: Obstacle,
    _: &dyn Fn() -> PathBuf,
) -> Result<bool> {
    Ok(false)
}

/// The type of a file.
pub(crate) fn file_type(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// overlay's mark for a name that lower layers have and this one not.
pub(crate) fn is_whiteout(stat: &Stat) -> bool {
    file_type(stat) == FileType::CharacterDevice && stat.st_rdev == 0
}
