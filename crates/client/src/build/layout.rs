//! A directory of this machine in the form of an OCI layout: a cache of `type=local`, or a
//! context that is an image.
//!
//! ```text
//! oci-layout   index.json   blobs/sha256/<digest>   ingest/<what is being written>
//! ```
//!
//! Invariants: a blob has its digest's name only when all its bytes are there and right; the
//! index is replaced as a whole, under a lock that BuildKit's clients take too.
//!
//! Specification: image-spec 1.1, § Image Layout; `moby/buildkit client/ociindex`.

use corten_oci::{Digest, media_type};
use rustix::fs::{FlockOperation, flock};
use serde_json::{Value, json};
use std::{
    fs::{self, File, Permissions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{FileExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};
use thiserror::Error;

/// Bytes of an index.
const INDEX_BYTES_MAX: u64 = 4 << 20;
/// By which annotations an entry has a name: the whole one, and the tag.
const NAMES: [&str; 2] = [
    "io.containerd.image.name",
    "org.opencontainers.image.ref.name",
];
/// Rights of a blob, which never changes.
const BLOB_MODE: u32 = 0o444;

/// Why a layout could not be read or written.
#[derive(Debug, Error)]
pub enum LayoutError {
    /// The file system's refusal.
    #[error("{operation} {path}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The index is no index.
    #[error("could not unmarshal {path}")]
    Index {
        /// Its file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// The index is longer than any that a tool writes.
    #[error("{0} has more than {INDEX_BYTES_MAX} bytes")]
    TooLarge(PathBuf),
    /// The bytes are not those of the digest.
    #[error("unexpected commit digest {actual}, expected {expected}: failed precondition")]
    Digest {
        /// What was announced.
        expected: Digest,
        /// What came.
        actual: Digest,
    },
    /// A blob that is to be listed is not there.
    #[error("content {0}: not found")]
    Missing(String),
}

type Result<T, E = LayoutError> = std::result::Result<T, E>;

/// A directory with blobs and their index.
#[derive(Debug, Clone)]
pub struct Layout {
    directory: PathBuf,
}

impl Layout {
    /// A layout that is there, or will be.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
        }
    }

    /// Makes the directory.
    ///
    /// # Errors
    /// The file system's.
    pub fn create(&self) -> Result<()> {
        fs::create_dir_all(&self.directory).map_err(failed("creating", &self.directory))
    }

    /// The digest that a name has in the index: a whole name, or else a tag.
    ///
    /// # Errors
    /// There is no index, or it cannot be read.
    pub fn named(&self, name: &str) -> Result<Option<Digest>> {
        let entries = self.entries()?;
        let found = NAMES.iter().find_map(|key| {
            let mut entries = entries.iter();
            entries.find(|it| it["annotations"][key] == *name)
        });
        Ok(found.and_then(digest))
    }

    /// The digest of the only entry of the index.
    ///
    /// # Errors
    /// There is no index, or it cannot be read.
    pub fn single(&self) -> Result<Option<Digest>> {
        Ok(match &self.entries()?[..] {
            [only] => digest(only),
            _ => None,
        })
    }

    /// Bytes of a blob, if it is here.
    ///
    /// # Errors
    /// The file system's.
    pub fn size(&self, digest: &Digest) -> Result<Option<u64>> {
        let path = self.path(digest);
        match fs::metadata(&path) {
            Ok(found) => Ok(Some(found.len())),
            Err(why) if is_nothing(&why) => Ok(None),
            Err(why) => Err(failed("reading", &path)(why)),
        }
    }

    /// Bytes of a blob from `offset` on, at most `size` of them.
    ///
    /// # Errors
    /// The file system's.
    pub fn open(
        &self,
        digest: &Digest,
        offset: u64,
        size: u64,
    ) -> Result<impl Read + Send + use<>> {
        let path = self.path(digest);
        let mut file = File::open(&path).map_err(failed("opening", &path))?;
        let placed = file.seek(SeekFrom::Start(offset));
        placed.map_err(failed("reading", &path))?;
        Ok(file.take(size))
    }

    /// Begins to write a blob.
    ///
    /// # Errors
    /// The file system's.
    pub fn begin(&self) -> Result<Writing> {
        let ingest = self.directory.join("ingest");
        let made = fs::create_dir_all(&ingest).and_then(|()| {
            let mut new = tempfile::Builder::new();
            new.prefix("corten-").tempfile_in(&ingest)
        });
        let file = made.map_err(failed("creating a file in", &ingest))?;
        Ok(Writing { file, written: 0 })
    }

    /// Gives what was written its name, if it is what it has to be. A blob that is here
    /// already stays.
    ///
    /// # Errors
    /// It has another digest, or the file system's.
    pub fn commit(&self, writing: Writing, expected: &Digest) -> Result<()> {
        let Writing { file, .. } = writing;
        let path = self.path(expected);
        let failing = |why| failed("writing", &path)(why);
        let mut hasher = expected.hasher();
        let mut reading = File::open(file.path()).map_err(failing)?;
        let mut piece = vec![0; 1 << 20];
        loop {
            let count = reading.read(&mut piece).map_err(failing)?;
            if count == 0 {
                break;
            }
            hasher.update(&piece[..count]);
        }
        let actual = hasher.finish();
        if actual != *expected {
            let expected = expected.clone();
            return Err(LayoutError::Digest { expected, actual });
        }
        let parent = path.parent().unwrap_or(&self.directory);
        let named = fs::create_dir_all(parent)
            .and_then(|()| {
                file.as_file()
                    .set_permissions(Permissions::from_mode(BLOB_MODE))
            })
            .and_then(|()| file.as_file().sync_all())
            .and_then(|()| file.persist(&path).map_err(|why| why.error));
        named.map(drop).map_err(failing)
    }

    /// Lists a blob of this layout under a tag, in place of what had the tag.
    ///
    /// # Errors
    /// The blob is not here, or the index cannot be read or written.
    pub fn record(&self, descriptor: &Value, tag: &str) -> Result<()> {
        let blob = digest(descriptor);
        let present = match &blob {
            Some(digest) => self.size(digest)?.is_some(),
            None => false,
        };
        if !present {
            let digest = descriptor["digest"].as_str().unwrap_or_default();
            return Err(LayoutError::Missing(digest.to_owned()));
        }
        let _lock = Lock::take(self.index().with_added_extension("lock"))?;
        let mut index = match self.read() {
            Err(LayoutError::Io { source, .. }) if is_nothing(&source) => json!({}),
            other => other?,
        };
        for (key, value) in [
            ("schemaVersion", json!(2)),
            ("mediaType", json!(media_type::OCI_INDEX)),
            ("manifests", json!([])),
        ] {
            if index[key].is_null() {
                index[key] = value;
            }
        }
        let mut descriptor = descriptor.clone();
        descriptor["annotations"][NAMES[1]] = tag.into();
        if let Some(entries) = index["manifests"].as_array_mut() {
            entries.retain(|it| {
                let annotations = &it["annotations"];
                annotations[NAMES[1]] != tag || !annotations[NAMES[0]].is_null()
            });
            entries.push(descriptor);
        }
        let layout = json!({"imageLayoutVersion": "1.0.0"});
        self.replace(&self.directory.join("oci-layout"), &layout)?;
        self.replace(&self.index(), &index)
    }

    /// A file, whole or not at all.
    fn replace(&self, path: &Path, document: &Value) -> Result<()> {
        const MODE: u32 = 0o644;
        let write = || {
            let mut file = tempfile::NamedTempFile::new_in(&self.directory)?;
            file.write_all(document.to_string().as_bytes())?;
            file.as_file()
                .set_permissions(Permissions::from_mode(MODE))?;
            file.as_file().sync_all()?;
            file.persist(path).map_err(|why| why.error)
        };
        let written: io::Result<_> = write();
        written.map(drop).map_err(failed("writing", path))
    }

    fn index(&self) -> PathBuf {
        self.directory.join("index.json")
    }

    fn read(&self) -> Result<Value> {
        let path = self.index();
        let mut text = Vec::new();
        let file = File::open(&path).map_err(failed("could not read", &path))?;
        let read = file.take(INDEX_BYTES_MAX + 1).read_to_end(&mut text);
        read.map_err(failed("could not read", &path))?;
        if text.len() as u64 > INDEX_BYTES_MAX {
            return Err(LayoutError::TooLarge(path));
        }
        serde_json::from_slice(&text).map_err(|source| LayoutError::Index { path, source })
    }

    fn entries(&self) -> Result<Vec<Value>> {
        let mut index = self.read()?;
        Ok(match index["manifests"].take() {
            Value::Array(entries) => entries,
            _ => Vec::new(),
        })
    }

    /// A digest is letters and digits: it stays in the directory.
    fn path(&self, digest: &Digest) -> PathBuf {
        let algorithm = digest.algorithm().as_str();
        let blobs = self.directory.join("blobs").join(algorithm);
        blobs.join(digest.hex())
    }
}

/// A blob that is not whole yet; gone when dropped.
#[derive(Debug)]
pub struct Writing {
    file: tempfile::NamedTempFile,
    written: u64,
}

impl Writing {
    /// Bytes that are there.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Writes a piece at its place; nothing may be left out before it.
    ///
    /// # Errors
    /// The file system's.
    pub fn write(&mut self, offset: u64, data: &[u8]) -> Result<()> {
        let path = self.file.path();
        let written = match offset == self.written {
            true => self.file.as_file().write_all_at(data, offset),
            false => Err(io::ErrorKind::InvalidInput.into()),
        };
        written.map_err(failed("writing", path))?;
        self.written += data.len() as u64;
        Ok(())
    }
}

/// The lock of an index; gone with its file when dropped.
struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    fn take(path: PathBuf) -> Result<Self> {
        loop {
            let file = File::create(&path).map_err(failed("could not lock", &path))?;
            let locked = flock(&file, FlockOperation::LockExclusive);
            locked.map_err(|why| failed("could not lock", &path)(why.into()))?;
            // Whoever had it before has removed it: then this one is nobody's lock.
            let own = file.metadata().map_err(failed("could not lock", &path))?;
            let is_same = fs::metadata(&path).is_ok_and(|it| it.ino() == own.ino());
            if is_same {
                return Ok(Self { path, _file: file });
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // An empty file that stays does no harm.
        let _ = fs::remove_file(&self.path);
    }
}

fn digest(entry: &Value) -> Option<Digest> {
    entry["digest"].as_str()?.parse().ok()
}

/// Nothing is there, or only a part of the way.
fn is_nothing(why: &io::Error) -> bool {
    matches!(
        why.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LayoutError {
    let path = path.to_owned();
    move |source| LayoutError::Io {
        operation,
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(layout: &Layout, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        let mut writing = layout.begin().unwrap();
        writing.write(0, bytes).unwrap();
        layout.commit(writing, &digest).unwrap();
        digest
    }

    #[test]
    fn a_tag_is_of_the_blob_that_got_it_last_and_other_names_stay() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::new(directory.path().join("deep/cache"));
        layout.create().unwrap();
        assert!(layout.named("latest").is_err());
        let (one, two) = (written(&layout, b"one"), written(&layout, b"two"));
        for (digest, tag) in [(&one, "latest"), (&one, "old"), (&two, "latest")] {
            let descriptor = json!({"digest": digest.to_string(), "size": 3});
            layout.record(&descriptor, tag).unwrap();
        }
        assert_eq!(layout.named("latest").unwrap(), Some(two.clone()));
        assert_eq!(layout.named("old").unwrap(), Some(one));
        assert_eq!(layout.named("new").unwrap(), None);
        assert_eq!(layout.single().unwrap(), None);
        assert_eq!(layout.size(&two).unwrap(), Some(3));
        let mut text = String::new();
        let mut read = layout.open(&two, 1, 10).unwrap();
        read.read_to_string(&mut text).unwrap();
        assert_eq!(text, "wo");
        let missing = json!({"digest": Digest::of(b"three").to_string()});
        assert!(layout.record(&missing, "latest").is_err());
    }

    #[test]
    fn bytes_of_another_digest_never_get_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::new(directory.path());
        let expected = Digest::of(b"right");
        let mut writing = layout.begin().unwrap();
        writing.write(0, b"wro").unwrap();
        assert!(writing.write(4, b"ng").is_err());
        writing.write(3, b"ng").unwrap();
        let why = layout.commit(writing, &expected).unwrap_err().to_string();
        assert!(why.contains("unexpected commit digest"), "{why}");
        assert_eq!(layout.size(&expected).unwrap(), None);
        let left = fs::read_dir(directory.path().join("ingest")).unwrap();
        assert_eq!(left.count(), 0);
    }
}
