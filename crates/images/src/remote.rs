//! An image at a registry of which a builder may want some layers, without its becoming an
//! image of this machine, or all of them, when it has turned out that it needs them.

use crate::{
    ProgressSender, Result,
    layer_stack::{Blobs, Leases},
    pull::{self, Opened},
    pull_layers::{Source, fetch_layers},
    rooms::Inner,
};
use corten_distribution::Credentials;
use corten_oci::{Digest, ImageConfig, Platform, Reference};
use std::sync::Arc;

/// See [`crate::Images::remote`]. Layers that were fetched stay until it is dropped.
pub struct RemoteImage {
    inner: Arc<Inner>,
    reference: Reference,
    opened: Opened,
    leases: Arc<Leases>,
}

impl RemoteImage {
    pub(crate) async fn open(
        inner: &Arc<Inner>,
        reference: &Reference,
        platform: &Platform,
        credentials: Option<Credentials>,
    ) -> Result<Self> {
        Ok(Self {
            inner: Arc::clone(inner),
            reference: reference.clone(),
            opened: pull::open(inner, reference, platform, credentials).await?,
            leases: Arc::new(Leases::new(&inner.rooms)),
        })
    }

    /// The configuration.
    pub fn config(&self) -> &ImageConfig {
        &self.opened.documents.config
    }

    /// The ID it has, or would have, on this machine.
    pub fn id(&self) -> &Digest {
        &self.opened.documents.manifest.config.digest
    }

    /// What its registry has under its name, a manifest or an index; with `own`, its
    /// manifest.
    pub fn digest(&self, own: bool) -> &Digest {
        match own {
            true => &self.opened.documents.manifest_digest,
            false => &self.opened.descriptor.digest,
        }
    }

    /// Pulls it: all layers, as an image of this machine under its name or, with
    /// `keep_name`, only under its manifest's digest. Answers its ID.
    ///
    /// # Errors
    /// The registry's.
    pub async fn keep(&self, keep_name: bool) -> Result<Digest> {
        pull::keep(&self.inner, &self.reference, &self.opened, keep_name).await
    }

    /// Brings the lowest `count` layers here.
    ///
    /// # Errors
    /// The registry's.
    pub async fn fetch(&self, count: usize) -> Result<()> {
        let documents = &self.opened.documents;
        let blobs = &documents.manifest.layers;
        let diff_ids = documents.config.diff_ids();
        let count = count.min(blobs.len());
        for layer in &blobs[..count] {
            self.leases.blobs.hold(&layer.digest);
        }
        for diff_id in &diff_ids[..count] {
            self.leases.layers.hold(diff_id);
        }
        let source = Source {
            repository: Some(&self.opened.repository),
            leases: &self.leases,
            blobs: &blobs[..count],
            diff_ids: &diff_ids[..count],
            documents: [
                documents.config_bytes.clone(),
                documents.manifest_bytes.clone(),
            ],
            kept: Blobs::Kept,
        };
        fetch_layers(&self.inner, source, &ProgressSender::none()).await?;
        Ok(())
    }
}
