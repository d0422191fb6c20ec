//! How much may happen at a time; may be changed while it does.

use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

/// A semaphore whose size can change.
#[derive(Debug)]
pub(crate) struct Limit {
    pub permits: Arc<Semaphore>,
    // Lock: held for a comparison.
    size: Mutex<usize>,
}

impl Limit {
    /// At least one at a time.
    pub fn new(size: usize) -> Self {
        let size = size.max(1);
        Self {
            permits: Arc::new(Semaphore::new(size)),
            size: Mutex::new(size),
        }
    }

    /// From now on so many; what has begun goes on. Needs a tokio runtime.
    pub fn resize(&self, size: usize) {
        let size = size.max(1);
        let mut old = self.size.lock().unwrap_or_else(PoisonError::into_inner);
        if size >= *old {
            self.permits.add_permits(size - *old);
        } else {
            let permits = Arc::clone(&self.permits);
            let surplus = u32::try_from(*old - size).unwrap_or(u32::MAX);
            tokio::spawn(async move {
                // The semaphore is never closed.
                if let Ok(surplus) = permits.acquire_many(surplus).await {
                    surplus.forget();
                }
            });
        }
        *old = size;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_limit_grows_at_once_and_shrinks_when_work_ends() {
        let limit = Limit::new(2);
        let _first = limit.permits.acquire().await.unwrap();
        let second = limit.permits.acquire().await.unwrap();
        limit.resize(3);
        assert_eq!(limit.permits.available_permits(), 1);
        limit.resize(1);
        drop(second);
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        assert_eq!(limit.permits.available_permits(), 0);
    }
}
