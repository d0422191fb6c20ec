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
}

impl Record for CacheEntry {
    const KIND: &'static str = "build-step";
}

struct Held {
    entry: CacheEntry,
    _lease: LayerLease,
}

/// The cache. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Cache {
    store: Arc<Store>,
    layers: LayerStore,
    // Lock: held for memory work only.
    held: Arc<Mutex<HashMap<Digest, Held>>>,
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
                Ok(_) => drop(cache.held().insert(
                    key,
                    Held {
                        entry,
                        _lease: lease,
                    },
                )),
                Err(corten_snapshot::Error::LayerNotFound { .. }) => {
                    cache.store.delete::<CacheEntry>(&key.to_string())?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(cache)
    }

    fn held(&self) -> MutexGuard<'_, HashMap<Digest, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A lease on a chain of layers.
    pub(crate) fn lease(&self, layers: &[Digest]) -> LayerLease {
        let lease = self.layers.lease();
        layers.iter().for_each(|layer| lease.hold(layer));
        lease
    }

    /// What the key gave earlier.
    pub(crate) fn find(&self, key: &Digest) -> Option<CacheEntry> {
        let mut held = self.held();
        let found = held.get_mut(key)?;
        found.entry.last_used = Timestamp::now();
        found.entry.uses += 1;
        Some(found.entry.clone())
    }

    /// Remembers a result. Blocking.
    pub(crate) fn add(&self, key: Digest, entry: CacheEntry) -> Result<()> {
        let lease = self.lease(&entry.layers);
        self.store.put(&key.to_string(), &entry)?;
        self.held().insert(
            key,
            Held {
                entry,
                _lease: lease,
            },
        );
        Ok(())
    }

    /// Writes down when entries were last used. Blocking; once a build.
    pub(crate) fn save_uses(&self, keys: &[Digest]) -> Result<()> {
        let entries: Vec<(String, CacheEntry)> = {
            let held = self.held();
            let find = |key: &Digest| Some((key.to_string(), held.get(key)?.entry.clone()));
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
        held.iter()
            .map(|(key, it)| (key.clone(), it.entry.clone()))
            .collect()
    }

    /// Bytes of all entries' own layers, each layer once.
    pub fn size_bytes(&self) -> u64 {
        let held = self.held();
        let own: BTreeMap<&Digest, u64> = held
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
        for (key, it) in self.held().iter() {
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
