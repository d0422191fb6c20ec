//! What can go wrong in reading a tree.

use corten_base::{Kind, KindOf};
use std::{io, path::PathBuf};
use thiserror::Error;

/// What an operation answers.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure.
#[derive(Debug, Error)]
pub enum Error {
    /// A file or a directory.
    #[error("{operation} {path}")]
    Path {
        /// What was tried.
        operation: &'static str,
        /// On what, in the tree.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A tree that goes on and on.
    #[error("a list of packages cannot be made of a tree with more than {limit} {what}")]
    TooLarge {
        /// Files, directories below each other, or packages.
        what: &'static str,
        /// The bound.
        limit: usize,
    },
}

impl Error {
    pub(crate) fn path(
        operation: &'static str,
        path: impl Into<PathBuf>,
        source: impl Into<io::Error>,
    ) -> Self {
        Self::Path {
            operation,
            path: path.into(),
            source: source.into(),
        }
    }
}

impl KindOf for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Path { .. } => Kind::Internal,
            Self::TooLarge { .. } => Kind::InvalidParameter,
        }
    }
}
