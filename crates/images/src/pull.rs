//! `docker pull`: a name at a registry becomes an image here.

use crate::{
    Error, ProgressSender, PullRequest, Pulled, Result,
    layer_stack::Leases,
    messages,
    pull_layers::{Source, fetch_layers, present},
    record::NameRecord,
    resolve::lookup_key,
    rooms::{Inner, blocking, parse_config},
    state::{Change, NewImage},
};
use bytes::Bytes;
use corten_distribution::{Access, Credentials, FetchedManifest, Repository};
use corten_oci::{
    Descriptor, Digest, ImageConfig, Manifest, ManifestOrIndex, Platform, Reference,
    manifest::MANIFEST_BYTES_MAX, media_type,
};
use std::sync::Arc;

/// An index may point to an index; deeper nesting is refused.
const INDEX_DEPTH_MAX: usize = 3;

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

pub(crate) async fn pull(
    inner: &Arc<Inner>,
    request: PullRequest,
    progress: &ProgressSender,
) -> Result<Pulled> {
    let PullRequest {
        reference,
        all_tags,
        platform,
        keep_name,
        credentials,
    } = request;
    let repository = inner
        .registries()
        .repository(&reference, credentials, Access::Pull)
        .await;
    let repository = Arc::new(repository);
    let references = if all_tags && reference.is_name_only() {
        let tags = repository
            .tags()
            .await
            .map_err(|e| Error::of_pull(e, &reference))?;
        tags.iter()
            .map(|tag| Ok(reference.with_tag(tag)?))
            .collect::<Result<Vec<_>>>()?
    } else {
        vec![reference.clone().or_latest()]
    };
    let asked = if all_tags {
        reference
    } else {
        references[0].clone()
    };
    let mut pulled = Pulled { images: Vec::new() };
    let mut newer = false;
    for reference in references {
        let pull = Pull {
            inner,
            repository: &repository,
            reference: &reference,
            keep_name,
            progress,
        };
        let (id, is_newer) = pull.one(platform.as_ref()).await?;
        newer |= is_newer;
        pulled.images.push((reference, id));
    }
    let status = if newer {
        "Downloaded newer image"
    } else {
        "Image is up to date"
    };
    progress
        .status(None, format!("Status: {status} for {}", asked.familiar()))
        .await;
    warn_of_platform(inner, &pulled, platform.as_ref(), progress).await;
    Ok(pulled)
}

/// Docker goes on with an image for another platform than asked for, and says so.
async fn warn_of_platform(
    inner: &Inner,
    pulled: &Pulled,
    platform: Option<&Platform>,
    progress: &ProgressSender,
) {
    let Some(wanted) = platform else { return };
    for (name, id) in &pulled.images {
        let actual = inner.state().image(id).map(|image| image.config.platform());
        if let Some(actual) = actual.filter(|actual| !wanted.matches(actual)) {
            let text = messages::wrong_platform(&name.familiar(), &actual, wanted);
            progress.status(None, format!("WARNING: {text}")).await;
        }
    }
}

/// An image at a registry that has been looked at.
pub(crate) struct Opened {
    pub repository: Arc<Repository>,
    pub documents: Documents,
    /// What the name stands for there: a manifest or an index.
    pub descriptor: Descriptor,
}

/// Opens an image at a registry: its documents, and where its layers are.
pub(crate) async fn open(
    inner: &Arc<Inner>,
    reference: &Reference,
    platform: &Platform,
    credentials: Option<Credentials>,
) -> Result<Opened> {
    let registries = inner.registries();
    let repository = registries.repository(reference, credentials, Access::Pull);
    let repository = Arc::new(repository.await);
    let target = match (reference.digest(), reference.tag()) {
        (Some(digest), _) => digest.to_string(),
        (None, tag) => tag.unwrap_or_default().to_owned(),
    };
    let top = repository.manifest(&target).await;
    let top = top.map_err(|error| Error::of_pull(error, reference))?;
    let pull = Pull {
        inner,
        repository: &repository,
        reference,
        keep_name: true,
        progress: &ProgressSender::none(),
    };
    let descriptor = top.descriptor.clone();
    let documents = pull.documents(top, Some(platform)).await?;
    Ok(Opened {
        repository,
        documents,
        descriptor,
    })
}

/// Makes what was opened an image of this machine, as a pull does; answers its ID.
pub(crate) async fn keep(
    inner: &Arc<Inner>,
    reference: &Reference,
    opened: &Opened,
    keep_name: bool,
) -> Result<Digest> {
    let pull = Pull {
        inner,
        repository: &opened.repository,
        reference,
        keep_name,
        progress: &ProgressSender::none(),
    };
    let descriptor = opened.descriptor.clone();
    Ok(pull.finish(&opened.documents, descriptor).await?.0)
}

/// An image all of which is durable.
struct Here {
    id: Digest,
    /// None: it is on record already.
    new: Option<NewImage>,
    leases: Arc<Leases>,
}

struct Pull<'a> {
    inner: &'a Arc<Inner>,
    repository: &'a Arc<Repository>,
    /// With a tag or a digest.
    reference: &'a Reference,
    /// The image gets a name by its manifest's digest only.
    keep_name: bool,
    progress: &'a ProgressSender,
}

impl Pull<'_> {
    /// Pulls one name. Says whether the name stood for something else before.
    async fn one(&self, platform: Option<&Platform>) -> Result<(Digest, bool)> {
        let target = match (self.reference.digest(), self.reference.tag()) {
            (Some(digest), _) => digest.to_string(),
            (None, tag) => tag.unwrap_or_default().to_owned(),
        };
        corten_base::step("pull.resolve");
        let denied = |e| Error::of_pull(e, self.reference);
        let top = match self.repository.resolve(&target).await.map_err(denied)? {
            // By digest: then the bytes are the ones just resolved.
            Some(head) => self.repository.manifest(&head.digest.to_string()).await,
            None => self.repository.manifest(&target).await,
        };
        let top = top.map_err(denied)?;
        let from = format!("Pulling from {}", self.reference.path());
        self.progress.status(Some(&target), from).await;
        corten_base::step("pull.documents");
        let descriptor = top.descriptor.clone();
        let documents = self.documents(top, platform).await?;
        let done = self.finish(&documents, descriptor.clone()).await?;
        self.progress
            .status(None, format!("Digest: {}", descriptor.digest))
            .await;
        Ok(done)
    }

    /// Brings the layers here and records image and name.
    async fn finish(
        &self,
        documents: &Documents,
        descriptor: Descriptor,
    ) -> Result<(Digest, bool)> {
        corten_base::step("pull.layers");
        let here = self.image(documents).await?;
        let id = here.id.clone();
        corten_base::step("pull.record");
        let recorded = match self.keep_name {
            false => descriptor,
            // An index is of several images: its digest would name the last one.
            true => documents.descriptor(),
        };
        let newer = self.record(here, recorded).await?;
        corten_base::step("pull.done");
        Ok((id, newer))
    }

    /// The manifest and the configuration for a platform.
    async fn documents(
        &self,
        mut fetched: FetchedManifest,
        platform: Option<&Platform>,
    ) -> Result<Documents> {
        let denied = |e| Error::of_pull(e, self.reference);
        for _ in 0..INDEX_DEPTH_MAX {
            match fetched.document {
                ManifestOrIndex::Manifest(manifest) => {
                    check_class(&manifest)?;
                    let config_bytes = self.config_bytes(&manifest.config).await?;
                    let config = parse_config(&config_bytes)?;
                    if config.diff_ids().len() != manifest.layers.len() {
                        let sentence = "layers from manifest don't match image configuration";
                        return Err(Error::Invalid(sentence.into()));
                    }
                    let (manifest_bytes, manifest_digest) =
                        (fetched.bytes, fetched.descriptor.digest);
                    return Ok(Documents {
                        manifest: *manifest,
                        manifest_bytes,
                        manifest_digest,
                        config,
                        config_bytes,
                    });
                }
                ManifestOrIndex::Index(index) => {
                    let wanted = platform.unwrap_or(&self.inner.config.platform);
                    let chosen = choose(&index.manifests, wanted)?;
                    let target = chosen.digest.to_string();
                    fetched = self.repository.manifest(&target).await.map_err(denied)?;
                }
            }
        }
        Err(Error::Invalid(
            "the image index is nested too deeply".into(),
        ))
    }

    async fn config_bytes(&self, descriptor: &Descriptor) -> Result<Bytes> {
        if descriptor.size > MANIFEST_BYTES_MAX {
            return Err(corten_oci::ManifestError::TooLarge(descriptor.size))
                .map_err(|e| corten_distribution::Error::from(e).into());
        }
        let (content, id) = (self.inner.rooms.content.clone(), descriptor.digest.clone());
        let known = blocking(move || Ok(content.read(&id, MANIFEST_BYTES_MAX).ok())).await?;
        if let Some(bytes) = known {
            return Ok(bytes.into());
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

    /// Makes sure that everything of the image is here.
    async fn image(&self, documents: &Documents) -> Result<Here> {
        let id = documents.manifest.config.digest.clone();
        // Held before the store is asked, so that a removal running now cannot take them.
        let leases = Arc::new(Leases::new(&self.inner.rooms));
        leases.blobs.hold(&id);
        leases.blobs.hold(&documents.manifest_digest);
        documents
            .manifest
            .layers
            .iter()
            .for_each(|layer| leases.blobs.hold(&layer.digest));
        documents
            .config
            .diff_ids()
            .iter()
            .for_each(|diff_id| leases.layers.hold(diff_id));
        let (blobs, diff_ids) = (&documents.manifest.layers, documents.config.diff_ids());
        let known = self.inner.state().images.contains_key(&id);
        // Layers of a known image that are lost are fetched again.
        if known && !present(self.inner, blobs, diff_ids).await?.contains(&false) {
            let new = None;
            return Ok(Here { id, new, leases });
        }
        let source = Source {
            repository: Some(self.repository),
            leases: &leases,
            blobs: &documents.manifest.layers,
            diff_ids: documents.config.diff_ids(),
            documents: [
                documents.config_bytes.clone(),
                documents.manifest_bytes.clone(),
            ],
        };
        let facts = fetch_layers(self.inner, source, self.progress).await?;
        corten_base::step("pull.image");
        let (domain, path) = (self.reference.domain(), self.reference.path());
        let new = NewImage {
            id: id.clone(),
            config: Arc::new(documents.config.clone()),
            parent: None,
            manifest: Some(documents.manifest_digest.clone()),
            layers: documents
                .manifest
                .layers
                .iter()
                .cloned()
                .zip(facts)
                .collect(),
            source: Some((domain.to_owned(), path.to_owned())),
        };
        let new = Some(new);
        Ok(Here { id, new, leases })
    }

    /// Records the image, its name and its name by digest together: a kill leaves no image
    /// without a name. Says whether the name stood for something else before.
    async fn record(&self, here: Here, descriptor: Descriptor) -> Result<bool> {
        let by_digest = self.reference.with_digest(descriptor.digest.clone());
        let name = match self.keep_name {
            true => by_digest.clone(),
            false => lookup_key(self.reference),
        };
        let inner = Arc::clone(self.inner);
        blocking(move || {
            let Here { id, new, leases } = here;
            let recorded = inner.change(|state| {
                let newer = state.names.get(&name).is_none_or(|old| old.image != id);
                let descriptor = Some(descriptor);
                let record = NameRecord {
                    image: id.clone(),
                    descriptor,
                    index: None,
                };
                let mut change = Change::default();
                if let Some(new) = new {
                    change.add_image(state, new);
                }
                if name != by_digest {
                    let record = NameRecord {
                        image: id.clone(),
                        descriptor: None,
                        index: None,
                    };
                    change.names.push((name, Some(record)));
                }
                change.names.push((by_digest, Some(record)));
                Ok((change, newer))
            });
            // Now the record keeps what they held.
            drop(leases);
            recorded
        })
        .await
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
