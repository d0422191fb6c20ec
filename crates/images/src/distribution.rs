//! `GET /distribution/{name}/json`: what a registry has under a name.

use crate::{Credentials, DistributionInspect, Result, rooms::Inner};
use corten_distribution::Access;
use corten_oci::{ImageConfig, ManifestOrIndex, Platform, Reference, manifest::MANIFEST_BYTES_MAX};
use std::sync::Arc;

pub(crate) async fn inspect(
    inner: &Arc<Inner>,
    reference: &Reference,
    credentials: Option<Credentials>,
) -> Result<DistributionInspect> {
    let reference = reference.clone().or_latest();
    let repository = inner
        .registries()
        .repository(&reference, credentials, Access::Pull)
        .await;
    let repository = Arc::new(repository);
    let target = match reference.digest() {
        Some(digest) => digest.to_string(),
        None => reference.tag().unwrap_or_default().to_owned(),
    };
    // Docker asks with HEAD first, and its sentences say so.
    repository.resolve(&target).await?;
    let fetched = repository.manifest(&target).await?;
    let platforms = match &fetched.document {
        ManifestOrIndex::Index(index) => index
            .manifests
            .iter()
            .filter_map(|entry| entry.platform.clone())
            .collect(),
        ManifestOrIndex::Manifest(manifest) if manifest.config.size <= MANIFEST_BYTES_MAX => {
            let mut reader = repository.blob(&manifest.config, 0, 1).await?;
            let mut bytes = Vec::new();
            while let Some(chunk) = reader.next().await? {
                bytes.extend_from_slice(&chunk);
            }
            // An artifact without a platform has none to show.
            let config = ImageConfig::parse(&bytes).unwrap_or_default();
            let platform = config.platform();
            Vec::from_iter((platform != Platform::default()).then_some(platform))
        }
        ManifestOrIndex::Manifest(_) => Vec::new(),
    };
    Ok(DistributionInspect {
        descriptor: fetched.descriptor,
        platforms,
    })
}
