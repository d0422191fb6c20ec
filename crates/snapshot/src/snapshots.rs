//! What every snapshotter keeps about its snapshots.

use crate::{Error, LayerStore, Result, Usage, disk, error::On, lease::SnapshotRecord};
use corten_oci::Digest;
use rustix::{
    fs::{self, AtFlags, Dir, FileType, Mode, OFlags},
    io::Errno,
};
use std::{
    collections::HashSet,
    ffi::CString,
    io::ErrorKind,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

/// Longest key; with `.json.new` it stays a file name.
const KEY_BYTES: usize = 200;

/// Records which layers the snapshot `key` stands on; the layers must be there. Kept from
/// collection in between.
pub(crate) fn record(store: &LayerStore, key: &str, layers: &[Digest]) -> Result<()> {
    let path = record_path(store, key)?;
    let record = SnapshotRecord {
        format: 1,
        layers: layers.to_vec(),
    };
    match disk::read_record::<SnapshotRecord>(&path) {
        Ok(Some(found)) if found == record => return Ok(()),
        Ok(Some(_)) => return Err(Error::Exists { key: key.into() }),
        // Damaged, it says nothing any more: written anew.
        Ok(None) | Err(Error::Record { .. }) => {}
        Err(error) => return Err(error),
    }
    let lease = store.lease();
    layers.iter().for_each(|layer| lease.hold(layer));
    store.stack(layers)?;
    disk::write_flushed_record(&path, &record)
}

/// The layers of a snapshot. Fails with [`Error::NotFound`].
pub(crate) fn layers(store: &LayerStore, key: &str) -> Result<Vec<Digest>> {
    let path = record_path(store, key)?;
    let record: Option<SnapshotRecord> = disk::read_record(&path)?;
    record
        .map(|record| record.layers)
        .ok_or_else(|| Error::NotFound { key: key.into() })
}

/// Forgets a snapshot, whose directories are gone.
pub(crate) fn forget(store: &LayerStore, key: &str) -> Result<()> {
    let path = record_path(store, key)?;
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error).on("removing", &path),
        _ => Ok(()),
    }
}

/// The keys of all snapshots, sorted.
pub(crate) fn keys(store: &LayerStore) -> Result<Vec<String>> {
    let directory = store.inner.snapshots();
    let mut keys = Vec::new();
    for entry in std::fs::read_dir(&directory).on("reading", &directory)? {
        let name = entry.on("reading", &directory)?.file_name();
        keys.extend(
            name.to_str()
                .and_then(|name| name.strip_suffix(".json"))
                .map(str::to_owned),
        );
    }
    keys.sort();
    Ok(keys)
}

fn record_path(store: &LayerStore, key: &str) -> Result<PathBuf> {
    check_key(key)?;
    Ok(store.inner.snapshots().join(format!("{key}.json")))
}

/// Refuses a key that is no safe file name.
pub(crate) fn check_key(key: &str) -> Result<()> {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    match !key.is_empty()
        && key.len() <= KEY_BYTES
        && !key.starts_with('.')
        && key.bytes().all(safe)
    {
        true => Ok(()),
        false => Err(Error::Key { key: key.into() }),
    }
}

/// What a directory takes on disk. Walks on descriptors, one a level: what runs in the
/// directory may swap things in it.
pub(crate) fn usage(path: &Path) -> Result<Usage> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let top = fs::open(path, flags, Mode::empty()).on("opening", path)?;
    let mut count = Count::default();
    let below = count.directory(&top).on("reading", path)?;
    let mut open: Vec<(OwnedFd, Vec<CString>)> = vec![(top, below)];
    while let Some((directory, below)) = open.last_mut() {
        let Some(name) = below.pop() else {
            open.pop();
            continue;
        };
        // Gone or replaced since the directory was read: counts nothing more.
        if let Ok(next) = fs::openat(&*directory, &name, flags, Mode::empty()) {
            let below = count.directory(&next).on("reading", path)?;
            open.push((next, below));
        }
    }
    Ok(count.usage)
}

#[derive(Default)]
struct Count {
    usage: Usage,
    /// Device and inode of what has several names.
    seen: HashSet<(u64, u64)>,
}

impl Count {
    /// Counts the entries of a directory; gives the directories among them.
    fn directory(&mut self, directory: &OwnedFd) -> Result<Vec<CString>, Errno> {
        let mut below = Vec::new();
        for entry in Dir::read_from(directory)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let stat = match fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => stat,
                Err(Errno::NOENT) => continue,
                Err(error) => return Err(error),
            };
            let kind = FileType::from_raw_mode(stat.st_mode);
            if kind == FileType::Directory {
                below.push(name.to_owned());
            } else if stat.st_nlink > 1 && !self.seen.insert((stat.st_dev, stat.st_ino)) {
                continue;
            } else {
                // Docker leaves the directories' own blocks out.
                self.usage.size_bytes += stat.st_size as u64;
                if kind == FileType::RegularFile {
                    self.usage.file_bytes += stat.st_size as u64;
                }
            }
            self.usage.inodes += 1;
        }
        Ok(below)
    }
}
