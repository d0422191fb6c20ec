//! Unpacked layers, by diff ID.

use crate::{Error, Result};
use corten_oci::Digest;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// An unpacked layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// SHA-256 of its uncompressed tar.
    pub diff_id: Digest,
    /// Its directory, in overlay's form. Read only.
    pub path: PathBuf,
    /// Bytes of its files, as Docker counts a layer's size.
    pub size_bytes: u64,
    /// It says what the root directory itself is like.
    pub has_root: bool,
    /// It hides everything below it.
    pub root_opaque: bool,
}

/// What is known about a layer that has been unpacked.
#[derive(Debug, Clone)]
pub struct NewLayer {
    /// SHA-256 of its uncompressed tar, verified.
    pub diff_id: Digest,
    /// For a layer that settling changed: the diff IDs of the layers below it, bottom
    /// first; it stands on exactly those. None: it may stand on any.
    pub settled_on: Option<Vec<Digest>>,
    /// Bytes of its files, as Docker counts a layer's size.
    pub size_bytes: u64,
    /// The layer says what the root directory itself is like.
    pub has_root: bool,
    /// The layer hides everything below it.
    pub root_opaque: bool,
}

/// Layers in a directory. Cheap to clone; all clones are one store.
#[derive(Clone)]
pub struct LayerStore {
    inner: Arc<PathBuf>,
}

/// A layer being unpacked into a temporary directory, removed when dropped.
pub struct PendingLayer {
    path: PathBuf,
}

/// Keeps layers from collection until dropped; see [`LayerStore::lease`].
pub struct LayerLease {}

/// A collection that has begun; see [`LayerStore::begin_collection`].
pub struct LayerCollection<'a> {
    store: &'a LayerStore,
}

/// What a collection removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collected {
    /// The layers.
    pub diff_ids: Vec<Digest>,
    /// Bytes of their files.
    pub bytes: u64,
}

impl LayerStore {
    /// Opens the store in `directory`, which is made if missing, and clears what an
    /// earlier process left half done or thrown away.
    pub fn open(directory: &Path) -> Result<Self> {
        Ok(Self {
            inner: Arc::new(directory.into()),
        })
    }

    /// The layer that is the last of `chain` (diff IDs, bottom first) standing on the
    /// others, if it is unpacked.
    pub fn find(&self, chain: &[Digest]) -> Result<Option<Layer>> {
        let _ = chain;
        Ok(None)
    }

    /// All layers of `chain`, bottom first. Fails with [`Error::LayerNotFound`].
    pub fn stack(&self, chain: &[Digest]) -> Result<Vec<Layer>> {
        match chain.first() {
            Some(diff_id) => Err(Error::LayerNotFound {
                diff_id: diff_id.clone(),
            }),
            None => Ok(Vec::new()),
        }
    }

    /// The directories of `chain` (diff IDs, bottom first), the uppermost first, without
    /// those that a root-opaque layer hides: what overlay and a view of the layers take.
    pub fn directories(&self, chain: &[Digest]) -> Result<Vec<PathBuf>> {
        Ok(self
            .stack(chain)?
            .into_iter()
            .rev()
            .map(|layer| layer.path)
            .collect())
    }

    /// A temporary directory to unpack a layer into.
    pub fn begin(&self) -> Result<PendingLayer> {
        Ok(PendingLayer {
            path: self.inner.join("tmp"),
        })
    }

    /// Makes unpacked layers durable and gives them their names: one flush of the file
    /// system for all. A layer that somebody else committed meanwhile is taken from there.
    pub fn commit(&self, layers: Vec<(PendingLayer, NewLayer)>) -> Result<()> {
        let _ = layers;
        Ok(())
    }

    /// Every layer, in no order. One diff ID may be there several times, settled on
    /// different layers.
    pub fn list(&self) -> Result<Vec<Layer>> {
        Ok(Vec::new())
    }

    /// A lease that holds nothing yet. Hold a layer before [`LayerStore::find`], record
    /// the image's name before dropping the lease.
    pub fn lease(&self) -> LayerLease {
        LayerLease {}
    }

    /// Begins a collection. Look up which chains images need after this call, not before.
    pub fn begin_collection(&self) -> LayerCollection<'_> {
        LayerCollection { store: self }
    }
}

impl PendingLayer {
    /// The directory to unpack into; also a lower directory for layers above it that are
    /// settled before it is committed.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl LayerLease {
    /// Holds a layer, present or to come.
    pub fn hold(&self, diff_id: &Digest) {
        let _ = diff_id;
    }
}

impl LayerCollection<'_> {
    /// Removes every layer that no chain in `keep` (diff IDs, bottom first) has, no
    /// snapshot stands on and no lease holds.
    pub fn finish(self, keep: &[Vec<Digest>]) -> Result<Collected> {
        let _ = (keep, self.store);
        Ok(Collected::default())
    }
}
