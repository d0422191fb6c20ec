//! What a shim tells: its state, and what happens afterwards.

use crate::Exit;
use corten_base::{Id, Timestamp};
use serde::{Deserialize, Serialize};

/// Where the container stands.
///
/// ```text
///  Empty ──Start──▶ Running ◀──Resume── Paused
///                      │  └────Pause─────▲ │
///                      └──────▶ Stopped ◀──┘
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// No container has been started yet.
    Empty,
    /// The first process runs.
    Running,
    /// All processes are frozen.
    Paused,
    /// The first process ended; its status is durable.
    Stopped,
}

/// The answer to [`crate::Request::State`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// [`crate::PROTOCOL_VERSION`] of the shim.
    pub protocol: u32,
    /// The container, once started.
    pub id: Option<Id>,
    /// Where it stands.
    pub status: Status,
    /// The first process, in the shim's process ID namespace, while it runs.
    pub pid: Option<u32>,
    /// When its program was executed.
    pub started_at: Timestamp,
    /// How it ended.
    pub exit: Option<Exit>,
    /// Whether the kernel killed a process of the container for lack of memory.
    pub oom: bool,
    /// The exec processes that run.
    pub execs: Vec<ExecState>,
}

/// An exec process that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecState {
    /// Its ID.
    pub id: Id,
    /// Its process, in the shim's process ID namespace.
    pub pid: u32,
}

/// Something that happened, sent to every subscriber in the order of happening.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The first process ended; `exit.json` is on disk. The last event of all.
    Exit {
        /// How.
        exit: Exit,
    },
    /// An exec process ended. Its output has been handed to its streams before.
    ExecExit {
        /// Which.
        exec: Id,
        /// How.
        exit: Exit,
    },
    /// The kernel killed a process of the container for lack of memory.
    Oom {
        /// When the shim heard of it.
        at: Timestamp,
    },
    /// A client typed its detach keys; its stream is closed.
    Detached {
        /// The exec it was attached to, or none for the first process.
        exec: Option<Id>,
    },
}
