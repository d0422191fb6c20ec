//! A blob on its way in.
//!
//! ```text
//!  ingest() ──> Ingest ──finish──> Finished ──commit──> Blob
//!                 │ dropped           │ dropped
//!                 v                   v
//!         partial file stays (digest known) or is removed (unknown)
//! ```

use crate::{Blob, ContentStore, Error, Result, error::On, store::Inner, store::sync_directory};
use corten_oci::{Digest, Hasher};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    mem,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
};

/// A test can end the process before each piece of a blob of this size.
const STEP_BYTES: u64 = 256 << 10;

/// What shall be written.
#[derive(Debug, Clone)]
pub struct IngestRequest {
    /// The digest the bytes must have. None: found out (SHA-256), and not resumable.
    pub expected: Option<Digest>,
    /// The size announced; more bytes are refused at once, fewer at the end.
    pub size: Option<u64>,
    /// Most bytes taken.
    pub limit: u64,
}

/// How an ingest began.
pub enum Begun {
    /// The store has the blob already.
    Exists(Blob),
    /// Write it, from [`Ingest::offset`] on.
    Write(Ingest),
}

/// A blob being written. Dropped unfinished, its bytes stay for the next
/// [`ContentStore::ingest`] of the same digest.
pub struct Ingest {
    file: File,
    path: PathBuf,
    written: u64,
    hasher: Hasher,
    size: Option<u64>,
    limit: u64,
    claim: Claim,
}

/// A blob with all its bytes, verified, not yet durable; see [`ContentStore::commit`].
pub struct Finished {
    file: File,
    path: PathBuf,
    blob: Blob,
    claim: Claim,
}

/// The right to write one digest, and to remove a temporary file without one.
struct Claim {
    inner: Arc<Inner>,
    digest: Option<Digest>,
    /// An unresumable temporary file, removed when the claim ends.
    temporary: Option<PathBuf>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(path) = &self.temporary {
            // Start-up cleans what cannot be removed now.
            let _ = fs::remove_file(path);
        }
        if let Some(digest) = &self.digest {
            self.inner.state().writing.remove(digest);
            self.inner.freed.notify_all();
        }
    }
}

impl ContentStore {
    /// Begins or resumes writing a blob. Hold it with a [`crate::Lease`] first.
    ///
    /// Fails with [`Error::Busy`] while another ingest of the same digest lives.
    pub fn ingest(&self, request: &IngestRequest) -> Result<Begun> {
        let limit = request.limit;
        if let Some(size) = request.size.filter(|size| *size > limit) {
            return Err(Error::TooLarge {
                limit: limit.min(size),
            });
        }
        match &request.expected {
            None => {
                let mut ingest = Ingest::unknown(self, limit)?;
                ingest.size = request.size;
                Ok(Begun::Write(ingest))
            }
            Some(digest) => Ingest::known(self, digest, request),
        }
    }
}

impl Ingest {
    pub(crate) fn unknown(store: &ContentStore, limit: u64) -> Result<Self> {
        let number = store.inner.next.fetch_add(1, Ordering::Relaxed);
        let path = store.inner.ingest.join(format!("new-{number}"));
        corten_base::step("blob.create");
        let file = create(&path)?;
        let claim = Claim {
            inner: store.inner.clone(),
            digest: None,
            temporary: Some(path.clone()),
        };
        let hasher = Digest::of(b"").hasher();
        Ok(Self {
            file,
            path,
            written: 0,
            hasher,
            size: None,
            limit,
            claim,
        })
    }

    fn known(store: &ContentStore, digest: &Digest, request: &IngestRequest) -> Result<Begun> {
        let inner = &store.inner;
        {
            let mut state = inner.state();
            if state.removing.contains(digest) || !state.writing.insert(digest.clone()) {
                return Err(Error::Busy {
                    digest: digest.clone(),
                });
            }
        }
        let claim = Claim {
            inner: inner.clone(),
            digest: Some(digest.clone()),
            temporary: None,
        };
        if let Some(blob) = store.blob(digest)? {
            return Ok(Begun::Exists(blob));
        }
        let path = inner.partial(digest);
        corten_base::step("blob.create");
        let mut ingest = Self {
            file: create(&path)?,
            path,
            written: 0,
            hasher: digest.hasher(),
            size: request.size,
            limit: request.limit,
            claim,
        };
        ingest.recall()?;
        Ok(Begun::Write(ingest))
    }

    /// Hashes what an earlier ingest left, at memory speed, so that nothing but the bytes
    /// themselves has to be kept.
    fn recall(&mut self) -> Result<()> {
        let mut buffer = vec![0; 256 << 10];
        loop {
            let count = self.file.read(&mut buffer).on("reading", &self.path)?;
            if count == 0 {
                break;
            }
            self.hasher.update(&buffer[..count]);
            self.written += count as u64;
        }
        match self.written > self.most() {
            true => self.restart(),
            false => Ok(()),
        }
    }

    fn most(&self) -> u64 {
        self.size.unwrap_or(u64::MAX).min(self.limit)
    }

    /// Bytes that are there already; the next byte written is the one at this offset.
    pub fn offset(&self) -> u64 {
        self.written
    }

    /// Forgets what is there, when the source cannot go on in the middle.
    pub fn restart(&mut self) -> Result<()> {
        self.file.set_len(0).on("truncating", &self.path)?;
        self.file
            .seek(SeekFrom::Start(0))
            .on("truncating", &self.path)?;
        self.written = 0;
        self.hasher = match &self.claim.digest {
            Some(digest) => digest.hasher(),
            None => Digest::of(b"").hasher(),
        };
        Ok(())
    }

    /// Adds bytes. Fails with [`Error::TooLarge`] before writing more than announced.
    pub fn add(&mut self, bytes: &[u8]) -> Result<()> {
        let limit = self.most();
        if bytes.len() as u64 > limit - self.written {
            return Err(Error::TooLarge { limit });
        }
        // By pieces of the blob, not by calls: how the bytes come in changes with the network.
        let pieces = |bytes: u64| bytes.div_ceil(STEP_BYTES);
        for _ in pieces(self.written)..pieces(self.written + bytes.len() as u64) {
            corten_base::step("blob.add");
        }
        self.file.write_all(bytes).on("writing", &self.path)?;
        self.hasher.update(bytes);
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Checks size and digest. Wrong bytes are removed, so that the next ingest starts
    /// anew; too few stay to be resumed.
    pub fn finish(self) -> Result<Finished> {
        let Self {
            file,
            path,
            written,
            hasher,
            size,
            claim,
            ..
        } = self;
        if let Some(expected) = size.filter(|size| *size != written) {
            return Err(Error::WrongSize {
                found: written,
                expected,
            });
        }
        let found = hasher.finish();
        if let Some(expected) = claim.digest.clone().filter(|digest| *digest != found) {
            fs::remove_file(&path).on("removing", &path)?;
            return Err(Error::WrongDigest { found, expected });
        }
        Ok(Finished {
            file,
            path,
            blob: Blob {
                digest: found,
                size: written,
            },
            claim,
        })
    }

    /// [`Ingest::finish`], then durable under its name.
    pub fn commit(self) -> Result<Blob> {
        let mut finished = self.finish()?;
        // fsync failure is final: the pages may be lost, so the bytes are not kept.
        corten_base::step("blob.flush");
        finished.file.sync_data().on("flushing", &finished.path)?;
        let blob = finished.rename()?;
        let name = blob.digest.algorithm().as_str();
        sync_directory(&finished.claim.inner.blobs.join(name))?;
        Ok(blob)
    }

    /// Gives up and removes the bytes.
    pub fn abandon(self) -> Result<()> {
        fs::remove_file(&self.path).on("removing", &self.path)
    }
}

impl Write for Ingest {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.add(bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Finished {
    /// Digest and size.
    pub fn blob(&self) -> &Blob {
        &self.blob
    }

    /// Opens the bytes for reading, before they are durable.
    pub fn reader(&self) -> Result<File> {
        File::open(&self.path).on("opening", &self.path)
    }

    /// Removes the bytes: they are not needed after all.
    pub fn discard(mut self) -> Result<()> {
        corten_base::step("blob.discard");
        self.claim.temporary = None;
        fs::remove_file(&self.path).on("removing", &self.path)
    }

    /// Names the file. Its data must be on disk.
    pub(crate) fn rename(&mut self) -> Result<Blob> {
        let to = self.claim.inner.path(&self.blob.digest);
        corten_base::step("blob.name");
        fs::rename(&self.path, &to).on("renaming", &self.path)?;
        corten_base::step("blob.named");
        self.claim.temporary = None;
        Ok(mem::replace(
            &mut self.blob,
            Blob {
                digest: Digest::of(b""),
                size: 0,
            },
        ))
    }
}

/// Opens a temporary file, keeping what is in it.
fn create(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600);
    options.open(path).on("opening", path)
}
