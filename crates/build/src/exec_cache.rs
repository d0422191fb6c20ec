//! A step's way to a cache mount: who has it with whom, and what it begins with.

use crate::{
    Result,
    cache_mount::{Beginning, CacheMountUse, key_of},
    context::Temporary,
    owner::Owner,
    solve::{Output, Solver},
    vertex::Vertex,
};
use corten_dockerfile::CacheSharing;
use std::{
    path::Path,
    sync::{Arc, PoisonError},
};
use tokio::sync::OwnedMutexGuard;

/// The cache mount that a step asks for.
pub(crate) struct Wanted<'a> {
    pub id: &'a str,
    pub description: String,
    /// An input, and the path in it that a new one begins with.
    pub seed: Option<(usize, &'a str)>,
    pub sharing: CacheSharing,
    pub mode: u32,
    pub owner: Owner,
}

/// A cache mount that a step has, until this is dropped.
pub(crate) enum Had {
    /// That of the name, perhaps with nobody else.
    Named {
        used: CacheMountUse,
        _alone: Option<OwnedMutexGuard<()>>,
    },
    /// One of its own, since somebody else has that of the name.
    Own(Temporary),
}

impl Had {
    pub fn path(&self) -> &Path {
        match self {
            Self::Named { used, .. } => used.path(),
            Self::Own(directory) => &directory.0,
        }
    }
}

impl Solver<'_> {
    pub(crate) async fn cache_mount(
        &self,
        vertex: &Arc<Vertex>,
        inputs: &[Arc<Output>],
        wanted: Wanted<'_>,
    ) -> Result<Had> {
        let mounts = &self.inner.mounts;
        let lock = self.inner.contexts.lock(&mounts.path(wanted.id));
        let alone = match wanted.sharing {
            CacheSharing::Shared => None,
            CacheSharing::Locked => Some(lock.lock_owned().await),
            CacheSharing::Private => match lock.try_lock_owned() {
                Ok(alone) => Some(alone),
                Err(_) => return Ok(Had::Own(self.draft(vertex, inputs, &wanted).await?)),
            },
        };
        let used = match mounts.find(wanted.id) {
            Some(used) => used,
            None => {
                // Named when all is in it: a second step, or a daemon that comes back,
                // finds the whole or nothing.
                let draft = self.draft(vertex, inputs, &wanted).await?;
                let (mounts, id, description) = (
                    mounts.clone(),
                    wanted.id.to_owned(),
                    wanted.description.clone(),
                );
                let naming = move || mounts.name(&id, &draft.0, &description);
                self.inner.blocking(naming).await?
            }
        };
        let mut known = self
            .used_mounts
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let key = key_of(wanted.id);
        if !known.contains(&key) {
            known.push(key);
        }
        Ok(Had::Named {
            used,
            _alone: alone,
        })
    }

    async fn draft(
        &self,
        vertex: &Arc<Vertex>,
        inputs: &[Arc<Output>],
        wanted: &Wanted<'_>,
    ) -> Result<Temporary> {
        corten_base::step("cache_mount.draft");
        let beginning = Beginning {
            mode: wanted.mode,
            owner: wanted.owner,
        };
        let draft = Temporary(self.inner.mounts.draft(&beginning)?);
        if let Some((index, source)) = wanted.seed {
            self.fill(vertex, index, &inputs[index], source, &draft.0)
                .await?;
        }
        Ok(draft)
    }
}
