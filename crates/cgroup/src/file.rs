//! Reading and writing the kernel's small files, with the path in every error.

use crate::CgroupError;
use rustix::fs::{Mode, OFlags};
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Writes `value` with one write(2), as the kernel's files want it.
pub(crate) fn write(directory: &Path, name: &str, value: &str) -> Result<(), CgroupError> {
    let path = directory.join(name);
    write_raw(&path, value).map_err(|source| CgroupError::Write {
        path,
        value: value.to_owned(),
        source,
    })
}

/// As [`write()`], with the bare error, for callers that act on it.
pub(crate) fn write_raw(path: &Path, value: &str) -> io::Result<()> {
    let file = rustix::fs::open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::retry_on_intr(|| rustix::io::write(&file, value.as_bytes()))?;
    Ok(())
}

/// The whole file.
pub(crate) fn read(directory: &Path, name: &str) -> Result<String, CgroupError> {
    let path = directory.join(name);
    fs::read_to_string(&path).map_err(|source| CgroupError::Read { path, source })
}

/// The whole file, or none where the kernel has no such file (or it went away).
pub(crate) fn read_optional(directory: &Path, name: &str) -> Result<Option<String>, CgroupError> {
    match read(directory, name) {
        Ok(text) => Ok(Some(text)),
        Err(CgroupError::Read { source, .. }) if is_absent(&source) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A file that holds one number; `max` and what is larger than `u64` are `u64::MAX`.
pub(crate) fn read_number(directory: &Path, name: &str) -> Result<Option<u64>, CgroupError> {
    Ok(read_optional(directory, name)?.map(|text| number(&text)))
}

/// One number as the kernel prints it.
pub(crate) fn number(text: &str) -> u64 {
    match text.trim() {
        "max" => u64::MAX,
        text if text.starts_with('-') => 0,
        text => text.parse().unwrap_or(0),
    }
}

/// `name value` lines.
pub(crate) fn pairs(text: &str) -> impl Iterator<Item = (&str, u64)> {
    text.lines().filter_map(|line| {
        let (name, value) = line.split_once(char::is_whitespace)?;
        Some((name, number(value)))
    })
}

/// Whether the error says that a file is not there, or no longer.
pub(crate) fn is_absent(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(code) if {
        let errno = rustix::io::Errno::from_raw_os_error(code);
        matches!(
            errno,
            rustix::io::Errno::NOENT | rustix::io::Errno::NODEV | rustix::io::Errno::NOTDIR
        )
    })
}

/// The processes of one directory (`cgroup.procs`).
pub(crate) fn processes(directory: &Path) -> Result<Vec<u32>, CgroupError> {
    let text = read_optional(directory, "cgroup.procs")?.unwrap_or_default();
    Ok(text.lines().filter_map(|line| line.parse().ok()).collect())
}

/// `directory` and all groups below it, the deepest first.
pub(crate) fn tree(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    collect(directory, &mut found, 0);
    found
}

/// How deep groups are followed; the kernel and systemd nest a handful.
const MAX_DEPTH: usize = 64;

fn collect(directory: &Path, found: &mut Vec<PathBuf>, depth: usize) {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    for entry in entries {
        if depth < MAX_DEPTH && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&entry.path(), found, depth + 1);
        }
    }
    found.push(directory.to_owned());
}
