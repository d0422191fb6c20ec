//! Blobs on their way in.
//!
//! ```text
//!  begin ──> append* ──> finish ──> blob, linked
//!              │            │ wrong digest: the upload is gone
//!              └── cancel, or [`UPLOAD_AGE`] without a byte
//! ```
//! An upload's bytes and its repository lie in the storage; the state of its hash is kept
//! in memory where one process has seen all bytes, else they are hashed again at the end.

use crate::{
    error::{Code, Error, Result},
    layout,
    limits::{BLOB_BYTES, HASHERS, UPLOAD_WAIT},
    name::RepositoryName,
    registry::Registry,
    storage::{ByteStream, Parts, Sum},
};
use corten_oci::{Algorithm, Digest, Hasher};
use futures_util::TryStreamExt;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

/// Uploads this process works on.
#[derive(Default)]
pub(crate) struct Uploads {
    // Lock: held for look-ups only.
    known: Mutex<HashMap<String, Arc<AsyncMutex<Known>>>>,
}

/// What memory knows of an upload.
#[derive(Default)]
pub(crate) struct Known {
    /// The hash of everything up to its offset.
    sum: Option<Sum>,
}

/// An identifier of an upload: 32 hexadecimal digits.
pub(crate) fn is_identifier(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// The name of the object that says which repository an upload is for.
fn owner(upload: &str) -> String {
    format!("{}/repository", layout::upload(upload))
}

impl Uploads {
    async fn lock(&self, upload: &str) -> Result<OwnedMutexGuard<Known>> {
        let entry = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if known.len() >= HASHERS && !known.contains_key(upload) {
                // Those nobody works on are hashed again if they go on.
                known.retain(|_, entry| Arc::strong_count(entry) > 1);
            }
            Arc::clone(known.entry(upload.to_owned()).or_default())
        };
        let waited = tokio::time::timeout(UPLOAD_WAIT, entry.lock_owned()).await;
        waited.map_err(|_| {
            Error::at(
                Code::BlobUploadInvalid,
                http::StatusCode::CONFLICT,
                "another request is writing this upload",
            )
        })
    }

    fn forget(&self, upload: &str) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(upload);
    }
}

impl Registry {
    /// Begins an upload.
    pub(crate) async fn begin_upload(
        &self,
        repository: &RepositoryName,
        algorithm: Algorithm,
    ) -> Result<String> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| Error::Storage {
            operation: "naming",
            key: "an upload".into(),
            source: std::io::Error::other(error),
        })?;
        let upload = hex::encode(bytes);
        let name = repository.as_str().to_owned();
        self.0.storage.write(&owner(&upload), name.into()).await?;
        let mut known = self.0.uploads.lock(&upload).await?;
        known.sum = Some(Sum::starting(Hasher::new(algorithm), Parts::default()));
        Ok(upload)
    }

    /// Refuses an upload that is not this repository's.
    async fn check_owner(&self, repository: &RepositoryName, upload: &str) -> Result<()> {
        let unknown = || Error::code(Code::BlobUploadUnknown);
        if !is_identifier(upload) {
            return Err(unknown());
        }
        let name = self.0.storage.read(&owner(upload), 4096).await?;
        match name.is_some_and(|name| name == repository.as_str()) {
            true => Ok(()),
            false => Err(unknown()),
        }
    }

    /// How many bytes an upload has.
    pub(crate) async fn upload_offset(
        &self,
        repository: &RepositoryName,
        upload: &str,
    ) -> Result<u64> {
        self.check_owner(repository, upload).await?;
        Ok(self.0.storage.upload_parts(upload).await?.size)
    }

    /// Adds bytes at `at`, or at the end; gives the new end.
    pub(crate) async fn append(
        &self,
        repository: &RepositoryName,
        upload: &str,
        at: Option<u64>,
        stream: ByteStream,
    ) -> Result<u64> {
        self.check_owner(repository, upload).await?;
        let (this, upload) = (self.clone(), upload.to_owned());
        to_its_end(async move {
            let mut known = this.0.uploads.lock(&upload).await?;
            let appended = this.append_locked(&upload, at, stream, &mut known);
            Ok(appended.await?.size)
        })
        .await
    }

    async fn append_locked(
        &self,
        upload: &str,
        at: Option<u64>,
        stream: ByteStream,
        known: &mut Known,
    ) -> Result<Parts> {
        let storage = &self.0.storage;
        let parts = storage.upload_parts(upload).await?;
        if at.is_some_and(|at| at != parts.size) {
            return Err(Error::at(
                Code::BlobUploadInvalid,
                http::StatusCode::RANGE_NOT_SATISFIABLE,
                format!("the upload goes on at byte {}", parts.size),
            ));
        }
        let fits = known.sum.take().filter(|sum| sum.parts == parts);
        let mut sum = fits.unwrap_or_else(|| Sum::starting(Hasher::sha256(), parts));
        let appended = storage
            .upload_append(upload, stream, &mut sum, BLOB_BYTES)
            .await;
        let parts = sum.parts.clone();
        // A hash of the end alone is of no use.
        known.sum = Some(sum).filter(|sum| sum.from == 0);
        appended.map(|()| parts)
    }

    /// Ends an upload with its last bytes; the blob is the repository's then.
    pub(crate) async fn finish_upload(
        &self,
        repository: &RepositoryName,
        upload: &str,
        digest: &Digest,
        at: Option<u64>,
        last: ByteStream,
    ) -> Result<u64> {
        self.check_owner(repository, upload).await?;
        let (this, repository) = (self.clone(), repository.clone());
        let (upload, digest) = (upload.to_owned(), digest.clone());
        to_its_end(async move {
            this.finish_locked(&repository, &upload, &digest, at, last)
                .await
        })
        .await
    }

    async fn finish_locked(
        &self,
        repository: &RepositoryName,
        upload: &str,
        digest: &Digest,
        at: Option<u64>,
        last: ByteStream,
    ) -> Result<u64> {
        let mut known = self.0.uploads.lock(upload).await?;
        let parts = self.append_locked(upload, at, last, &mut known).await?;
        let found = self.upload_sum(upload, &parts, digest, &mut known).await?;
        if found != *digest {
            self.0.storage.upload_remove(upload).await?;
            self.0.uploads.forget(upload);
            return Err(Error::code(Code::DigestInvalid));
        }
        // The link first: a collector that sees it leaves the bytes alone.
        let key = layout::link(repository, digest);
        self.0.storage.write(&key, bytes::Bytes::new()).await?;
        self.wait_for_removal(digest).await?;
        let blob = layout::blob(digest);
        let there = self.0.storage.stat(&blob).await?;
        match there.filter(|stat| stat.size == parts.size) {
            Some(_) => self.0.storage.upload_remove(upload).await?,
            None => {
                let storage = &self.0.storage;
                storage.upload_commit(upload, &parts, &blob).await?;
            }
        }
        self.0.uploads.forget(upload);
        Ok(parts.size)
    }

    /// The digest of these bytes of an upload, in the algorithm of `wanted`.
    async fn upload_sum(
        &self,
        upload: &str,
        parts: &Parts,
        wanted: &Digest,
        known: &mut Known,
    ) -> Result<Digest> {
        if let Some(sum) = known.sum.take().filter(|sum| sum.parts == *parts) {
            let found = sum.hasher.finish();
            if found.algorithm() == wanted.algorithm() {
                return Ok(found);
            }
        }
        let noted = self.0.storage.upload_digest(upload, parts).await?;
        if let Some(noted) = noted.filter(|noted| noted.algorithm() == wanted.algorithm()) {
            return Ok(noted);
        }
        let mut hasher = wanted.hasher();
        let mut stream = self.0.storage.upload_open(upload, parts).await?;
        let failed = |source| Error::Storage {
            operation: "reading",
            key: layout::upload(upload),
            source,
        };
        while let Some(bytes) = stream.try_next().await.map_err(failed)? {
            hasher.update(&bytes);
        }
        Ok(hasher.finish())
    }

    /// Gives an upload up.
    pub(crate) async fn cancel_upload(
        &self,
        repository: &RepositoryName,
        upload: &str,
    ) -> Result<()> {
        self.check_owner(repository, upload).await?;
        self.0.storage.upload_remove(upload).await?;
        self.0.uploads.forget(upload);
        Ok(())
    }
}

/// Runs what holds an upload's lock to its end, also when the client has gone: a write that
/// is on its way would land behind the lock, in bytes that somebody else has hashed by then.
async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    match tokio::spawn(work).await {
        Ok(done) => done,
        Err(panicked) => Err(Error::Storage {
            operation: "writing",
            key: "an upload".into(),
            source: std::io::Error::other(panicked),
        }),
    }
}
