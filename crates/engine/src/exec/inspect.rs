//! `GET /exec/{id}/json`.

use crate::{Engine, Result, detach_keys};
use corten_model::ExecInspect;
use std::sync::Arc;

impl Engine {
    /// `GET /exec/{id}/json`.
    pub async fn exec_inspect(self: &Arc<Self>, id: &str) -> Result<ExecInspect> {
        let (handle, id, exec) = self.find_exec(id)?;
        let config = exec.config.clone();
        let mut words = config.cmd.iter().cloned();
        let detach_keys = match config.detach_keys.as_str() {
            "" => Vec::new(),
            keys => detach_keys::parse(keys)?,
        };
        Ok(ExecInspect {
            id,
            container_id: handle.id,
            state: exec.state.borrow().state.clone(),
            entrypoint: words.next().unwrap_or_default(),
            arguments: words.collect(),
            open_stdin: config.attach_stdin,
            open_stdout: config.attach_stdout,
            open_stderr: config.attach_stderr,
            can_remove: false,
            detach_keys,
            config,
        })
    }
}
