//! Layers mounted from their tar: an EROFS image with names and attributes, and the tar
//! as the device that has the files' bytes.
//!
//! A mount is detached, so that no mount table grows by it, and held by a descriptor of
//! this process. All containers of a layer share it, hence the memory of its pages. A
//! container's overlay keeps what it needs when this process has ended; a later process
//! mounts anew.

use crate::{Error, LayerStore, Result, error::On, roots};
use corten_sys::mount::{self, Overlay, Parameter};
use rustix::fs::{Mode, OFlags};
use std::{
    collections::HashMap,
    fs::File,
    io,
    os::fd::{AsRawFd, OwnedFd},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// A layer's uncompressed bytes.
pub(crate) const TAR: &str = "layer.tar";
/// What makes them mountable.
pub(crate) const IMAGE: &str = "layer.erofs";

/// MOUNT_ATTR_RDONLY of linux/mount.h.
const READ_ONLY: u64 = 1;

/// The layers that are mounted, by the directories they are kept in.
#[derive(Default)]
pub(crate) struct Mounts {
    held: Mutex<HashMap<PathBuf, OwnedFd>>,
}

impl Mounts {
    /// A name of the layer's root directory: valid for every process while this one holds
    /// the mount, which it does until the layer is removed.
    pub fn path(&self, directory: &Path) -> Result<PathBuf> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mount) = held.get(directory) {
            return Ok(name_of(mount));
        }
        let mount = mount_in(directory)?;
        let name = name_of(&mount);
        held.insert(directory.into(), mount);
        Ok(name)
    }

    /// Lets go of a layer that was removed or replaced.
    pub fn forget(&self, directory: &Path) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.remove(directory);
    }
}

// The dot makes the magic link lead on, wherever the last name of a path must not.
fn name_of(mount: &OwnedFd) -> PathBuf {
    let (process, number) = (std::process::id(), mount.as_raw_fd());
    PathBuf::from(format!("/proc/{process}/fd/{number}/."))
}

fn mount_in(directory: &Path) -> Result<OwnedFd> {
    let (image, tar) = (directory.join(IMAGE), directory.join(TAR));
    let open = |path: &Path| File::open(path).on("opening", path);
    mount_files(&open(&image)?, &open(&tar)?).on("mounting", &image)
}

/// Mounts an image. By descriptors, since parameters have at most 255 bytes.
fn mount_files(image: &File, tar: &File) -> io::Result<OwnedFd> {
    let name = |file: &File| format!("/proc/self/fd/{}", file.as_raw_fd());
    let device = Parameter::Text("device".to_owned(), name(tar));
    mount::new_filesystem("erofs", Some(Path::new(&name(image))), &[device], READ_ONLY)
}

/// Opens the root directory on a mount of its own, which goes away with the descriptor.
pub(crate) fn open(directory: &Path) -> Result<OwnedFd> {
    let mount = mount_in(directory)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    // fsmount(2) answers an O_PATH descriptor, which cannot be read.
    rustix::fs::openat(&mount, ".", flags, Mode::empty()).on("opening", directory)
}

/// Tries what indexed layers need: a mount of plain files (Linux 6.12), and overlay on a
/// detached mount (Linux 6.15).
pub(crate) fn check(store: &LayerStore) -> Result<()> {
    let failed = |step| move |source| Error::NoErofs { step, source };
    let pending = store.begin()?;
    let tree = corten_erofs::Tree::new(corten_erofs::Attributes::default());
    let image = tree.image(0, [0; 16]).map_err(io::Error::other);
    let image = image.map_err(failed("making an index"))?;
    drop(pending.tar()?);
    let pending = pending.indexed_by(&image)?;
    let open = |name| {
        let path = pending.directory.join(name);
        File::open(&path).on("opening", &path)
    };
    let mount = mount_files(&open(IMAGE)?, &open(TAR)?).map_err(failed("mounting an index"))?;
    let lower = [name_of(&mount), roots::empty(store)];
    let overlay = Overlay {
        lower: &lower,
        upper: None,
        id_map: None,
    };
    let overlay = mount::overlay(overlay);
    overlay
        .map_err(failed("putting an overlay on it"))
        .map(drop)
}
