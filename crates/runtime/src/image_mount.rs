//! Read-only overlays without an upper directory: an image's files as a mount.
//!
//! The list of lower directories is longer than the 256 bytes that one fsconfig(2) string
//! may have, so that these overlays are not made like other file systems. The option
//! `x-corten.subpath=PATH` takes a part of the overlay instead of all of it.

use crate::child_mount::overlay_of;
use crate::mount_target::target;
use crate::mounts::{PlannedMount, Source};
use crate::options::MountOptions;
use crate::plan::failed;
use crate::{Stage, StartError};
use corten_sys::mount::{self, Attributes, Overlay, Parameter, RDONLY};
use corten_sys::root::Root;
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, openat2};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

const SUBPATH: &str = "x-corten.subpath";

/// An overlay of lower directories only, made; `None`: the options say something else.
/// With `idmap` the files are seen through the maps of the user namespace `users`.
pub(crate) fn open(
    kind: &str,
    options: &mut MountOptions,
    users: Option<BorrowedFd<'_>>,
) -> Option<io::Result<Source>> {
    let value = |name: &str, options: &MountOptions| {
        options.parameters.iter().find_map(|it| match it {
            Parameter::Text(key, value) if key == name => Some(value.clone()),
            _ => None,
        })
    };
    let lower = value("lowerdir", options).filter(|_| kind == "overlay")?;
    if value("upperdir", options).is_some() {
        return None;
    }
    let subpath = value(SUBPATH, options).map(PathBuf::from);
    let lower: Vec<PathBuf> = lower.split(':').map(PathBuf::from).collect();
    options.parameters.clear();
    let id_map = users.filter(|_| options.id_map.is_some());
    Some(make(&lower, subpath, id_map))
}

fn make(
    lower: &[PathBuf],
    subpath: Option<PathBuf>,
    id_map: Option<BorrowedFd<'_>>,
) -> io::Result<Source> {
    let tree = overlay_of(Overlay {
        lower,
        upper: None,
        id_map,
    })?;
    mount::set_attributes(tree.as_fd(), read_only())?;
    let Some(subpath) = subpath else {
        let directory = true;
        return Ok(Source::Tree { tree, directory });
    };
    let part = below(&tree, &subpath)?;
    match mount::clone_tree_of(part.as_fd(), false) {
        Ok(tree) => Ok(Source::Tree {
            tree,
            directory: is_directory(&part)?,
        }),
        // Before Linux 6.15 only what is attached can be cloned.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            Ok(Source::PartOf { tree, subpath })
        }
        Err(error) => Err(error),
    }
}

/// Attaches the whole, and a part of it on top.
pub(crate) fn attach_part(
    root: &Root,
    entry: &PlannedMount,
    tree: &OwnedFd,
    subpath: &Path,
) -> Result<(), StartError> {
    let fail =
        |error: io::Error| failed(Stage::Mount, &error, &entry.destination, &entry.source_name);
    let whole = target(root, entry, true)?;
    mount::attach(tree.as_fd(), whole.as_fd()).map_err(fail)?;
    let part = below(tree, subpath).map_err(fail)?;
    let part = mount::clone_tree_of(part.as_fd(), false).map_err(fail)?;
    let top = target(root, entry, true)?;
    mount::attach(part.as_fd(), top.as_fd()).map_err(fail)
}

fn read_only() -> Attributes<'static> {
    Attributes {
        set: RDONLY,
        ..Default::default()
    }
}

/// Links in the image lead nowhere but into it.
fn below(tree: &OwnedFd, subpath: &Path) -> io::Result<OwnedFd> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    Ok(openat2(tree, subpath, flags, Mode::empty(), resolve)?)
}

fn is_directory(file: &OwnedFd) -> io::Result<bool> {
    Ok(FileType::from_raw_mode(fstat(file)?.st_mode) == FileType::Directory)
}
