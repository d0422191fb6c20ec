//! Which containers there are, by ID and by name.

use crate::{EngineError, Result, handle::Handle, messages};
use corten_model::ContainerId;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

/// Held for look-ups only, never across I/O.
#[derive(Default)]
pub(crate) struct Table {
    inner: RwLock<Inner>,
}

#[derive(Default)]
struct Inner {
    /// By full ID.
    containers: BTreeMap<String, Arc<Handle>>,
    /// Names, also of containers that are being created.
    names: HashMap<String, ContainerId>,
}

impl Inner {
    /// The container that `parent/alias` is linked to.
    fn by_link(&self, text: &str) -> Option<Arc<Handle>> {
        let (parent, alias) = text.split_once('/')?;
        let named = |name: &str| self.containers.get(&self.names.get(name)?.to_string());
        let end = format!(":/{parent}/{alias}");
        let record = named(parent)?.record();
        let links = record.host_config.links.iter().flatten();
        let child = links.filter_map(|it| it.strip_suffix(&end)).next()?;
        named(child.trim_start_matches('/')).cloned()
    }
}

impl Table {
    /// By full ID, name, or the unique beginning of an ID, in this order (as Docker).
    pub(crate) fn find(&self, text: &str) -> Result<Arc<Handle>> {
        let missing = || EngineError::NoSuchContainer(text.to_owned());
        let inner = self.read();
        if let Some(handle) = inner.containers.get(text) {
            return Ok(handle.clone());
        }
        let name = text.strip_prefix('/').unwrap_or(text);
        if let Some(id) = inner.names.get(name) {
            return inner
                .containers
                .get(&id.to_string())
                .cloned()
                .ok_or_else(missing);
        }
        if text.is_empty() {
            return Err(missing());
        }
        if let Some(handle) = inner.by_link(name) {
            return Ok(handle);
        }
        let mut matching = inner
            .containers
            .range(text.to_owned()..)
            .take_while(|(id, _)| id.starts_with(text));
        match (matching.next(), matching.next()) {
            (Some((_, handle)), None) => Ok(handle.clone()),
            (None, _) => Err(missing()),
            (Some(_), Some(_)) => Err(EngineError::Invalid(messages::ambiguous_id(text))),
        }
    }

    pub(crate) fn all(&self) -> Vec<Arc<Handle>> {
        self.read().containers.values().cloned().collect()
    }

    /// Takes a name for a container. The container need not be in the table yet.
    pub(crate) fn reserve(&self, name: &str, id: ContainerId) -> Result<()> {
        let mut inner = self.write();
        match inner.names.get(name) {
            Some(owner) => Err(EngineError::Conflict(messages::name_in_use(name, owner))),
            None => {
                inner.names.insert(name.to_owned(), id);
                Ok(())
            }
        }
    }

    /// Gives a name back, if it is the container's.
    pub(crate) fn release(&self, name: &str, id: ContainerId) {
        let mut inner = self.write();
        if inner.names.get(name) == Some(&id) {
            inner.names.remove(name);
        }
    }

    pub(crate) fn insert(&self, handle: Arc<Handle>) {
        self.write()
            .containers
            .insert(handle.id.to_string(), handle);
    }

    /// Takes a container out, with its name.
    pub(crate) fn remove(&self, id: ContainerId) {
        let mut inner = self.write();
        inner.containers.remove(&id.to_string());
        inner.names.retain(|_, owner| *owner != id);
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}
