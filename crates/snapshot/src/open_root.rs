//! A root file system's directory, for whoever reads or writes it from outside a
//! container: copies, exports, comparisons, the first filling of a volume.

use crate::{Error, Result};
use corten_oci::RootMount;
use std::{io, os::fd::OwnedFd, path::Path};

/// A descriptor of the root directory of `root`, on a mount of its own that no mount
/// table shows and that goes away with the last descriptor.
///
/// The upper directory of an overlay must not be mounted by anybody else at the same
/// time: for a container that runs, leave it out or go through `/proc/PID/root`.
pub fn open_root(root: &RootMount) -> Result<OwnedFd> {
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
    // fsmount(2) and open_tree(2) answer O_PATH descriptors, which cannot be read.
    let readable = opened.and_then(|tree| {
        let flags = rustix::fs::OFlags::RDONLY
            | rustix::fs::OFlags::DIRECTORY
            | rustix::fs::OFlags::CLOEXEC;
        Ok(rustix::fs::openat(
            &tree,
            ".",
            flags,
            rustix::fs::Mode::empty(),
        )?)
    });
    readable.map_err(|source| Error::Path {
        operation: "mounting",
        path: path.to_owned(),
        source,
    })
}
