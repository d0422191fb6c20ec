//! What a layer leaves open while it is unpacked, and what of it no entry stands for.

use super::Rules;
use crate::{
    Result, Unsettled,
    apply::Parent,
    emit::{failed, names},
    name::path,
    remove::remove_all,
    tree::{DIRECTORY, file_type, is_whiteout},
};
use rustix::fs::{self, AtFlags, FileType, Mode};
use std::{
    collections::BTreeMap,
    ops::Bound,
    os::fd::{AsFd, BorrowedFd},
    path::{Path, PathBuf},
};

/// Gathered entry by entry; paths are real ones inside the layer.
#[derive(Default)]
pub(crate) struct Notes {
    /// What is there without an entry, and what was when something went through it.
    made: BTreeMap<PathBuf, Made>,
    /// What lower layers have is not known.
    alone: bool,
    /// What the layers below have must be known to unpack the rest.
    pub needs_lower: bool,
    pub has_root: bool,
    pub root_opaque: bool,
}

/// Something that no entry stood for when it was made.
struct Made {
    /// Nor does one now.
    unnamed: bool,
    /// A lower directory of this name shows through.
    shows: bool,
    /// The layer had nothing here that would have hidden a lower link.
    crossed: bool,
}

impl Notes {
    /// Nothing noted yet.
    pub fn new(rules: &Rules) -> Self {
        Self {
            alone: rules.alone,
            ..Self::default()
        }
    }

    /// An entry is about to be made.
    pub fn entry(&mut self, place: &Path) {
        if let Some(made) = self.made.get_mut(place) {
            (made.unnamed, made.shows) = (false, false);
            if !made.crossed {
                self.made.remove(place);
            }
        }
    }

    /// A directory was made for something in it; `hidden`: in place of a whiteout.
    pub fn implied(&mut self, place: PathBuf, hidden: bool) {
        let made = Made {
            unnamed: true,
            shows: !hidden,
            crossed: !hidden,
        };
        self.made.insert(place, made);
    }

    /// A lower file was copied into the layer.
    pub fn copied(&mut self, place: PathBuf) {
        let made = Made {
            unnamed: true,
            shows: false,
            crossed: false,
        };
        self.made.insert(place, made);
    }

    /// Whether the layer has no entry for what is there.
    pub fn is_unnamed(&self, place: &Path) -> bool {
        self.made.get(place).is_some_and(|made| made.unnamed)
    }

    /// Nothing shows through a directory any more.
    pub fn hidden(&mut self, place: &Path) {
        if let Some(made) = self.made.get_mut(place) {
            made.shows = false;
        }
    }

    /// Something and all in it is about to be removed. Where a lower link would have led
    /// what went through it is lost with it.
    pub fn removed(&mut self, place: &Path) {
        // Paths are ordered component by component: what is below one follows it.
        let below = (Bound::Included(place), Bound::Unbounded);
        let gone: Vec<PathBuf> = self
            .made
            .range::<Path, _>(below)
            .take_while(|(path, _)| path.starts_with(place))
            .map(|(path, _)| path.clone())
            .collect();
        for path in gone {
            let made = self.made.remove(&path);
            self.needs_lower |= self.alone && made.is_some_and(|made| made.crossed);
        }
    }

    /// Removes from a directory what the layer has no entry for; whether something stays.
    pub fn prune(&mut self, directory: BorrowedFd<'_>, place: &Path) -> Result<bool> {
        let mut stays = false;
        for name in names(directory).map_err(|error| failed("reading", b".", error))? {
            let stat = fs::statat(directory, path(&name), AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|error| failed("looking at", &name, error))?;
            let inside = place.join(path(&name));
            let mut holds = !is_whiteout(&stat) && !self.is_unnamed(&inside);
            if file_type(&stat) == FileType::Directory {
                let below = fs::openat(directory, path(&name), DIRECTORY, Mode::empty())
                    .map_err(|error| failed("opening", &name, error))?;
                holds |= self.prune(below.as_fd(), &inside)?;
            }
            if !holds {
                self.removed(&inside);
                remove_all(directory, &name)?;
            }
            stays |= holds;
        }
        Ok(stays)
    }

    /// Whether something went where a lower layer may have a link.
    pub fn crossed(&self) -> bool {
        self.made.values().any(|made| made.crossed)
    }

    pub fn unsettled(self) -> Unsettled {
        if self.needs_lower {
            return Unsettled {
                needs_lower: true,
                ..Unsettled::default()
            };
        }
        let crossed = self.made.into_iter().filter(|(_, made)| made.crossed);
        let parent = |(path, made): (PathBuf, Made)| Parent {
            path,
            shows: made.shows,
        };
        Unsettled {
            parents: crossed.map(parent).collect(),
            needs_lower: false,
            root_opaque: self.root_opaque,
        }
    }
}
