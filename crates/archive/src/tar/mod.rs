//! The tar format: entries in ([`Reader`]) and out ([`Writer`]).
//!
//! Read: v7, ustar, GNU (long names, base-256 numbers, sparse), pax (local and global
//! headers, sub-second times, `SCHILY.xattr.*`, sparse 0.0, 0.1 and 1.0).
//! Written: ustar, with a pax header for what does not fit.

mod entry;
mod reader;
mod writer;

pub use entry::{Entry, EntryKind, Time};
pub use reader::Reader;
pub use writer::Writer;
