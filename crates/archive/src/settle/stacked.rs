//! A layer and those below it, walked as one tree while the layer is not settled yet.

use crate::{
    Error, Limit, Limits, LowerView, Result,
    emit::failed,
    limits::MAX_SYMLINKS,
    lower::{Found, duplicate, look},
    name::{join, path},
    tar::over,
    tree::{DIRECTORY, file_type, is_whiteout},
    xattrs,
};
use rustix::{
    fs::{self, AtFlags, FileType, Mode},
    io::Errno,
};
use std::{
    collections::BTreeSet,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::PathBuf,
};

/// A layer on top of others.
pub(super) struct Stacked<'a> {
    pub root: BorrowedFd<'a>,
    pub lower: &'a LowerView,
}

/// A directory of the stack: the layer's part of it, and what shows through from below.
struct Level {
    own: Option<OwnedFd>,
    below: Vec<OwnedFd>,
}

/// What the stack has at a place.
pub(super) enum End {
    Directory,
    Other,
    Missing,
}

enum Step {
    Level(Level),
    Link(Vec<u8>),
    Other,
    Missing,
}

impl Stacked<'_> {
    fn top(&self) -> Result<Level> {
        Ok(Level {
            own: Some(duplicate(self.root)?),
            below: self.lower.roots()?,
        })
    }

    /// What the lower layers have at a path of directories of the layer, whatever the
    /// layer itself has there.
    pub fn below(&self, parts: &[Vec<u8>]) -> Result<Found> {
        let Some((last, parents)) = parts.split_last() else {
            return Ok(Found::Directory(self.lower.roots()?));
        };
        let mut level = self.top()?;
        let none = BTreeSet::new();
        let mut at = Vec::new();
        for part in parents {
            at.push(part.clone());
            match step(&level, part, &at, &none)? {
                Step::Level(next) => level = next,
                _ => return Ok(Found::Missing),
            }
        }
        look(&level.below, last)
    }

    /// Where a path really leads: links are followed, the last one if asked for; what
    /// only `implied` says is a directory is what the lower layers have. Missing
    /// components stand as they are.
    pub fn resolve(
        &self,
        parts: &[Vec<u8>],
        follow_last: bool,
        implied: &BTreeSet<PathBuf>,
    ) -> Result<(Vec<Vec<u8>>, End)> {
        let mut stack = vec![self.top()?];
        let mut at: Vec<Vec<u8>> = Vec::new();
        let mut ahead: Vec<Vec<u8>> = parts.iter().rev().cloned().collect();
        let mut links = 0;
        let mut missing = false;
        while let Some(name) = ahead.pop() {
            match &name[..] {
                b"" | b"." => continue,
                b".." => {
                    if at.pop().is_some() && stack.len() > at.len() + 1 {
                        stack.pop();
                    }
                    continue;
                }
                _ => {}
            }
            at.push(name.clone());
            let Some(level) = stack.last().filter(|_| stack.len() == at.len()) else {
                continue;
            };
            match step(level, &name, &at, implied)? {
                Step::Level(next) => stack.push(next),
                Step::Link(_) if ahead.is_empty() && !follow_last => return Ok((at, End::Other)),
                Step::Link(target) => {
                    links += 1;
                    if links > MAX_SYMLINKS {
                        return Err(over(Limit::SymlinksFollowed, &Limits::default()));
                    }
                    at.pop();
                    if target.starts_with(b"/") {
                        at.clear();
                        stack.truncate(1);
                    }
                    ahead.extend(target.split(|&byte| byte == b'/').rev().map(<[u8]>::to_vec));
                }
                Step::Other if ahead.is_empty() => return Ok((at, End::Other)),
                Step::Other => {
                    let source = Errno::NOTDIR.into();
                    return Err(Error::Path {
                        operation: "entering",
                        path: join(&at),
                        source,
                    });
                }
                Step::Missing => missing = true,
            }
        }
        let end = match missing && stack.len() <= at.len() {
            true => End::Missing,
            false => End::Directory,
        };
        Ok((at, end))
    }
}

fn step(level: &Level, name: &[u8], at: &[Vec<u8>], implied: &BTreeSet<PathBuf>) -> Result<Step> {
    if let Some(own) = &level.own {
        match fs::statat(own, path(name), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if is_whiteout(&stat) => return Ok(Step::Missing),
            Ok(stat) => match file_type(&stat) {
                FileType::Directory => return own_directory(own, level, name, at, implied),
                FileType::Symlink => return link(own, name),
                _ => return Ok(Step::Other),
            },
            Err(Errno::NOENT) => {}
            Err(error) => return Err(failed("looking at", name, error)),
        }
    }
    Ok(match look(&level.below, name)? {
        Found::Missing => Step::Missing,
        Found::Directory(below) => Step::Level(Level { own: None, below }),
        Found::Other(other) => match file_type(&other.stat) {
            FileType::Symlink => link(&other.directory, name)?,
            _ => Step::Other,
        },
    })
}

fn own_directory(
    own: &OwnedFd,
    level: &Level,
    name: &[u8],
    at: &[Vec<u8>],
    implied: &BTreeSet<PathBuf>,
) -> Result<Step> {
    let directory = fs::openat(own, path(name), DIRECTORY, Mode::empty())
        .map_err(|error| failed("opening", name, error))?;
    let opaque = xattrs::is_opaque(directory.as_fd())
        .map_err(|error| failed("reading the attributes of", name, error))?;
    let below = match opaque {
        true => Vec::new(),
        false => match look(&level.below, name)? {
            Found::Directory(below) => below,
            Found::Other(other)
                if file_type(&other.stat) == FileType::Symlink && implied.contains(&join(at)) =>
            {
                return link(&other.directory, name);
            }
            _ => Vec::new(),
        },
    };
    Ok(Step::Level(Level {
        own: Some(directory),
        below,
    }))
}

fn link(directory: &OwnedFd, name: &[u8]) -> Result<Step> {
    fs::readlinkat(directory, path(name), Vec::new())
        .map(|target| Step::Link(target.into_bytes()))
        .map_err(|error| failed("reading the link", name, error))
}
