//! Records on their way to the logger, the small process that speaks to a receiver.
//!
//! ```text
//! shim                                  corten-logger           receiver
//!  │ ── configuration (length, JSON) ──▶ │ ── connect ─────────▶ │
//!  │ ◀─ verdict (length, sentence) ───── │                       │
//!  │ ── record ─ record ─ record … ────▶ │ ── its own protocol ▶ │
//!  │ ── end of the stream ─────────────▶ │   sends what it has and exits
//! ```
//!
//! All numbers are little-endian. An empty verdict is the consent to begin; else it is
//! the sentence that the container's start fails with.

mod receive;
mod send;

pub use receive::{ReceivedRecord, Receiver};
pub use send::{Overflow, RemoteWriter};

use crate::options::RemoteDriver;
use corten_base::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};

/// The longest configuration or verdict; labels are a part of it.
const MAX_TEXT_BYTES: u32 = 4 << 20;

/// Before every record: stream, flags, two zero bytes, ordinal, seconds, nanoseconds,
/// length.
const HEADER_BYTES: usize = 24;

/// The line goes on in the next record of its stream.
const PARTIAL: u8 = 1;
/// The line was begun in an earlier record.
const CONTINUED: u8 = 2;

/// Everything the logger must know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteConfig {
    /// Where to and how.
    pub driver: RemoteDriver,
    /// Whose output it is.
    pub source: Source,
}

/// The container whose output is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The full ID.
    pub container_id: String,
    /// Without a slash.
    pub container_name: String,
    /// With its algorithm.
    pub image_id: String,
    /// As the user wrote it.
    pub image_name: String,
    /// What runs, with its arguments.
    pub command: String,
    /// When the container was made, RFC 3339.
    pub created: String,
    /// The expanded `tag`.
    pub tag: String,
    /// The chosen labels and variables.
    pub extra: BTreeMap<String, String>,
}

/// What a record's line is a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// The same for all parts of one line, and different from every other line's.
    pub line: Timestamp,
    /// Counted from 1.
    pub ordinal: u32,
    /// Whether the line ends here.
    pub last: bool,
}

/// Writes a text with its length before it.
pub fn write_text(mut stream: impl Write, text: &[u8]) -> io::Result<()> {
    let length = u32::try_from(text.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    stream.write_all(&length.to_le_bytes())?;
    stream.write_all(text)
}

/// Reads what [`write_text`] wrote.
pub fn read_text(mut stream: impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if length > MAX_TEXT_BYTES {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut text = vec![0; length as usize];
    stream.read_exact(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests;
