//! `GET /containers/{id}/reach`: from where a container is reached. Beyond Docker.

use crate::{Engine, Result};
use corten_network::Reach;
use std::sync::Arc;

impl Engine {
    /// The ways in to a container from outside of its networks. One that shares another's
    /// network is reached as that one; one that does not run is not reached.
    pub fn container_reach(self: &Arc<Self>, name: &str) -> Result<Vec<Reach>> {
        let record = self.table.find(name)?.record();
        match record.host_config.network_mode.strip_prefix("container:") {
            Some(other) => self.container_reach(other),
            None => Ok(self.networks.reach(&record.id.to_string())),
        }
    }
}
