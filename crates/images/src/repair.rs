//! What is damaged, fetched from where it came, or made again of what is whole.

use crate::{
    Error, Result, built,
    download::DownloadRequest,
    record::LayerRecord,
    rooms::{Inner, blocking},
    state::Change,
    verify::Verify,
    verify_kept::Kind,
};
use corten_distribution::{Access, Repository};
use corten_oci::{Descriptor, Digest, ManifestOrIndex, Reference, media_type};
use std::sync::Arc;

/// Writes an image's configuration or manifest anew.
pub(crate) async fn document(run: &Verify<'_>, image: &Digest, digest: &Digest) -> Result<()> {
    let (config, manifest, names) = {
        let state = run.inner.state();
        let gone = || Error::NotFound(crate::messages::no_such_image(&image.to_string()));
        let entry = state.images.get(image).ok_or_else(gone)?;
        let names: Vec<Reference> = state.names_of(image).cloned().collect();
        (
            Arc::clone(&entry.config),
            entry.record.manifest.clone(),
            names,
        )
    };
    // Made here, it has these very bytes.
    let made = serde_json::to_vec(&*config).unwrap_or_default();
    if digest.matches(&made) {
        return put(run, digest, made).await;
    }
    let Some(manifest) = manifest else {
        return Err(nowhere());
    };
    let mut last = nowhere();
    for name in names {
        match fetch_document(run, &name, &manifest, digest).await {
            Ok(bytes) => return put(run, digest, bytes).await,
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn fetch_document(
    run: &Verify<'_>,
    name: &Reference,
    manifest: &Digest,
    wanted: &Digest,
) -> Result<Vec<u8>> {
    let repository = open(run, name).await;
    let fetched = repository.manifest(&manifest.to_string()).await?;
    if manifest == wanted {
        return Ok(fetched.bytes.to_vec());
    }
    let ManifestOrIndex::Manifest(document) = fetched.document else {
        return Err(nowhere());
    };
    let bytes = small_blob(run, &repository, &document.config).await?;
    match wanted.matches(&bytes) {
        true => Ok(bytes),
        false => Err(nowhere()),
    }
}

async fn put(run: &Verify<'_>, digest: &Digest, bytes: Vec<u8>) -> Result<()> {
    let (content, digest) = (run.inner.rooms.content.clone(), digest.clone());
    blocking(move || {
        content.delete(&digest)?;
        content.put(&bytes)?;
        Ok(())
    })
    .await
}

/// Gets the blob of the last layer of a stack again. Answers what is on record now: a blob
/// made again may be compressed in other bytes.
pub(crate) async fn blob(
    run: &Verify<'_>,
    chain: &[Digest],
    record: &LayerRecord,
) -> Result<Descriptor> {
    let mut last = nowhere();
    for source in record.sources.iter().rev().filter(|it| !it.made) {
        let name: Reference = format!("{}/{}", source.domain, source.path).parse()?;
        match fetch_blob(run, &name, &record.blob).await {
            Ok(()) => return Ok(record.blob.clone()),
            Err(error) => last = error,
        }
    }
    match make_blob(run, chain).await {
        Ok(blob) => Ok(blob),
        // Files of a layer that came from elsewhere seldom give its bytes again.
        Err(_) => Err(last),
    }
}

/// Fetches a blob that these names keep.
pub(crate) async fn kept(
    run: &Verify<'_>,
    names: &[Reference],
    kind: Kind,
    blob: &Descriptor,
) -> Result<()> {
    let mut last = nowhere();
    for name in names {
        let fetched = match kind {
            Kind::Layer => fetch_blob(run, name, blob).await,
            Kind::Manifest | Kind::Document => fetch_kept(run, name, kind, blob).await,
        };
        match fetched {
            Ok(()) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn fetch_kept(
    run: &Verify<'_>,
    name: &Reference,
    kind: Kind,
    wanted: &Descriptor,
) -> Result<()> {
    let repository = open(run, name).await;
    let bytes = match kind {
        Kind::Manifest => {
            let fetched = repository.manifest(&wanted.digest.to_string()).await?;
            fetched.bytes.to_vec()
        }
        _ => small_blob(run, &repository, wanted).await?,
    };
    match wanted.digest.matches(&bytes) {
        true => put(run, &wanted.digest, bytes).await,
        false => Err(nowhere()),
    }
}

/// A blob that fits into memory; not more than its size is read.
async fn small_blob(
    run: &Verify<'_>,
    repository: &Arc<Repository>,
    wanted: &Descriptor,
) -> Result<Vec<u8>> {
    let attempts = run.inner.config.max_download_attempts;
    let mut reader = repository.blob(wanted, 0, attempts).await?;
    let mut bytes = Vec::new();
    while let Some(piece) = reader.next().await? {
        bytes.extend_from_slice(&piece);
        if bytes.len() as u64 > wanted.size {
            return Err(nowhere());
        }
    }
    Ok(bytes)
}

async fn fetch_blob(run: &Verify<'_>, name: &Reference, blob: &Descriptor) -> Result<()> {
    let repository = open(run, name).await;
    // Nothing is thrown away for a registry that does not have it.
    if repository.blob_size(&blob.digest).await?.is_none() {
        return Err(Error::NotFound(format!(
            "{} has no such blob",
            name.familiar_name()
        )));
    }
    let (content, digest) = (run.inner.rooms.content.clone(), blob.digest.clone());
    blocking(move || Ok(content.delete(&digest)?)).await?;
    fetch(run.inner, repository, blob).await
}

/// Downloads a blob into the content store.
pub(crate) async fn fetch(
    inner: &Arc<Inner>,
    repository: Arc<Repository>,
    blob: &Descriptor,
) -> Result<()> {
    let download = inner.downloads.start(DownloadRequest {
        rooms: inner.rooms.clone(),
        repository: Some(repository),
        blob: blob.clone(),
        attempts: inner.config.max_download_attempts,
    });
    download.finished().await.map_err(Error::unshared)?;
    let unpacked = download.take();
    let content = inner.rooms.content.clone();
    blocking(move || {
        let finished = unpacked.and_then(|unpacked| unpacked.finished);
        content.commit(finished.into_iter().collect())?;
        Ok(())
    })
    .await
}

/// Compresses a layer's files again, if they give its diff ID.
async fn make_blob(run: &Verify<'_>, chain: &[Digest]) -> Result<Descriptor> {
    let (inner, chain) = (Arc::clone(run.inner), chain.to_vec());
    let leases = Arc::clone(&run.leases);
    blocking(move || {
        let finished = built::layer(&inner.rooms, &chain)?;
        let made = finished.blob().clone();
        leases.blobs.hold(&made.digest);
        inner.rooms.content.delete(&made.digest)?;
        inner.rooms.content.commit(vec![finished])?;
        let blob = Descriptor::new(media_type::OCI_LAYER_ZSTD, made.digest, made.size);
        let recorded = blob.clone();
        inner.change(|state| {
            let mut change = Change::default();
            let diff_id = &chain[chain.len() - 1];
            if let Some(mut record) = state.layers.get(diff_id).cloned() {
                record.blob = recorded;
                record.sources.clear();
                change.layers.push((diff_id.clone(), Some(record)));
            }
            Ok((change, ()))
        })?;
        Ok(blob)
    })
    .await
}

async fn open(run: &Verify<'_>, name: &Reference) -> Arc<Repository> {
    let credentials = run.request.credentials_for(name.domain());
    let registries = run.inner.registries();
    Arc::new(registries.repository(name, credentials, Access::Pull).await)
}

fn nowhere() -> Error {
    Error::NotFound("no registry is known that has it: load or build the image again".into())
}
