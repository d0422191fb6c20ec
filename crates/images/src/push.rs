//! `docker push`: an image here becomes a name at a registry.

use crate::{
    Error, Progress, ProgressSender, PushRequest, Result, artifact_out,
    kept_index::{KeptIndex, of_name},
    manifest_list, messages,
    push_layer::{PushLayer, push_layer},
    record::NameRecord,
    resolve::lookup_key,
    rooms::{Inner, blocking},
    state::Change,
};
use corten_distribution::{Access, Repository};
use corten_oci::{
    Descriptor, Digest, ImageConfig, Manifest, ManifestOrIndex, Platform, Reference,
    manifest::MANIFEST_BYTES_MAX, media_type,
};
use futures_util::future::try_join_all;
use serde_json::json;
use std::sync::Arc;

pub(crate) async fn push(
    inner: &Arc<Inner>,
    request: PushRequest,
    progress: &ProgressSender,
) -> Result<()> {
    let PushRequest {
        reference,
        all_tags,
        platform,
        credentials,
    } = request;
    if reference.digest().is_some() {
        return Err(Error::Invalid("cannot push a digest reference".into()));
    }
    if let Some(wanted) = &platform {
        // Docker 28: before anything is told.
        let named = reference.familiar();
        inner.state().meant_or_missing(&named, wanted)?;
    }
    let refers = format!("The push refers to repository [{}]", reference.name());
    progress.status(None, refers).await;
    let names = selected(inner, &reference, all_tags)?;
    let repository = inner
        .registries()
        .repository(&reference, credentials, Access::Push)
        .await;
    let repository = Arc::new(repository);
    for (name, id) in names {
        let config = inner.state().image(&id).map(|image| image.config);
        let config = config.ok_or_else(|| does_not_exist(&name))?;
        let push = Push {
            inner,
            repository: &repository,
            name: &name,
            progress,
        };
        let kept = of_name(inner.state().names.get(&name), &id);
        let has = |it: &KeptIndex| platform.as_ref().is_none_or(|wanted| it.has(wanted));
        if let Some(kept) = kept.filter(has) {
            push.kept(&id, kept, platform.clone()).await?;
            continue;
        }
        if let Some(wanted) = platform
            .as_ref()
            .filter(|wanted| !wanted.matches(&config.platform()))
        {
            let sentence = messages::wrong_platform(&name.familiar(), &config.platform(), wanted);
            return Err(Error::NotFound(sentence));
        }
        push.one(&id, &config).await?;
    }
    Ok(())
}

fn does_not_exist(name: &Reference) -> Error {
    Error::NotFound(format!("tag does not exist: {}", name.familiar()))
}

/// The names to push, with their images.
fn selected(
    inner: &Inner,
    reference: &Reference,
    all_tags: bool,
) -> Result<Vec<(Reference, Digest)>> {
    let state = inner.state();
    let repository = reference.name();
    let mut names = state
        .names
        .iter()
        .filter(|(name, _)| name.name() == repository)
        .peekable();
    if names.peek().is_none() {
        let name = reference.familiar_name();
        let sentence = format!("An image does not exist locally with the tag: {name}");
        return Err(Error::NotFound(sentence));
    }
    if all_tags {
        let tags = names.filter(|(name, _)| name.tag().is_some());
        return Ok(tags
            .map(|(name, record)| (name.clone(), record.image.clone()))
            .collect());
    }
    let name = lookup_key(reference);
    let record = state
        .names
        .get(&name)
        .ok_or_else(|| does_not_exist(&name))?;
    Ok(vec![(name, record.image.clone())])
}

struct Push<'a> {
    inner: &'a Arc<Inner>,
    repository: &'a Arc<Repository>,
    name: &'a Reference,
    progress: &'a ProgressSender,
}

impl Push<'_> {
    async fn one(&self, id: &Digest, config: &ImageConfig) -> Result<()> {
        let diff_ids = config.diff_ids();
        // Docker tells the topmost layer first.
        for diff_id in diff_ids.iter().rev() {
            self.progress.layer(diff_id.short(), "Preparing").await;
        }
        let content = self.inner.rooms.content.clone();
        let image = id.clone();
        let config_bytes = blocking(move || Ok(content.read(&image, MANIFEST_BYTES_MAX)?)).await?;
        let mut kept = self.kept_manifest(id, diff_ids).await?;
        corten_base::step("push.layers");
        let exact = kept.as_ref().map(|(_, manifest)| &manifest.layers[..]);
        let layers = match self.layers(diff_ids, exact).await {
            // Its blobs were given up here, and this registry does not have them.
            Err(Error::NoBytes(_)) if kept.is_some() => {
                kept = None;
                self.layers(diff_ids, None).await
            }
            other => other,
        };
        let layers = layers.map_err(Error::of_push)?;
        let (kind, manifest) = match kept {
            Some((bytes, manifest)) => {
                let kind = manifest
                    .media_type
                    .unwrap_or_else(|| media_type::OCI_MANIFEST.into());
                (kind, bytes)
            }
            None => (
                media_type::DOCKER_MANIFEST.to_owned(),
                manifest(&config_bytes, layers),
            ),
        };
        crate::push_layer::push_bytes(self.repository, id, config_bytes)
            .await
            .map_err(Error::of_push)?;
        corten_base::step("push.manifest");
        let tag = self.name.tag().unwrap_or_default();
        let size = manifest.len();
        let digest = Digest::of(&manifest);
        let descriptor = Descriptor::new(kind.clone(), digest.clone(), size as u64);
        let sent = self
            .repository
            .put_manifest(tag, &kind, manifest.into())
            .await;
        sent.map_err(|e| Error::from(e).of_push())?;
        corten_base::step("push.record");
        self.record_digest(id, descriptor.clone(), None).await?;
        corten_base::step("push.done");
        self.told(&descriptor).await;
        Ok(())
    }

    /// Brings the layers to the registry, all at once; with `exact` as those blobs.
    async fn layers(
        &self,
        diff_ids: &[Digest],
        exact: Option<&[Descriptor]>,
    ) -> Result<Vec<Descriptor>> {
        let job = |(index, diff_id): (usize, _)| {
            push_layer(PushLayer {
                inner: self.inner,
                repository: self.repository,
                name: self.name,
                diff_id,
                exact: exact.map(|layers| layers[index].clone()),
                progress: self.progress,
            })
        };
        try_join_all(diff_ids.iter().enumerate().map(job)).await
    }

    /// The images for several platforms that the name stands for, or the one for a platform.
    /// An index of which parts were removed cannot be pushed; the only image that is left can.
    async fn kept(&self, id: &Digest, kept: KeptIndex, platform: Option<Platform>) -> Result<()> {
        let (inner, part) = (Arc::clone(self.inner), platform.clone());
        let mut instead = None;
        let mut whole = platform.is_none().then(|| kept.clone());
        let mut pushed = kept.clone();
        if platform.is_none() && !self.is_whole(&kept).await? {
            whole = None;
            let [only] = &kept.images[..] else {
                return Err(Error::Failed(self.missing_parts(&kept).await));
            };
            pushed = kept.alone(only);
            instead = Some(json!({
                "manifestPushedInsteadOfIndex": true,
                "originalIndex": kept.root,
                "selectedManifest": only.manifest,
            }));
        }
        let opening = blocking(move || pushed.open(&inner, Vec::new(), part.as_ref()));
        let artifact = opening.await?;
        for (_, diff_id) in artifact.layers.iter().rev() {
            self.progress.layer(diff_id.short(), "Preparing").await;
        }
        let (inner, to) = (self.inner, self.repository);
        artifact_out::push_to(inner, to, &artifact, self.name, false, self.progress).await?;
        if whole.is_some() {
            self.record_digest(id, artifact.root.clone(), whole).await?;
        }
        if let Some(note) = instead {
            self.progress.send(Progress::Aux(note)).await;
        }
        self.told(&artifact.root).await;
        Ok(())
    }

    async fn is_whole(&self, kept: &KeptIndex) -> Result<bool> {
        let (rooms, kept) = (self.inner.rooms.clone(), kept.clone());
        let listed = blocking(move || manifest_list::summaries(&rooms, &kept)).await?;
        Ok(listed.iter().all(|it| it.available))
    }

    /// Tells the client what is missing, and says it.
    async fn missing_parts(&self, kept: &KeptIndex) -> String {
        let note = json!({"contentMissing": true, "desc": kept.root});
        self.progress.send(Progress::Aux(note)).await;
        messages::missing_parts(&self.name.familiar())
    }

    /// Tells what the name stands for at the registry now.
    async fn told(&self, descriptor: &Descriptor) {
        let tag = self.name.tag().unwrap_or_default();
        let (digest, size) = (&descriptor.digest, descriptor.size);
        let line = format!("{tag}: digest: {digest} size: {size}");
        self.progress.status(None, line).await;
        let aux = json!({"Tag": tag, "Digest": digest, "Size": size});
        self.progress.send(Progress::Aux(aux)).await;
    }

    /// The manifest the image was pulled by, if the same blobs are still on record: where
    /// they are here or at the other registry, that gets the same digest.
    async fn kept_manifest(
        &self,
        id: &Digest,
        diff_ids: &[Digest],
    ) -> Result<Option<(Vec<u8>, Manifest)>> {
        let (digest, blobs) = {
            let state = self.inner.state();
            let record = state.images.get(id).map(|entry| entry.record.clone());
            let Some(digest) = record.and_then(|record| record.manifest) else {
                return Ok(None);
            };
            let blob = |diff_id| {
                state
                    .layers
                    .get(diff_id)
                    .map(|layer| layer.blob.digest.clone())
            };
            (
                digest,
                diff_ids.iter().map(blob).collect::<Option<Vec<Digest>>>(),
            )
        };
        let content = self.inner.rooms.content.clone();
        let bytes = blocking(move || Ok(content.read(&digest, MANIFEST_BYTES_MAX).ok())).await?;
        let Some(bytes) = bytes else { return Ok(None) };
        let Ok(ManifestOrIndex::Manifest(manifest)) = ManifestOrIndex::parse(None, &bytes) else {
            return Ok(None);
        };
        let listed: Vec<Digest> = manifest.layers.iter().map(|l| l.digest.clone()).collect();
        Ok((blobs == Some(listed)).then_some((bytes, *manifest)))
    }

    async fn record_digest(
        &self,
        id: &Digest,
        descriptor: Descriptor,
        index: Option<KeptIndex>,
    ) -> Result<()> {
        let name = self.name.with_digest(descriptor.digest.clone());
        let (inner, image) = (Arc::clone(self.inner), id.clone());
        blocking(move || {
            inner.change(|_| {
                let record = NameRecord {
                    image,
                    descriptor: Some(descriptor),
                    index: index.map(Box::new),
                };
                let names = vec![(name, Some(record))];
                Ok((
                    Change {
                        names,
                        ..Change::default()
                    },
                    (),
                ))
            })
        })
        .await
    }
}

/// A Docker schema 2 manifest, as dockerd makes it.
fn manifest(config: &[u8], layers: Vec<Descriptor>) -> Vec<u8> {
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(media_type::DOCKER_MANIFEST.into()),
        config: Descriptor::of(media_type::DOCKER_CONFIG, config),
        layers,
        subject: None,
        artifact_type: None,
        annotations: None,
    };
    serde_json::to_vec_pretty(&manifest).expect("a manifest is always JSON")
}
