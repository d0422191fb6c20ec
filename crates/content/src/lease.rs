//! Blobs that running work needs.

use crate::{ContentStore, store::Inner};
use corten_oci::Digest;
use std::sync::{Arc, PoisonError, atomic::Ordering};

/// Keeps blobs from collection until dropped. Hold a digest before asking whether the
/// store has it, record the image's name before dropping.
pub struct Lease {
    inner: Arc<Inner>,
    number: u64,
}

impl ContentStore {
    /// A lease that holds nothing yet.
    pub fn lease(&self) -> Lease {
        let number = self.inner.next.fetch_add(1, Ordering::Relaxed);
        self.inner.state().leases.insert(number, Default::default());
        Lease {
            inner: self.inner.clone(),
            number,
        }
    }
}

impl Lease {
    /// Holds a blob, present or to come. Waits for a removal of it that has begun.
    pub fn hold(&self, digest: &Digest) {
        let mut state = self.inner.state();
        while state.removing.contains(digest) {
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
            .insert(digest.clone());
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut state = self.inner.state();
        let held = state.leases.remove(&self.number).unwrap_or_default();
        // A collection that looked for names before this lease's work recorded its own
        // must not take the blobs for garbage.
        for spared in state.spared.values_mut() {
            spared.extend(held.iter().cloned());
        }
    }
}
