//! `docker pull`: a name at a registry becomes an image here.

use crate::{
    Error, ProgressSender, PullRequest, Pulled, Result,
    download::{Download, DownloadRequest},
    layer_bytes,
    layer_stack::{Blobs, Leases},
    messages,
    origin::Origin,
    pull_documents::Documents,
    pull_layers::{Source, fetch_layers, present},
    record::NameRecord,
    resolve::lookup_key,
    rooms::{Inner, blocking},
    state::{Change, NewImage},
};
use corten_distribution::{Access, Credentials, Repository};
use corten_oci::{Descriptor, Digest, Platform, Reference};
use std::sync::Arc;

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
            blobs: inner.blobs(),
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
        blobs: Blobs::Kept,
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

/// Makes what was opened an image of this machine, as a pull does; answers its ID. Its blobs
/// are kept: what is built on it lists them.
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
        blobs: Blobs::Kept,
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

/// One name on its way here.
pub(crate) struct Pull<'a> {
    pub inner: &'a Arc<Inner>,
    pub repository: &'a Arc<Repository>,
    /// With a tag or a digest.
    pub reference: &'a Reference,
    /// The image gets a name by its manifest's digest only.
    keep_name: bool,
    /// What becomes of its layers' blobs.
    blobs: Blobs,
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
        // Registries count who fetches a manifest, and mostly nothing has changed.
        let kept = self.kept();
        let head = match &kept {
            Some(_) => self.repository.resolve(&target).await.map_err(denied)?,
            None => None,
        };
        let same = kept.filter(|kept| head.as_ref().is_some_and(|it| it.digest == kept.digest));
        let documents = match &same {
            Some(descriptor) => self.documents_here(descriptor).await?,
            None => None,
        };
        let from = format!("Pulling from {}", self.reference.path());
        let (done, digest) = match documents.zip(same) {
            Some((documents, descriptor)) => {
                self.progress.status(Some(&target), from).await;
                let done = self.finish(&documents, descriptor.clone()).await?;
                (done, descriptor.digest)
            }
            None => {
                // By digest: then the bytes are the ones just resolved.
                let exact = head.map_or(target.clone(), |head| head.digest.to_string());
                let top = self.repository.manifest(&exact).await.map_err(denied)?;
                self.progress.status(Some(&target), from).await;
                corten_base::step("pull.documents");
                let descriptor = top.descriptor.clone();
                let chosen = self.chosen(top, platform).await?;
                // Held until the layers are recorded, for whoever wants them then.
                let _early = self.begin(&chosen.manifest.layers).await?;
                let documents = self.described(chosen).await?;
                let done = self.finish(&documents, descriptor.clone()).await?;
                (done, descriptor.digest)
            }
        };
        self.progress
            .status(None, format!("Digest: {digest}"))
            .await;
        Ok(done)
    }

    /// Downloads of the layers whose bytes are not here: they are fetched whatever the
    /// configuration says, so they need not wait for it.
    async fn begin(&self, layers: &[Descriptor]) -> Result<Vec<Arc<Download>>> {
        let (inner, blobs) = (Arc::clone(self.inner), layers.to_vec());
        let missing = blocking(move || layer_bytes::missing(&inner, &blobs));
        let start = |blob| {
            self.inner.downloads.start(DownloadRequest {
                rooms: self.inner.rooms.clone(),
                repository: Some(Arc::clone(self.repository)),
                blob,
                attempts: self.inner.config.max_download_attempts,
            })
        };
        Ok(missing.await?.into_iter().map(start).collect())
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
            kept: self.blobs,
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
        let repository = self.reference.name().to_owned();
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
                change.add_origin(state, &id, Origin::Pull(repository));
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
