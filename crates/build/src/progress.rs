//! What a build tells while it goes on.

use corten_base::Timestamp;
use corten_dockerfile::Location;
use corten_oci::Digest;
use tokio::sync::mpsc;

/// Messages that wait for a slow client; the build waits with them.
const QUEUE: usize = 1024;

/// One message.
#[derive(Debug, Clone)]
pub enum Event {
    /// A step begins, ends, or is only announced.
    Vertex(VertexState),
    /// A piece of a step's work.
    Status(Status),
    /// A step's output.
    Log {
        /// The step.
        vertex: Digest,
        /// Which stream.
        stream: LogStream,
        /// The bytes.
        data: Vec<u8>,
        /// When.
        at: Timestamp,
    },
    /// A check found something.
    Warning(WarningEvent),
    /// What the Dockerfile says, as far as the target; before the first of its steps.
    Instructions(Vec<ToldInstruction>),
}

/// An instruction of the Dockerfile.
#[derive(Debug, Clone)]
pub struct ToldInstruction {
    /// As it is written, on one line.
    pub text: String,
    /// Its lines.
    pub location: Location,
    /// The target needs its stage.
    pub needed: bool,
    /// The arguments that it declares.
    pub arguments: Vec<String>,
    /// The steps that it makes, by their identities within this build; most make one or none.
    pub steps: Vec<Digest>,
}

/// A step.
#[derive(Debug, Clone)]
pub struct VertexState {
    /// Its identity within this build.
    pub digest: Digest,
    /// What it stands on.
    pub inputs: Vec<Digest>,
    /// As it is shown.
    pub name: String,
    /// When it began.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub completed: Option<Timestamp>,
    /// The cache had it.
    pub cached: bool,
    /// Why it failed; empty otherwise.
    pub error: String,
}

/// A piece of a step's work, such as a file that is transferred.
#[derive(Debug, Clone)]
pub struct Status {
    /// What it is, such as `transferring context:`.
    pub id: String,
    /// The step.
    pub vertex: Digest,
    /// Done so far.
    pub current: i64,
    /// In all, 0 when unknown.
    pub total: i64,
    /// When it began.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub completed: Option<Timestamp>,
}

/// The stream of a piece of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// What a check found.
#[derive(Debug, Clone)]
pub struct WarningEvent {
    /// The step it is told with.
    pub vertex: Digest,
    /// One line.
    pub short: String,
    /// What the check is about.
    pub detail: String,
    /// Where it is explained.
    pub url: String,
    /// The file.
    pub file: String,
    /// Its text.
    pub source: std::sync::Arc<[String]>,
    /// Its lines.
    pub location: Location,
}

/// The receiving end.
pub type ProgressReceiver = mpsc::Receiver<Event>;

/// The sending end. Messages for nobody are dropped.
#[derive(Debug, Clone)]
pub struct ProgressSender(mpsc::Sender<Event>);

impl ProgressSender {
    /// Both ends.
    pub fn channel() -> (Self, ProgressReceiver) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self(sender), receiver)
    }

    /// Tells a warning that is about no line of the Dockerfile.
    pub async fn warn(&self, text: &str) {
        self.send(Event::Warning(WarningEvent {
            vertex: Digest::of(text.as_bytes()),
            short: text.to_owned(),
            detail: String::new(),
            url: String::new(),
            file: String::new(),
            source: std::sync::Arc::new([]),
            location: Location { start: 0, end: 0 },
        }))
        .await;
    }

    pub(crate) async fn send(&self, event: Event) {
        // A client that has left is noticed by who reads.
        let _ = self.0.send(event).await;
    }
}
