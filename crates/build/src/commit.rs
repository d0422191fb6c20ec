//! A step's writable directory becomes a layer: read once for its diff ID, then moved, not
//! copied, to where layers live.

use crate::{Error, Result};
use corten_archive::{DiffOptions, diff};
use corten_oci::{Digest, Hasher};
use corten_snapshot::{LayerLease, LayerStore, NewLayer, Snapshotter};
use rustix::fs::{Mode, OFlags};
use std::{io::Write, os::fd::AsFd, path::Path};

/// Hashes what is written to it.
pub(crate) struct Hashing(pub Hasher);

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Makes the upper directory of the snapshot `key` a layer; the snapshot itself has to be
/// removed afterwards. Nothing may have it mounted. The layer is held from before it has
/// its name, so that no collection takes it. Blocking.
pub(crate) fn commit(
    snapshots: &dyn Snapshotter,
    layers: &LayerStore,
    key: &str,
) -> Result<(Digest, u64, LayerLease)> {
    let upper = snapshots.upper(key)?.ok_or_else(|| {
        Error::Unsupported("building on a storage driver without an upper directory".into())
    })?;
    let size_bytes = snapshots.usage(key)?.file_bytes;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::open(&upper, flags, Mode::empty())
        .map_err(|error| Error::path("opening", &upper, error))?;
    let hashing = diff(
        directory.as_fd(),
        Hashing(Hasher::sha256()),
        &DiffOptions::default(),
    )?;
    drop(directory);
    let diff_id = hashing.0.finish();
    let lease = layers.lease();
    lease.hold(&diff_id);
    let pending = layers.begin()?;
    corten_base::step("build.move");
    move_over(&upper, &pending.path())?;
    let layer = NewLayer {
        diff_id: diff_id.clone(),
        settled_on: None,
        size_bytes,
        has_root: false,
        root_opaque: false,
    };
    layers.commit(vec![(pending, layer)])?;
    Ok((diff_id, size_bytes, lease))
}

fn move_over(from: &Path, to: &Path) -> Result<()> {
    std::fs::remove_dir(to).map_err(|error| Error::path("replacing", to, error))?;
    std::fs::rename(from, to).map_err(|error| Error::path("moving", from, error))
}
