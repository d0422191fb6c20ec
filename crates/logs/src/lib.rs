//! Log drivers: writing a container's output, rotating it, reading it back.
//!
//! Purpose: the shim writes files with [`JsonFileWriter`] and hands records for a receiver
//! elsewhere to a logger process with [`remote::RemoteWriter`]; the engine checks a
//! container's log options with [`options::parse`] and reads files with [`Reader`]. The
//! files are Docker's json-file format byte for byte, so that what reads Docker's logs
//! reads these; `local` and the files that remote drivers are read back from are the same
//! under other names.
//!
//! Entry points: [`options::parse`], [`JsonFileWriter::open`], [`Reader::open`],
//! [`remote::RemoteWriter`] and its other end [`remote::Receiver`].
//!
//! Invariants:
//! - A record is one line and is written whole; a batch of records is one write(2). A
//!   torn last line, which a crash or a full disk may leave, is never shown, and cut off
//!   when the file is opened for writing again.
//! - Rotation renames or unlinks, so a reader that holds a file reads it to its end.
//! - A line of more than [`MAX_LINE_BYTES`] becomes several records, of which only the
//!   last ends with a newline.
//!
//! - No writer waits for a receiver: what cannot be sent is kept within a bound, and the
//!   shim asks whether the container has to wait ([`remote::RemoteWriter::is_full`]).
//!
//! Never knows: HTTP, the engine, the protocols of receivers (`corten-logger` does).
//!
//! Format: <https://docs.docker.com/engine/logging/drivers/json-file/>
#![forbid(unsafe_code)]

mod error;
mod escape;
mod messages;
pub mod options;
mod read;
pub mod remote;
mod stamp;
mod write;

pub use error::{LogError, OptionError};
pub use options::{FileOptions, LogOptions, RemoteDriver, RemoteOptions, Selection};
pub use read::{Progress, ReadOptions, Reader, Record};
pub use write::{JsonFileConfig, JsonFileWriter};

/// The longest line in one record, in bytes without its newline, as Docker cuts it.
pub const MAX_LINE_BYTES: usize = 16 << 10;

/// Which of a process's streams a record came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output, and everything of a terminal.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    /// As records name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}
