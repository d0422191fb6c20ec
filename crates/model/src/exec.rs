//! Additional processes in a running container.

use crate::{ContainerId, ExecId};
use serde::{Deserialize, Serialize};

/// What to run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ExecConfig {
    /// As the container's `user`; empty: the container's.
    pub user: String,
    /// All capabilities.
    pub privileged: bool,
    /// A terminal.
    pub tty: bool,
    /// Height and width of the terminal.
    pub console_size: Option<[u32; 2]>,
    /// The client wants standard input.
    pub attach_stdin: bool,
    /// The client wants standard error.
    pub attach_stderr: bool,
    /// The client wants standard output.
    pub attach_stdout: bool,
    /// `ctrl-p,ctrl-q` or empty: the default.
    pub detach_keys: String,
    /// Added to the container's environment.
    pub env: Vec<String>,
    /// Working directory; empty: the container's.
    pub working_dir: String,
    /// Command and arguments.
    pub cmd: Vec<String>,
}

/// Where an exec process stands.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ExecState {
    /// Its process runs.
    pub running: bool,
    /// Set once it has ended (or could not start: 126, 127).
    pub exit_code: Option<i64>,
    /// Process on the host; 0 before the start.
    pub pid: i32,
}

/// What `GET /exec/{id}/json` shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExecInspect {
    /// ID.
    pub id: ExecId,
    /// Of this container.
    pub container_id: ContainerId,
    /// Where it stands.
    pub state: ExecState,
    /// What it runs.
    pub config: ExecConfig,
    /// First word of the command.
    pub entrypoint: String,
    /// The other words.
    pub arguments: Vec<String>,
    /// Standard input is open.
    pub open_stdin: bool,
    /// Standard output is open.
    pub open_stdout: bool,
    /// Standard error is open.
    pub open_stderr: bool,
    /// It may be removed from memory.
    pub can_remove: bool,
    /// The detach keys as bytes.
    pub detach_keys: Vec<u8>,
}
