//! Multipart uploads that are under way, noted in the bucket.
//!
//! ```text
//! begin ──> note ──> parts ──> complete or abort ──> note gone
//!             └── killed: parts that no list of objects shows, found by their note
//! multiparts/<number>   the key that is written, a line feed, the service's identifier
//! ```
//! A service keeps (and bills) the parts of an upload that nobody ended. The crate that we
//! speak to it with cannot list them, so each is noted before its first part is sent, and
//! notes of [`MULTIPART_AGE`] are a dead replica's. Nothing has to be set up at the bucket.

use super::{Bucket, found, number, refused};
use crate::{error::Result, layout, limits::MULTIPART_AGE};
use object_store::{MultipartId, multipart::MultipartStore};

/// Bytes of a note: a key of 1024 bytes and the longest identifiers seen, several times.
const NOTE_BYTES: u64 = 16 << 10;

/// An upload that was begun and noted.
pub(super) struct Multipart {
    pub id: MultipartId,
    note: String,
}

impl Bucket {
    /// Begins a multipart upload of `key`.
    pub(super) async fn begin_multipart(&self, key: &str) -> Result<Multipart> {
        let begun = self.store.create_multipart(&self.path(key)).await;
        let id = begun.map_err(|e| refused("writing", key, e))?;
        let note = format!("{}/{}", layout::MULTIPARTS, number()?);
        self.write(&note, format!("{key}\n{id}").into()).await?;
        Ok(Multipart { id, note })
    }

    /// Forgets an upload that has its end. What stays noted is looked after later.
    pub(super) async fn forget_multipart(&self, upload: &Multipart) {
        if let Err(error) = self.remove(&upload.note).await {
            let error = corten_base::chain(&error);
            tracing::warn!(note = upload.note, error, "a note stays in the bucket");
        }
    }

    /// Aborts an upload that shall not become an object.
    pub(super) async fn abort_multipart(&self, key: &str, upload: &Multipart) {
        let aborted = self
            .store
            .abort_multipart(&self.path(key), &upload.id)
            .await;
        match found("aborting", key, aborted) {
            Ok(_) => self.forget_multipart(upload).await,
            // The note stays, and with it the next attempt.
            Err(error) => {
                let error = corten_base::chain(&error);
                tracing::warn!(key, error, "parts of an upload stay in the bucket for now");
            }
        }
    }

    /// Aborts what killed replicas have left; gives how many there were.
    pub(in crate::storage) async fn abort_dead_multiparts(&self) -> Result<u64> {
        let mut aborted = 0;
        for entry in self.entries(layout::MULTIPARTS).await? {
            if entry.stat.age() <= MULTIPART_AGE {
                continue;
            }
            let note = format!("{}/{}", layout::MULTIPARTS, entry.name);
            let Some(text) = self.read(&note, NOTE_BYTES).await? else {
                continue;
            };
            let text = String::from_utf8_lossy(&text);
            if let Some((key, id)) = text.split_once('\n') {
                let path = self.path(key);
                let gone = self.store.abort_multipart(&path, &id.to_owned()).await;
                // Of one that was completed or aborted the service knows nothing any more.
                aborted += u64::from(found("aborting", key, gone)?.is_some());
            }
            self.remove(&note).await?;
        }
        Ok(aborted)
    }
}
