//! Layers on their way in. Two pulls that want the same blob share one download, which
//! ends when nobody waits for it any more.
//!
//! ```text
//! Waiting → Downloading(bytes) → Verifying → Downloaded → Extracting(bytes) → Done
//!                                                                        └──> Failed
//! ```

use crate::limit::Limit;
use crate::{Error, Result, layer_stream, layer_stream::Unpacked, rooms::Rooms};
use corten_distribution::Repository;
use corten_oci::{Descriptor, Digest};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};
use tokio::{sync::watch, task::AbortHandle};

/// How far a layer is.
#[derive(Debug, Clone)]
pub(crate) enum Stage {
    /// For its turn.
    Waiting,
    /// Bytes that are here.
    Downloading(u64),
    /// All bytes are here; the digest is compared.
    Verifying,
    /// The digest is right.
    Downloaded,
    /// Compressed bytes that are unpacked.
    Extracting(u64),
    /// Unpacked; see [`Download::take`].
    Done,
    /// It failed for everybody.
    Failed(Arc<Error>),
}

/// All downloads of this process.
pub(crate) struct Downloads {
    limit: Limit,
    // Lock: held for look-ups only.
    running: Mutex<HashMap<Digest, Weak<Download>>>,
}

/// One download, shared by everybody who wants the blob.
pub(crate) struct Download {
    stage: watch::Receiver<Stage>,
    unpacked: Arc<Mutex<Option<Unpacked>>>,
    task: AbortHandle,
}

/// What a download needs to know.
pub(crate) struct DownloadRequest {
    pub rooms: Rooms,
    /// None: the content store has the blob.
    pub repository: Option<Arc<Repository>>,
    pub blob: Descriptor,
    pub attempts: u32,
}

impl Downloads {
    pub fn new(at_a_time: usize) -> Self {
        Self {
            limit: Limit::new(at_a_time),
            running: Mutex::default(),
        }
    }

    /// From now on so many at a time.
    pub fn resize(&self, at_a_time: usize) {
        self.limit.resize(at_a_time);
    }

    /// Whether a new download has to wait for its turn.
    pub fn are_full(&self) -> bool {
        self.limit.permits.available_permits() == 0
    }

    /// The running download of a blob, or a new one.
    pub fn start(&self, request: DownloadRequest) -> Arc<Download> {
        let digest = request.blob.digest.clone();
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|_, download| download.strong_count() > 0);
        if let Some(download) = running.get(&digest).and_then(Weak::upgrade)
            && download.is_useful()
        {
            return download;
        }
        let (sender, stage) = watch::channel(Stage::Waiting);
        let unpacked = Arc::new(Mutex::new(None));
        let (result, permits) = (Arc::clone(&unpacked), Arc::clone(&self.limit.permits));
        let task = tokio::spawn(async move {
            let Ok(_permit) = permits.acquire().await else {
                return;
            };
            let last = match layer_stream::fetch_and_unpack(request, &sender).await {
                Ok(unpacked) => {
                    *result.lock().unwrap_or_else(PoisonError::into_inner) = Some(unpacked);
                    Stage::Done
                }
                Err(error) => Stage::Failed(Arc::new(error)),
            };
            sender.send_replace(last);
        });
        let task = task.abort_handle();
        let download = Arc::new(Download {
            stage,
            unpacked,
            task,
        });
        running.insert(digest, Arc::downgrade(&download));
        download
    }
}

impl Download {
    /// The stage from now on.
    pub fn watch(&self) -> watch::Receiver<Stage> {
        self.stage.clone()
    }

    /// The unpacked layer; only the first who asks gets it, and gives it its name.
    pub fn take(&self) -> Option<Unpacked> {
        self.unpacked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Whether somebody new may wait for it: not failed, and not given away.
    fn is_useful(&self) -> bool {
        match *self.stage.borrow() {
            Stage::Failed(_) => false,
            Stage::Done => self
                .unpacked
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .is_some(),
            _ => true,
        }
    }

    /// Waits for the end.
    pub async fn finished(&self) -> Result<()> {
        let mut stage = self.watch();
        let last = stage
            .wait_for(|stage| matches!(stage, Stage::Done | Stage::Failed(_)))
            .await;
        match last.as_deref() {
            Ok(Stage::Failed(error)) => Err(Error::Shared(Arc::clone(error))),
            Ok(_) => Ok(()),
            Err(_) => Err(Error::Interrupted),
        }
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        // Nobody waits any more. What has arrived stays for the next pull.
        self.task.abort();
    }
}
