//! Why a blob could not be read or written.

use corten_base::{Kind, KindOf};
use corten_oci::Digest;
use std::{io, path::PathBuf};
use thiserror::Error;

/// This crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a blob could not be read or written.
#[derive(Debug, Error)]
pub enum Error {
    /// A system call on a file of the store failed.
    #[error("{operation} {path}")]
    File {
        /// What was tried, as in `creating`.
        operation: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The store has no such blob.
    #[error("blob {digest} not found")]
    NotFound {
        /// The blob asked for.
        digest: Digest,
    },
    /// Somebody else writes this blob now; see [`crate::ContentStore::wait_free`].
    #[error("blob {digest} is being written")]
    Busy {
        /// The blob asked for.
        digest: Digest,
    },
    /// The bytes are not those the digest names.
    #[error("unexpected digest {found}, expected {expected}")]
    WrongDigest {
        /// What the bytes have.
        found: Digest,
        /// What was asked for.
        expected: Digest,
    },
    /// Fewer bytes than announced.
    #[error("blob ended after {found} bytes, expected {expected}")]
    WrongSize {
        /// Bytes that came.
        found: u64,
        /// Bytes announced.
        expected: u64,
    },
    /// More bytes than announced or allowed.
    #[error("blob is larger than the {limit} bytes allowed")]
    TooLarge {
        /// The announced size or the limit, whichever is smaller.
        limit: u64,
    },
}

impl KindOf for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::NotFound { .. } => Kind::NotFound,
            Self::Busy { .. } => Kind::Conflict,
            Self::WrongDigest { .. } | Self::WrongSize { .. } | Self::TooLarge { .. } => {
                Kind::InvalidParameter
            }
            Self::File { .. } => Kind::Internal,
        }
    }
}

/// Says which operation on which file failed.
pub(crate) trait On<T> {
    fn on(self, operation: &'static str, path: &std::path::Path) -> Result<T>;
}

impl<T, E: Into<io::Error>> On<T> for std::result::Result<T, E> {
    fn on(self, operation: &'static str, path: &std::path::Path) -> Result<T> {
        self.map_err(|source| Error::File {
            operation,
            path: path.into(),
            source: source.into(),
        })
    }
}
