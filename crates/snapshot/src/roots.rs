//! What the root directory itself is like: its owner and mode come from the topmost layer
//! that says so.

use crate::{
    LayerStore, Result, disk,
    error::On,
    layer::{Layer, visible},
};
use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::{Path, PathBuf},
};

/// Owner and mode of a root directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Root {
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
}

impl Root {
    /// Of a stack of layers, bottom first.
    pub fn of(store: &LayerStore, layers: &[Layer]) -> Result<Self> {
        let Some(layer) = visible(layers).find(|layer| layer.has_root) else {
            return Ok(Self {
                mode: 0o755,
                uid: 0,
                gid: 0,
            });
        };
        let path = store.directory(layer)?;
        let stat = fs::metadata(&path).on("looking at", &path)?;
        Ok(Self {
            mode: stat.mode() & 0o7777,
            uid: stat.uid(),
            gid: stat.gid(),
        })
    }

    /// Gives a directory this owner and mode.
    pub fn set(self, path: &Path) -> Result<()> {
        chown(path, Some(self.uid), Some(self.gid)).on("setting the owner of", path)?;
        fs::set_permissions(path, Permissions::from_mode(self.mode)).on("setting the mode of", path)
    }

    /// An empty directory that is like this, kept for all views that need one.
    pub fn directory(self, store: &LayerStore) -> Result<PathBuf> {
        let Self { mode, uid, gid } = self;
        let path = store
            .inner
            .directory
            .join("roots")
            .join(format!("{mode:o}-{uid}-{gid}"));
        if !path.is_dir() {
            disk::private_directory(&path)?;
            self.set(&path)?;
        }
        Ok(path)
    }
}

/// A directory without files, for stacks that need one more.
pub(crate) fn empty(store: &LayerStore) -> PathBuf {
    store.inner.directory.join("empty")
}
