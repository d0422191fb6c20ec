//! Files put into a step's root: copies, and archives that `ADD` unpacks.

use crate::{
    Error, Result,
    copy::{self, PutOptions},
    owner::{self, Chmod},
    tree::{Item, Source},
    vertex::CopyOp,
};
use corten_archive::ExtractOptions;
use corten_sys::root::Root;
use rustix::fs::{Mode, OFlags};
use std::{
    io::{BufReader, Read},
    os::fd::AsFd,
    path::Path,
};

/// Bytes read of an archive at a time.
const READ_BYTES: usize = 256 << 10;

/// Does a whole `COPY` or `ADD`. Blocking.
pub(crate) fn put_all(
    root: &Root,
    op: &CopyOp,
    selected: &[((Source, Vec<Item>), usize)],
) -> Result<()> {
    let mut options = PutOptions {
        owner: op
            .chown
            .as_deref()
            .map(|text| owner::owner(text, root))
            .transpose()?,
        chmod: op.chmod.as_deref().map(Chmod::parse).transpose()?,
        parents: None,
        epoch: op.epoch,
        into_new: false,
    };
    if op.destination.ends_with('/') {
        let path = Path::new(&op.destination);
        options.into_new = copy::make_directories(root, path, options.owner, 0o755)
            .map_err(copy::no_place)?
            .1;
    }
    for ((source, items), cut) in selected {
        options.parents = op.parents.then_some(*cut);
        for item in items {
            if op.unpack && unpacked(root, source, item, op)? {
                continue;
            }
            copy::put(source, item, root, &op.destination, &options)?;
        }
    }
    Ok(())
}

/// Unpacks an archive; false when the file is none.
fn unpacked(root: &Root, source: &Source, item: &Item, op: &CopyOp) -> Result<bool> {
    if item.is_directory()
        || item
            .entries
            .first()
            .is_none_or(|entry| entry.hash.is_none())
    {
        return Ok(false);
    }
    let open = || {
        source
            .root
            .open_file(&item.path, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty())
            .map(std::fs::File::from)
            .map_err(|error| Error::path("opening", &item.path, error))
    };
    if !is_archive(open()?) {
        return Ok(false);
    }
    copy::make_directories(root, Path::new(&op.destination), None, 0o755)
        .map_err(copy::no_place)?;
    let owner = op
        .chown
        .as_deref()
        .map(|text| owner::owner(text, root))
        .transpose()?;
    let options = ExtractOptions {
        owner: owner.map(|it| corten_archive::Owner {
            uid: it.uid,
            gid: it.gid,
        }),
        ..ExtractOptions::default()
    };
    let archive = BufReader::with_capacity(READ_BYTES, open()?);
    corten_archive::extract(archive, root.as_fd(), Path::new(&op.destination), &options)?;
    Ok(true)
}

/// A tar, plain or compressed by something that Corten can read.
pub(crate) fn is_archive(file: impl Read) -> bool {
    /// Offset and bytes of `ustar` in a header (POSIX.1-2017 pax § ustar).
    const MAGIC: (usize, &[u8]) = (257, b"ustar");
    let Ok(mut decoder) = corten_archive::Decoder::new(file) else {
        return false;
    };
    let mut head = [0; 512];
    let mut filled = 0;
    while filled < head.len() {
        match decoder.read(&mut head[filled..]) {
            Ok(0) | Err(_) => return false,
            Ok(length) => filled += length,
        }
    }
    head[MAGIC.0..].starts_with(MAGIC.1)
}

pub(crate) fn set_mode(path: &Path, mode: u32) -> Result<()> {
    rustix::fs::chmod(path, Mode::from_raw_mode(mode))
        .map_err(|error| Error::path("changing", path, error))
}

pub(crate) fn set_time(file: std::os::fd::BorrowedFd<'_>, seconds: i64) {
    let time = rustix::fs::Timespec {
        tv_sec: seconds,
        tv_nsec: 0,
    };
    let times = rustix::fs::Timestamps {
        last_access: time,
        last_modification: time,
    };
    // The time of a new directory: the next step would set it anyway.
    let _ = rustix::fs::futimens(file, &times);
}
