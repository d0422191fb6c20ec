//! What a start is about to make of a container, on disk before its shim is asked.
//!
//! A daemon that is killed between the shim's answer and the record comes back to a
//! container that runs and a record that knows neither its addresses and ports nor its log.
//! They stand in the copy of the record beside the container's data, which is written
//! first. It is not flushed: what a power cut takes away does not run any more either.

use crate::{Engine, Result, engine::ContainerRecord};
use corten_model::{Container, ContainerId};
use corten_store::{read_json, replace_json};
use std::path::PathBuf;

impl Engine {
    /// Writes down what the record will say once the container runs. Blocking.
    pub(super) fn intend(&self, next: &Container) -> Result<()> {
        let stored = ContainerRecord(next.clone());
        Ok(replace_json(&self.record_copy(next.id), &stored, false)?)
    }

    /// What was intended last. Nothing is no failure: then the record has to do.
    pub(crate) fn intended(&self, id: ContainerId) -> Option<Container> {
        match read_json::<ContainerRecord>(&self.record_copy(id)) {
            Ok(found) => found.map(|it| it.0).filter(|it| it.id == id),
            Err(error) => {
                let error = corten_base::chain(&error);
                tracing::warn!(container = %id, error, "what a start intended is lost");
                None
            }
        }
    }

    /// The copy of the record beside the container's data.
    pub(crate) fn record_copy(&self, id: ContainerId) -> PathBuf {
        self.container_directory(id).join("config.json")
    }
}

/// The record of a container whose first process is `pid`: it holds the network namespace.
pub(crate) fn with_sandbox_of(mut next: Container, pid: u32) -> Container {
    let key = &mut next.network_settings.sandbox_key;
    if !key.is_empty() {
        *key = format!("/proc/{pid}/ns/net");
    }
    next
}
