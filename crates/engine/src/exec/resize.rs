//! `POST /exec/{id}/resize`.

use crate::{Engine, EngineError, Result, TerminalSize, container::resize::shim_size, messages};
use std::sync::Arc;

impl Engine {
    /// `POST /exec/{id}/resize`.
    pub async fn exec_resize(self: &Arc<Self>, id: &str, size: TerminalSize) -> Result<()> {
        let (handle, id, exec) = self.find_exec(id)?;
        let stopped = || EngineError::Conflict(messages::exec_not_running(id));
        if !exec.is_running() {
            return Err(stopped());
        }
        let shim = handle.shim().ok_or_else(stopped)?;
        shim.resize(Some(id.id()), shim_size(size))
            .await
            .map_err(|error| EngineError::from_shim(handle.id, error))
    }
}
