//! What can go wrong at the command line.

use corten_cgroup::CgroupError;
use corten_runtime::StartError;
use std::path::PathBuf;
use thiserror::Error;

#[derive(Debug, Error)]
pub(crate) enum CommandError {
    #[error("{0}")]
    Usage(String),
    #[error("container does not exist")]
    NoContainer,
    #[error("container with given ID already exists")]
    Exists,
    #[error("invalid container ID format: {0}")]
    InvalidId(String),
    #[error("{0}")]
    State(String),
    #[error("{}: {source}", path.display())]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{}: {source}", path.display())]
    Json {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error("{operation}: {source}")]
    Call {
        operation: &'static str,
        source: std::io::Error,
    },
    #[error("unable to start container process: {0}")]
    Start(#[from] StartError),
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
}

impl CommandError {
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Start(error) if error.is_not_found() => 127,
            Self::Start(error) if error.is_not_executable() => 126,
            Self::Start(_) => 1,
            _ => 1,
        }
    }

    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::File {
            path: path.into(),
            source,
        }
    }

    pub(crate) fn call<E: Into<std::io::Error>>(operation: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self::Call {
            operation,
            source: error.into(),
        }
    }
}
