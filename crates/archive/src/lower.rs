//! What a stack of unpacked layers shows, read without mounting it.

use crate::{
    Error, Result,
    emit::failed,
    name::path,
    tree::{DIRECTORY, file_type, is_whiteout},
    xattrs,
};
use rustix::{
    fs::{self, AtFlags, FileType, Mode, OFlags, Stat},
    io::Errno,
};
use std::{
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

/// Layer directories in overlay's form, looked at as overlay would show them.
pub struct LowerView {
    /// The uppermost first.
    layers: Vec<OwnedFd>,
}

/// What layers show under a name.
pub(crate) enum Found {
    Missing,
    /// The directories that show through, the uppermost first.
    Directory(Vec<OwnedFd>),
    /// Anything else, in the directory of the layer that has it.
    Other(Other),
}

pub(crate) struct Other {
    pub directory: OwnedFd,
    pub name: Vec<u8>,
    pub stat: Stat,
}

impl LowerView {
    /// Opens the layer directories, the uppermost first (the order of `lowerdir=`).
    pub fn open<P: AsRef<Path>>(layers: &[P]) -> Result<Self> {
        let mut opened = Vec::with_capacity(layers.len());
        for layer in layers {
            let path = layer.as_ref();
            let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY;
            let fd = fs::open(path, flags, Mode::empty()).map_err(|error| Error::Path {
                operation: "opening",
                path: path.into(),
                source: error.into(),
            })?;
            opened.push(fd);
        }
        Ok(Self { layers: opened })
    }

    /// Of layer directories that are open for reading, the uppermost first.
    pub fn of(layers: Vec<OwnedFd>) -> Self {
        Self { layers }
    }

    /// Nothing below.
    pub fn empty() -> Self {
        Self { layers: Vec::new() }
    }

    /// How many layers.
    pub fn depth(&self) -> usize {
        self.layers.len()
    }

    /// The root directories, the uppermost first.
    pub(crate) fn roots(&self) -> Result<Vec<OwnedFd>> {
        self.layers.iter().map(duplicate).collect()
    }
}

/// What `name` in a directory is that shows through from these layers.
pub(crate) fn look(directories: &[OwnedFd], name: &[u8]) -> Result<Found> {
    look_through(directories, name).map(|(found, _)| found)
}

/// As [`look`]; and whether nothing of that name shows through from what is below all these.
pub(crate) fn look_through(directories: &[OwnedFd], name: &[u8]) -> Result<(Found, bool)> {
    let mut through = Vec::new();
    let mut hides = false;
    for directory in directories {
        let stat = match fs::statat(directory, path(name), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => continue,
            Err(error) => return Err(failed("looking at", name, error)),
        };
        if is_whiteout(&stat) {
            hides = true;
            break;
        }
        if file_type(&stat) != FileType::Directory {
            // Below a directory it is hidden, and everything further down, too.
            hides = true;
            if through.is_empty() {
                let directory = duplicate(directory)?;
                let name = name.to_vec();
                let other = Other {
                    directory,
                    name,
                    stat,
                };
                return Ok((Found::Other(other), hides));
            }
            break;
        }
        let below = fs::openat(directory, path(name), DIRECTORY, Mode::empty())
            .map_err(|error| failed("opening", name, error))?;
        let opaque = xattrs::is_opaque(below.as_fd())
            .map_err(|error| failed("reading the attributes of", name, error))?;
        through.push(below);
        if opaque {
            hides = true;
            break;
        }
    }
    let found = match through.is_empty() {
        true => Found::Missing,
        false => Found::Directory(through),
    };
    Ok((found, hides))
}

/// The same directory once more.
pub(crate) fn duplicate(directory: impl AsFd) -> Result<OwnedFd> {
    directory
        .as_fd()
        .try_clone_to_owned()
        .map_err(|source| Error::Path {
            operation: "holding",
            path: "/".into(),
            source,
        })
}
