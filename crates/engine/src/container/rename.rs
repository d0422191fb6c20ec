//! `POST /containers/{id}/rename`.

use super::endpoint::dns_names;
use crate::{Engine, EngineError, Result, messages, names};
use corten_model::Container;
use std::sync::Arc;

impl Engine {
    /// `POST /containers/{id}/rename`.
    pub async fn container_rename(self: &Arc<Self>, name: &str, new_name: &str) -> Result<()> {
        if name.is_empty() || new_name.is_empty() {
            return Err(EngineError::Invalid(messages::rename_empty()));
        }
        let handle = self.table.find(name)?;
        let owner = handle.lock.lock().await;
        let record = handle.record();
        let new = new_name.strip_prefix('/').unwrap_or(new_name);
        if record.name == new {
            return Err(EngineError::Invalid(messages::rename_same()));
        }
        if !names::is_valid(new) {
            let reason = messages::invalid_name(format!("/{new}"));
            return Err(EngineError::Invalid(messages::rename_failed(reason)));
        }
        self.table
            .reserve(new, record.id)
            .map_err(|error| EngineError::Conflict(messages::rename_failed(error)))?;
        let mut next = Container {
            name: new.to_owned(),
            ..Container::clone(&record)
        };
        for (name, endpoint) in &mut next.network_settings.networks {
            if let (Some(_), Ok(network)) = (&endpoint.dns_names, self.networks.inspect(name)) {
                let hostname = &record.config.hostname;
                endpoint.dns_names =
                    dns_names(record.id, new, hostname, &network, &endpoint.config);
            }
        }
        let engine = self.clone();
        let saved = next.clone();
        let done = self.pool.run(move || {
            engine.networks.rename(&saved.id.to_string(), &saved.name)?;
            engine.save(&saved)
        });
        if let Err(error) = done.await {
            self.table.release(new, record.id);
            return Err(error);
        }
        self.table.release(&record.name, record.id);
        let next = handle.replace(next);
        drop(owner);
        self.rename_links(&record.name, new).await?;
        self.container_event(&next, "rename", [("oldName", format!("/{}", record.name))]);
        Ok(())
    }
}
