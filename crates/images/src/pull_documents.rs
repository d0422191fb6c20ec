//! What a name at a registry stands for: an image's manifest and its configuration.

use crate::{
    Error, Result,
    pull::Pull,
    resolve::lookup_key,
    rooms::{blocking, parse_config},
};
use bytes::Bytes;
use corten_distribution::FetchedManifest;
use corten_oci::{
    Descriptor, Digest, ImageConfig, Manifest, ManifestOrIndex, Platform,
    manifest::MANIFEST_BYTES_MAX, media_type,
};

/// An index may point to an index; deeper nesting is refused.
const INDEX_DEPTH_MAX: usize = 3;

/// An image's manifest, fetched and checked.
pub(crate) struct Chosen {
    pub manifest: Manifest,
    bytes: Bytes,
    digest: Digest,
}

impl Chosen {
    /// The same with its configuration, if that is of as many layers.
    fn with(self, config_bytes: Bytes) -> Result<Documents> {
        let config = parse_config(&config_bytes)?;
        if config.diff_ids().len() != self.manifest.layers.len() {
            let sentence = "layers from manifest don't match image configuration";
            return Err(Error::Invalid(sentence.into()));
        }
        Ok(Documents {
            manifest: self.manifest,
            manifest_bytes: self.bytes,
            manifest_digest: self.digest,
            config,
            config_bytes,
        })
    }
}

/// An image's documents, fetched and checked.
pub(crate) struct Documents {
    pub manifest: Manifest,
    pub manifest_bytes: Bytes,
    pub manifest_digest: Digest,
    pub config: ImageConfig,
    pub config_bytes: Bytes,
}

impl Documents {
    /// Of the manifest.
    pub fn descriptor(&self) -> Descriptor {
        let kind = self.manifest.media_type.as_deref();
        Descriptor::new(
            kind.unwrap_or(media_type::OCI_MANIFEST),
            self.manifest_digest.clone(),
            self.manifest_bytes.len() as u64,
        )
    }
}

impl Pull<'_> {
    /// The manifest that the name stood for when it was pulled; `None` if that was an index,
    /// of which another entry may be wanted now.
    pub(crate) fn kept(&self) -> Option<Descriptor> {
        let state = self.inner.state();
        let name = state.names.get(&lookup_key(self.reference))?;
        let manifest = state.images.get(&name.image)?.record.manifest.clone()?;
        let pulled = state.names.get(&self.reference.with_digest(manifest))?;
        let is_same = pulled.image == name.image && pulled.index.is_none();
        pulled.descriptor.clone().filter(|_| is_same)
    }

    /// A manifest and its configuration that are kept here; `None` if one is not, or damaged.
    pub(crate) async fn documents_here(&self, manifest: &Descriptor) -> Result<Option<Documents>> {
        let Some(chosen) = self.manifest_here(manifest).await? else {
            return Ok(None);
        };
        let config = self.bytes_here(&chosen.manifest.config.digest).await?;
        config.map(|bytes| chosen.with(bytes)).transpose()
    }

    async fn manifest_here(&self, descriptor: &Descriptor) -> Result<Option<Chosen>> {
        let digest = descriptor.digest.clone();
        let Some(bytes) = self.bytes_here(&digest).await? else {
            return Ok(None);
        };
        let kind = Some(descriptor.media_type.as_str());
        Ok(match ManifestOrIndex::parse(kind, &bytes) {
            Ok(ManifestOrIndex::Manifest(manifest)) => Some(Chosen {
                manifest: *manifest,
                bytes,
                digest,
            }),
            _ => None,
        })
    }

    async fn bytes_here(&self, digest: &Digest) -> Result<Option<Bytes>> {
        let (content, digest) = (self.inner.rooms.content.clone(), digest.clone());
        let read = move || Ok(content.read(&digest, MANIFEST_BYTES_MAX).ok());
        Ok(blocking(read).await?.map(Bytes::from))
    }

    /// The manifest and the configuration for a platform.
    pub(crate) async fn documents(
        &self,
        fetched: FetchedManifest,
        platform: Option<&Platform>,
    ) -> Result<Documents> {
        let chosen = self.chosen(fetched, platform).await?;
        self.described(chosen).await
    }

    /// The manifest for a platform.
    pub(crate) async fn chosen(
        &self,
        mut fetched: FetchedManifest,
        platform: Option<&Platform>,
    ) -> Result<Chosen> {
        let denied = |e| Error::of_pull(e, self.reference);
        for _ in 0..INDEX_DEPTH_MAX {
            match fetched.document {
                ManifestOrIndex::Manifest(manifest) => {
                    check_class(&manifest)?;
                    return Ok(Chosen {
                        manifest: *manifest,
                        bytes: fetched.bytes,
                        digest: fetched.descriptor.digest,
                    });
                }
                ManifestOrIndex::Index(index) => {
                    let wanted = platform.unwrap_or(&self.inner.config.platform);
                    let chosen = choose(&index.manifests, wanted)?;
                    if let Some(kept) = self.manifest_here(chosen).await? {
                        check_class(&kept.manifest)?;
                        return Ok(kept);
                    }
                    let target = chosen.digest.to_string();
                    fetched = self.repository.manifest(&target).await.map_err(denied)?;
                }
            }
        }
        Err(Error::Invalid(
            "the image index is nested too deeply".into(),
        ))
    }

    pub(crate) async fn described(&self, chosen: Chosen) -> Result<Documents> {
        let config_bytes = self.config_bytes(&chosen.manifest.config).await?;
        chosen.with(config_bytes)
    }

    async fn config_bytes(&self, descriptor: &Descriptor) -> Result<Bytes> {
        if descriptor.size > MANIFEST_BYTES_MAX {
            return Err(corten_oci::ManifestError::TooLarge(descriptor.size))
                .map_err(|e| corten_distribution::Error::from(e).into());
        }
        if let Some(bytes) = self.bytes_here(&descriptor.digest).await? {
            return Ok(bytes);
        }
        let attempts = self.inner.config.max_download_attempts;
        let mut reader = self.repository.blob(descriptor, 0, attempts).await?;
        let mut bytes = Vec::with_capacity(descriptor.size as usize);
        while let Some(chunk) = reader.next().await? {
            bytes.extend_from_slice(&chunk);
        }
        if !descriptor.digest.matches(&bytes) {
            let sentence = format!(
                "image config verification failed for digest {}",
                descriptor.digest
            );
            return Err(Error::Invalid(sentence));
        }
        Ok(bytes.into())
    }
}

/// The entry of an index for a platform.
pub(crate) fn choose<'a>(manifests: &'a [Descriptor], wanted: &Platform) -> Result<&'a Descriptor> {
    let fitting = manifests.iter().filter_map(|entry| {
        let named = entry.platform.as_ref();
        let named = named.filter(|p| !(p.os.is_empty() && p.architecture.is_empty()));
        match named {
            Some(platform) => Some((wanted.preference(platform)?, entry)),
            None => Some((usize::MAX, entry)),
        }
    });
    // The first of the best: the publisher's order decides among equals.
    let best = fitting
        .min_by_key(|(preference, _)| *preference)
        .map(|(_, entry)| entry);
    best.ok_or_else(|| {
        Error::NotFound(format!(
            "no matching manifest for {wanted} in the manifest list entries"
        ))
    })
}

/// Refuses what is no image: plugins, charts and other artifacts.
fn check_class(manifest: &Manifest) -> Result<()> {
    let kind = manifest.config.media_type.as_str();
    let is_image = media_type::is_config(kind)
        || matches!(kind, "" | "application/octet-stream" | "application/json");
    if !is_image {
        return Err(Error::Invalid(format!("unsupported media type {kind}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_the_best_entries_is_chosen() {
        let entry = |platform: &str, n: u8| {
            let mut entry = Descriptor::of(media_type::OCI_MANIFEST, &[n]);
            entry.platform = (!platform.is_empty()).then(|| platform.parse().unwrap());
            entry
        };
        let list = [
            entry("linux/arm/v7", 0),
            entry("linux/amd64", 1),
            entry("linux/amd64", 2),
            entry("linux/arm64", 3),
        ];
        let pick = |wanted: &str| choose(&list, &wanted.parse().unwrap()).map(|e| e.digest.clone());
        assert_eq!(pick("linux/amd64").unwrap(), list[1].digest);
        assert_eq!(pick("linux/arm64/v8").unwrap(), list[3].digest);
        let sentence = "no matching manifest for linux/s390x in the manifest list entries";
        assert_eq!(pick("linux/s390x").unwrap_err().to_string(), sentence);
    }
}
