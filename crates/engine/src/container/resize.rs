//! `POST /containers/{id}/resize`.

use crate::{Engine, EngineError, Result, TerminalSize, messages};
use std::sync::Arc;

impl Engine {
    /// `POST /containers/{id}/resize`.
    pub async fn container_resize(self: &Arc<Self>, name: &str, size: TerminalSize) -> Result<()> {
        let handle = self.table.find(name)?;
        let record = handle.record();
        let shim = handle
            .shim()
            .ok_or_else(|| EngineError::Conflict(messages::not_running(record.id)))?;
        shim.resize(None, shim_size(size))
            .await
            .map_err(|error| EngineError::from_shim(record.id, error))?;
        let attributes = [
            ("height", size.height.to_string()),
            ("width", size.width.to_string()),
        ];
        self.container_event(&record, "resize", attributes);
        Ok(())
    }
}

pub(crate) fn shim_size(size: TerminalSize) -> corten_shim_proto::TerminalSize {
    corten_shim_proto::TerminalSize {
        columns: size.width,
        rows: size.height,
    }
}
