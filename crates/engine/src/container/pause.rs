//! `POST /containers/{id}/pause` and `/unpause`.

use crate::{Engine, EngineError, Result, handle::Handle, health, messages};
use corten_base::{Kind, KindOf};
use corten_model::{Change, Container, Refusal, Status};
use std::sync::Arc;

impl Engine {
    /// `POST /containers/{id}/pause`.
    pub async fn container_pause(self: &Arc<Self>, name: &str) -> Result<()> {
        self.freeze(name, Change::Paused).await
    }

    /// `POST /containers/{id}/unpause`.
    pub async fn container_unpause(self: &Arc<Self>, name: &str) -> Result<()> {
        self.freeze(name, Change::Unpaused).await
    }

    /// Unpauses a container that is to end. One that has ended meanwhile, or that somebody
    /// else was quicker with, is no failure.
    pub(crate) async fn thaw(self: &Arc<Self>, handle: &Handle) -> Result<()> {
        let done = self.freeze(&handle.id.to_string(), Change::Unpaused).await;
        match done {
            Err(_) if handle.record().state.status != Status::Paused => Ok(()),
            Err(error) if error.kind() == Kind::Conflict => Ok(()),
            result => result,
        }
    }

    async fn freeze(self: &Arc<Self>, name: &str, change: Change) -> Result<()> {
        let handle = self.table.find(name)?;
        let _owner = handle.lock.lock().await;
        let record = handle.record();
        let pause = change == Change::Paused;
        let state = record.state.after(change).map_err(|refusal| {
            let id = record.id;
            match refusal {
                // Docker answers 500 here.
                Refusal::NotPaused => EngineError::Failed(messages::not_paused(id)),
                Refusal::Paused => EngineError::Conflict(messages::already_paused(id)),
                Refusal::Restarting => EngineError::Conflict(messages::restarting(id)),
                _ => EngineError::Conflict(messages::not_running(id)),
            }
        })?;
        let shim = handle
            .shim()
            .ok_or_else(|| EngineError::Conflict(messages::not_running(record.id)))?;
        let asked = if pause {
            shim.pause().await
        } else {
            shim.resume().await
        };
        asked.map_err(|error| EngineError::from_shim(record.id, error))?;
        let mut next = Container {
            state,
            ..Container::clone(&record)
        };
        if pause {
            next.state.health = health::unwatched(next.state.health);
        }
        let next = handle.replace(next);
        self.save_later(next.clone()).await?;
        self.container_event(&next, if pause { "pause" } else { "unpause" }, []);
        Ok(())
    }
}
