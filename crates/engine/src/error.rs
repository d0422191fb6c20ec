//! What can go wrong in an operation. Sentences that Docker's users know are Docker's.

use corten_base::{Kind, KindOf};
use thiserror::Error;

/// A failed operation.
#[derive(Debug, Error)]
pub enum EngineError {
    /// No container has this name or ID.
    #[error("No such container: {0}")]
    NoSuchContainer(String),
    /// Corten does not do this yet.
    #[error("{0} is not supported by Corten yet")]
    Unsupported(String),
}

impl KindOf for EngineError {
    fn kind(&self) -> Kind {
        match self {
            Self::NoSuchContainer(_) => Kind::NotFound,
            Self::Unsupported(_) => Kind::NotImplemented,
        }
    }
}
