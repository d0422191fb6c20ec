//! What every way of putting a root file system together must do.

use crate::{LayerStore, Result};
use corten_oci::{Digest, RootMount};
use std::path::PathBuf;

/// What a snapshot's writable part takes on disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of all but directories, each inode once: a symbolic link has those of its target
    /// (Docker's `SizeRw`).
    pub size_bytes: u64,
    /// Bytes of regular files, each inode once: what a layer's tar says its files have, and
    /// what Docker counts for a layer.
    pub file_bytes: u64,
    /// Files, directories and the rest.
    pub inodes: u64,
}

/// Puts root file systems together. Layers are given as diff IDs, the bottom one first,
/// as an image's configuration lists them; all must be in the [`LayerStore`].
pub trait Snapshotter: Send + Sync {
    /// The driver's name as `docker info` shows it: `overlay2`, `vfs`.
    fn name(&self) -> &'static str;

    /// The layers below the snapshots.
    fn layers(&self) -> &LayerStore;

    /// Makes the writable snapshot `key` on top of `layers`, or gives the one that exists
    /// with the same layers. Fails with [`crate::Error::Exists`] when it has others.
    fn prepare(&self, key: &str, layers: &[Digest]) -> Result<RootMount>;

    /// The mount of an existing snapshot.
    fn mounts(&self, key: &str) -> Result<RootMount>;

    /// A read-only root of `layers`; it needs no removal.
    fn view(&self, layers: &[Digest]) -> Result<RootMount>;

    /// Whether the file system below can limit what is written to a snapshot.
    fn can_limit(&self) -> bool {
        false
    }

    /// Limits what may be written to a snapshot that nothing was written to yet. Fails with
    /// [`crate::Error::NoLimit`] where [`Snapshotter::can_limit`] says no.
    fn limit(&self, key: &str, bytes: u64) -> Result<()> {
        let _ = bytes;
        Err(crate::Error::NoLimit { key: key.into() })
    }

    /// Removes a snapshot; one that does not exist is removed already. Its disk space
    /// comes back in the background. Nothing may be mounted from it any more.
    fn remove(&self, key: &str) -> Result<()>;

    /// The keys of all snapshots, sorted.
    fn keys(&self) -> Result<Vec<String>>;

    /// The directory that has only what was written to the snapshot, in overlay's form;
    /// none if the driver does not keep it apart.
    fn upper(&self, key: &str) -> Result<Option<PathBuf>>;

    /// What was written to the snapshot takes on disk.
    fn usage(&self, key: &str) -> Result<Usage>;
}
