//! Objects as files below a directory. Order of every write: data, fsync, rename, fsync
//! of the directory.

use super::{ByteStream, Entry, Parts, Stat, Sum, failed, past_limit, too_large};
use crate::{
    error::{Error, Result},
    limits::{CHUNK_BYTES, WRITE_BYTES},
};
use bytes::{Bytes, BytesMut};
use corten_oci::Digest;
use futures_util::{StreamExt, stream};
use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, ErrorKind, Read, Write},
    ops::Range,
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

/// A directory as storage. Cheap to clone.
#[derive(Clone)]
pub struct Files(Arc<Root>);

struct Root {
    directory: PathBuf,
    /// Number of the next temporary file.
    next: AtomicU64,
}

/// Writes under way; what a crash leaves there is removed at the next start.
const TEMPORARY: &str = ".new";

impl Files {
    /// Opens the directory, which is made if missing.
    pub fn open(directory: &Path) -> io::Result<Self> {
        make_directory(directory)?;
        let temporary = directory.join(TEMPORARY);
        match fs::remove_dir_all(&temporary) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => make_directory(&temporary)?,
        }
        Ok(Self(Arc::new(Root {
            directory: directory.to_owned(),
            next: AtomicU64::new(0),
        })))
    }

    /// Runs disk work on a thread that may wait.
    async fn run<T: Send + 'static>(
        &self,
        operation: &'static str,
        key: &str,
        work: impl FnOnce(&Root) -> io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let root = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || work(&root))
            .await
            .unwrap_or_else(|panicked| Err(io::Error::other(panicked)))
            .map_err(|error| failed(operation, key, error))
    }

    pub(super) async fn read(&self, key: &str, limit: u64) -> Result<Option<Bytes>> {
        let path = self.0.path(key);
        let bytes = self.run("reading", key, move |_| {
            let Some(file) = found(File::open(&path))? else {
                return Ok(None);
            };
            let mut bytes = Vec::new();
            file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
            Ok(Some(Bytes::from(bytes)))
        });
        match bytes.await? {
            Some(bytes) if bytes.len() as u64 > limit => Err(too_large(key, limit)),
            other => Ok(other),
        }
    }

    pub(super) async fn write(&self, key: &str, bytes: Bytes) -> Result<()> {
        let path = self.0.path(key);
        self.run("writing", key, move |root| {
            let temporary = root.temporary();
            let written = (|| {
                let mut file = create(&temporary)?;
                file.write_all(&bytes)?;
                // The kernel's own time stands still between ticks; a collector tells two
                // writings apart by theirs.
                file.set_modified(SystemTime::now())?;
                file.sync_data()?;
                root.name(&temporary, &path)
            })();
            if written.is_err() {
                // Only what this call has made; the failure itself is what counts.
                let _ = fs::remove_file(&temporary);
            }
            written
        })
        .await
    }

    pub(super) async fn remove(&self, key: &str) -> Result<bool> {
        let path = self.0.path(key);
        self.run("removing", key, move |_| {
            let removed = found(fs::remove_file(&path))?.is_some();
            if removed && let Some(parent) = path.parent() {
                sync_directory(parent)?;
                // A directory without files is no directory; one with files stays.
                let _ = fs::remove_dir(parent);
            }
            Ok(removed)
        })
        .await
    }

    pub(super) async fn stat(&self, key: &str) -> Result<Option<Stat>> {
        let path = self.0.path(key);
        self.run("reading", key, move |_| {
            found(fs::metadata(&path))?.map(|m| stat_of(&m)).transpose()
        })
        .await
    }

    pub(super) async fn read_stream(&self, key: &str, range: Range<u64>) -> Result<ByteStream> {
        let path = self.0.path(key);
        let first = range.start..range.end.min(range.start + CHUNK_BYTES as u64);
        let opened = self.run("reading", key, move |_| {
            let file = File::open(&path)?;
            let bytes = read_range(&file, first)?;
            Ok((Arc::new(file), bytes))
        });
        let (file, bytes) = opened.await?;
        let offset = range.start + bytes.len() as u64;
        if offset == range.end {
            return Ok(stream::once(async { Ok(bytes) }).boxed());
        }
        // One chunk is read while the one before it is sent.
        let ahead = read_ahead(&file, offset, range.end);
        let state = (file, bytes, ahead, offset, range.end);
        Ok(stream::try_unfold(Some(state), |state| async move {
            let Some((file, bytes, ahead, offset, end)) = state else {
                return Ok(None);
            };
            let Some(ahead) = ahead else {
                return Ok(Some((bytes, None)));
            };
            let next = ahead.await.unwrap_or_else(|e| Err(io::Error::other(e)))?;
            let offset = offset + next.len() as u64;
            let ahead = read_ahead(&file, offset, end);
            Ok(Some((bytes, Some((file, next, ahead, offset, end)))))
        })
        .boxed())
    }

    pub(super) async fn open_file(&self, key: &str) -> Result<File> {
        let path = self.0.path(key);
        self.run("reading", key, move |_| File::open(&path)).await
    }

    pub(super) async fn entries(&self, prefix: &str) -> Result<Vec<Entry>> {
        let path = self.0.path(prefix);
        self.run("listing", prefix, move |_| {
            let mut entries = Vec::new();
            for (name, entry) in list(&path)? {
                // Removed since it was listed.
                let Some(metadata) = found(entry.metadata())? else {
                    continue;
                };
                if metadata.is_file() {
                    let stat = stat_of(&metadata)?;
                    entries.push(Entry { name, stat });
                }
            }
            entries.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(entries)
        })
        .await
    }

    pub(super) async fn directories(&self, prefix: &str) -> Result<Vec<String>> {
        let path = self.0.path(prefix);
        self.run("listing", prefix, move |_| {
            let mut names = Vec::new();
            for (name, entry) in list(&path)? {
                if entry.file_type()?.is_dir() {
                    names.push(name);
                }
            }
            names.sort();
            Ok(names)
        })
        .await
    }

    pub(super) async fn upload_parts(&self, upload: &str) -> Result<Parts> {
        let stat = self.stat(&data(upload)).await?;
        Ok(Parts {
            size: stat.map_or(0, |stat| stat.size),
            pieces: Vec::new(),
        })
    }

    pub(super) async fn upload_append(
        &self,
        upload: &str,
        mut stream: ByteStream,
        sum: &mut Sum,
        limit: u64,
    ) -> Result<()> {
        let key = data(upload);
        let path = self.0.path(&key);
        let opened = self.run("writing", &key, move |_| {
            make_parent(&path)?;
            open_kept(&path)
        });
        let file = Arc::new(opened.await?);
        loop {
            let (mut gathered, mut end) = (BytesMut::new(), None);
            while gathered.len() < WRITE_BYTES && end.is_none() {
                match stream.next().await {
                    Some(Ok(bytes)) if gathered.is_empty() && bytes.len() >= WRITE_BYTES => {
                        gathered = bytes.into();
                    }
                    Some(Ok(bytes)) => gathered.extend_from_slice(&bytes),
                    Some(Err(error)) => end = Some(Err(Error::Body(error.to_string()))),
                    None => end = Some(Ok(())),
                }
            }
            if sum.parts.size + gathered.len() as u64 > limit {
                return Err(past_limit(limit));
            }
            if !gathered.is_empty() {
                let (file, offset) = (Arc::clone(&file), sum.parts.size);
                let mut hasher = sum.hasher.clone();
                let length = gathered.len() as u64;
                let written = self.run("writing", &key, move |_| {
                    file.write_all_at(&gathered, offset)?;
                    hasher.update(&gathered);
                    Ok(hasher)
                });
                sum.hasher = written.await?;
                sum.parts.size += length;
            }
            if let Some(end) = end {
                return end;
            }
        }
    }

    pub(super) async fn upload_open(&self, upload: &str, parts: &Parts) -> Result<ByteStream> {
        if parts.size == 0 {
            return Ok(stream::empty().boxed());
        }
        self.read_stream(&data(upload), 0..parts.size).await
    }

    pub(super) async fn upload_digest(&self, _: &str, _: &Parts) -> Result<Option<Digest>> {
        Ok(None)
    }

    pub(super) async fn upload_commit(&self, upload: &str, _: &Parts, key: &str) -> Result<()> {
        let from = self.0.path(&data(upload));
        let path = self.0.path(key);
        self.run("writing", key, move |root| {
            make_parent(&from)?;
            let file = open_kept(&from)?;
            file.sync_data()?;
            root.name(&from, &path)
        })
        .await?;
        self.upload_remove(upload).await
    }

    pub(super) async fn upload_remove(&self, upload: &str) -> Result<()> {
        let directory = self.0.path(&crate::layout::upload(upload));
        self.run("removing", upload, move |_| {
            found(fs::remove_dir_all(&directory)).map(drop)
        })
        .await
    }
}

impl Root {
    fn path(&self, key: &str) -> PathBuf {
        self.directory.join(key)
    }

    fn temporary(&self) -> PathBuf {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.directory
            .join(TEMPORARY)
            .join(format!("{}-{number}", std::process::id()))
    }

    /// Moves a file whose bytes are on disk to its place, durably.
    fn name(&self, from: &Path, to: &Path) -> io::Result<()> {
        let parent = to.parent().unwrap_or(&self.directory);
        // A removal of the last file may take the directory away in between.
        let moved = match fs::rename(from, to) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                make_parent(to)?;
                fs::rename(from, to)
            }
            other => other,
        };
        moved?;
        sync_directory(parent)
    }
}

/// The file of an upload's bytes.
fn data(upload: &str) -> String {
    format!("{}/data", crate::layout::upload(upload))
}

type Ahead = tokio::task::JoinHandle<io::Result<Bytes>>;

fn read_ahead(file: &Arc<File>, offset: u64, end: u64) -> Option<Ahead> {
    let range = offset..end.min(offset + CHUNK_BYTES as u64);
    let file = Arc::clone(file);
    (!range.is_empty()).then(|| tokio::task::spawn_blocking(move || read_range(&file, range)))
}

fn read_range(file: &File, range: Range<u64>) -> io::Result<Bytes> {
    let mut bytes = vec![0; (range.end - range.start) as usize];
    file.read_exact_at(&mut bytes, range.start)?;
    Ok(bytes.into())
}

fn list(path: &Path) -> io::Result<Vec<(String, fs::DirEntry)>> {
    let Some(entries) = found(fs::read_dir(path))? else {
        return Ok(Vec::new());
    };
    let mut list = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().into_string().unwrap_or_default();
        if !name.is_empty() && !name.starts_with('.') {
            list.push((name, entry));
        }
    }
    Ok(list)
}

fn stat_of(metadata: &fs::Metadata) -> io::Result<Stat> {
    Ok(Stat {
        size: metadata.len(),
        modified: metadata.modified()?,
    })
}

fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path)
}

/// Opens a file for writing and keeps what is in it.
fn open_kept(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    options.open(path)
}

fn make_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), make_directory)
}

/// Makes a directory and those above it, each durable in the one above.
fn make_directory(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent {
        make_directory(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    parent.map_or(Ok(()), sync_directory)
}

fn sync_directory(path: &Path) -> io::Result<()> {
    // Gone already: there is nothing left to make durable.
    found(File::open(path))?.map_or(Ok(()), |directory| directory.sync_all())
}
