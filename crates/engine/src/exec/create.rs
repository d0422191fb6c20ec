//! `POST /containers/{id}/exec`.

use super::{Exec, Progress};
use crate::{Engine, EngineError, Result, detach_keys, handle::Handle, messages};
use corten_model::{ExecConfig, ExecId, Status};
use corten_shim_proto::{FailureStage, client::ShimError};
use std::sync::Arc;
use tokio::sync::watch;

/// Ended exec processes that a container remembers for `inspect`; the oldest go first.
const REMEMBERED: usize = 64;

impl Engine {
    /// `POST /containers/{id}/exec`.
    pub async fn exec_create(
        self: &Arc<Self>,
        container: &str,
        config: ExecConfig,
    ) -> Result<ExecId> {
        if config.cmd.is_empty() {
            return Err(EngineError::Invalid(messages::no_exec_command()));
        }
        let handle = self.table.find(container)?;
        let record = handle.record();
        let id = record.id;
        match record.state.status {
            Status::Running => {}
            Status::Paused => return Err(EngineError::Conflict(messages::exec_paused(container))),
            Status::Restarting => return Err(EngineError::Conflict(messages::restarting(id))),
            _ => return Err(EngineError::Conflict(messages::not_running(id))),
        }
        detach_keys::parse(&config.detach_keys)
            .map_err(|_| EngineError::Failed(messages::invalid_exec_keys(&config.detach_keys)))?;
        self.check_exec_user(&handle, &config.user).await?;
        let exec = ExecId::random();
        let action = format!("exec_create: {}", command(&config));
        let state = watch::Sender::new(Progress::default());
        {
            let mut execs = handle.execs();
            let ended: Vec<ExecId> = execs
                .iter()
                .filter(|(_, it)| it.state.borrow().state.exit_code.is_some())
                .map(|(id, _)| *id)
                .collect();
            for old in ended.iter().take(ended.len().saturating_sub(REMEMBERED)) {
                execs.remove(old);
            }
            execs.insert(exec, Arc::new(Exec { config, state }));
        }
        self.container_event(&record, &action, [("execID", exec.to_string())]);
        Ok(exec)
    }

    /// dockerd looks a user up when an exec is created, and again when it is started.
    async fn check_exec_user(&self, handle: &Handle, user: &str) -> Result<()> {
        let shim = handle.shim().filter(|_| !user.is_empty());
        let Some(shim) = shim else { return Ok(()) };
        match shim.find_user(user).await {
            Err(ShimError::Failed(failure)) if failure.stage != FailureStage::State => {
                Err(EngineError::Invalid(messages::plain(failure.message)))
            }
            // It is about to end, which the start tells; or its shim is of a release that
            // does not know the question.
            _ => Ok(()),
        }
    }
}

/// As events show it: `ls -l`; a lone word has a space behind it (moby does that).
pub(super) fn command(config: &ExecConfig) -> String {
    let (first, rest) = config
        .cmd
        .split_first()
        .map_or(("", &[][..]), |(a, b)| (a.as_str(), b));
    format!("{first} {}", rest.join(" "))
}
