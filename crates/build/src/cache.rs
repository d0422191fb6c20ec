//! The build cache: what a step's key gave.

use crate::Result;
use corten_base::Timestamp;
use corten_oci::Digest;
use corten_snapshot::{LayerLease, LayerStore};
use corten_store::{Record, Store};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The result of a step; the key is the step's.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CacheEntry {
    /// Diff IDs of the result, bottom first; the last one is the step's own.
    pub layers: Vec<Digest>,
    /// Bytes of the step's own layer.
    pub size_bytes: u64,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last of use.
    pub last_used: Timestamp,
    /// How often it was of use.
    pub uses: u64,
    /// The step as it was shown.
    pub description: String,
    /// Keys of the steps it stands on.
    #[serde(default)]
    pub parents: Vec<Digest>,
    /// The step's own key, where this record's is another one that leads to it.
    #[serde(default)]
    pub content_key: Option<Digest>,
    /// The step's definition with those below it, without what files of the client turned
    /// out to be; none in records of older versions.
    #[serde(default)]
    pub shape: Option<Digest>,
}

impl Record for CacheEntry {
    const KIND: &'static str = "build-step";
}

struct Held {
    entry: CacheEntry,
    _lease: LayerLease,
}

/// The records, and how many there are of each shape.
#[derive(Default)]
struct Records {
    held: HashMap<Digest, Held>,
    shapes: HashMap<Option<Digest>, usize>,
}

impl Records {
    fn insert(&mut self, key: Digest, held: Held) {
        *self.shapes.entry(held.entry.shape.clone()).or_default() += 1;
        if let Some(before) = self.held.insert(key, held) {
            self.forget(&before.entry.shape);
        }
    }

    fn remove(&mut self, key: &Digest) {
        if let Some(held) = self.held.remove(key) {
            self.forget(&held.entry.shape);
        }
    }

    fn forget(&mut self, shape: &Option<Digest>) {
        if let Some(count) = self.shapes.get_mut(shape) {
            *count -= 1;
            if *count == 0 {
                self.shapes.remove(shape);
            }
        }
    }
}

/// The cache. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Cache {
    store: Arc<Store>,
    layers: LayerStore,
    // Lock: held for memory work only.
    held: Arc<Mutex<Records>>,
}

impl Cache {
    /// Reads the records and keeps their layers from collection. Blocking; call it before
    /// the image store is opened, which collects what nobody keeps.
    ///
    /// # Errors
    /// The store's.
    pub fn open(store: Arc<Store>, layers: LayerStore) -> Result<Self> {
        let cache = Self {
            store,
            layers,
            held: Arc::default(),
        };
        for (key, entry) in cache.store.all::<CacheEntry>()? {
            let Ok(key) = key.parse::<Digest>() else {
                continue;
            };
            let lease = cache.lease(&entry.layers);
            // Layers that are gone: a step that has to be done again.
            match cache.layers.stack(&entry.layers) {
                Ok(_) => {
                    let _lease = lease;
                    cache.held().insert(key, Held { entry, _lease });
                }
                Err(corten_snapshot::Error::LayerNotFound { .. }) => {
                    cache.store.delete::<CacheEntry>(&key.to_string())?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(cache)
    }

    fn held(&self) -> MutexGuard<'_, Records> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A lease on a chain of layers.
    pub(crate) fn lease(&self, layers: &[Digest]) -> LayerLease {
        let lease = self.layers.lease();
        layers.iter().for_each(|layer| lease.hold(layer));
        lease
    }

    /// What the key gave earlier. A use of a key that leads to another one is a use of both:
    /// it is the other one that is shown.
    pub(crate) fn find(&self, key: &Digest) -> Option<CacheEntry> {
        let mut held = self.held();
        let now = Timestamp::now();
        let mut touch = |key: &Digest| {
            let found = held.held.get_mut(key)?;
            found.entry.last_used = now;
            found.entry.uses += 1;
            Some(found.entry.clone())
        };
        let found = touch(key)?;
        if let Some(content) = &found.content_key {
            touch(content);
        }
        Some(found)
    }

    /// Whether there is anything under the key.
    pub(crate) fn knows(&self, key: &Digest) -> bool {
        self.held().held.contains_key(key)
    }

    /// Whether a step of this shape may be on record.
    pub(crate) fn may_know(&self, shape: &Digest) -> bool {
        let held = self.held();
        held.shapes.contains_key(&None) || held.shapes.contains_key(&Some(shape.clone()))
    }

    /// Remembers results, all of them or none. Blocking.
    pub(crate) fn add(&self, entries: Vec<(Digest, CacheEntry)>) -> Result<()> {
        let leases = entries.iter().map(|(_, entry)| self.lease(&entry.layers));
        let leases: Vec<LayerLease> = leases.collect();
        self.store.transaction(|transaction| {
            for (key, entry) in &entries {
                transaction.put(&key.to_string(), entry)?;
            }
            Ok::<_, corten_store::StoreError>(())
        })?;
        let mut held = self.held();
        for ((key, entry), lease) in entries.into_iter().zip(leases) {
            let _lease = lease;
            held.insert(key, Held { entry, _lease });
        }
        Ok(())
    }

    /// Writes down when entries were last used. Blocking; once a build.
    pub(crate) fn save_uses(&self, keys: &[Digest]) -> Result<()> {
        let entries: Vec<(String, CacheEntry)> = {
            let held = self.held();
            let find = |key: &Digest| Some((key.to_string(), held.held.get(key)?.entry.clone()));
            keys.iter().filter_map(find).collect()
        };
        self.store.transaction(|transaction| {
            for (key, entry) in &entries {
                transaction.put(key, entry)?;
            }
            Ok::<_, corten_store::StoreError>(())
        })?;
        Ok(())
    }

    /// Every entry, by key.
    pub fn list(&self) -> BTreeMap<Digest, CacheEntry> {
        let held = self.held();
        held.held
            .iter()
            .map(|(key, it)| (key.clone(), it.entry.clone()))
            .collect()
    }

    /// Bytes of all entries' own layers, each layer once.
    pub fn size_bytes(&self) -> u64 {
        let held = self.held();
        let own: BTreeMap<&Digest, u64> = held
            .held
            .values()
            .filter_map(|it| Some((it.entry.layers.last()?, it.entry.size_bytes)))
            .collect();
        own.values().sum()
    }

    /// Forgets an entry. Its layers go with the next collection of the image store, unless
    /// somebody holds them. Blocking.
    pub(crate) fn remove(&self, key: &Digest) -> Result<()> {
        self.store.delete::<CacheEntry>(&key.to_string())?;
        self.held().remove(key);
        Ok(())
    }

    /// The keys that lead to another one, by that.
    pub(crate) fn keys_of_contents(&self) -> HashMap<Digest, Vec<Digest>> {
        let mut found: HashMap<Digest, Vec<Digest>> = HashMap::new();
        for (key, it) in self.held().held.iter() {
            if let Some(content) = &it.entry.content_key {
                found.entry(content.clone()).or_default().push(key.clone());
            }
        }
        found
    }

    /// Where the records are.
    pub(crate) fn store(&self) -> Arc<Store> {
        Arc::clone(&self.store)
    }
}
