//! One layer of a push: found there, mounted from another repository, or sent.

use crate::{
    Action, Error, ProgressSender, Result,
    layer_bytes::{self, compression_of, has_blob},
    layer_stack::Leases,
    record::LayerRecord,
    rooms::{Inner, blocking},
    state::Change,
};
use bytes::Bytes;
use corten_archive::Compression;
use corten_content::ContentStore;
use corten_distribution::{Begun, Repository, UploadBody};
use corten_oci::{Descriptor, Digest, Reference, media_type};
use futures_util::stream;
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::io::AsyncReadExt;

/// Bytes read from a blob at a time.
const CHUNK_BYTES: usize = 256 << 10;
/// How often a layer is sent.
const ATTEMPTS: u32 = 5;
/// Repositories a mount is tried from.
const MOUNTS_MAX: usize = 3;
/// How often progress is told: each so many bytes.
const PROGRESS_BYTES: u64 = 512 << 10;

pub(crate) struct PushLayer<'a> {
    pub inner: &'a Arc<Inner>,
    pub repository: &'a Arc<Repository>,
    pub name: &'a Reference,
    pub diff_id: &'a Digest,
    /// The descriptor of the manifest that is sent again as it is.
    pub exact: Option<Descriptor>,
    pub progress: &'a ProgressSender,
}

/// Brings a layer to the registry. Gives its descriptor for a Docker manifest.
///
/// # Errors
/// [`Error::NoBytes`]: the manifest that is sent again lists a blob that is neither here nor
/// at the registry.
pub(crate) async fn push_layer(job: PushLayer<'_>) -> Result<Descriptor> {
    let Ok(_permit) = job.inner.uploads.permits.acquire().await else {
        return Err(Error::Interrupted);
    };
    let id = job.diff_id.short();
    let known = job.inner.state().layers.get(job.diff_id).cloned();
    let record = known.ok_or_else(|| Error::NoBytes(job.diff_id.clone()))?;
    let leases = Arc::new(Leases::new(&job.inner.rooms));
    record.hold_blobs(&leases);
    let described = |blob: &Descriptor| {
        let gzip = media_type::DOCKER_LAYER_GZIP;
        let as_docker = Descriptor::new(gzip, blob.digest.clone(), blob.size);
        job.exact.clone().unwrap_or(as_docker)
    };
    // Maybe neither of them is here.
    let known = [Some(&record.blob), record.made.as_ref()];
    let fits = |blob: &&Descriptor| match &job.exact {
        Some(exact) => blob.digest == exact.digest,
        None => compression_of(&blob.media_type) == Compression::Gzip,
    };
    for blob in known.into_iter().flatten().filter(fits) {
        if job.repository.blob_size(&blob.digest).await?.is_some() {
            job.progress.layer(id, "Layer already exists").await;
            remember(&job, blob.clone()).await?;
            return Ok(described(blob));
        }
        if let Some(from) = mount(job.repository, job.name, &record, &blob.digest).await {
            job.progress.layer(id, format!("Mounted from {from}")).await;
            remember(&job, blob.clone()).await?;
            return Ok(described(blob));
        }
    }
    let content = &job.inner.rooms.content;
    let blob = match &job.exact {
        Some(_) if has_blob(content, &record.blob) => record.blob.clone(),
        Some(_) => return Err(Error::NoBytes(job.diff_id.clone())),
        None => as_gzip(&job, &record, &leases).await?,
    };
    send(job.repository, content, job.progress, id, &blob).await?;
    job.progress.layer(id, "Pushed").await;
    remember(&job, blob.clone()).await?;
    Ok(described(&blob))
}

/// The layer as gzip: every registry and every engine knows it. Made once, then kept.
async fn as_gzip(
    job: &PushLayer<'_>,
    record: &LayerRecord,
    leases: &Arc<Leases>,
) -> Result<Descriptor> {
    let (inner, record) = (Arc::clone(job.inner), record.clone());
    let (diff_id, leases) = (job.diff_id.clone(), Arc::clone(leases));
    blocking(move || {
        let gzip = |it| it == Compression::Gzip;
        if let Some(blob) = record.blob_here(&inner.rooms.content, gzip) {
            return Ok(blob);
        }
        let format = (Compression::Gzip, None);
        layer_bytes::compress(&inner, &leases, &diff_id, &record, format)
    })
    .await
}

/// Asks the registry to take the blob from another of its repositories that had it.
pub(crate) async fn mount(
    repository: &Repository,
    name: &Reference,
    record: &LayerRecord,
    digest: &Digest,
) -> Option<String> {
    let made = record.blob.digest != *digest;
    let here = |path: &str| path != name.path();
    let known = record
        .sources
        .iter()
        .rev()
        .filter(|s| s.domain == name.domain() && s.made == made);
    for source in known.filter(|source| here(&source.path)).take(MOUNTS_MAX) {
        // A repository that is gone or closed is no reason to fail.
        let begun = repository.begin_upload(digest, Some(&source.path)).await;
        if let Ok(Begun::Mounted) = begun {
            let name: Result<Reference, _> = source.to_string().parse();
            return Some(name.map_or_else(|_| source.path.clone(), |n| n.path().to_owned()));
        }
    }
    None
}

/// Sends a blob of the content store, again where the registry falters.
pub(crate) async fn send(
    repository: &Repository,
    content: &ContentStore,
    progress: &ProgressSender,
    id: &str,
    blob: &Descriptor,
) -> Result<()> {
    let mut attempt = 1;
    loop {
        progress.figure(id, Action::Pushing, 0, Some(blob.size));
        let result = try_send(repository, content, progress, id, blob).await;
        match result {
            Err(Error::Registry(error)) if error.is_transient() && attempt < ATTEMPTS => {
                tracing::debug!(layer = %blob.digest, %error, attempt, "a push is tried again");
                attempt += 1;
            }
            other => return other,
        }
    }
}

async fn try_send(
    repository: &Repository,
    content: &ContentStore,
    progress: &ProgressSender,
    id: &str,
    blob: &Descriptor,
) -> Result<()> {
    let at = match repository.begin_upload(&blob.digest, None).await? {
        Begun::Mounted => return Ok(()),
        Begun::Upload(at) => at,
    };
    let (id, size) = (id.to_owned(), blob.size);
    let body = || {
        let file = content.open_blob(&blob.digest).map_err(io::Error::other)?;
        let (progress, id) = (progress.clone(), id.clone());
        let told = Arc::new(AtomicU64::new(0));
        let tell = move |now: u64| {
            if now - told.load(Ordering::Relaxed) >= PROGRESS_BYTES || now == size {
                told.store(now, Ordering::Relaxed);
                progress.figure(&id, Action::Pushing, now, Some(size));
            }
        };
        let start = (tokio::fs::File::from_std(file), 0, tell);
        let chunks = stream::try_unfold(start, |(mut file, sent, tell)| async move {
            let mut chunk = Vec::with_capacity(CHUNK_BYTES);
            let count = file.read_buf(&mut chunk).await?;
            let sent = sent + count as u64;
            tell(sent);
            Ok::<_, io::Error>((count > 0).then(|| (Bytes::from(chunk), (file, sent, tell))))
        });
        Ok(UploadBody::new(chunks, size))
    };
    Ok(repository.upload(at, &blob.digest, body).await?)
}

/// A small document, unless the registry has it.
pub(crate) async fn push_bytes(
    repository: &Arc<Repository>,
    digest: &Digest,
    bytes: Vec<u8>,
) -> Result<()> {
    if repository.blob_size(digest).await?.is_some() {
        return Ok(());
    }
    let Begun::Upload(at) = repository.begin_upload(digest, None).await? else {
        return Ok(());
    };
    let bytes = Bytes::from(bytes);
    let body = || {
        let (size, chunk) = (bytes.len() as u64, bytes.clone());
        Ok(UploadBody::new(stream::iter([Ok(chunk)]), size))
    };
    Ok(repository.upload(at, digest, body).await?)
}

/// Records that a repository has a blob of a layer, if it is one of those on record.
pub(crate) async fn remember_known(
    inner: &Arc<Inner>,
    name: &Reference,
    diff_id: &Digest,
    blob: &Digest,
) -> Result<()> {
    let (inner, diff_id, blob) = (Arc::clone(inner), diff_id.clone(), blob.clone());
    let (domain, path) = (name.domain().to_owned(), name.path().to_owned());
    blocking(move || {
        inner.change(|state| {
            let mut change = Change::default();
            let known = state.layers.get(&diff_id).cloned();
            if let Some(mut record) = known.filter(|it| it.has(&blob)) {
                record.add_source(&domain, &path, &blob);
                change.layers.push((diff_id, Some(record)));
            }
            Ok((change, ()))
        })
    })
    .await
}

/// Records that this repository has the layer now, and the form it was sent in.
async fn remember(job: &PushLayer<'_>, blob: Descriptor) -> Result<()> {
    let (inner, diff_id) = (Arc::clone(job.inner), job.diff_id.clone());
    let (domain, path) = (job.name.domain().to_owned(), job.name.path().to_owned());
    blocking(move || {
        inner.change(|state| {
            let mut change = Change::default();
            if let Some(mut record) = state.layers.get(&diff_id).cloned() {
                let digest = blob.digest.clone();
                if !record.has(&digest) {
                    record.blob = blob;
                    record.sources.clear();
                }
                record.add_source(&domain, &path, &digest);
                change.layers.push((diff_id, Some(record)));
            }
            Ok((change, ()))
        })
    })
    .await
}
