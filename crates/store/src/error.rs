//! What can go wrong with records.

use corten_base::{Kind, KindOf};
use std::path::PathBuf;
use thiserror::Error;

/// A failed operation on the store.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The file cannot be opened or set up.
    #[error("opening {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// A later Corten wrote the file.
    #[error(
        "{path} has format {found}, and this version of Corten knows formats up to {known}: start the newer version, or give another --data-root"
    )]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// A later Corten wrote this record.
    #[error("record {kind} {key:?} has version {found}, and this version of Corten knows {known}")]
    NewerRecord {
        /// Kind of the record.
        kind: &'static str,
        /// Its key.
        key: String,
        /// Its version.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// The record's JSON is not what its kind wants.
    #[error("decoding record {kind} {key:?}")]
    Decode {
        /// Kind of the record.
        kind: &'static str,
        /// Its key.
        key: String,
        /// Why.
        source: serde_json::Error,
    },
    /// The record cannot be written as JSON.
    #[error("encoding record {kind} {key:?}")]
    Encode {
        /// Kind of the record.
        kind: &'static str,
        /// Its key.
        key: String,
        /// Why.
        source: serde_json::Error,
    },
    /// An old record cannot be brought up.
    #[error("migrating record {kind} {key:?} from version {from}: {reason}")]
    Migrate {
        /// Kind of the record.
        kind: &'static str,
        /// Its key.
        key: String,
        /// Its version.
        from: u32,
        /// What was wrong with it.
        reason: String,
    },
    /// SQLite refused.
    #[error("{operation} records of kind {kind:?}")]
    Database {
        /// `reading`, `writing`, `deleting`, `committing`, `beginning`.
        operation: &'static str,
        /// Kind of the records, where it is about one.
        kind: &'static str,
        /// Why.
        source: rusqlite::Error,
    },
    /// A JSON file beside the data cannot be read or replaced.
    #[error("{operation} {path}")]
    File {
        /// `reading`, `writing`, `renaming`, `flushing`.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl StoreError {
    /// The disk is full.
    pub(crate) fn is_full(&self) -> bool {
        let Self::Database { source, .. } = self else {
            return false;
        };
        source.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
    }
}

impl KindOf for StoreError {
    fn kind(&self) -> Kind {
        Kind::Internal
    }
}
