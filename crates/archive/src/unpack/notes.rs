//! What a layer leaves open while it is unpacked.

use crate::{Unsettled, UnsettledLink};
use std::{
    collections::{BTreeMap, BTreeSet, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    path::{Path, PathBuf},
};

/// Gathered entry by entry; paths are real ones inside the layer.
#[derive(Default)]
pub(crate) struct Notes {
    /// Directories made because something in them was.
    implied: BTreeSet<PathBuf>,
    /// Those of them that got an entry later, with the number of that entry.
    late: BTreeMap<PathBuf, u64>,
    links: Vec<UnsettledLink>,
    /// A key of each entry's path, in the archive's order. Eight bytes an entry, since
    /// hardly any layer needs them.
    order: Vec<u64>,
    pub has_root: bool,
    pub root_opaque: bool,
}

impl Notes {
    /// An entry is about to be made.
    pub fn made(&mut self, place: &Path) {
        if self.implied.remove(place) {
            self.late.insert(place.into(), self.order.len() as u64);
        }
        self.order.push(order_key(place));
        if !self.links.is_empty() {
            self.links.retain(|link| link.path != place);
        }
    }

    /// A directory was made for something in it.
    pub fn implied(&mut self, place: PathBuf) {
        self.implied.insert(place);
    }

    /// Whether a directory has no entry of its own.
    pub fn is_implied(&self, place: &Path) -> bool {
        self.implied.contains(place)
    }

    /// A directory no longer depends on lower ones.
    pub fn hidden(&mut self, place: &Path) {
        self.implied.remove(place);
    }

    /// A directory and all in it were removed.
    pub fn removed(&mut self, place: &Path) {
        self.implied.retain(|path| !path.starts_with(place));
        self.late.retain(|path, _| !path.starts_with(place));
        self.links.retain(|link| !link.path.starts_with(place));
    }

    /// A hard link whose target is not in this layer.
    pub fn link(&mut self, path: PathBuf, target: PathBuf) {
        // A link to such a link is one to the same file, whatever becomes of the first.
        let first = self.links.iter().find(|link| link.path == target);
        let target = first.map_or(target, |link| link.target.clone());
        let number = self.order.len() as u64;
        self.links.push(UnsettledLink {
            path,
            target,
            number,
        });
    }

    pub fn unsettled(self) -> Unsettled {
        let order = match self.implied.is_empty() && self.late.is_empty() {
            true => Default::default(),
            false => self.order.into_iter().zip(0..).collect(),
        };
        Unsettled {
            root_opaque: self.root_opaque,
            parents: self.implied.into_iter().collect(),
            late: self.late,
            links: self.links,
            order,
        }
    }
}

/// The key of a path in [`Unsettled::order`].
pub(crate) fn order_key(place: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    place.hash(&mut hasher);
    hasher.finish()
}
