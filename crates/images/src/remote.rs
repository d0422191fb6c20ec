//! An image at a registry of which a builder may want some layers, without its becoming an
//! image of this machine.

use crate::{
    ProgressSender, Result,
    layer_stack::Leases,
    pull::{Documents, open},
    pull_layers::{Source, fetch_layers},
    rooms::Inner,
};
use corten_distribution::{Credentials, Repository};
use corten_oci::{ImageConfig, Platform, Reference};
use std::sync::Arc;

/// See [`crate::Images::remote`]. Layers that were fetched stay until it is dropped.
pub struct RemoteImage {
    inner: Arc<Inner>,
    repository: Arc<Repository>,
    documents: Documents,
    leases: Arc<Leases>,
}

impl RemoteImage {
    pub(crate) async fn open(
        inner: &Arc<Inner>,
        reference: &Reference,
        platform: &Platform,
        credentials: Option<Credentials>,
    ) -> Result<Self> {
        let (repository, documents) = open(inner, reference, platform, credentials).await?;
        Ok(Self {
            inner: Arc::clone(inner),
            repository,
            documents,
            leases: Arc::new(Leases::new(&inner.rooms)),
        })
    }

    /// The configuration.
    pub fn config(&self) -> &ImageConfig {
        &self.documents.config
    }

    /// Brings the lowest `count` layers here.
    ///
    /// # Errors
    /// The registry's.
    pub async fn fetch(&self, count: usize) -> Result<()> {
        let blobs = &self.documents.manifest.layers;
        let diff_ids = self.documents.config.diff_ids();
        let count = count.min(blobs.len());
        for layer in &blobs[..count] {
            self.leases.blobs.hold(&layer.digest);
        }
        for diff_id in &diff_ids[..count] {
            self.leases.layers.hold(diff_id);
        }
        let source = Source {
            repository: Some(&self.repository),
            leases: &self.leases,
            blobs: &blobs[..count],
            diff_ids: &diff_ids[..count],
            documents: [
                self.documents.config_bytes.clone(),
                self.documents.manifest_bytes.clone(),
            ],
        };
        fetch_layers(&self.inner, source, &ProgressSender::none()).await?;
        Ok(())
    }
}
