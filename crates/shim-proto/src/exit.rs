//! How a process ended, and the file that remembers it.

use corten_base::{Id, Kind, KindOf, Timestamp};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// The exit code, 0 to 255; 128 + n when signal n ended the process.
    pub code: u8,
    /// Whether the kernel killed a process of the container for lack of memory.
    #[serde(default)]
    pub oom_killed: bool,
    /// When the process was reaped.
    pub at: Timestamp,
}

/// The content of `exit.json`, which the shim makes durable before it tells anyone
/// that the container ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitRecord {
    /// The container.
    pub id: Id,
    /// Its first process.
    pub pid: u32,
    /// When its program was executed: tells this run's record from an older one's.
    pub started_at: Timestamp,
    /// How it ended.
    #[serde(flatten)]
    pub exit: Exit,
}

/// The record could not be read.
#[derive(Debug, Error)]
pub enum ExitFileError {
    /// The file is there and cannot be read.
    #[error("reading {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is there and is no record.
    #[error("parsing {path}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
}

impl KindOf for ExitFileError {
    fn kind(&self) -> Kind {
        Kind::Internal
    }
}

impl ExitRecord {
    /// The file's name in the container's directory.
    pub const FILE_NAME: &'static str = "exit.json";

    /// Reads the record of the container whose directory is given; `None` where none is.
    pub fn read(directory: &Path) -> Result<Option<Self>, ExitFileError> {
        let path = directory.join(Self::FILE_NAME);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(ExitFileError::Read { path, source }),
        };
        match serde_json::from_slice(&bytes) {
            Ok(record) => Ok(Some(record)),
            Err(source) => Err(ExitFileError::Parse { path, source }),
        }
    }
}
