//! Why an archive could not be read, applied or made.

use crate::limits::Limit;
use corten_base::{Kind, KindOf};
use std::{io, path::PathBuf};
use thiserror::Error;

/// This crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an archive could not be read, applied or made.
#[derive(Debug, Error)]
pub enum Error {
    /// The stream that the archive comes from failed.
    #[error("reading the archive")]
    Read(#[source] io::Error),
    /// The stream that the archive goes to failed.
    #[error("writing the archive")]
    Write(#[source] io::Error),
    /// A system call on a path inside the root failed.
    #[error("{operation} {path:?}")]
    Path {
        /// What was tried, as in `creating`.
        operation: &'static str,
        /// The path inside the root.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The compressed stream is damaged or cut off.
    #[error("decompressing {format}: {reason}")]
    Decompress {
        /// `gzip`, `zstd`, `xz` or `bzip2`.
        format: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A compression that is read only was to be written.
    #[error("compressing with {format} is not supported; use gzip, zstd or none")]
    Compression {
        /// As in `xz`.
        format: &'static str,
    },
    /// The archive is not a well-formed tar.
    #[error("invalid tar archive at byte {offset}: {reason}")]
    Malformed {
        /// Offset of the header in the uncompressed stream.
        offset: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The archive goes over a budget.
    #[error("the archive has too many {limit} (limit {allowed})")]
    OverLimit {
        /// The budget.
        limit: Limit,
        /// Its value.
        allowed: u64,
    },
    /// The file system would be left with less free space than allowed.
    #[error("unpacking would leave less than {floor} bytes of free space")]
    NoSpace {
        /// [`crate::Limits::free_floor_bytes`].
        floor: u64,
    },
    /// A name that leads out of the root.
    #[error("{path:?} is outside of the root of the archive")]
    Escape {
        /// The name as the archive has it.
        path: PathBuf,
    },
    /// A whiteout that names nothing, the directory itself or its parent.
    #[error("invalid whiteout {path:?}")]
    Whiteout {
        /// The name as the archive has it.
        path: PathBuf,
    },
    /// A hard link whose target does not exist.
    #[error("hard link {path:?} to {target:?}, which does not exist")]
    LinkTarget {
        /// The link.
        path: PathBuf,
        /// What it should have linked to.
        target: PathBuf,
    },
    /// An entry of a kind that cannot be unpacked.
    #[error("cannot unpack {path:?}: {reason}")]
    Unsupported {
        /// The entry.
        path: PathBuf,
        /// Why.
        reason: &'static str,
    },
    /// Docker's `noOverwriteDirNonDir`.
    #[error("cannot overwrite directory {path:?} with non-directory {root:?}")]
    DirectoryByOther {
        /// The existing directory.
        path: PathBuf,
        /// The directory unpacked into.
        root: PathBuf,
    },
    /// Docker's `noOverwriteDirNonDir`.
    #[error("cannot overwrite non-directory {path:?} with directory {root:?}")]
    OtherByDirectory {
        /// The existing file.
        path: PathBuf,
        /// The directory unpacked into.
        root: PathBuf,
    },
    /// A layer that had to be read twice was another one the second time.
    #[error("the layer's bytes changed between two readings")]
    Changed,
    /// The place to unpack to is no directory.
    #[error("extraction point is not a directory")]
    NotADirectory,
    /// No such path inside the root.
    #[error("no such file or directory: {path:?}")]
    NotFound {
        /// The path inside the root.
        path: PathBuf,
    },
}

impl Error {
    /// A failed read. An error of ours that travelled inside an I/O error comes out as
    /// itself.
    pub(crate) fn from_read(error: io::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(own) => own,
            Err(other) => Self::Read(other),
        }
    }
}

impl KindOf for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Read(_)
            | Self::Write(_)
            | Self::Path { .. }
            | Self::NoSpace { .. }
            | Self::Changed => Kind::Internal,
            Self::NotFound { .. } => Kind::NotFound,
            Self::Decompress { .. }
            | Self::Compression { .. }
            | Self::Malformed { .. }
            | Self::OverLimit { .. }
            | Self::Escape { .. }
            | Self::Whiteout { .. }
            | Self::LinkTarget { .. }
            | Self::Unsupported { .. }
            | Self::DirectoryByOther { .. }
            | Self::OtherByDirectory { .. }
            | Self::NotADirectory => Kind::InvalidParameter,
        }
    }
}
