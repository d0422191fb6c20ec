//! The store's directories, and reading from them.

use crate::{Error, Finished, Ingest, Result, error::On};
use corten_oci::Digest;
use std::{
    collections::{HashMap, HashSet},
    fs::{self, DirBuilder, File},
    io::{ErrorKind, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, atomic::AtomicU64},
    time::{Duration, Instant, SystemTime},
};

/// Partial blobs that nobody went on with for this long are removed at start: a week, so
/// that a pull interrupted on Friday resumes on Monday.
const PARTIAL_MAX_AGE: Duration = Duration::from_secs(7 * 24 * 3600);

/// A blob that the store has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// Its name.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

/// Blobs by digest in a directory. Cheap to clone; all clones are one store.
#[derive(Clone)]
pub struct ContentStore {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub blobs: PathBuf,
    pub ingest: PathBuf,
    pub next: AtomicU64,
    state: Mutex<State>,
    /// Told whenever a digest leaves `State::writing` or `State::removing`.
    pub freed: Condvar,
}

#[derive(Default)]
pub(crate) struct State {
    /// Digests that an [`Ingest`] or [`Finished`] of this process stands for.
    pub writing: HashSet<Digest>,
    /// Digests whose file a collection or `delete` is removing right now.
    pub removing: HashSet<Digest>,
    /// What each lease holds.
    pub leases: HashMap<u64, HashSet<Digest>>,
    /// For each running collection: what leases gave up since it began.
    pub spared: HashMap<u64, HashSet<Digest>>,
}

impl Inner {
    pub fn state(&self) -> MutexGuard<'_, State> {
        // The state is valid between any two statements, so a panic elsewhere spoils nothing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.blobs
            .join(digest.algorithm().as_str())
            .join(digest.hex())
    }

    pub fn partial(&self, digest: &Digest) -> PathBuf {
        self.ingest
            .join(format!("{}-{}", digest.algorithm().as_str(), digest.hex()))
    }
}

impl ContentStore {
    /// Opens the store in `directory`, which is made if missing, and removes what an
    /// earlier process left half written, except partial blobs that can be resumed.
    pub fn open(directory: &Path) -> Result<Self> {
        let blobs = directory.join("blobs");
        let ingest = directory.join("ingest");
        for path in [&blobs.join("sha256"), &blobs.join("sha512"), &ingest] {
            // CVE-2021-41091: nobody but root may look into the store.
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(path)
                .on("creating", path)?;
        }
        let inner = Inner {
            blobs,
            ingest,
            // Never a name that an earlier opening, still letting go, may remove.
            next: AtomicU64::new(corten_base::Timestamp::now().unix_nanoseconds() as u64),
            state: Mutex::default(),
            freed: Condvar::new(),
        };
        let store = Self {
            inner: Arc::new(inner),
        };
        store.clean()?;
        Ok(store)
    }

    /// Removes ingests without a known digest, those whose blob arrived another way, and
    /// those too old to be of use.
    fn clean(&self) -> Result<()> {
        let directory = &self.inner.ingest;
        for file in fs::read_dir(directory).on("reading", directory)? {
            let file = file.on("reading", directory)?;
            let name = file.file_name();
            let digest = name
                .to_str()
                .and_then(|name| name.replacen('-', ":", 1).parse::<Digest>().ok());
            let age = |modified: SystemTime| modified.elapsed().unwrap_or_default();
            let metadata = file.metadata().on("reading", &file.path())?;
            let keep = digest.is_some_and(|digest| !self.inner.path(&digest).exists())
                && metadata
                    .modified()
                    .is_ok_and(|modified| age(modified) < PARTIAL_MAX_AGE);
            if !keep {
                fs::remove_file(file.path()).on("removing", &file.path())?;
            }
        }
        Ok(())
    }

    /// The blob, if the store has it.
    pub fn blob(&self, digest: &Digest) -> Result<Option<Blob>> {
        let path = self.inner.path(digest);
        match fs::metadata(&path) {
            Ok(metadata) => Ok(Some(Blob {
                digest: digest.clone(),
                size: metadata.len(),
            })),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).on("reading", &path),
        }
    }

    /// Whether the store has the blob.
    pub fn exists(&self, digest: &Digest) -> Result<bool> {
        Ok(self.blob(digest)?.is_some())
    }

    /// The blob's size in bytes.
    pub fn size(&self, digest: &Digest) -> Result<u64> {
        let missing = || Error::NotFound {
            digest: digest.clone(),
        };
        Ok(self.blob(digest)?.ok_or_else(missing)?.size)
    }

    /// Opens a blob for reading. The bytes were verified when they came in; they are not
    /// again.
    pub fn open_blob(&self, digest: &Digest) -> Result<File> {
        let path = self.inner.path(digest);
        File::open(&path).map_err(|source| match source.kind() {
            ErrorKind::NotFound => Error::NotFound {
                digest: digest.clone(),
            },
            _ => Error::File {
                operation: "opening",
                path,
                source,
            },
        })
    }

    /// A small blob's bytes, verified against the digest; for manifests and configurations.
    pub fn read(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>> {
        let file = self.open_blob(digest)?;
        let mut bytes = Vec::new();
        let path = self.inner.path(digest);
        file.take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .on("reading", &path)?;
        if bytes.len() as u64 > limit {
            return Err(Error::TooLarge { limit });
        }
        let mut hasher = digest.hasher();
        hasher.update(&bytes);
        let found = hasher.finish();
        match found == *digest {
            true => Ok(bytes),
            false => Err(Error::WrongDigest {
                found,
                expected: digest.clone(),
            }),
        }
    }

    /// Stores `bytes` durably and gives their SHA-256.
    pub fn put(&self, bytes: &[u8]) -> Result<Blob> {
        let digest = Digest::of(bytes);
        if let Some(blob) = self.blob(&digest)? {
            return Ok(blob);
        }
        let mut ingest = Ingest::unknown(self, bytes.len() as u64)?;
        let path = self.inner.path(&digest);
        ingest.write_all(bytes).on("writing", &path)?;
        ingest.commit()
    }

    /// Makes several finished ingests durable together: one flush of the file system for
    /// all their data, then the names, then the directories.
    pub fn commit(&self, finished: Vec<Finished>) -> Result<Vec<Blob>> {
        if !finished.is_empty() {
            let directory = File::open(&self.inner.ingest).on("opening", &self.inner.ingest)?;
            corten_base::step("blob.flush");
            rustix::fs::syncfs(&directory).on("flushing", &self.inner.ingest)?;
        }
        self.commit_flushed(finished)
    }

    /// As [`ContentStore::commit`], without the flush: the caller has flushed the whole file
    /// system ([`ContentStore::device`]) since the last of them was finished.
    pub fn commit_flushed(&self, finished: Vec<Finished>) -> Result<Vec<Blob>> {
        let mut algorithms = HashSet::new();
        let mut blobs = Vec::with_capacity(finished.len());
        for mut one in finished {
            algorithms.insert(one.blob().digest.algorithm());
            blobs.push(one.rename()?);
        }
        for algorithm in algorithms {
            sync_directory(&self.inner.blobs.join(algorithm.as_str()))?;
        }
        Ok(blobs)
    }

    /// The number of the file system that the store lies on (stat(2), st_dev).
    pub fn device(&self) -> Result<u64> {
        let directory = &self.inner.ingest;
        Ok(fs::metadata(directory).on("looking at", directory)?.dev())
    }

    /// Every blob of the store, in no order.
    pub fn walk(&self) -> Result<Vec<Blob>> {
        let mut blobs = Vec::new();
        for algorithm in ["sha256", "sha512"] {
            let directory = self.inner.blobs.join(algorithm);
            for file in fs::read_dir(&directory).on("reading", &directory)? {
                let file = file.on("reading", &directory)?;
                let name = file.file_name();
                let digest = name
                    .to_str()
                    .and_then(|hex| format!("{algorithm}:{hex}").parse().ok());
                match (digest, file.metadata()) {
                    (Some(digest), Ok(metadata)) => blobs.push(Blob {
                        digest,
                        size: metadata.len(),
                    }),
                    // Removed since the directory was read, or not ours.
                    _ => continue,
                }
            }
        }
        Ok(blobs)
    }

    /// Removes a blob whatever holds it; for a blob found damaged. True if it was there.
    pub fn delete(&self, digest: &Digest) -> Result<bool> {
        let path = self.inner.path(digest);
        corten_base::step("blob.remove");
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error).on("removing", &path),
        }
    }

    /// Waits until nobody writes the blob; false if `timeout` passed first.
    pub fn wait_free(&self, digest: &Digest, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        let mut state = self.inner.state();
        while state.writing.contains(digest) {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                return false;
            };
            state = match self.inner.freed.wait_timeout(state, left) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
        true
    }
}

/// Makes renames into a directory durable.
pub(crate) fn sync_directory(path: &Path) -> Result<()> {
    let directory = File::open(path).on("opening", path)?;
    directory.sync_all().on("flushing", path)
}
