//! Caches of a builder at registries: layers by their blobs, and a document that says which
//! steps they are. No image is made of them.

use crate::{
    BlobStore, Error, LayerCompression, ProgressSender, Result,
    artifact_layer::{self, Wanted},
    blob_store,
    built::layer,
    layer_bytes::{compress, compression_of},
    layer_stack::{Blobs, Leases},
    pull_layers::{Source, fetch_layers},
    push_layer::push_bytes,
    rooms::{Inner, blocking},
};
use bytes::Bytes;
use corten_distribution::{Access, Begun, Credentials, Repository, UploadBody};
use corten_oci::{
    Descriptor, Digest, Index, Manifest, ManifestOrIndex, Reference, manifest::MANIFEST_BYTES_MAX,
    media_type,
};
use futures_util::stream;
use std::{
    collections::{HashMap, HashSet},
    io,
    sync::Arc,
};
use tokio::io::AsyncReadExt;

/// Media type of the document, BuildKit's `cache/remotecache/v1`.
pub const CACHE_CONFIG: &str = "application/vnd.buildkit.cacheconfig.v0";
/// Bytes of a document: some hundred for each step.
const CONFIG_BYTES_MAX: u64 = 32 << 20;
/// Bytes read from a blob at a time.
const CHUNK_BYTES: usize = 256 << 10;

/// The layers of a cache, each with its blob; kept until it is dropped.
pub struct CacheBlobs {
    inner: Arc<Inner>,
    _leases: Leases,
    blobs: HashMap<Digest, Descriptor>,
}

impl CacheBlobs {
    /// Blobs for the uppermost layers of these stacks (diff IDs, bottom first), made where
    /// there are none. With a compression only blobs that have it, or come from a registry,
    /// are left as they are. Blocking.
    pub(crate) fn make(
        inner: &Arc<Inner>,
        stacks: &[Vec<Digest>],
        compression: Option<LayerCompression>,
    ) -> Result<Self> {
        let leases = Leases::new(&inner.rooms);
        let mut blobs = HashMap::new();
        let mut made = Vec::new();
        for stack in stacks {
            let Some(diff_id) = stack.last().filter(|it| !blobs.contains_key(*it)) else {
                continue;
            };
            leases.layers.hold(diff_id);
            if let Some(compression) = compression {
                let wanted = Wanted {
                    compression,
                    docker_types: false,
                    elsewhere: &HashSet::new(),
                };
                let blob = artifact_layer::layer(inner, &leases, stack, wanted)?;
                blobs.insert(diff_id.clone(), blob);
                continue;
            }
            let known = inner.state().layers.get(diff_id).cloned();
            if let Some(record) = known {
                let content = &inner.rooms.content;
                record.hold_blobs(&leases);
                let blob = match record.blob_here(content, |_| true) {
                    Some(blob) => blob,
                    None => {
                        let own = compression_of(&record.blob.media_type);
                        compress(inner, &leases, diff_id, &record, (own, None))?
                    }
                };
                blobs.insert(diff_id.clone(), blob);
                continue;
            }
            let finished = layer(&inner.rooms, stack)?;
            let stored = finished.blob();
            leases.blobs.hold(&stored.digest);
            let kind = media_type::OCI_LAYER_ZSTD;
            let blob = Descriptor::new(kind, stored.digest.clone(), stored.size);
            blobs.insert(diff_id.clone(), blob);
            made.push(finished);
        }
        inner.rooms.content.commit(made)?;
        Ok(Self {
            inner: Arc::clone(inner),
            _leases: leases,
            blobs,
        })
    }

    /// The blob of a layer.
    pub fn blob(&self, diff_id: &Digest) -> Option<&Descriptor> {
        self.blobs.get(diff_id)
    }

    /// Brings the blobs of `order`, the document and a manifest of both to a registry. As an
    /// index, if asked, that older versions of BuildKit wrote. Answers the manifest.
    ///
    /// # Errors
    /// The registry's.
    pub async fn push(
        &self,
        reference: &Reference,
        credentials: Option<Credentials>,
        order: &[Digest],
        config: Vec<u8>,
        as_index: bool,
    ) -> Result<Descriptor> {
        let registries = self.inner.registries();
        let repository = registries.repository(reference, credentials, Access::Push);
        let repository = Arc::new(repository.await);
        let layers = self.ordered(order)?;
        for blob in &layers {
            self.send(&repository, blob).await.map_err(Error::of_push)?;
        }
        push_bytes(&repository, &Digest::of(&config), config.clone())
            .await
            .map_err(Error::of_push)?;
        let (manifest, bytes) = manifest_of(&config, layers, as_index);
        let target = reference.tag().unwrap_or("latest");
        let sent = repository.put_manifest(target, &manifest.media_type, bytes.into());
        let sent = sent.await;
        sent.map_err(|error| Error::from(error).of_push())?;
        Ok(manifest)
    }

    /// The same to a store of the client's. Answers the manifest.
    ///
    /// # Errors
    /// The store's.
    pub async fn write(
        &self,
        store: &dyn BlobStore,
        order: &[Digest],
        config: Vec<u8>,
        as_index: bool,
    ) -> Result<Descriptor> {
        let layers = self.ordered(order)?;
        for blob in &layers {
            if store.size(&blob.digest).await?.is_some() {
                continue;
            }
            let (content, digest) = (self.inner.rooms.content.clone(), blob.digest.clone());
            let file = blocking(move || Ok(content.open_blob(&digest)?)).await?;
            let file = Box::new(tokio::fs::File::from_std(file));
            store.write(blob, file).await?;
        }
        let (manifest, bytes) = manifest_of(&config, layers, as_index);
        let described = Descriptor::of(CACHE_CONFIG, &config);
        let in_memory = |bytes: Vec<u8>| Box::new(io::Cursor::new(bytes));
        store.write(&described, in_memory(config)).await?;
        store.write(&manifest, in_memory(bytes)).await?;
        Ok(manifest)
    }

    /// The blobs of layers, in their order.
    fn ordered(&self, order: &[Digest]) -> Result<Vec<Descriptor>> {
        let blob = |diff_id: &Digest| {
            let missing = || Error::NotFound(format!("layer {diff_id} is not on this machine"));
            self.blobs.get(diff_id).cloned().ok_or_else(missing)
        };
        order.iter().map(blob).collect()
    }

    async fn send(&self, repository: &Repository, blob: &Descriptor) -> Result<()> {
        if repository.blob_size(&blob.digest).await?.is_some() {
            return Ok(());
        }
        let Begun::Upload(at) = repository.begin_upload(&blob.digest, None).await? else {
            return Ok(());
        };
        let content = self.inner.rooms.content.clone();
        let body = || {
            let file = content.open_blob(&blob.digest).map_err(io::Error::other)?;
            let file = tokio::fs::File::from_std(file);
            let chunks = stream::try_unfold(file, |mut file| async move {
                let mut chunk = Vec::with_capacity(CHUNK_BYTES);
                let count = file.read_buf(&mut chunk).await?;
                Ok::<_, io::Error>((count > 0).then(|| (Bytes::from(chunk), file)))
            });
            Ok(UploadBody::new(chunks, blob.size))
        };
        Ok(repository.upload(at, &blob.digest, body).await?)
    }
}

/// The manifest of a cache, or the index in its place.
fn manifest_of(
    config: &[u8],
    mut layers: Vec<Descriptor>,
    as_index: bool,
) -> (Descriptor, Vec<u8>) {
    let described = Descriptor::of(CACHE_CONFIG, config);
    let (kind, bytes) = match as_index {
        false => {
            let manifest = Manifest {
                schema_version: 2,
                media_type: Some(media_type::OCI_MANIFEST.into()),
                config: described,
                layers,
                subject: None,
                artifact_type: None,
                annotations: None,
            };
            let bytes = serde_json::to_vec(&manifest);
            (media_type::OCI_MANIFEST, bytes.expect("always JSON"))
        }
        true => {
            layers.push(described);
            let index = serde_json::json!({
                "schemaVersion": 2,
                "mediaType": media_type::OCI_INDEX,
                "manifests": layers,
            });
            (media_type::OCI_INDEX, index.to_string().into_bytes())
        }
    };
    (Descriptor::of(kind, &bytes), bytes)
}

/// Where the blobs of a cache are.
enum Place {
    Registry(Arc<Repository>),
    Client(Arc<dyn BlobStore>),
}

/// A cache elsewhere. Layers that were fetched stay until it is dropped.
pub struct RemoteCache {
    inner: Arc<Inner>,
    place: Place,
    config: Bytes,
    manifest: Bytes,
    blobs: HashMap<Digest, Descriptor>,
    leases: Arc<Leases>,
}

impl RemoteCache {
    /// None, when what stands under the name is something else.
    pub(crate) async fn open(
        inner: &Arc<Inner>,
        reference: &Reference,
        credentials: Option<Credentials>,
    ) -> Result<Option<Self>> {
        let registries = inner.registries();
        let repository = registries.repository(reference, credentials, Access::Pull);
        let repository = Arc::new(repository.await);
        let target = match (reference.digest(), reference.tag()) {
            (Some(digest), _) => digest.to_string(),
            (None, tag) => tag.unwrap_or("latest").to_owned(),
        };
        let fetched = repository.manifest(&target).await;
        let fetched = fetched.map_err(|error| Error::of_pull(error, reference))?;
        let Some((config, layers)) = parts(fetched.document) else {
            return Ok(None);
        };
        if config.size > CONFIG_BYTES_MAX {
            let sentence = format!("the cache's document has {} bytes", config.size);
            return Err(Error::Invalid(sentence));
        }
        let attempts = inner.config.max_download_attempts;
        let mut reader = repository.blob(&config, 0, attempts).await?;
        let mut bytes = Vec::with_capacity(config.size as usize);
        while let Some(chunk) = reader.next().await? {
            bytes.extend_from_slice(&chunk);
        }
        if !config.digest.matches(&bytes) {
            let sentence = format!("the cache's document is not {}", config.digest);
            return Err(Error::Invalid(sentence));
        }
        let place = Place::Registry(repository);
        Ok(Some(Self::new(
            inner,
            place,
            bytes.into(),
            fetched.bytes,
            layers,
        )))
    }

    /// A cache behind a manifest or an index in a store of the client's.
    pub(crate) async fn open_in(
        inner: &Arc<Inner>,
        store: Arc<dyn BlobStore>,
        digest: &Digest,
    ) -> Result<Self> {
        let manifest = blob_store::document(&*store, digest, MANIFEST_BYTES_MAX).await?;
        let other = || Error::Invalid(format!("{digest} is not the manifest of a cache"));
        let (config, layers) = parts(blob_store::parse(&manifest)?).ok_or_else(other)?;
        let bytes = blob_store::document(&*store, &config.digest, CONFIG_BYTES_MAX).await?;
        Ok(Self::new(
            inner,
            Place::Client(store),
            bytes,
            manifest,
            layers,
        ))
    }

    fn new(
        inner: &Arc<Inner>,
        place: Place,
        config: Bytes,
        manifest: Bytes,
        layers: Vec<Descriptor>,
    ) -> Self {
        let blobs = layers.into_iter().map(|it| (it.digest.clone(), it));
        Self {
            inner: Arc::clone(inner),
            place,
            config,
            manifest,
            blobs: blobs.collect(),
            leases: Arc::new(Leases::new(&inner.rooms)),
        }
    }

    /// The document.
    pub fn config(&self) -> &[u8] {
        &self.config
    }

    /// Brings a stack of layers here: diff IDs, bottom first, each with its blob.
    ///
    /// # Errors
    /// Blobs that the manifest does not list, and the registry's.
    pub async fn fetch(&self, stack: &[(Digest, Digest)]) -> Result<()> {
        let mut blobs = Vec::new();
        let mut diff_ids = Vec::new();
        for (diff_id, digest) in stack {
            let missing = || Error::NotFound(format!("the cache does not list the blob {digest}"));
            let blob = self.blobs.get(digest).ok_or_else(missing)?;
            self.leases.blobs.hold(digest);
            self.leases.layers.hold(diff_id);
            blobs.push(blob.clone());
            diff_ids.push(diff_id.clone());
        }
        let documents = [self.manifest.clone(), Bytes::from_static(b"{}")];
        let (leases, inner) = (&self.leases, &self.inner);
        let repository = match &self.place {
            Place::Registry(repository) => repository,
            Place::Client(store) => {
                let fetching =
                    blob_store::fetch(inner, &**store, leases, &blobs, &diff_ids, documents);
                return fetching.await;
            }
        };
        let source = Source {
            repository: Some(repository),
            leases,
            blobs: &blobs,
            diff_ids: &diff_ids,
            documents,
            kept: Blobs::Kept,
        };
        fetch_layers(&self.inner, source, &ProgressSender::none()).await?;
        Ok(())
    }
}

/// The document's descriptor and the layers, if it is the manifest of a cache.
fn parts(document: ManifestOrIndex) -> Option<(Descriptor, Vec<Descriptor>)> {
    let (config, layers) = match document {
        ManifestOrIndex::Manifest(manifest) => (manifest.config, manifest.layers),
        ManifestOrIndex::Index(Index { mut manifests, .. }) => {
            let place = manifests
                .iter()
                .position(|it| it.media_type == CACHE_CONFIG);
            (manifests.remove(place?), manifests)
        }
    };
    (config.media_type == CACHE_CONFIG).then_some((config, layers))
}

/// See [`crate::Images::cache_blobs`].
pub(crate) async fn blobs(
    inner: &Arc<Inner>,
    stacks: Vec<Vec<Digest>>,
    compression: Option<LayerCompression>,
) -> Result<CacheBlobs> {
    let inner = Arc::clone(inner);
    blocking(move || CacheBlobs::make(&inner, &stacks, compression)).await
}
