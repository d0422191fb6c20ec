//! Contexts that clients before buildx send in a request of their own, for a build that
//! another request asks for.

use super::status::Status;
use corten_build::ArchiveContext;
use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::{Notify, oneshot};

/// How long a build waits until its context begins to come.
const PATIENCE: Duration = Duration::from_secs(10);
/// Contexts that no build has asked for yet; the oldest goes.
const WAITING: usize = 16;

type Coming = oneshot::Receiver<ArchiveContext>;

/// The contexts on their way.
#[derive(Default)]
pub(crate) struct Uploads {
    // Lock: held for memory work only.
    coming: Mutex<VecDeque<(String, Coming)>>,
    begun: Notify,
}

impl Uploads {
    /// A context for the build `name` begins to come; it is sent when it is here.
    pub fn begin(&self, name: &str) -> oneshot::Sender<ArchiveContext> {
        let (sender, receiver) = oneshot::channel();
        let mut coming = self.coming.lock().unwrap_or_else(PoisonError::into_inner);
        coming.push_back((name.to_owned(), receiver));
        if coming.len() > WAITING {
            coming.pop_front();
        }
        drop(coming);
        self.begun.notify_waiters();
        sender
    }

    fn find(&self, name: &str) -> Option<Coming> {
        let mut coming = self.coming.lock().unwrap_or_else(PoisonError::into_inner);
        let place = coming.iter().position(|(known, _)| known == name)?;
        coming.remove(place).map(|(_, receiver)| receiver)
    }

    /// The context of the build `name`, once all of it is here.
    pub async fn take(&self, name: &str) -> Result<ArchiveContext, Status> {
        let waiting = async {
            loop {
                let begun = self.begun.notified();
                if let Some(coming) = self.find(name) {
                    return Some(coming);
                }
                begun.await;
            }
        };
        let coming = tokio::time::timeout(PATIENCE, waiting).await;
        let Ok(Some(coming)) = coming else {
            let sentence = format!("no context was sent for build {name}");
            return Err(Status::not_found(sentence));
        };
        coming
            .await
            .map_err(|_| Status::unknown("the build's context did not come whole"))
    }
}
