//! The tar format: entries in ([`Reader`]) and out ([`Writer`]).
//!
//! Read: v7, ustar, GNU (long names, base-256 numbers, sparse), pax (local and global
//! headers, sub-second times, `SCHILY.xattr.*`, sparse 0.0, 0.1 and 1.0).
//! Written: ustar, with a pax header for what does not fit.

mod assemble;
mod block;
mod entry;
mod number;
mod pax;
mod reader;
mod sparse;
mod writer;

pub use entry::{Entry, EntryKind, Time};
pub use reader::Reader;
pub(crate) use reader::over;
pub use writer::Writer;

/// Everything in a tar comes in blocks of this many bytes.
pub(crate) const BLOCK: usize = 512;

/// Bytes that fill the last block of `length` bytes.
pub(crate) fn padding(length: u64) -> u64 {
    length.wrapping_neg() % BLOCK as u64
}
