//! Entries out of a stream.

use super::Entry;
use crate::{Error, Limits, Result};
use std::io::Read;

/// Reads the members of an uncompressed archive, one after the other.
///
/// After [`Reader::next_entry`] gave a regular file, [`Reader::read_data`] gives its
/// bytes (of a sparse file the parts', joined); what is not read is skipped.
pub struct Reader<R> {
    inner: R,
    limits: Limits,
}

impl<R: Read> Reader<R> {
    /// Reads from `inner`, which should hand out large pieces.
    pub fn new(inner: R, limits: Limits) -> Self {
        Self { inner, limits }
    }

    /// The next member, or none after the end of the archive.
    ///
    /// Fails with [`Error::Malformed`] or [`Error::OverLimit`]; the reader is of no use
    /// afterwards.
    pub fn next_entry(&mut self) -> Result<Option<Entry>> {
        let _ = &self.limits;
        Ok(None)
    }

    /// Fills `buffer` from the current member's data; 0 at its end.
    pub fn read_data(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.inner.read(buffer).map_err(Error::Read)
    }

    /// The whole data of the current member, if it is at most `limit` bytes.
    pub fn read_all(&mut self, limit: u64) -> Result<Vec<u8>> {
        let _ = limit;
        Ok(Vec::new())
    }

    /// Bytes of the archive read so far.
    pub fn offset(&self) -> u64 {
        0
    }

    /// The stream, wherever it stands.
    pub fn into_inner(self) -> R {
        self.inner
    }
}
