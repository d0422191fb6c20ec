//! What the engine can be measured by.

use crate::Engine;
use corten_model::Status;
use std::{path::PathBuf, sync::Arc};

/// Counts and facts of one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineMetrics {
    /// The daemon's ID.
    pub id: String,
    /// Containers that run, are paused, and the others.
    pub running: u64,
    /// See `running`.
    pub paused: u64,
    /// See `running`.
    pub stopped: u64,
    /// CPUs of the host.
    pub cpus: u64,
    /// Its memory in bytes.
    pub memory_bytes: u64,
    /// Events since the daemon started.
    pub events: u64,
    /// Those who listen to them.
    pub subscribers: u64,
    /// `x86_64`
    pub architecture: String,
    /// The kernel's release.
    pub kernel: String,
    /// The snapshotter.
    pub driver: String,
    /// Where everything lasts.
    pub data_root: PathBuf,
}

impl Engine {
    /// Reads them from memory; waits for nothing.
    pub fn metrics(self: &Arc<Self>) -> EngineMetrics {
        let (mut running, mut paused, mut stopped) = (0, 0, 0);
        for handle in self.table.all() {
            match handle.record().state.status {
                Status::Running | Status::Restarting => running += 1,
                Status::Paused => paused += 1,
                _ => stopped += 1,
            }
        }
        EngineMetrics {
            id: self.id.clone(),
            running,
            paused,
            stopped,
            cpus: self.host.cpus,
            memory_bytes: self.host.memory_total,
            events: self.events.published(),
            subscribers: self.events.listeners(),
            architecture: self.host.machine.clone(),
            kernel: self.host.kernel_release.clone(),
            driver: self.snapshots.name().to_owned(),
            data_root: self.config.data_root.clone(),
        }
    }
}
