//! Work that blocks, on bounded pools.

use crate::{EngineError, Result};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// A bounded number of threads of the runtime's blocking pool.
#[derive(Clone)]
pub(crate) struct Pool {
    name: &'static str,
    permits: Arc<Semaphore>,
}

impl Pool {
    pub(crate) fn new(name: &'static str, threads: usize) -> Self {
        Self {
            name,
            permits: Arc::new(Semaphore::new(threads)),
        }
    }

    /// As [`Pool::run`], as a future of its own.
    pub(crate) async fn run_owned<T: Send + 'static>(
        self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.run(work).await
    }

    /// Runs `work` on a thread of this pool, once one is free.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let permit = self.permits.clone().acquire_owned().await;
        let permit = permit.map_err(|_| EngineError::Closing)?;
        let task = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(permit);
            result
        });
        task.await.map_err(|_| EngineError::CutShort(self.name))?
    }
}
