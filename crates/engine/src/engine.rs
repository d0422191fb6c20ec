//! The engine itself: its rooms and its tables.

use crate::{EngineConfig, Result};
use std::sync::Arc;

/// The facade. Cheap to share; every method takes `&self` or `&Arc<Self>`.
pub struct Engine {
    config: EngineConfig,
}

impl Engine {
    /// Opens the rooms below the data root and reconciles what they remember with what
    /// runs. Needs a tokio runtime.
    pub async fn open(config: EngineConfig) -> Result<Arc<Self>> {
        Ok(Arc::new(Self { config }))
    }

    /// The settings it runs with.
    pub fn config(&self) -> &EngineConfig {
        &self.config
    }

    /// Ends the daemon's part in an orderly way: containers go on running.
    pub async fn close(&self) {}
}
