//! The state of a container as `state` prints it and hooks read it (runtime.md § State).

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A container's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// Version of the specification.
    pub oci_version: String,
    /// The container's ID.
    pub id: String,
    /// Where it is in its life.
    pub status: Status,
    /// Its first process as the host numbers it; absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// Absolute path of the bundle.
    pub bundle: PathBuf,
    /// Annotations of the specification.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// Where a container is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Namespaces and mounts are being made.
    Creating,
    /// The first process waits before the user's program.
    Created,
    /// The user's program runs.
    Running,
    /// It runs and is frozen (not in the specification, as runc says it).
    Paused,
    /// The first process has ended.
    Stopped,
}

impl Status {
    /// The word that `state` prints.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        }
    }
}
