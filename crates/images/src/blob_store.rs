//! Blobs that a client keeps: a directory of its own in the form of an OCI layout.

use crate::{
    Error, Result,
    layer_stack::{Blobs, Leases},
    layer_stream::BLOB_BYTES_MAX,
    pull_documents::choose,
    pull_layers::{Source, fetch_layers},
    rooms::{Inner, blocking, parse_config},
};
use bytes::Bytes;
use corten_content::{Begun, Error as ContentError, IngestRequest};
use corten_oci::{Descriptor, Digest, ImageConfig, Manifest, ManifestOrIndex, Platform};
use futures_util::future::BoxFuture;
use std::{sync::Arc, time::Duration};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes of a manifest or a configuration.
const DOCUMENT_BYTES_MAX: u64 = 4 << 20;
/// Indexes below each other.
const DEPTH_MAX: usize = 4;
/// Bytes of a blob read at a time.
const CHUNK_BYTES: usize = 1 << 20;
/// For another build that fetches the same blob.
const BUSY_TIMEOUT: Duration = Duration::from_secs(600);

/// A stream of a blob's bytes.
pub type BlobStream = Box<dyn AsyncRead + Send + Unpin>;

/// Blobs by digest, somewhere else.
pub trait BlobStore: Send + Sync {
    /// The size of a blob; none if it is not there.
    fn size<'a>(&'a self, digest: &'a Digest) -> BoxFuture<'a, Result<Option<u64>>>;

    /// A blob's bytes. Nobody has looked whether they are the right ones.
    fn read<'a>(&'a self, digest: &'a Digest) -> BoxFuture<'a, Result<BlobStream>>;

    /// Puts a blob there; one that is there already is left alone.
    fn write<'a>(&'a self, blob: &'a Descriptor, bytes: BlobStream) -> BoxFuture<'a, Result<()>>;
}

/// A small blob, looked at.
pub(crate) async fn document(store: &dyn BlobStore, digest: &Digest, max: u64) -> Result<Bytes> {
    let mut bytes = Vec::new();
    let stream = store.read(digest).await?;
    let read = stream.take(max + 1).read_to_end(&mut bytes).await;
    read.map_err(|source| Error::Stream {
        operation: "reading a blob of the client",
        source,
    })?;
    if bytes.len() as u64 > max {
        let sentence = format!("the blob {digest} has more than {max} bytes");
        return Err(Error::Invalid(sentence));
    }
    if !digest.matches(&bytes) {
        return Err(Error::LayerVerification(digest.clone()));
    }
    Ok(bytes.into())
}

/// Brings blobs here that are not, held by `leases`.
pub(crate) async fn bring(
    inner: &Arc<Inner>,
    store: &dyn BlobStore,
    leases: &Leases,
    blobs: &[Descriptor],
) -> Result<()> {
    for blob in blobs {
        leases.blobs.hold(&blob.digest);
        let Begun::Write(ingest) = begin(inner, blob).await? else {
            continue;
        };
        let mut stream = store.read(&blob.digest).await?;
        let mut ingest = ingest;
        // A store of this kind has no way to begin in the middle.
        let mut skip = ingest.offset();
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let read = stream.read(&mut chunk).await;
            let count = read.map_err(|source| Error::Stream {
                operation: "reading a blob of the client",
                source,
            })?;
            if count == 0 {
                break;
            }
            let known = skip.min(count as u64);
            skip -= known;
            let piece = chunk[known as usize..count].to_vec();
            ingest = blocking(move || {
                ingest.add(&piece)?;
                Ok(ingest)
            })
            .await?;
        }
        let content = inner.rooms.content.clone();
        blocking(move || {
            let finished = ingest.finish()?;
            content.commit(vec![finished])?;
            Ok(())
        })
        .await?;
    }
    Ok(())
}

async fn begin(inner: &Arc<Inner>, blob: &Descriptor) -> Result<Begun> {
    let request = IngestRequest {
        expected: Some(blob.digest.clone()),
        size: Some(blob.size),
        limit: BLOB_BYTES_MAX,
    };
    let content = inner.rooms.content.clone();
    blocking(move || {
        loop {
            match content.ingest(&request) {
                Err(ContentError::Busy { digest, .. })
                    if content.wait_free(&digest, BUSY_TIMEOUT) => {}
                other => return Ok(other?),
            }
        }
    })
    .await
}

/// An image of a client's layout whose layers are here. They stay until it is dropped.
pub struct LayoutImage {
    /// The configuration.
    pub config: ImageConfig,
    _leases: Arc<Leases>,
}

impl LayoutImage {
    /// The image for a platform behind a manifest or an index.
    pub(crate) async fn fetch(
        inner: &Arc<Inner>,
        store: &dyn BlobStore,
        digest: &Digest,
        platform: &Platform,
    ) -> Result<Self> {
        let (manifest, bytes) = manifest(store, digest, platform).await?;
        let config_bytes = document(store, &manifest.config.digest, DOCUMENT_BYTES_MAX).await?;
        let config = parse_config(&config_bytes)?;
        if config.diff_ids().len() != manifest.layers.len() {
            let sentence = "layers from manifest don't match image configuration";
            return Err(Error::Invalid(sentence.into()));
        }
        let leases = Arc::new(Leases::new(&inner.rooms));
        let diff_ids = config.diff_ids();
        diff_ids.iter().for_each(|it| leases.layers.hold(it));
        fetch(
            inner,
            store,
            &leases,
            &manifest.layers,
            diff_ids,
            [config_bytes, bytes],
        )
        .await?;
        Ok(Self {
            config,
            _leases: leases,
        })
    }
}

/// Brings blobs here and unpacks them.
pub(crate) async fn fetch(
    inner: &Arc<Inner>,
    store: &dyn BlobStore,
    leases: &Arc<Leases>,
    blobs: &[Descriptor],
    diff_ids: &[Digest],
    documents: [Bytes; 2],
) -> Result<()> {
    bring(inner, store, leases, blobs).await?;
    let source = Source {
        repository: None,
        leases,
        blobs,
        diff_ids,
        documents,
        kept: Blobs::Kept,
    };
    fetch_layers(inner, source, &crate::ProgressSender::none()).await?;
    Ok(())
}

async fn manifest(
    store: &dyn BlobStore,
    digest: &Digest,
    platform: &Platform,
) -> Result<(Manifest, Bytes)> {
    let mut digest = digest.clone();
    for _ in 0..DEPTH_MAX {
        let bytes = document(store, &digest, DOCUMENT_BYTES_MAX).await?;
        match parse(&bytes)? {
            ManifestOrIndex::Manifest(manifest) => return Ok((*manifest, bytes)),
            ManifestOrIndex::Index(index) => {
                digest = choose(&index.manifests, platform)?.digest.clone();
            }
        }
    }
    let sentence = "the image index is nested too deeply";
    Err(Error::Invalid(sentence.into()))
}

pub(crate) fn parse(bytes: &[u8]) -> Result<ManifestOrIndex> {
    let parsed = ManifestOrIndex::parse(None, bytes);
    parsed.map_err(|error| Error::Invalid(error.to_string()))
}
