//! Paths of the container that are hidden or write-protected.

use crate::plan::{Plan, failed};
use crate::{Stage, StartError};
use corten_sys::mount::{self, Attributes, NODEV, NOEXEC, NOSUID, Parameter, RDONLY};
use corten_sys::root::Root;
use rustix::fs::{FileType, Mode, OFlags, fstat};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// The host's null device, by descriptor and checked, as the source of masks
/// (CVE-2025-31133). For a process whose root is still the host's.
fn null_device() -> io::Result<OwnedFd> {
    let null = rustix::fs::open("/dev/null", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    let stat = fstat(&null)?;
    let is_null = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice
        && stat.st_rdev == rustix::fs::makedev(1, 3);
    if is_null {
        Ok(null)
    } else {
        Err(rustix::io::Errno::NODEV.into())
    }
}

pub(crate) fn apply(plan: &Plan<'_>, root: &Root) -> Result<(), StartError> {
    for path in &plan.linux.readonly_paths {
        protect(root, path)
            .map_err(|error| failed(Stage::Mask, &error, path, "write-protecting"))?;
    }
    if plan.linux.masked_paths.is_empty() {
        return Ok(());
    }
    let null = null_device()
        .map_err(|error| failed(Stage::Mask, &error, "/dev/null", "opening the host's"))?;
    let mut empty = None;
    for path in &plan.linux.masked_paths {
        mask(&null, root, path, &mut empty)
            .map_err(|error| failed(Stage::Mask, &error, path, "masking"))?;
    }
    Ok(())
}

/// What is at `path`; a path that is not there needs nothing.
fn found(root: &Root, path: &Path) -> io::Result<Option<OwnedFd>> {
    match root.open_file(path, OFlags::PATH, Mode::empty()) {
        Ok(file) => Ok(Some(file)),
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR)) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn protect(root: &Root, path: &Path) -> io::Result<()> {
    let Some(target) = found(root, path)? else {
        return Ok(());
    };
    let tree = mount::clone_tree_of(target.as_fd(), true)?;
    let change = Attributes {
        set: RDONLY,
        recursive: true,
        ..Default::default()
    };
    mount::set_attributes(tree.as_fd(), change)?;
    mount::attach(tree.as_fd(), target.as_fd())
}

/// Directories are covered by an empty read-only one, all by copies of the same; files
/// by the null device that was checked on the host (CVE-2025-31133).
fn mask(null: &OwnedFd, root: &Root, path: &Path, empty: &mut Option<OwnedFd>) -> io::Result<()> {
    let Some(target) = found(root, path)? else {
        return Ok(());
    };
    let directory = FileType::from_raw_mode(fstat(&target)?.st_mode) == FileType::Directory;
    let tree = match (directory, empty.as_ref()) {
        (false, _) => mount::clone_tree_of(null.as_fd(), false)?,
        (true, Some(first)) => mount::clone_tree_of(first.as_fd(), false)?,
        (true, None) => {
            let size = [("size", "0k"), ("mode", "555")]
                .map(|(key, value)| Parameter::Text(key.to_owned(), value.to_owned()));
            let attributes = RDONLY | NOSUID | NODEV | NOEXEC;
            let tree = mount::new_filesystem("tmpfs", Some(Path::new("tmpfs")), &size, attributes)?;
            mount::attach(tree.as_fd(), target.as_fd())?;
            *empty = Some(tree);
            return Ok(());
        }
    };
    mount::attach(tree.as_fd(), target.as_fd())
}
