//! Layers that running work needs, and the removal of those that nothing needs.

use crate::{
    Error, LayerStore, Result,
    disk::{self, sync_directory},
    error::On,
    layers::{Inner, name},
};
use corten_oci::Digest;
use serde::{Deserialize, Serialize};
use std::{
    collections::{HashMap, HashSet},
    fs,
    sync::{Arc, PoisonError, atomic::Ordering},
};

#[derive(Default)]
pub(crate) struct State {
    /// What each lease holds.
    leases: HashMap<u64, HashSet<Digest>>,
    /// For each running collection: what leases gave up since it began.
    spared: HashMap<u64, HashSet<Digest>>,
    /// Layers whose directory is being thrown away right now.
    removing: HashSet<Digest>,
}

/// Keeps layers from collection until dropped; see [`LayerStore::lease`].
pub struct LayerLease {
    inner: Arc<Inner>,
    number: u64,
}

/// A collection that has begun; see [`LayerStore::begin_collection`].
pub struct LayerCollection<'a> {
    store: &'a LayerStore,
    number: u64,
}

/// What a collection removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collected {
    /// The layers.
    pub diff_ids: Vec<Digest>,
    /// Bytes of their files.
    pub bytes: u64,
}

/// `snapshots/<key>.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SnapshotRecord {
    pub format: u32,
    /// Diff IDs, bottom first.
    pub layers: Vec<Digest>,
}

impl LayerStore {
    /// A lease that holds nothing yet. Hold a layer before [`LayerStore::find`], record
    /// the image's name before dropping the lease.
    pub fn lease(&self) -> LayerLease {
        let number = self.inner.next.fetch_add(1, Ordering::Relaxed);
        self.inner.state().leases.insert(number, HashSet::new());
        LayerLease {
            inner: self.inner.clone(),
            number,
        }
    }

    /// Begins a collection. Look up which chains images need after this call, not before.
    pub fn begin_collection(&self) -> LayerCollection<'_> {
        let number = self.inner.next.fetch_add(1, Ordering::Relaxed);
        self.inner.state().spared.insert(number, HashSet::new());
        LayerCollection {
            store: self,
            number,
        }
    }

    /// The layers that snapshots stand on.
    fn snapshot_chains(&self) -> Result<Vec<Vec<Digest>>> {
        let directory = self.inner.snapshots();
        let mut chains = Vec::new();
        for entry in fs::read_dir(&directory).on("reading", &directory)? {
            let path = entry.on("reading", &directory)?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                let record: Option<SnapshotRecord> = disk::read_record(&path)?;
                chains.extend(record.map(|record| record.layers));
            }
        }
        Ok(chains)
    }
}

impl LayerLease {
    /// Holds a layer, present or to come. Waits for a removal of it that has begun.
    pub fn hold(&self, diff_id: &Digest) {
        let mut state = self.inner.state();
        while state.removing.contains(diff_id) {
            state = self
                .inner
                .freed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state
            .leases
            .entry(self.number)
            .or_default()
            .insert(diff_id.clone());
    }
}

impl LayerLease {
    /// Whether other work holds the layer, too.
    pub fn is_held_elsewhere(&self, diff_id: &Digest) -> bool {
        let state = self.inner.state();
        let others = state
            .leases
            .iter()
            .filter(|(number, _)| **number != self.number);
        others.into_iter().any(|(_, held)| held.contains(diff_id))
    }
}

impl Drop for LayerLease {
    fn drop(&mut self) {
        let mut state = self.inner.state();
        let held = state.leases.remove(&self.number).unwrap_or_default();
        // What this lease's work recorded, a collection may have looked for before.
        for spared in state.spared.values_mut() {
            spared.extend(held.iter().cloned());
        }
    }
}

impl LayerCollection<'_> {
    /// Removes every layer that no chain in `keep` (diff IDs, bottom first) has, no
    /// snapshot stands on and no lease holds.
    pub fn finish(self, keep: &[Vec<Digest>]) -> Result<Collected> {
        let snapshots = match self.store.snapshot_chains() {
            Ok(snapshots) => snapshots,
            // Whose layers it stood on nobody knows: none goes.
            Err(error @ Error::Record { .. }) => {
                let error = corten_base::chain(&error);
                tracing::warn!(error, "no layer is collected while a record cannot be read");
                return Ok(Collected::default());
            }
            Err(error) => return Err(error),
        };
        let mut needed = HashSet::new();
        for chain in keep.iter().chain(&snapshots) {
            for (at, diff_id) in chain.iter().enumerate() {
                needed.insert(name(diff_id, None));
                needed.insert(name(diff_id, Some(&chain[..at])));
            }
        }
        let inner = &self.store.inner;
        let mut collected = Collected::default();
        for name in self
            .store
            .names()?
            .into_iter()
            .filter(|name| !needed.contains(name))
        {
            let Some(layer) = self.store.read(&name)? else {
                continue;
            };
            if self.claim(&layer.diff_id) {
                let directory = inner.layers().join(&name);
                let thrown = inner.trash.throw(&directory);
                inner.mounts.forget(&directory);
                inner.state().removing.remove(&layer.diff_id);
                inner.freed.notify_all();
                if thrown? {
                    collected.bytes += layer.size_bytes;
                    collected.diff_ids.push(layer.diff_id);
                }
            }
        }
        if !collected.diff_ids.is_empty() {
            sync_directory(&inner.layers())?;
        }
        Ok(collected)
    }

    fn claim(&self, diff_id: &Digest) -> bool {
        let mut state = self.store.inner.state();
        let held = state.leases.values().any(|held| held.contains(diff_id))
            || state
                .spared
                .get(&self.number)
                .is_some_and(|held| held.contains(diff_id));
        !held && state.removing.insert(diff_id.clone())
    }
}

impl Drop for LayerCollection<'_> {
    fn drop(&mut self) {
        self.store.inner.state().spared.remove(&self.number);
    }
}
