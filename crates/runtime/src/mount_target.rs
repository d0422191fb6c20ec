//! Where mounts go: the place in the container's root, found by descriptor, and what is
//! refused there.

use crate::mounts::{PlannedMount, Source};
use crate::plan::failed;
use crate::{Stage, StartError};
use corten_oci::runtime::Mount;
use corten_sys::root::Root;
use rustix::fs::{FileType, Mode, OFlags, fstat};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

/// What may be mounted over files of /proc: nothing but lxcfs' files, since the masks and
/// the writes of the runtime rely on it (CVE-2019-16884). Links of the image that lead
/// there are seen by [`target`].
pub(crate) fn check_proc(
    destination: &Path,
    entry: &Mount,
    source: &Source,
) -> Result<(), StartError> {
    const ALLOWED: &[&str] = &[
        "cpuinfo",
        "diskstats",
        "meminfo",
        "stat",
        "swaps",
        "uptime",
        "loadavg",
        "slabinfo",
        "net/dev",
        "sys/kernel/ns_last_pid",
        "sys/crypto/fips_enabled",
    ];
    let Ok(below) = destination.strip_prefix("/proc") else {
        return Ok(());
    };
    let allowed = if below.as_os_str().is_empty() {
        entry.kind == "proc" || matches!(source, Source::Tree { tree, .. } if is_procfs(tree))
    } else {
        ALLOWED.iter().any(|name| below == Path::new(name))
    };
    if allowed {
        return Ok(());
    }
    Err(unsafe_proc(destination, &entry_name(entry)))
}

fn entry_name(entry: &Mount) -> String {
    let source = entry.source.as_deref();
    source.map_or_else(
        || entry.kind.clone(),
        |it| it.to_string_lossy().into_owned(),
    )
}

/// runc 1.3's sentence.
fn unsafe_proc(destination: &Path, source: &str) -> StartError {
    let path = destination.to_string_lossy();
    let reason = match destination == Path::new("/proc") {
        true => "not of type proc",
        false => "inside /proc",
    };
    let sentence = format!(
        "error mounting {source:?} to rootfs at {path:?}: create mountpoint for {path} mount: \
         check proc-safety of {path} mount: {path:?} cannot be mounted because it is {reason}"
    );
    StartError::refused(Stage::Mount, path, sentence)
}

fn is_procfs(tree: &OwnedFd) -> bool {
    rustix::fs::fstatfs(tree).is_ok_and(|stat| stat.f_type == libc::PROC_SUPER_MAGIC)
}

/// The file or directory to mount on, made where it is missing.
///
/// # Errors
/// ENOTDIR when one of source and target is a directory and the other is not; a refusal
/// when a link of the image has led into the container's /proc.
pub(crate) fn target(
    root: &Root,
    entry: &PlannedMount,
    directory: bool,
) -> Result<OwnedFd, StartError> {
    let path = entry.destination.as_path();
    let target = make(root, path, directory)
        .map_err(|error| failed(Stage::Mount, &error, path, &entry.source_name))?;
    if is_procfs(&target) && !path.starts_with("/proc") && is_own_proc(root, &target) {
        return Err(unsafe_proc(path, &entry.source_name));
    }
    Ok(target)
}

fn make(root: &Root, path: &Path, directory: bool) -> io::Result<OwnedFd> {
    let mode = Mode::from_raw_mode(0o755);
    if directory {
        return root.create_directories(path, mode);
    }
    let target = root.create_file(path, mode)?;
    if FileType::from_raw_mode(fstat(&target)?.st_mode) == FileType::Directory {
        return Err(io::Error::from_raw_os_error(libc::ENOTDIR));
    }
    Ok(target)
}

/// Another procfs is data: that of the host, bound somewhere else.
fn is_own_proc(root: &Root, target: &OwnedFd) -> bool {
    let own = root.open_without_links(Path::new("/proc"), OFlags::PATH | OFlags::DIRECTORY);
    match (own.and_then(|own| Ok(fstat(own)?)), fstat(target)) {
        (Ok(own), Ok(target)) => own.st_dev == target.st_dev,
        _ => true,
    }
}

/// The directory at `path` without any symbolic link on the way.
pub(crate) fn plain_directory(root: &Root, path: &Path) -> Result<OwnedFd, StartError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    match root.open_without_links(path, flags) {
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {
            // A dangling link is made a directory nowhere: the second look refuses it.
            let fail = |error| failed(Stage::Mount, &error, path, "");
            root.create_directories(path, Mode::from_raw_mode(0o755))
                .map_err(fail)?;
            root.open_without_links(path, flags)
                .map_err(|error| link_error(&error, path))
        }
        result => result.map_err(|error| link_error(&error, path)),
    }
}

fn link_error(error: &io::Error, path: &Path) -> StartError {
    match error.raw_os_error() {
        Some(libc::ELOOP | libc::ENOTDIR) => {
            let path = path.to_string_lossy();
            let sentence = format!("filesystem \"{path}\" must be mounted on ordinary directory");
            StartError::refused(Stage::Mount, path, sentence)
        }
        _ => failed(Stage::Mount, error, path, ""),
    }
}
