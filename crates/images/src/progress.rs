//! What long work tells while it goes on, in the words of Docker's progress messages.

use serde_json::Value;
use tokio::sync::mpsc;

/// How many messages may wait for a slow reader. Figures of a running download are
/// dropped beyond it; everything else waits.
pub const PROGRESS_QUEUE: usize = 256;

/// Where a piece of work tells its progress.
#[derive(Debug, Clone)]
pub struct ProgressSender(Option<mpsc::Sender<Progress>>);

/// One message.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    /// A line: `{"status":"Pulling from library/nginx","id":"latest"}`. With an ID it
    /// replaces the line of that ID.
    Status {
        /// A layer's short ID or a tag; none for a line of its own.
        id: Option<String>,
        /// The text.
        text: String,
        /// Docker writes an empty `progressDetail` beside the state of a layer.
        layer: bool,
    },
    /// How far the work on one layer has come.
    Working {
        /// A layer's short ID.
        id: String,
        /// What is done to it.
        action: Action,
        /// Bytes done.
        current: u64,
        /// Bytes in all, where known.
        total: Option<u64>,
    },
    /// Plain output: `{"stream":"Loaded image: nginx:latest\n"}`.
    Stream(String),
    /// Facts for programs: `{"aux":{"Tag":…,"Digest":…,"Size":…}}`.
    Aux(Value),
}

/// What is done to a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Bytes come from a registry.
    Downloading,
    /// Bytes are unpacked.
    Extracting,
    /// Bytes go to a registry.
    Pushing,
    /// Bytes of an archive are unpacked (`load`).
    Loading,
}

impl Action {
    /// Docker's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Downloading => "Downloading",
            Self::Extracting => "Extracting",
            Self::Pushing => "Pushing",
            Self::Loading => "Loading layer",
        }
    }
}

impl ProgressSender {
    /// A channel of [`PROGRESS_QUEUE`] messages.
    pub fn channel() -> (Self, mpsc::Receiver<Progress>) {
        let (sender, receiver) = mpsc::channel(PROGRESS_QUEUE);
        (Self(Some(sender)), receiver)
    }

    /// Nobody listens.
    pub fn none() -> Self {
        Self(None)
    }

    /// Sends a message, waiting while the queue is full. A reader that is gone is no error:
    /// whoever drops the reader drops the work too.
    pub(crate) async fn send(&self, message: Progress) {
        if let Some(sender) = &self.0 {
            let _ = sender.send(message).await;
        }
    }

    /// Sends a figure unless the queue is full.
    pub(crate) fn figure(&self, id: &str, action: Action, current: u64, total: Option<u64>) {
        if let Some(sender) = &self.0 {
            let _ = sender.try_send(Progress::Working {
                id: id.to_owned(),
                action,
                current,
                total,
            });
        }
    }

    /// Sends a line of its own.
    pub async fn line(&self, text: impl Into<String>) {
        self.status(None, text).await;
    }

    pub(crate) async fn status(&self, id: Option<&str>, text: impl Into<String>) {
        let (id, text) = (id.map(str::to_owned), text.into());
        self.send(Progress::Status {
            id,
            text,
            layer: false,
        })
        .await;
    }

    pub(crate) async fn layer(&self, id: &str, text: impl Into<String>) {
        self.send(Progress::Status {
            id: Some(id.to_owned()),
            text: text.into(),
            layer: true,
        })
        .await;
    }
}
