//! Snapshots as plain copies, for file systems that overlay cannot write to.

mod copy;

use crate::{
    Error, LayerStore, Result, Snapshotter, Usage, disk, error::On, layer::visible,
    layers::chain_id, roots::Root, snapshots,
};
use corten_oci::{Digest, RootMount};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
};

/// Snapshots as whole copies of the layers, in `<containers>/<key>/root`.
pub struct Plain {
    layers: LayerStore,
    containers: PathBuf,
}

impl Plain {
    /// Any file system will do.
    pub fn open(layers: LayerStore, containers: &Path) -> Result<Self> {
        disk::private_directory(containers)?;
        disk::spread_below(containers);
        Ok(Self {
            layers,
            containers: containers.into(),
        })
    }

    fn directory(&self, key: &str) -> PathBuf {
        self.containers.join(key).join("root")
    }

    /// Copies what the layers show to `to`, which appears when it is complete.
    fn copy(&self, layers: &[Digest], to: &Path) -> Result<()> {
        if to.is_dir() {
            return Ok(());
        }
        let stack = self.layers.stack(layers)?;
        let inner = &self.layers.inner;
        let number = inner.next.fetch_add(1, Ordering::Relaxed);
        let new = to.with_extension(format!("new{number}"));
        inner.trash.throw(&new)?;
        disk::private_directory(&new)?;
        let shown: Vec<_> = visible(&stack).collect();
        for layer in shown.into_iter().rev() {
            copy::layer(&self.layers.directory(layer)?, &new)?;
        }
        Root::of(&self.layers, &stack)?.set(&new)?;
        match fs::rename(&new, to) {
            // Somebody else was faster.
            Err(_) if to.is_dir() => inner.trash.throw(&new).map(drop),
            renamed => renamed.on("renaming", &new),
        }
    }

    fn existing(&self, key: &str) -> Result<PathBuf> {
        snapshots::layers(&self.layers, key)?;
        let directory = self.directory(key);
        match directory.is_dir() {
            true => Ok(directory),
            false => Err(Error::NotFound { key: key.into() }),
        }
    }
}

impl Snapshotter for Plain {
    fn name(&self) -> &'static str {
        "vfs"
    }

    fn layers(&self) -> &LayerStore {
        &self.layers
    }

    fn prepare(&self, key: &str, layers: &[Digest]) -> Result<RootMount> {
        snapshots::record(&self.layers, key, layers)?;
        disk::private_directory(&self.containers.join(key))?;
        self.copy(layers, &self.directory(key))?;
        Ok(RootMount::Directory(self.directory(key)))
    }

    fn mounts(&self, key: &str) -> Result<RootMount> {
        self.existing(key).map(RootMount::Directory)
    }

    fn view(&self, layers: &[Digest]) -> Result<RootMount> {
        // Start-up clears the views.
        let directory = self
            .layers
            .inner
            .directory
            .join("views")
            .join(chain_id(layers));
        self.copy(layers, &directory)?;
        Ok(RootMount::Directory(directory))
    }

    fn remove(&self, key: &str) -> Result<()> {
        snapshots::check_key(key)?;
        self.layers.inner.trash.throw(&self.directory(key))?;
        snapshots::forget(&self.layers, key)
    }

    fn keys(&self) -> Result<Vec<String>> {
        snapshots::keys(&self.layers)
    }

    fn upper(&self, key: &str) -> Result<Option<PathBuf>> {
        self.existing(key).map(|_| None)
    }

    fn usage(&self, key: &str) -> Result<Usage> {
        snapshots::usage(&self.existing(key)?)
    }
}
