//! A root file system's directory, for whoever reads or writes it from outside a
//! container: copies, exports, comparisons, the first filling of a volume.

use crate::{Error, Result};
use corten_oci::RootMount;
use corten_sys::{
    assembled::{Assembled, Part},
    mount::{Attributes, RDONLY, set_attributes},
};
use rustix::fs::{Mode, OFlags, openat};
use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
};

/// A descriptor of the root directory of `root`, on a mount of its own that no mount
/// table shows and that goes away with the last descriptor.
///
/// The upper directory of an overlay must not be mounted by anybody else at the same
/// time: for a container that runs, leave it out or go through `/proc/PID/root`.
pub fn open_root(root: &RootMount) -> Result<OwnedFd> {
    // fsmount(2) and open_tree(2) answer O_PATH descriptors, which cannot be read.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let readable = |tree: OwnedFd| Ok(openat(&tree, ".", flags, Mode::empty())?);
    detached(root, readable)
}

/// What `then` makes of a detached mount of `root`, which nobody has attached.
fn detached<T>(root: &RootMount, then: impl FnOnce(OwnedFd) -> io::Result<T>) -> Result<T> {
    let (path, opened): (&Path, io::Result<OwnedFd>) = match root {
        RootMount::Directory(path) => (path, corten_sys::mount::clone_tree(path, false)),
        RootMount::Overlay { lower, upper, work } => {
            let writable = upper.as_deref().zip(work.as_deref());
            let path = upper.as_deref().or(lower.first().map(|it| it.as_path()));
            let overlay = corten_sys::mount::Overlay {
                lower,
                upper: writable,
                id_map: None,
            };
            (
                path.unwrap_or(Path::new("/")),
                corten_sys::mount::overlay(overlay),
            )
        }
    };
    opened.and_then(then).map_err(|source| Error::Path {
        operation: "mounting",
        path: path.to_owned(),
        source,
    })
}

/// A directory or file of the machine in a root file system.
#[derive(Debug, Clone, Copy)]
pub struct MountedIn<'a> {
    /// On the machine.
    pub source: &'a Path,
    /// In the root; symbolic links lead nowhere else.
    pub destination: &'a Path,
    /// Nothing may be written there.
    pub read_only: bool,
    /// What is mounted below the source comes along.
    pub recursive: bool,
}

/// A root file system with what is mounted in it, which nobody else sees. All of it is
/// unmounted with the value.
#[derive(Debug)]
pub struct AssembledRoot(Assembled);

impl AsFd for AssembledRoot {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// As [`open_root`], with the mounts that a container has there, those above first, for which
/// places are made as a start does. What is not on the machine, or can have no place in the
/// root, is left out. Blocking.
pub fn assemble_root(root: &RootMount, mounts: &[MountedIn<'_>]) -> Result<AssembledRoot> {
    let mut parts = Vec::new();
    for mounted in mounts {
        let failed = |source| Error::Path {
            operation: "mounting",
            path: mounted.source.to_owned(),
            source,
        };
        parts.extend(mounted.detached().map_err(failed)?);
    }
    detached(root, |tree| Assembled::new(tree, parts).map(AssembledRoot))
}

impl MountedIn<'_> {
    fn detached(self) -> io::Result<Option<Part>> {
        let mount = match corten_sys::mount::clone_tree(self.source, self.recursive) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            cloned => cloned?,
        };
        if self.read_only {
            let read_only = Attributes {
                set: RDONLY,
                // What is mounted below it, too.
                recursive: true,
                ..Attributes::default()
            };
            set_attributes(mount.as_fd(), read_only)?;
        }
        let at = self.destination.into();
        Ok(Some(Part { mount, at }))
    }
}
