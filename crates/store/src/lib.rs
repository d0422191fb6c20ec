//! Crash-safe versioned records: what the daemon remembers.
//!
//! Purpose: JSON records by kind and key in one SQLite file, each with the version of its
//! shape, changed in transactions that are durable when they return; and JSON files that
//! are replaced atomically, for what shall also stand beside the data it describes.
//!
//! Entry points: [`Store::open`], [`Store::transaction`], [`Record`], [`replace_json`].
//!
//! Invariants: WAL with `synchronous=FULL` (a committed transaction survives a power cut);
//! a file of a newer format is refused unread; a record of an older version is brought up
//! when it is read and stored in its new form when it is next written. Calls block for a
//! disk flush: 0.2 to 0.4 ms each on a good disk, so callers on an async runtime use a
//! blocking pool, and put what belongs together into one transaction.
//!
//! Never knows: what a record means.
//!
//! SQLite's write-ahead log: <https://www.sqlite.org/wal.html>
#![forbid(unsafe_code)]

mod error;
mod json_file;
mod record;
mod reserve;
mod store;
mod transaction;

pub use error::StoreError;
pub use json_file::{clear_unfinished, read_json, replace_json};
pub use record::Record;
pub use store::{FORMAT_VERSION, Store};
pub use transaction::Transaction;

/// Of the file and of those beside it: nobody but root reads them.
const MODE: u32 = 0o600;
