//! The room's inside: the rooms below, what is known, and how both change together.

use crate::limit::Limit;
use crate::{
    Config, Error, Result,
    download::Downloads,
    layer_stack::Blobs,
    record::{ImageRecord, LayerRecord, NameRecord},
    state::{Change, Entry, State},
    verify::Lost,
};
use corten_base::Timestamp;
use corten_content::ContentStore;
use corten_distribution::Registries;
use corten_oci::{Digest, ImageConfig, Reference, manifest::MANIFEST_BYTES_MAX};
use corten_snapshot::LayerStore;
use corten_store::Store;
use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicBool, Ordering},
    },
};

/// The rooms that images stand on.
#[derive(Clone)]
pub struct Rooms {
    /// Records.
    pub store: Arc<Store>,
    /// Blobs.
    pub content: ContentStore,
    /// Unpacked layers.
    pub layers: LayerStore,
    /// The snapshotter's name, for `inspect`.
    pub driver: &'static str,
}

/// What every verb works on.
pub(crate) struct Inner {
    pub config: Config,
    pub rooms: Rooms,
    // Lock: held for a copy.
    registries: RwLock<Registries>,
    pub downloads: Downloads,
    pub uploads: Limit,
    keep_layer_blobs: AtomicBool,
    /// Held while layers get their names, so that two pulls of one layer do it once.
    pub committing: tokio::sync::Mutex<()>,
    /// Images left out at start.
    lost: Vec<Lost>,
    /// When this daemon began.
    pub opened: Timestamp,
    /// Images whose last use is not durable yet. Lock: held for memory work.
    used: Mutex<HashSet<Digest>>,
    // Lock: held for memory work and, when written, for one short transaction.
    state: RwLock<State>,
}

impl Inner {
    /// Reads the records and drops what no record needs.
    pub fn open(config: Config, rooms: Rooms) -> Result<Self> {
        let registries = RwLock::new(Registries::new(config.registries.clone())?);
        let (state, lost) = load(&rooms)?;
        let downloads = Downloads::new(config.max_concurrent_downloads);
        let uploads = Limit::new(config.max_concurrent_uploads);
        let keep_layer_blobs = AtomicBool::new(config.keep_layer_blobs);
        let committing = tokio::sync::Mutex::default();
        let state = RwLock::new(state);
        let inner = Self {
            config,
            rooms,
            registries,
            downloads,
            uploads,
            keep_layer_blobs,
            committing,
            lost,
            opened: Timestamp::now(),
            used: Mutex::default(),
            state,
        };
        inner.collect()?;
        Ok(inner)
    }

    /// What becomes of the blobs of layers that come here.
    pub fn blobs(&self) -> Blobs {
        match self.keep_layer_blobs.load(Ordering::Relaxed) {
            true => Blobs::Kept,
            false => Blobs::IfNeeded,
        }
    }

    /// Registries, as they are to be reached now.
    pub fn registries(&self) -> Registries {
        let registries = self.registries.read();
        registries.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Other mirrors, insecure registries and limits, for what begins from now on.
    pub fn reload(&self, config: &Config) -> Result<()> {
        let registries = Registries::new(config.registries.clone())?;
        *self
            .registries
            .write()
            .unwrap_or_else(PoisonError::into_inner) = registries;
        self.downloads.resize(config.max_concurrent_downloads);
        self.uploads.resize(config.max_concurrent_uploads);
        self.keep_layer_blobs
            .store(config.keep_layer_blobs, Ordering::Relaxed);
        Ok(())
    }

    /// Images that the start left out because their configuration is lost.
    pub fn lost(&self) -> Vec<Lost> {
        self.lost.clone()
    }

    /// Somebody uses the image now. In memory only: a start of a container writes nothing
    /// for it.
    pub fn use_image(&self, id: &Digest) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = state.images.get_mut(id) {
            entry.record.last_used = Timestamp::now();
            self.used().insert(id.clone());
        }
    }

    /// Images used since they were asked for the last time.
    pub fn take_used(&self) -> HashSet<Digest> {
        std::mem::take(&mut self.used())
    }

    fn used(&self) -> MutexGuard<'_, HashSet<Digest>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets `decide` look at the present state and say what changes; then records it.
    pub fn change<T>(&self, decide: impl FnOnce(&State) -> Result<(Change, T)>) -> Result<T> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let (change, answer) = decide(&state)?;
        self.rooms.store.transaction(|transaction| {
            for (id, entry) in &change.images {
                match entry {
                    Some(entry) => transaction.put(&id.to_string(), &entry.record)?,
                    None => transaction
                        .delete::<ImageRecord>(&id.to_string())
                        .map(drop)?,
                }
            }
            for (name, record) in &change.names {
                match record {
                    Some(record) => transaction.put(&name.to_string(), record)?,
                    None => transaction
                        .delete::<NameRecord>(&name.to_string())
                        .map(drop)?,
                }
            }
            for (diff_id, record) in &change.layers {
                match record {
                    Some(record) => transaction.put(&diff_id.to_string(), record)?,
                    None => transaction
                        .delete::<LayerRecord>(&diff_id.to_string())
                        .map(drop)?,
                }
            }
            Ok::<_, corten_store::StoreError>(())
        })?;
        state.apply(change);
        Ok(answer)
    }

    /// Removes layers and blobs that no image, container or running work needs. Returns
    /// the bytes of the layers' files.
    pub fn collect(&self) -> Result<u64> {
        let layers = self.rooms.layers.begin_collection();
        let chains = self.state().needed_chains();
        corten_base::step("collect.layers");
        let freed = layers.finish(&chains)?;
        let blobs = self.rooms.content.begin_collection();
        let needed = self.state().needed_blobs();
        corten_base::step("collect.blobs");
        blobs.finish(&needed)?;
        Ok(freed.bytes)
    }
}

/// The records as they are on disk. An image whose configuration is lost is left out with
/// a warning, so that the others stay usable.
fn load(rooms: &Rooms) -> Result<(State, Vec<Lost>)> {
    let mut state = State::default();
    let mut change = Change::default();
    let mut lost: Vec<Lost> = Vec::new();
    for (key, record) in rooms.store.all::<ImageRecord>()? {
        let Ok(id) = key.parse::<Digest>() else {
            continue;
        };
        let config = rooms
            .content
            .read(&id, MANIFEST_BYTES_MAX)
            .map_err(Error::from);
        match config.and_then(|bytes| parse_config(&bytes)) {
            Ok(config) => {
                let config = Arc::new(config);
                change.images.push((id, Some(Entry { config, record })));
            }
            Err(error) => {
                tracing::warn!(image = %id, %error, "an image's configuration is lost");
                let names = Vec::new();
                lost.push(Lost { id, names });
            }
        }
    }
    for (key, record) in rooms.store.all::<LayerRecord>()? {
        if let Ok(diff_id) = key.parse::<Digest>() {
            change.layers.push((diff_id, Some(record)));
        }
    }
    state.apply(change);
    let mut change = Change::default();
    for (key, record) in rooms.store.all::<NameRecord>()? {
        let Ok(name) = key.parse::<Reference>() else {
            continue;
        };
        if state.images.contains_key(&record.image) {
            change.names.push((name, Some(record)));
        } else if let Some(lost) = lost.iter_mut().find(|lost| lost.id == record.image) {
            lost.names.push(name);
        }
    }
    state.apply(change);
    Ok((state, lost))
}

pub(crate) fn parse_config(bytes: &[u8]) -> Result<ImageConfig> {
    ImageConfig::parse(bytes).map_err(|e| Error::Invalid(format!("invalid image config: {e}")))
}

/// Runs blocking work on the runtime's blocking threads.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // The runtime is shutting down.
        Err(_) => Err(Error::Interrupted),
    }
}
