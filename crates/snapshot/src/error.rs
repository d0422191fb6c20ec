//! Why a layer or a snapshot could not be made or found.

use corten_base::{Kind, KindOf};
use corten_oci::Digest;
use std::{io, path::PathBuf};
use thiserror::Error;

/// This crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a layer or a snapshot could not be made or found.
#[derive(Debug, Error)]
pub enum Error {
    /// A system call on a path of the store failed.
    #[error("{operation} {path}")]
    Path {
        /// What was tried, as in `creating`.
        operation: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A record of the store cannot be read.
    #[error("reading the record {path}")]
    Record {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// No layer of this diff ID (on these lower layers) is unpacked.
    #[error("layer {diff_id} is not unpacked")]
    LayerNotFound {
        /// The layer.
        diff_id: Digest,
    },
    /// No snapshot of this key.
    #[error("snapshot {key} not found")]
    NotFound {
        /// The key.
        key: String,
    },
    /// The key has a snapshot of other layers.
    #[error("snapshot {key} exists with other layers")]
    Exists {
        /// The key.
        key: String,
    },
    /// What is written to a snapshot cannot be limited here.
    #[error("what is written to snapshot {key} cannot be limited")]
    NoLimit {
        /// The key.
        key: String,
    },
    /// A key that is no safe file name.
    #[error("invalid snapshot key {key:?}")]
    Key {
        /// The key.
        key: String,
    },
    /// The file system cannot hold overlay's writable directory.
    #[error("the file system of {path} cannot hold an overlay's upper directory: {reason}")]
    NoOverlay {
        /// The directory.
        path: PathBuf,
        /// What it lacks.
        reason: &'static str,
    },
    /// The kernel cannot mount layers from their tar files.
    #[error("layers cannot be mounted from files, which needs EROFS and Linux 6.15: {step}")]
    NoErofs {
        /// What was tried.
        step: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
}

impl KindOf for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::LayerNotFound { .. } | Self::NotFound { .. } => Kind::NotFound,
            Self::Exists { .. } => Kind::Conflict,
            Self::Key { .. } => Kind::InvalidParameter,
            Self::NoLimit { .. } | Self::NoOverlay { .. } | Self::NoErofs { .. } => {
                Kind::NotImplemented
            }
            Self::Path { .. } | Self::Record { .. } => Kind::Internal,
        }
    }
}

/// Says which operation on which path failed.
pub(crate) trait On<T> {
    fn on(self, operation: &'static str, path: &std::path::Path) -> Result<T>;
}

impl<T, E: Into<io::Error>> On<T> for std::result::Result<T, E> {
    fn on(self, operation: &'static str, path: &std::path::Path) -> Result<T> {
        self.map_err(|source| Error::Path {
            operation,
            path: path.into(),
            source: source.into(),
        })
    }
}
