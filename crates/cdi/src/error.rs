//! What can go wrong.

use corten_base::{Kind, KindOf};
use std::{io, path::PathBuf};
use thiserror::Error;

/// Devices cannot be put into a container.
#[derive(Debug, Error)]
pub enum CdiError {
    /// No file describes these, or two files of the same rank do.
    #[error("unresolvable CDI devices {}", .0.join(", "))]
    Unresolvable(Vec<String>),
    /// A device node that a file names cannot be looked at.
    #[error("looking at the device node {path}")]
    Node {
        /// On the host.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file asks for a hook that does not exist.
    #[error("unknown CDI hook {0:?}")]
    Hook(String),
}

/// A file that takes no part.
#[derive(Debug, Error)]
pub(crate) enum FileError {
    #[error("reading it")]
    Read(#[source] io::Error),
    #[error("larger than {0} bytes")]
    TooLarge(u64),
    #[error("{0}")]
    Yaml(String),
    #[error("its contents")]
    Json(#[source] serde_json::Error),
    #[error("invalid kind {0:?}: vendor/class is wanted")]
    Kind(String),
    #[error("invalid device name {0:?}")]
    Name(String),
    #[error("the device {0:?} twice")]
    Twice(String),
}

impl KindOf for CdiError {
    fn kind(&self) -> Kind {
        Kind::Internal
    }
}
