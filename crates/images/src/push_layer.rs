//! One layer of a push: found there, mounted from another repository, or sent.

use crate::{
    Action, Error, ProgressSender, Result,
    layer_stack::Leases,
    record::LayerRecord,
    rooms::{Inner, blocking},
    state::Change,
    take_in::new_blob,
};
use bytes::Bytes;
use corten_archive::{Compression, Compressor, Decoder};
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
/// gzip's level for layers that have to be compressed for a registry.
const GZIP_LEVEL: i32 = 6;
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
pub(crate) async fn push_layer(job: PushLayer<'_>) -> Result<Descriptor> {
    let Ok(_permit) = job.inner.uploads.permits.acquire().await else {
        return Err(Error::Interrupted);
    };
    let id = job.diff_id.short();
    let missing = || {
        Error::NotFound(format!(
            "layer {} has no bytes on this machine",
            job.diff_id
        ))
    };
    let record = job
        .inner
        .state()
        .layers
        .get(job.diff_id)
        .cloned()
        .ok_or_else(missing)?;
    let leases = Arc::new(Leases::new(&job.inner.rooms));
    leases.blobs.hold(&record.blob.digest);
    let blob = match &job.exact {
        Some(_) => record.blob.clone(),
        None => as_gzip(&job, &record, &leases).await?,
    };
    let sent = job.exact.clone().unwrap_or_else(|| {
        Descriptor::new(
            media_type::DOCKER_LAYER_GZIP,
            blob.digest.clone(),
            blob.size,
        )
    });
    if job.repository.blob_size(&blob.digest).await?.is_some() {
        job.progress.layer(id, "Layer already exists").await;
    } else if let Some(from) = mount(&job, &record, &blob.digest).await? {
        job.progress.layer(id, format!("Mounted from {from}")).await;
    } else {
        let content = &job.inner.rooms.content;
        send(job.repository, content, job.progress, id, &blob).await?;
        job.progress.layer(id, "Pushed").await;
    }
    remember(&job, blob).await?;
    Ok(sent)
}

/// The layer as gzip: every registry and every engine knows it. Made once, then kept in
/// place of what was there.
async fn as_gzip(
    job: &PushLayer<'_>,
    record: &LayerRecord,
    leases: &Arc<Leases>,
) -> Result<Descriptor> {
    let is_gzip = matches!(
        record.blob.media_type.as_str(),
        media_type::OCI_LAYER_GZIP | media_type::DOCKER_LAYER_GZIP
    );
    if is_gzip {
        return Ok(record.blob.clone());
    }
    let (rooms, from, leases) = (
        job.inner.rooms.clone(),
        record.blob.digest.clone(),
        Arc::clone(leases),
    );
    let diff_id = job.diff_id.clone();
    blocking(move || {
        let mut tar = Decoder::new(rooms.content.open_blob(&from)?)?;
        let mut gzip = Compressor::new(new_blob(&rooms)?, Compression::Gzip, Some(GZIP_LEVEL))?;
        io::copy(&mut tar, &mut gzip).map_err(|source| Error::Stream {
            operation: "compressing a layer",
            source,
        })?;
        let (ingest, written) = gzip.finish()?;
        if written.diff_id != diff_id {
            return Err(Error::LayerVerification(diff_id));
        }
        let finished = ingest.finish()?;
        leases.blobs.hold(&finished.blob().digest);
        rooms.content.commit(vec![finished])?;
        Ok(Descriptor::new(
            media_type::DOCKER_LAYER_GZIP,
            written.digest,
            written.size,
        ))
    })
    .await
}

/// Asks the registry to take the blob from another of its repositories that had it.
async fn mount(
    job: &PushLayer<'_>,
    record: &LayerRecord,
    digest: &Digest,
) -> Result<Option<String>> {
    if record.blob.digest != *digest {
        return Ok(None);
    }
    let here = |path: &str| path != job.name.path();
    let known = record
        .sources
        .iter()
        .rev()
        .filter(|s| s.domain == job.name.domain());
    for source in known.filter(|source| here(&source.path)).take(MOUNTS_MAX) {
        // A repository that is gone or closed is no reason to fail.
        if let Ok(Begun::Mounted) = job
            .repository
            .begin_upload(digest, Some(&source.path))
            .await
        {
            let name: Result<Reference, _> = format!("{}/{}", source.domain, source.path).parse();
            return Ok(Some(
                name.map_or_else(|_| source.path.clone(), |n| n.path().to_owned()),
            ));
        }
    }
    Ok(None)
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

/// Records that this repository has the layer now, and the form it was sent in.
async fn remember(job: &PushLayer<'_>, blob: Descriptor) -> Result<()> {
    let (inner, diff_id) = (Arc::clone(job.inner), job.diff_id.clone());
    let (domain, path) = (job.name.domain().to_owned(), job.name.path().to_owned());
    blocking(move || {
        inner.change(|state| {
            let mut change = Change::default();
            if let Some(mut record) = state.layers.get(&diff_id).cloned() {
                if record.blob.digest != blob.digest {
                    record.blob = blob;
                    record.sources.clear();
                }
                record.add_source(&domain, &path);
                change.layers.push((diff_id, Some(record)));
            }
            Ok((change, ()))
        })
    })
    .await
}
