//! Directories and records as the stores need them.

use crate::{Error, Result, error::On};
use rustix::fs::IFlags;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    fs::{self, DirBuilder, File},
    io::ErrorKind,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

/// How temporary names of records end.
const UNFINISHED: &str = "new";

/// Makes a directory that nobody but root may enter, if it is missing.
// CVE-2021-41091: setuid programs in layers must be out of reach.
pub(crate) fn private_directory(path: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .on("creating", path)
}

/// Makes ext4 spread the directories made in `path` over its block groups.
///
/// ext4 without a journal does not reuse an inode for minutes after its removal, and looks
/// at all of them at each creation: beside a removed layer a new one takes ten times as
/// long. Other file systems do not know the flag, which is fine.
pub(crate) fn spread_below(path: &Path) {
    if let Ok(directory) = File::open(path)
        && let Ok(flags) = rustix::fs::ioctl_getflags(&directory)
        && !flags.contains(IFlags::TOPDIR)
    {
        let _ = rustix::fs::ioctl_setflags(&directory, flags | IFlags::TOPDIR);
    }
}

/// Makes renames into a directory durable.
pub(crate) fn sync_directory(path: &Path) -> Result<()> {
    let directory = File::open(path).on("opening", path)?;
    directory.sync_all().on("flushing", path)
}

/// Writes a record under a temporary name first, so that a reader sees it whole. Not
/// flushed.
pub(crate) fn write_record<T: Serialize>(path: &Path, record: &T) -> Result<()> {
    replace(path, record, false)
}

/// As [`write_record`]; the bytes are on disk before they have their name. The name is, too,
/// once anything is made durable in the same file system afterwards: journals keep the order.
// Otherwise ext4 has the name after a power cut, and an empty file.
pub(crate) fn write_flushed_record<T: Serialize>(path: &Path, record: &T) -> Result<()> {
    replace(path, record, true)
}

fn replace<T: Serialize>(path: &Path, record: &T, flush: bool) -> Result<()> {
    let bytes = serde_json::to_vec(record).map_err(|source| Error::Record {
        path: path.into(),
        source,
    })?;
    let temporary = path.with_extension(UNFINISHED);
    let mut options = File::options();
    options.write(true).create(true).truncate(true).mode(0o600);
    corten_base::step("snapshot.write");
    let mut file = options.open(&temporary).on("creating", &temporary)?;
    std::io::Write::write_all(&mut file, &bytes).on("writing", &temporary)?;
    if flush {
        file.sync_data().on("flushing", &temporary)?;
    }
    corten_base::step("snapshot.rename");
    fs::rename(&temporary, path).on("renaming", &temporary)
}

/// Removes what a [`write_record`] in `directory` has left that was killed midway.
pub(crate) fn clear_unfinished(directory: &Path) -> Result<()> {
    for entry in fs::read_dir(directory).on("reading", directory)? {
        let path = entry.on("reading", directory)?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == UNFINISHED)
        {
            fs::remove_file(&path).on("removing", &path)?;
        }
    }
    Ok(())
}

/// Reads a record; none if there is no such file.
pub(crate) fn read_record<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|source| Error::Record {
                path: path.into(),
                source,
            }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).on("reading", path),
    }
}
