//! What a layer left open, settled against the layers below.
//!
//! A layer is unpacked before anybody knows what is below it, and nearly always it would
//! have become the same directory anyway: what is missing are the attributes of
//! directories that it has no entries for. They are copied from below, and that is all.
//!
//! The layer alone is wrong where one of those directories is a symbolic link below, or
//! where it ended at something that only lower layers have. Then it is unpacked anew, with
//! the lower layers in view, entry by entry as one tree would have taken them. Such
//! layers are rare enough to be read twice, and nothing has to be guessed or moved about.

use crate::{
    Applied, ApplyOptions, Error, LowerView, Result, Unsettled,
    apply::unpack,
    copy_up,
    emit::{failed, names},
    lower::{Found, duplicate, look},
    name::path,
    remove::remove_all,
    tree::{DIRECTORY, file_type},
    xattrs,
};
use rustix::fs::{self, FileType, Mode};
use std::{
    io::Read,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
};

/// Brings `root`, a layer as [`crate::apply()`] left it, to what applying it on top of
/// `lower` in one tree would show: parents without an entry take the lower directory's
/// mode, owner, times and attributes; what reaches through a symbolic link of a lower
/// layer is where the link leads; hard links to lower files get a copy of the file. `again`
/// opens the layer's stream once more; it is called only where the layer must be unpacked
/// anew.
///
/// `applied` says then what the layer is. One that had something to settle stands on these
/// lower layers only, and must be settled anew for others. After a failure, or if the
/// process ends, `root` holds a part of the layer, as after [`crate::apply()`].
///
/// One thing differs from one tree: a lower file that gets another name is copied, and its
/// other lower names keep the old one (as whenever overlay copies a file up).
///
/// # Errors
/// Those of [`crate::apply()`] and of `again`; [`Error::Changed`] if the stream is not the
/// one that was unpacked.
pub fn settle<R: Read + Send, E: From<Error>>(
    root: BorrowedFd<'_>,
    applied: &mut Applied,
    lower: &LowerView,
    options: &ApplyOptions,
    again: impl FnOnce() -> Result<R, E>,
) -> Result<(), E> {
    let open = &applied.unsettled;
    if open.needs_lower || !parents(root, open, lower, true)? {
        for name in names(root).map_err(|error| failed("reading", b".", error))? {
            remove_all(root, &name)?;
        }
        let anew = unpack(again()?, root, options, Some(lower))?;
        if anew.diff_id != applied.diff_id {
            return Err(Error::Changed.into());
        }
        parents(root, &anew.unsettled, lower, false)?;
        *applied = anew;
    }
    applied.unsettled = Unsettled::default();
    Ok(())
}

/// Gives directories without an entry what lower ones of their name have. With `alone`,
/// false as soon as one of them is a link there, which unpacking did not know.
fn parents(
    root: BorrowedFd<'_>,
    unsettled: &Unsettled,
    lower: &LowerView,
    alone: bool,
) -> Result<bool> {
    if lower.depth() == 0 {
        return Ok(true);
    }
    let mut walk = Walk::new(root, lower, unsettled.root_opaque)?;
    for parent in &unsettled.parents {
        let parts: Vec<&[u8]> = parent.path.iter().map(OsStrExt::as_bytes).collect();
        let Some((name, above)) = parts.split_last() else {
            continue;
        };
        let level = walk.enter(above)?;
        match look(&level.below, name)? {
            Found::Other(it) if alone && file_type(&it.stat) == FileType::Symlink => {
                return Ok(false);
            }
            Found::Directory(lower) if parent.shows && !level.hides => {
                let own = open(&level.own, name)?;
                copy_up::directory(&lower[0], &own).map_err(|error| Error::Path {
                    operation: "setting the attributes of",
                    path: parent.path.clone(),
                    source: error.into(),
                })?;
            }
            _ => {}
        }
    }
    Ok(true)
}

/// Directories of a layer, beside what lower layers have at the same places.
struct Walk {
    top: Level,
    /// From the root down.
    stack: Vec<(Vec<u8>, Level)>,
}

struct Level {
    own: OwnedFd,
    /// Whatever the layer itself hides.
    below: Vec<OwnedFd>,
    /// The layer hides it.
    hides: bool,
}

impl Walk {
    fn new(root: BorrowedFd<'_>, lower: &LowerView, hides: bool) -> Result<Self> {
        let top = Level {
            own: duplicate(root)?,
            below: lower.roots()?,
            hides,
        };
        let stack = Vec::new();
        Ok(Self { top, stack })
    }

    /// Goes to a directory of the layer; no component is a link.
    fn enter(&mut self, parts: &[&[u8]]) -> Result<&Level> {
        let same = |((name, _), part): &(&(Vec<u8>, Level), &&[u8])| name == **part;
        let common = self.stack.iter().zip(parts).take_while(same).count();
        self.stack.truncate(common);
        for part in &parts[common..] {
            let above = self.stack.last().map_or(&self.top, |(_, level)| level);
            let own = open(&above.own, part)?;
            let hides = xattrs::is_opaque(own.as_fd())
                .map_err(|error| failed("reading the attributes of", part, error))?;
            let below = match look(&above.below, part)? {
                Found::Directory(below) => below,
                _ => Vec::new(),
            };
            let hides = above.hides || hides;
            self.stack
                .push((part.to_vec(), Level { own, below, hides }));
        }
        Ok(self.stack.last().map_or(&self.top, |(_, level)| level))
    }
}

fn open(directory: &OwnedFd, name: &[u8]) -> Result<OwnedFd> {
    fs::openat(directory, path(name), DIRECTORY, Mode::empty())
        .map_err(|error| failed("opening", name, error))
}
