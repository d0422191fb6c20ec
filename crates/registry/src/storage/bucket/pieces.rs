//! Uploads in a bucket: a row of pieces, one for each request.
//!
//! ```text
//! uploads/<upload>/pieces/<offset>-<number>   bytes from this offset on
//! uploads/<upload>/digest                     size, digest and pieces of what one replica saw whole
//! ```
//! A piece is written once, under a name that nobody else has: two replicas that take bytes
//! for the same place of an upload make two pieces, and what was hashed is what becomes the
//! blob, whatever lies beside it. No write of ours is conditional, so any store will do.

use super::{
    Bucket, found, number,
    parts::{Cut, part_bytes},
    refused,
};
use crate::{
    error::{Error, Result},
    layout,
    limits::{COPY_BYTES, PART_BYTES},
    storage::{ByteStream, Parts, Sum, failed, past_limit},
};
use bytes::Bytes;
use corten_oci::Digest;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectStore, ObjectStoreExt};
use std::io;

/// Where a piece of an upload begins, in its name: digits enough for any offset, so that
/// names sort as numbers.
const OFFSET_DIGITS: usize = 16;

/// Bytes of a note: a row of pieces that needs more is hashed again.
const NOTE_BYTES: u64 = 1 << 20;

impl Bucket {
    pub(in crate::storage) async fn upload_parts(&self, upload: &str) -> Result<Parts> {
        let mut parts = Parts::default();
        for entry in self.entries(&pieces(upload)).await? {
            // What does not join on to what is before it was left by a request that lost.
            let offset = entry.name.split('-').next().unwrap_or_default();
            if offset.parse() == Ok(parts.size) && entry.stat.size > 0 {
                parts.size += entry.stat.size;
                parts.pieces.push((entry.name, entry.stat.size));
            }
        }
        Ok(parts)
    }

    pub(in crate::storage) async fn upload_append(
        &self,
        upload: &str,
        stream: ByteStream,
        sum: &mut Sum,
        limit: u64,
    ) -> Result<()> {
        let stream = stream.map_err(|error| Error::Body(error.to_string()));
        let mut cut = Cut::new(stream.boxed(), PART_BYTES);
        loop {
            let name = format!("{:0OFFSET_DIGITS$}-{}", sum.parts.size, number()?);
            let key = format!("{}/{name}", pieces(upload));
            let mut hasher = sum.hasher.clone();
            let mut end = sum.parts.size;
            let write = self.write_cut(&key, &mut cut, self.piece_bytes, |bytes| {
                hasher.update(bytes);
                end += bytes.len() as u64;
                match end > limit {
                    true => Err(past_limit(limit)),
                    false => Ok(()),
                }
            });
            let size = write.await?;
            if size > 0 {
                sum.hasher = hasher;
                sum.parts.size += size;
                sum.parts.pieces.push((name, size));
            }
            if size < self.piece_bytes {
                break;
            }
        }
        self.note(upload, sum).await
    }

    /// For a replica that did not see all bytes and shall end the upload.
    async fn note(&self, upload: &str, sum: &Sum) -> Result<()> {
        if sum.from > 0 || sum.parts.size == 0 {
            return Ok(());
        }
        let digest = sum.hasher.clone().finish();
        let note = format!("{digest} {}", sum.parts.names());
        self.write(&noted(upload), note.into()).await
    }

    pub(in crate::storage) async fn upload_open(
        &self,
        upload: &str,
        parts: &Parts,
    ) -> Result<ByteStream> {
        let mut streams = Vec::new();
        for (name, size) in parts.pieces.clone() {
            let key = format!("{}/{name}", pieces(upload));
            let this = self.clone();
            streams.push(async move {
                this.read_stream(&key, 0..size)
                    .await
                    .map_err(io::Error::other)
            });
        }
        Ok(stream::iter(streams)
            .then(|opening| opening)
            .try_flatten()
            .boxed())
    }

    pub(in crate::storage) async fn upload_digest(
        &self,
        upload: &str,
        parts: &Parts,
    ) -> Result<Option<Digest>> {
        let Some(note) = self.read(&noted(upload), NOTE_BYTES).await? else {
            return Ok(None);
        };
        let note = String::from_utf8_lossy(&note);
        let fits = note.split_once(' ').filter(|(_, of)| *of == parts.names());
        Ok(fits.and_then(|(digest, _)| digest.parse().ok()))
    }

    pub(in crate::storage) async fn upload_commit(
        &self,
        upload: &str,
        parts: &Parts,
        key: &str,
    ) -> Result<()> {
        match &parts.pieces[..] {
            [] => self.write(key, Bytes::new()).await?,
            [(name, size)] if *size <= COPY_BYTES => {
                let from = self.path(&format!("{}/{name}", pieces(upload)));
                let copied = self.store.copy(&from, &self.path(key)).await;
                copied.map_err(|e| refused("copying", key, e))?;
            }
            _ => {
                let stream = self.upload_open(upload, parts).await?;
                let stream = stream.map_err(|e| failed("reading", key, e)).boxed();
                let mut cut = Cut::new(stream, part_bytes(parts.size));
                self.write_cut(key, &mut cut, u64::MAX, |_| Ok(())).await?;
            }
        }
        self.upload_remove(upload).await
    }

    pub(in crate::storage) async fn upload_remove(&self, upload: &str) -> Result<()> {
        let prefix = self.path(&layout::upload(upload));
        let objects = self.store.list(Some(&prefix)).map_ok(|meta| meta.location);
        let removed = self.store.delete_stream(objects.boxed());
        let removed = removed.try_for_each(|_| async { Ok(()) }).await;
        found("removing", upload, removed).map(drop)
    }
}

fn pieces(upload: &str) -> String {
    format!("{}/pieces", layout::upload(upload))
}

fn noted(upload: &str) -> String {
    format!("{}/digest", layout::upload(upload))
}
