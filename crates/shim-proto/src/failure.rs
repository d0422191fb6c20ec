//! Why a request failed, typed.

use corten_base::{Kind, KindOf};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use thiserror::Error;

/// A request the shim could not fulfil. `Display` is the whole sentence.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize, Deserialize)]
#[error("{message}")]
pub struct Failure {
    /// Which part refused.
    pub stage: FailureStage,
    /// The kernel's error number, where it was the kernel.
    pub errno: Option<i32>,
    /// The file concerned, as the container sees it.
    pub path: Option<PathBuf>,
    /// The sentence, causes included.
    pub message: String,
}

/// Which part of the work failed; the engine chooses exit codes and statuses by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureStage {
    /// The request makes no sense in this state (a second start, a kill after the exit).
    State,
    /// No such exec process, or it has ended.
    NotFound,
    /// The request cannot be understood.
    Request,
    /// The log file could not be opened.
    Log,
    /// Control groups could not be made or changed.
    Cgroup,
    /// The container's set-up failed; the runtime's name of the stage.
    Setup(String),
    /// The program could not be executed: `errno` says why (126, 127).
    Exec,
    /// An external runtime refused; the message is its own.
    Runtime,
    /// Anything else of the shim itself.
    Shim,
}

impl Failure {
    /// A failure without errno or path.
    pub fn new(stage: FailureStage, message: impl Into<String>) -> Self {
        Self {
            stage,
            errno: None,
            path: None,
            message: message.into(),
        }
    }
}

impl KindOf for Failure {
    fn kind(&self) -> Kind {
        match self.stage {
            FailureStage::State => Kind::Conflict,
            FailureStage::NotFound => Kind::NotFound,
            FailureStage::Request | FailureStage::Exec => Kind::InvalidParameter,
            FailureStage::Log
            | FailureStage::Cgroup
            | FailureStage::Setup(_)
            | FailureStage::Runtime
            | FailureStage::Shim => Kind::Internal,
        }
    }
}
