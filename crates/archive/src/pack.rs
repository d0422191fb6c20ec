//! A tree written as a tar, for export and for copies out.

use crate::{
    Limits, Owners, Result, Times,
    emit::{Emitter, relative},
    stat::{Place, default_name, find},
    tree::{DIRECTORY, Tree},
};
use rustix::fs::{self, Mode};
use std::{
    ffi::OsString,
    io::Write,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::ffi::OsStringExt,
    },
    path::{Path, PathBuf},
};

/// How a tree is packed.
#[derive(Debug, Clone, Default)]
pub struct PackOptions {
    /// The name that the packed path gets in the archive. None keeps the path's own last
    /// component (`.` where it ends with `/.`); the root's children stand at the top.
    pub rebase: Option<OsString>,
    /// Paths (relative to the root) whose content is left out.
    pub exclude: Vec<PathBuf>,
    /// Keep the sub-second part of times (Docker cuts it).
    pub nanoseconds: bool,
    /// What becomes of times.
    pub times: Times,
    /// The tree is that of a container with these maps, seen from the host.
    pub owners: Option<Owners>,
}

/// Writes `path` inside `root` and everything below it as an uncompressed tar to `out`,
/// sorted. Symbolic links in the parents of `path` are followed inside the root, the last
/// component only where `path` ends with `/` or `/.`. Sockets are left out.
pub fn pack<W: Write>(
    root: BorrowedFd<'_>,
    path: &Path,
    out: W,
    options: &PackOptions,
) -> Result<W> {
    let mut emitter = Emitter::new(out, false);
    emitter.nanoseconds = options.nanoseconds;
    emitter.times = options.times;
    emitter.owners.clone_from(&options.owners);
    emitter.exclude = relative(&options.exclude);
    emitter.keep_excluded = true;
    let mut tree = Tree::new(root, &Limits::default());
    let place = find(&mut tree, path)?;
    let name = options.rebase.clone().map(OsString::into_vec);
    match place {
        Place::Directory => {
            let inside = tree.location();
            let directory = fs::openat(tree.here(), ".", DIRECTORY, Mode::empty())
                .map_err(|error| tree.failed("opening", b".", error))?;
            let is_root = inside.as_os_str().is_empty();
            let name = name.or_else(|| (!is_root).then(|| default_name(path).into_vec()));
            match name {
                Some(name) => {
                    let stat = fs::fstat(&directory)
                        .map_err(|error| tree.failed("looking at", b".", error))?;
                    let below = emitter.entry(directory.as_fd(), b".", name, &stat, &inside)?;
                    if let Some((directory, prefix)) = below {
                        emitter.below(directory, prefix, inside)?;
                    }
                }
                None => emitter.below(directory, Vec::new(), inside)?,
            }
        }
        Place::Entry(base, stat) => {
            let inside = tree.child(&base);
            let name = name.unwrap_or_else(|| base.clone());
            let below = emitter.entry(tree.here(), &base, name, &stat, &inside)?;
            if let Some((directory, prefix)) = below {
                emitter.below(directory, prefix, inside)?;
            }
        }
    }
    emitter.writer.finish()
}
