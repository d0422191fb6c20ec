//! How much may be written to an overlay's upper directory, where the file system has
//! project quotas.
//!
//! The directory above `upper` and `work` has a project of its own, and both have the same:
//! overlay moves what it has copied up from one to the other. The kernel makes overlay write
//! without CAP_SYS_RESOURCE, so the limit holds for privileged containers, too.

use crate::{Result, error::On};
use corten_sys::{projects, quota};
use rustix::fs::{Mode, OFlags};
use std::{
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

pub(crate) fn is_possible(containers: &Path) -> bool {
    open(containers).is_ok_and(|containers| quota::is_enforced(containers.as_fd()))
}

/// Limits the snapshot in `directory`, whose upper directory is empty.
pub(crate) fn set(directory: &Path, containers: &Path, bytes: u64) -> Result<()> {
    let (top, base) = (open(directory)?, open(containers)?);
    let project = projects::limit(top.as_fd(), base.as_fd(), bytes);
    let project = project.on("limiting the size of", directory)?;
    for name in ["upper", "work"] {
        let path = directory.join(name);
        quota::give_project(open(&path)?.as_fd(), project).on("limiting the size of", &path)?;
    }
    Ok(())
}

/// Takes the limit away before the directory is; nothing without one.
pub(crate) fn take_away(directory: &Path, containers: &Path) -> Result<()> {
    match (open(directory), open(containers)) {
        (Ok(directory_file), Ok(base)) => projects::unlimit(directory_file.as_fd(), base.as_fd())
            .on("taking the limit from", directory),
        // Without a directory there is none.
        _ => Ok(()),
    }
}

fn open(path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).on("opening", path)
}
