//! `POST /containers/{id}/wait`.

use crate::{Engine, Result, WaitCondition, WaitOutcome, handle::Life};
use futures_util::{FutureExt, future::BoxFuture};
use std::sync::Arc;

impl Engine {
    /// `POST /containers/{id}/wait`: the answer to the first await says that the container
    /// exists (send the headers now), the future ends with the exit.
    pub async fn container_wait(
        self: &Arc<Self>,
        name: &str,
        condition: WaitCondition,
    ) -> Result<BoxFuture<'static, WaitOutcome>> {
        let handle = self.table.find(name)?;
        let mut life = handle.life.subscribe();
        let exits = life.borrow_and_update().exits;
        let done = move |life: &Life| match condition {
            WaitCondition::NotRunning => !life.running || life.exits > exits || life.removed,
            WaitCondition::NextExit => life.exits > exits || life.removed,
            WaitCondition::Removed => life.removed,
        };
        Ok(async move {
            // A failed start is what a container may have to say beside its status.
            // Who waits for the removal hears of the removal.
            let told = condition != WaitCondition::Removed;
            let error = || {
                let error = handle.record().state.error.clone();
                Some(error).filter(|it| told && !it.is_empty())
            };
            let outcome = |life: &Life| WaitOutcome {
                exit_code: life.exit_code,
                error: error(),
            };
            let waited = life.wait_for(done).await.map(|life| outcome(&life));
            match waited {
                Ok(outcome) => outcome,
                // The handle is gone, and with it the container.
                Err(_) => outcome(&life.borrow()),
            }
        }
        .boxed())
    }
}
