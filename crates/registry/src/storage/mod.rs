//! Where blobs and records lie: named objects, written whole.
//!
//! Two kinds: a directory ([`Files`]) and a bucket ([`Bucket`]). Both promise the same,
//! and one conformance suite (`tests/storage.rs`) holds them to it: an object is there
//! whole or not at all; what was written is read by every later call, of any replica; a
//! write that was answered survives a power cut.

mod bucket;
mod files;

pub use bucket::Bucket;
pub use files::Files;

use crate::{Result, error::Error};
use bytes::Bytes;
use corten_oci::{Digest, Hasher};
use futures_util::stream::BoxStream;
use std::{
    fs::File,
    io,
    ops::Range,
    time::{Duration, SystemTime},
};

/// Bytes that come bit by bit.
pub type ByteStream = BoxStream<'static, io::Result<Bytes>>;

/// What is known of an object without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// In bytes.
    pub size: u64,
    /// When it was written.
    pub modified: SystemTime,
}

impl Stat {
    /// How long ago it was written; nothing for a time to come.
    pub fn age(&self) -> Duration {
        self.modified.elapsed().unwrap_or_default()
    }

    /// Whether the object has not been written since `earlier` was seen in a list. Buckets
    /// tell an object's time more exactly in a list than alone.
    pub fn is_still(&self, earlier: &Self) -> bool {
        self.modified <= earlier.modified
    }
}

/// An object in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name below the prefix that was listed.
    pub name: String,
    /// Size and time.
    pub stat: Stat,
}

/// Which bytes an upload has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parts {
    /// How many.
    pub size: u64,
    /// In a bucket: the pieces they are in, with their sizes. Empty in a directory, where
    /// they are one file.
    pub pieces: Vec<(String, u64)>,
}

impl Parts {
    /// The pieces' names in one line.
    fn names(&self) -> String {
        let names: Vec<&str> = self.pieces.iter().map(|(name, _)| name.as_str()).collect();
        names.join(" ")
    }
}

/// An upload's bytes so far and what is known of their hash.
pub struct Sum {
    /// Hashes everything from `from` up to the end of `parts`.
    pub hasher: Hasher,
    /// The first byte hashed.
    pub from: u64,
    /// What the upload has; it goes on behind that.
    pub parts: Parts,
}

impl Sum {
    /// A sum of what is added behind `parts`.
    pub fn starting(hasher: Hasher, parts: Parts) -> Self {
        Self {
            hasher,
            from: parts.size,
            parts,
        }
    }
}

/// Named objects. Names are `a/b/c` of parts that the caller has checked; none begins
/// with a dot.
pub enum Storage {
    /// A directory.
    Files(Files),
    /// An S3-compatible bucket.
    Bucket(Bucket),
}

/// Runs the same method of whichever kind it is.
macro_rules! either {
    ($storage:expr, $kind:ident => $call:expr) => {
        match $storage {
            Storage::Files($kind) => $call.await,
            Storage::Bucket($kind) => $call.await,
        }
    };
}

impl Storage {
    /// A small object's bytes, if it is there. More than `limit` bytes are an error.
    pub async fn read(&self, key: &str, limit: u64) -> Result<Option<Bytes>> {
        either!(self, s => s.read(key, limit))
    }

    /// Writes an object whole, replacing one that is there.
    pub async fn write(&self, key: &str, bytes: Bytes) -> Result<()> {
        either!(self, s => s.write(key, bytes))
    }

    /// Removes an object; tells whether it was there.
    pub async fn remove(&self, key: &str) -> Result<bool> {
        either!(self, s => s.remove(key))
    }

    /// Size and time of an object, if it is there.
    pub async fn stat(&self, key: &str) -> Result<Option<Stat>> {
        either!(self, s => s.stat(key))
    }

    /// The bytes of a range of an object that is there and that long.
    pub async fn open(&self, key: &str, range: Range<u64>) -> Result<ByteStream> {
        either!(self, s => s.read_stream(key, range))
    }

    /// The file of an object that is there; None if objects are no files.
    pub async fn open_file(&self, key: &str) -> Result<Option<File>> {
        match self {
            Self::Files(files) => files.open_file(key).await.map(Some),
            Self::Bucket(_) => Ok(None),
        }
    }

    /// The objects right below `prefix` (no slash at its end), by name.
    pub async fn entries(&self, prefix: &str) -> Result<Vec<Entry>> {
        either!(self, s => s.entries(prefix))
    }

    /// The prefixes right below `prefix`, by name.
    pub async fn directories(&self, prefix: &str) -> Result<Vec<String>> {
        either!(self, s => s.directories(prefix))
    }

    /// What an upload has.
    pub async fn upload_parts(&self, upload: &str) -> Result<Parts> {
        either!(self, s => s.upload_parts(upload))
    }

    /// Adds to an upload behind `sum.parts` and keeps the sum up to date. When the stream
    /// breaks, the upload has what came (a directory) or whole pieces of it (a bucket),
    /// and `sum` fits it.
    pub async fn upload_append(
        &self,
        upload: &str,
        stream: ByteStream,
        sum: &mut Sum,
        limit: u64,
    ) -> Result<()> {
        either!(self, s => s.upload_append(upload, stream, sum, limit))
    }

    /// Writings of an object closer than this may have the same time: a bucket tells it
    /// in seconds, and the collector compares.
    pub fn clock_grain(&self) -> Duration {
        match self {
            Self::Files(_) => Duration::ZERO,
            Self::Bucket(_) => Duration::from_secs(2),
        }
    }

    /// These bytes of an upload, to be hashed.
    pub async fn upload_open(&self, upload: &str, parts: &Parts) -> Result<ByteStream> {
        either!(self, s => s.upload_open(upload, parts))
    }

    /// The digest that [`Storage::upload_append`] has noted for these very bytes, if it
    /// could.
    pub async fn upload_digest(&self, upload: &str, parts: &Parts) -> Result<Option<Digest>> {
        either!(self, s => s.upload_digest(upload, parts))
    }

    /// Makes these bytes of an upload the object `key`, durably, replacing one that is
    /// there, and ends the upload.
    pub async fn upload_commit(&self, upload: &str, parts: &Parts, key: &str) -> Result<()> {
        either!(self, s => s.upload_commit(upload, parts, key))
    }

    /// Gives up what replicas that died had begun to write in parts, and tells how much
    /// that was; a directory has no such thing.
    pub async fn abort_dead_multiparts(&self) -> Result<u64> {
        match self {
            Self::Files(_) => Ok(0),
            Self::Bucket(bucket) => bucket.abort_dead_multiparts().await,
        }
    }

    /// Removes an upload with all its bytes.
    pub async fn upload_remove(&self, upload: &str) -> Result<()> {
        either!(self, s => s.upload_remove(upload))
    }
}

fn failed(operation: &'static str, key: &str, source: io::Error) -> Error {
    Error::Storage {
        operation,
        key: key.to_owned(),
        source,
    }
}

fn too_large(key: &str, limit: u64) -> Error {
    Error::Damaged {
        key: key.to_owned(),
        reason: format!("larger than {limit} bytes"),
    }
}

fn past_limit(limit: u64) -> Error {
    Error::at(
        crate::Code::SizeInvalid,
        http::StatusCode::PAYLOAD_TOO_LARGE,
        format!("a blob may have at most {limit} bytes"),
    )
}
