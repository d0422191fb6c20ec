//! Why work on images failed.

use corten_base::{Kind, KindOf};
use corten_oci::{PlatformError, ReferenceError};
use std::path::PathBuf;
use thiserror::Error;

/// This crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why work on images failed. `Display` is Docker's sentence where it has one.
#[derive(Debug, Error)]
pub enum Error {
    /// No image of this name or ID. Holds the whole sentence.
    #[error("{0}")]
    NotFound(String),
    /// The image's state does not allow it. Holds the whole sentence.
    #[error("{0}")]
    Conflict(String),
    /// What was asked for or handed in makes no sense. Holds the whole sentence.
    #[error("{0}")]
    Invalid(String),
    /// No image name.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// No platform.
    #[error(transparent)]
    Platform(#[from] PlatformError),
    /// A file or directory of the store.
    #[error("{operation} {path:?}")]
    Path {
        /// What was tried, as in `opening`.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// The kernel's answer.
        source: std::io::Error,
    },
}

impl KindOf for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::NotFound(_) => Kind::NotFound,
            Self::Conflict(_) => Kind::Conflict,
            Self::Invalid(_) | Self::Reference(_) | Self::Platform(_) => Kind::InvalidParameter,
            Self::Path { .. } => Kind::Internal,
        }
    }
}
