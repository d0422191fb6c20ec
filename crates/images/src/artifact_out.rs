//! Where an artifact goes: a registry, or an archive.

use crate::{
    ProgressSender, Result,
    archive_index::{DockerImage, blob_path},
    artifact::Artifact,
    push_layer::{mount, push_bytes, remember_known, send},
    rooms::Inner,
    save::{Archive, finish, index_entries},
};
use corten_distribution::{Access, Credentials, Repository};
use corten_oci::{Descriptor, Digest, Index, Reference, media_type};
use futures_util::future::try_join_all;
use std::{io::Write, sync::Arc};

/// Pushes everything of it under one name, the name last. The name is a tag, or the root's
/// digest for a push that gives none.
pub(crate) async fn push(
    inner: &Arc<Inner>,
    artifact: &Artifact,
    name: &Reference,
    by_digest: bool,
    credentials: Option<Credentials>,
    progress: &ProgressSender,
) -> Result<()> {
    let repository = inner
        .registries()
        .repository(name, credentials, Access::Push)
        .await;
    push_to(
        inner,
        &Arc::new(repository),
        artifact,
        name,
        by_digest,
        progress,
    )
    .await
}

/// The same to a repository that is open.
pub(crate) async fn push_to(
    inner: &Arc<Inner>,
    repository: &Arc<Repository>,
    artifact: &Artifact,
    name: &Reference,
    by_digest: bool,
    progress: &ProgressSender,
) -> Result<()> {
    let layers = artifact
        .layers
        .iter()
        .map(|(blob, diff_id)| push_blob(inner, repository, name, blob, diff_id, progress));
    try_join_all(layers).await.map_err(crate::Error::of_push)?;
    for (descriptor, bytes) in &artifact.documents {
        push_bytes(repository, &descriptor.digest, bytes.clone())
            .await
            .map_err(crate::Error::of_push)?;
    }
    let last = artifact.manifests.len() - 1;
    for (place, document) in artifact.manifests.iter().enumerate() {
        let descriptor = &document.descriptor;
        let target = match name.tag() {
            Some(tag) if place == last && !by_digest => tag.to_owned(),
            _ => descriptor.digest.to_string(),
        };
        let bytes = document.bytes.clone().into();
        repository
            .put_manifest(&target, &descriptor.media_type, bytes)
            .await
            .map_err(|error| crate::Error::from(error).of_push())?;
    }
    Ok(())
}

async fn push_blob(
    inner: &Arc<Inner>,
    repository: &Arc<Repository>,
    name: &Reference,
    blob: &Descriptor,
    diff_id: &Digest,
    progress: &ProgressSender,
) -> Result<()> {
    let Ok(_permit) = inner.uploads.permits.acquire().await else {
        return Err(crate::Error::Interrupted);
    };
    let id = diff_id.short();
    if repository.blob_size(&blob.digest).await?.is_some() {
        progress.layer(id, "Layer already exists").await;
        return remember_known(inner, name, diff_id, &blob.digest).await;
    }
    let known = inner.state().layers.get(diff_id).cloned();
    let known = known.filter(|it| it.has(&blob.digest));
    let mounted = match &known {
        Some(record) => mount(repository, name, record, &blob.digest).await,
        None => None,
    };
    if let Some(from) = mounted {
        progress.layer(id, format!("Mounted from {from}")).await;
    } else {
        send(repository, &inner.rooms.content, progress, id, blob).await?;
        progress.layer(id, "Pushed").await;
    }
    remember_known(inner, name, diff_id, &blob.digest).await
}

/// Writes it as an OCI layout; one image alone is a `docker save` archive, too. Blocking.
pub(crate) fn save(inner: &Inner, artifact: &Artifact, out: impl Write) -> Result<()> {
    let mut archive = Archive::begin(out)?;
    write(inner, artifact, &mut archive)?;
    let index = Index {
        schema_version: 2,
        media_type: Some(media_type::OCI_INDEX.into()),
        manifests: index_entries(&artifact.root, &artifact.names),
        annotations: None,
    };
    archive.json("index.json", &index)?;
    if let [image] = &artifact.images[..] {
        archive.json_line("manifest.json", &[docker_image(image, &artifact.names)])?;
    }
    archive.file("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    finish(archive)
}

/// Writes the blobs.
pub(crate) fn write<W: Write>(
    inner: &Inner,
    artifact: &Artifact,
    archive: &mut Archive<W>,
) -> Result<()> {
    for (layer, _) in &artifact.layers {
        archive.blob_file(&inner.rooms.content, layer)?;
    }
    for (_, bytes) in &artifact.documents {
        archive.blob(bytes)?;
    }
    for document in &artifact.manifests {
        archive.blob(&document.bytes)?;
    }
    Ok(())
}

/// An image of an artifact in the words of `docker save`.
pub(crate) fn docker_image(
    (config, layers): &(Descriptor, Vec<Descriptor>),
    names: &[Reference],
) -> DockerImage {
    let names: Vec<String> = names.iter().map(Reference::familiar).collect();
    let layers = layers.iter().map(|layer| blob_path(&layer.digest));
    DockerImage {
        config: blob_path(&config.digest),
        repo_tags: (!names.is_empty()).then_some(names),
        layers: Some(layers.collect()),
        parent: None,
        layer_sources: None,
    }
}
