//! Exec: more processes in a running container.

use crate::skip::empty;
use serde::{Deserialize, Serialize};

/// The body of `POST /containers/{id}/exec`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename = "container.ExecOptions", rename_all = "PascalCase")]
pub struct CreateRequest {
    /// `user[:group]`; empty: the container's.
    pub user: String,
    /// All capabilities.
    pub privileged: bool,
    /// Whether it gets a terminal.
    pub tty: bool,
    /// First size of the terminal: height, width.
    #[serde(skip_serializing_if = "empty")]
    pub console_size: Option<[u64; 2]>,
    /// Attach standard input.
    pub attach_stdin: bool,
    /// Attach standard error.
    pub attach_stderr: bool,
    /// Attach standard output.
    pub attach_stdout: bool,
    /// Only recorded by old clients; the start request decides.
    #[serde(skip_serializing_if = "empty")]
    pub detach: bool,
    /// The keys that leave the process alone.
    pub detach_keys: String,
    /// More `NAME=value`.
    pub env: Option<Vec<String>>,
    /// Working directory; empty: the container's.
    pub working_dir: String,
    /// The words of the process.
    pub cmd: Option<Vec<String>>,
}

/// The answer: the exec's ID.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    default,
    rename = "container.ExecCreateResponse",
    rename_all = "PascalCase"
)]
pub struct CreateResponse {
    /// Full ID.
    pub id: String,
}

/// The body of `POST /exec/{id}/start`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    default,
    rename = "container.ExecStartOptions",
    rename_all = "PascalCase"
)]
pub struct StartRequest {
    /// Do not attach.
    pub detach: bool,
    /// Whether the client expects a terminal.
    pub tty: bool,
    /// Size of the terminal: height, width.
    #[serde(skip_serializing_if = "empty")]
    pub console_size: Option<[u64; 2]>,
}

/// The answer of `GET /exec/{id}/json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    default,
    rename = "container.ExecInspectResponse",
    rename_all = "PascalCase"
)]
pub struct Inspect {
    /// Full ID.
    #[serde(rename = "ID")]
    pub id: String,
    /// Whether it runs.
    pub running: bool,
    /// `null` until it has ended.
    pub exit_code: Option<i64>,
    /// What runs.
    pub process_config: ProcessConfig,
    /// Whether standard input is attached.
    pub open_stdin: bool,
    /// Whether standard error is attached.
    pub open_stderr: bool,
    /// Whether standard output is attached.
    pub open_stdout: bool,
    /// Whether it may be forgotten.
    pub can_remove: bool,
    /// Whose process it is.
    #[serde(rename = "ContainerID")]
    pub container_id: String,
    /// The keys that leave the process alone (as text).
    pub detach_keys: String,
    /// Process ID on the host.
    pub pid: i64,
}

/// What runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProcessConfig {
    /// Whether it has a terminal.
    pub tty: bool,
    /// First word.
    pub entrypoint: String,
    /// Other words.
    pub arguments: Vec<String>,
    /// All capabilities; omitted where it was not asked.
    #[serde(skip_serializing_if = "empty")]
    pub privileged: Option<bool>,
    /// `user[:group]`.
    #[serde(skip_serializing_if = "empty")]
    pub user: String,
}
