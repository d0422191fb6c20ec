//! The option `size` of the local driver (moby: `quota/projectquota.go`).
//!
//! A volume with a size is a directory with a project of its own whose space the file
//! system limits. The limit is set when the volume is made, looked at when a container
//! begins to use it, and taken away before its files are.

use crate::{
    VolumeError,
    volumes::{Volume, Volumes},
};
use corten_sys::{projects, quota};
use rustix::fs::{Mode, OFlags};
use std::{
    collections::BTreeMap,
    io,
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

pub(crate) const SIZE: &str = "size";

/// Whether volumes below `root` can have a size.
pub(crate) fn is_supported(root: &Path) -> bool {
    open(root).is_ok_and(|root| quota::is_enforced(root.as_fd()))
}

fn open(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}

impl Volume {
    /// Bytes that its files may take.
    pub(crate) fn size_limit_bytes(&self) -> Option<u64> {
        let text = self.options.as_ref()?.get(SIZE)?;
        let bytes = corten_base::text::parse_ram_bytes(text)?;
        u64::try_from(bytes)
            .ok()
            .filter(|bytes| *bytes > 0 && self.is_local())
    }

    /// The options that a copy of its files has, too.
    pub(crate) fn options_of_copies(&self) -> Option<BTreeMap<String, String>> {
        let size = self.options.as_ref()?.get(SIZE)?.clone();
        self.size_limit_bytes()?;
        Some([(SIZE.to_owned(), size)].into())
    }
}

impl Volumes {
    /// Sees to it that the files of a volume have the limit that its options name; nothing
    /// for one without. Where it is gone (the data root came from a file system without
    /// quotas), what is written from now on counts.
    pub(crate) fn hold_limit(&self, volume: &Volume) -> Result<(), VolumeError> {
        let Some(bytes) = volume.size_limit_bytes() else {
            return Ok(());
        };
        let held = || {
            let (directory, root) = (open(&self.mountpoint(&volume.name))?, open(&self.root)?);
            if !quota::is_enforced(root.as_fd()) {
                return Err(rustix::io::Errno::OPNOTSUPP.into());
            }
            if projects::limit_of(directory.as_fd(), root.as_fd())?.is_none() {
                projects::limit(directory.as_fd(), root.as_fd(), bytes)?;
            }
            Ok(())
        };
        held().map_err(|source| VolumeError::Limit {
            name: volume.name.clone(),
            bytes,
            source,
        })
    }

    /// Removes a volume's directory and its limit. A mount point in it stops the removal.
    pub(crate) fn remove_files(&self, name: impl AsRef<Path>) -> Result<(), VolumeError> {
        let directory = self.root.join(name);
        // First: a limit without a directory would never be found again.
        if let (Ok(files), Ok(root)) = (open(&directory.join("_data")), open(&self.root))
            && let Err(source) = projects::unlimit(files.as_fd(), root.as_fd())
        {
            return Err(VolumeError::Io {
                operation: "taking the limit from",
                path: directory,
                source,
            });
        }
        crate::tree::remove(&directory)
    }
}
