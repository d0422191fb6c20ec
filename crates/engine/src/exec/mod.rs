//! Additional processes in running containers.

mod create;
mod inspect;
mod resize;
mod start;

use crate::{Engine, EngineError, Result, handle::Handle};
use corten_model::{ExecConfig, ExecId, ExecState};
use std::sync::Arc;
use tokio::sync::watch;

/// An exec process, from its creation until its container ends or is removed.
pub(crate) struct Exec {
    pub(crate) config: ExecConfig,
    pub(crate) state: watch::Sender<Progress>,
}

/// How far it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// A start was asked for; there is no second one.
    pub(crate) started: bool,
    pub(crate) state: ExecState,
    /// The client left by its detach keys.
    pub(crate) detached: bool,
}

impl Exec {
    pub(crate) fn is_running(&self) -> bool {
        self.state.borrow().state.running
    }

    /// It has ended, or was never to run; false when that was known.
    fn end(&self, exit_code: i64) -> bool {
        self.state.send_if_modified(|progress| {
            let first = progress.state.exit_code.is_none();
            if first {
                progress.state.running = false;
                progress.state.exit_code = Some(exit_code);
            }
            first
        })
    }
}

impl Engine {
    /// An exec process and its container.
    pub(crate) fn find_exec(&self, text: &str) -> Result<(Arc<Handle>, ExecId, Arc<Exec>)> {
        let missing = || EngineError::NoSuchExec(text.to_owned());
        let id: ExecId = text.parse().map_err(|_| missing())?;
        for handle in self.table.all() {
            let found = handle.execs().get(&id).cloned();
            if let Some(exec) = found {
                return Ok((handle, id, exec));
            }
        }
        Err(missing())
    }

    /// The shim says that an exec process ended.
    pub(crate) fn exec_ended(&self, handle: &Handle, id: ExecId, exit_code: i64) {
        let found = handle.execs().get(&id).cloned();
        if let Some(exec) = found {
            self.end_exec(handle, id, &exec, exit_code);
        }
    }

    pub(crate) fn exec_detached(&self, handle: &Handle, id: ExecId) {
        let found = handle.execs().get(&id).cloned();
        if let Some(exec) = found {
            exec.state.send_modify(|progress| progress.detached = true);
            self.container_event(
                &handle.record(),
                "exec_detach",
                [("execID", id.to_string())],
            );
        }
    }

    /// The container ended, and every process in it.
    pub(crate) fn end_execs(&self, handle: &Handle) {
        /// Killed with the container.
        const KILLED: i64 = 137;
        let all: Vec<_> = handle
            .execs()
            .iter()
            .map(|(id, exec)| (*id, exec.clone()))
            .collect();
        for (id, exec) in all {
            if exec.is_running() {
                self.end_exec(handle, id, &exec, KILLED);
            }
        }
    }

    fn end_exec(&self, handle: &Handle, id: ExecId, exec: &Exec, exit_code: i64) {
        let changed = exec.end(exit_code);
        if changed {
            let attributes = [
                ("execID", id.to_string()),
                ("exitCode", exit_code.to_string()),
            ];
            self.container_event(&handle.record(), "exec_die", attributes);
        }
    }
}
