//! One step that changes a root file system: its result from the cache, or done on a
//! snapshot and committed.

use crate::{
    Result,
    build::Inner,
    cache::CacheEntry,
    commit::commit,
    solve::{Files, Output, Solver},
    vertex::Vertex,
};
use corten_base::{Id, Timestamp};
use corten_oci::Digest;
use corten_snapshot::open_root;
use corten_sys::root::Root;
use std::{
    path::Path,
    sync::{Arc, PoisonError},
};

impl Solver<'_> {
    pub(crate) fn find(&self, vertex: &Vertex, key: &Digest) -> Option<Output> {
        if vertex.no_cache {
            return None;
        }
        let entry = self.inner.cache.find(key)?;
        entry.layers.iter().for_each(|layer| self.lease.hold(layer));
        self.inner.snapshots.layers().stack(&entry.layers).ok()?;
        self.used
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend([key.clone()].into_iter().chain(entry.content_key.clone()));
        Some(Output {
            key: entry.content_key.clone().unwrap_or_else(|| key.clone()),
            layers: entry.layers,
            files: Files::Layers,
            made: Some(entry.created),
            anew: false,
        })
    }

    /// A step that changes a root file system: from the cache under any of its keys, or
    /// done on a snapshot of `base` and committed.
    pub(crate) async fn step(
        &self,
        vertex: &Arc<Vertex>,
        keys: StepKeys,
        base: &Arc<Output>,
        work: impl AsyncFnOnce(Id, corten_oci::RootMount) -> Result<Work>,
    ) -> Result<(Output, bool)> {
        let lock = self.inner.contexts.lock(Path::new(keys.content.hex()));
        // A build that does the same right now: its result is waited for.
        let _only = lock.lock_owned().await;
        if !keys.anew {
            if let Some(found) = self.find(vertex, &keys.content) {
                if !self.inner.cache.knows(&keys.definition) {
                    // Found by content: next time by definition.
                    self.remember(vertex, &keys, base, &found, None).await?;
                }
                return Ok((found, true));
            }
            if let Some(found) = self.imported(&keys.all(), &base.layers).await {
                self.remember(vertex, &keys, base, &found, Some(0)).await?;
                return Ok((found, true));
            }
        }
        let id = Id::random();
        let guard = Snapshot {
            inner: self.inner.clone(),
            id,
        };
        let (inner, layers) = (self.inner.clone(), base.layers.clone());
        corten_base::step("build.prepare");
        let root = self
            .inner
            .blocking(move || Ok(inner.snapshots.prepare(&id.to_string(), &layers)?))
            .await?;
        corten_base::step("build.work");
        let done = work(id, root.clone()).await?;
        let inner = self.inner.clone();
        let (layer, size_bytes, _held) = self
            .inner
            .blocking(move || {
                if let Work::Change(change) = done {
                    let root = Root::new(open_root(&root)?);
                    change(&root)?;
                }
                corten_base::step("build.commit");
                commit(&*inner.snapshots, inner.snapshots.layers(), &id.to_string())
            })
            .await?;
        self.lease.hold(&layer);
        corten_base::step("build.clean");
        drop(guard);
        let mut layers = base.layers.clone();
        layers.push(layer);
        let created = match self.request.source_date_epoch {
            Some(seconds) => Timestamp::from_unix(seconds, 0),
            None => Timestamp::now(),
        };
        let output = Output {
            key: keys.content.clone(),
            layers,
            files: Files::Layers,
            made: Some(created),
            anew: keys.anew,
        };
        corten_base::step("build.record");
        self.remember(vertex, &keys, base, &output, Some(size_bytes))
            .await?;
        corten_base::step("build.recorded");
        Ok((output, false))
    }

    /// Puts a result on record under its keys; without a size only under what leads to it,
    /// since it is there itself.
    async fn remember(
        &self,
        vertex: &Arc<Vertex>,
        keys: &StepKeys,
        base: &Arc<Output>,
        output: &Output,
        size_bytes: Option<u64>,
    ) -> Result<()> {
        let known = match size_bytes {
            Some(_) => None,
            None => self.inner.cache.find(&keys.content),
        };
        let entry = CacheEntry {
            layers: output.layers.clone(),
            size_bytes: size_bytes.or(known.map(|it| it.size_bytes)).unwrap_or(0),
            created: output.made.unwrap_or_else(Timestamp::now),
            last_used: Timestamp::now(),
            uses: 0,
            description: vertex.name.clone(),
            parents: vec![base.key.clone()],
            content_key: None,
            shape: Some(keys.shape.clone()),
        };
        let mut entries = Vec::new();
        if keys.definition != keys.content {
            let leading = CacheEntry {
                content_key: Some(keys.content.clone()),
                ..entry.clone()
            };
            entries.push((keys.definition.clone(), leading));
        }
        if size_bytes.is_some() {
            entries.push((keys.content.clone(), entry));
        }
        let inner = self.inner.clone();
        self.inner.blocking(move || inner.cache.add(entries)).await
    }
}

/// What a step is called by.
pub(crate) struct StepKeys {
    /// By what its inputs turned out to be; the step's own.
    pub content: Digest,
    /// By definition.
    pub definition: Digest,
    /// Of its node ([`Node::shape`](crate::graph::Node)).
    pub shape: Digest,
    /// It is done whatever the cache has.
    pub anew: bool,
}

impl StepKeys {
    fn all(&self) -> Vec<Digest> {
        let mut all = vec![self.content.clone()];
        if self.definition != self.content {
            all.push(self.definition.clone());
        }
        all
    }
}

/// A change of a step's files.
pub(crate) type Change = Box<dyn FnOnce(&Root) -> Result<()> + Send>;

/// What is left to do on a step's root.
pub(crate) enum Work {
    /// Nothing.
    Done,
    /// A change of its files.
    Change(Change),
}

/// A step's snapshot, removed when the step is over.
struct Snapshot {
    inner: Arc<Inner>,
    id: Id,
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        if let Err(error) = self.inner.snapshots.remove(&self.id.to_string()) {
            let error = corten_base::chain(&error);
            tracing::warn!(
                error,
                "the snapshot of a build step stays until the daemon starts again"
            );
        }
        self.inner.executor.clean(self.id);
    }
}
