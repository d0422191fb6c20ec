//! Blobs that nothing needs, removed.

use crate::{ContentStore, Result, store::sync_directory};
use corten_oci::Digest;
use std::{collections::HashSet, sync::atomic::Ordering};

/// What a collection removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collected {
    /// The blobs.
    pub digests: Vec<Digest>,
    /// Their bytes.
    pub bytes: u64,
}

/// A collection that has begun: find out what to keep, then [`Collection::finish`].
/// What a lease gives up in between is kept this time.
pub struct Collection<'a> {
    store: &'a ContentStore,
    number: u64,
}

impl ContentStore {
    /// Begins a collection. Look up what images refer to after this call, not before.
    pub fn begin_collection(&self) -> Collection<'_> {
        let number = self.inner.next.fetch_add(1, Ordering::Relaxed);
        self.inner.state().spared.insert(number, HashSet::new());
        Collection {
            store: self,
            number,
        }
    }
}

impl Collection<'_> {
    /// Removes every blob that is not in `keep`, not leased and not being written.
    pub fn finish(self, keep: &HashSet<Digest>) -> Result<Collected> {
        let mut collected = Collected::default();
        for blob in self.store.walk()? {
            if !keep.contains(&blob.digest) && self.claim(&blob.digest) {
                let removed = self.store.delete(&blob.digest);
                self.store.inner.state().removing.remove(&blob.digest);
                self.store.inner.freed.notify_all();
                if removed? {
                    collected.bytes += blob.size;
                    collected.digests.push(blob.digest);
                }
            }
        }
        if !collected.digests.is_empty() {
            sync_directory(&self.store.inner.blobs.join("sha256"))?;
        }
        Ok(collected)
    }

    fn claim(&self, digest: &Digest) -> bool {
        let mut state = self.store.inner.state();
        let held = state.leases.values().any(|held| held.contains(digest))
            || state
                .spared
                .get(&self.number)
                .is_some_and(|held| held.contains(digest))
            || state.writing.contains(digest);
        !held && state.removing.insert(digest.clone())
    }
}

impl Drop for Collection<'_> {
    fn drop(&mut self) {
        self.store.inner.state().spared.remove(&self.number);
    }
}
