//! Trees with a limit: a free project ID is found, given to a directory, and limited.
//!
//! The kernel is the only table: an ID is free when the file system counts nothing for it
//! and holds no limit of it. So nothing clashes that this process, another one or an
//! administrator has given out, and nothing is to be read again after a restart.

use crate::quota;
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

/// IDs that are looked at before giving up: more trees than one file system gets limits.
const MAX_TRIES: u32 = 1 << 20;

/// Between finding a free ID and giving it out. It holds the next one to look at.
static NEXT: Mutex<u32> = Mutex::new(1);

/// Limits an empty directory, and all that will be made in it, to `bytes`. One that has a
/// project of its own keeps that and gets the new limit. `base` is a directory above,
/// whose project, if an administrator gave it one, is not the directory's own; IDs are
/// taken from above it.
///
/// # Errors
/// Those of [`quota::give_project`] and [`quota::set_limit`]; ENOSPC without a free ID.
pub fn limit(directory: BorrowedFd<'_>, base: BorrowedFd<'_>, bytes: u64) -> io::Result<u32> {
    let project = match own(directory, base)? {
        Some(project) => project,
        None => give(directory, quota::project(base)?)?,
    };
    quota::set_limit(directory, project, bytes)?;
    Ok(project)
}

/// The limit of `directory` in bytes; `None` without one of its own.
pub fn limit_of(directory: BorrowedFd<'_>, base: BorrowedFd<'_>) -> io::Result<Option<u64>> {
    let Some(project) = own(directory, base)? else {
        return Ok(None);
    };
    let limit = quota::usage(directory, project)?.limit_bytes;
    Ok(Some(limit).filter(|it| *it > 0))
}

/// Takes a directory's limit away, before the directory is removed: its ID is free when the
/// last of its files is gone. Nothing without one.
pub fn unlimit(directory: BorrowedFd<'_>, base: BorrowedFd<'_>) -> io::Result<()> {
    match own(directory, base) {
        Ok(Some(project)) if quota::is_enforced(directory) => {
            quota::set_limit(directory, project, 0)
        }
        // Without a project there is no limit; a file system that knows none says so.
        _ => Ok(()),
    }
}

/// What [`Headroom`] adds: overlay makes a directory when it is mounted, for which xfs sets
/// some dozen blocks aside.
const HEADROOM_BYTES: u64 = 1 << 20;

/// As long as it lives, a directory with a limit of its own has room for what mounting an
/// overlay in it takes. Without, overlay is silently read-only when the limit is reached.
#[must_use]
pub struct Headroom {
    directory: OwnedFd,
    project: u32,
    limit_bytes: u64,
}

impl Headroom {
    /// `None`: the directory has no limit that the one above it, `base`, has not.
    ///
    /// # Errors
    /// Those of [`quota::usage`] and [`quota::set_limit`].
    pub fn of(directory: OwnedFd, base: BorrowedFd<'_>) -> io::Result<Option<Self>> {
        // A file system that knows no projects has no limits.
        let Ok(Some(project)) = own(directory.as_fd(), base) else {
            return Ok(None);
        };
        let found = quota::usage(directory.as_fd(), project)?;
        if found.limit_bytes == 0 {
            return Ok(None);
        }
        let room = found.limit_bytes.max(found.used_bytes) + HEADROOM_BYTES;
        quota::set_limit(directory.as_fd(), project, room)?;
        Ok(Some(Self {
            directory,
            project,
            limit_bytes: found.limit_bytes,
        }))
    }

    /// The limit as it was.
    pub fn end(self) -> io::Result<()> {
        quota::set_limit(self.directory.as_fd(), self.project, self.limit_bytes)
    }
}

/// As long as it lives, limits hold for what this thread writes, too: ext4 lets a process
/// with CAP_SYS_RESOURCE pass them.
#[must_use]
pub struct WithinLimits {
    before: Option<CapabilitySets>,
    // The capabilities are the thread's.
    here: PhantomData<*const ()>,
}

impl WithinLimits {
    /// Begins. A thread that cannot ask for its capabilities writes as it did.
    pub fn new() -> Self {
        let before = capabilities(None).ok();
        if let Some(mut sets) = before {
            sets.effective.remove(CapabilitySet::SYS_RESOURCE);
            let _ = set_capabilities(None, sets);
        }
        Self {
            before,
            here: PhantomData,
        }
    }
}

impl Default for WithinLimits {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for WithinLimits {
    fn drop(&mut self) {
        if let Some(before) = self.before {
            let _ = set_capabilities(None, before);
        }
    }
}

/// The project that `directory` does not share with `base`.
fn own(directory: BorrowedFd<'_>, base: BorrowedFd<'_>) -> io::Result<Option<u32>> {
    let project = quota::project(directory)?;
    Ok(Some(project).filter(|it| *it != 0 && *it != quota::project(base).unwrap_or(0)))
}

fn give(directory: BorrowedFd<'_>, base: u32) -> io::Result<u32> {
    let mut next = NEXT.lock().unwrap_or_else(PoisonError::into_inner);
    let first = base.saturating_add(1).max(*next);
    for project in first..first.saturating_add(MAX_TRIES) {
        if quota::usage(directory, project)? != quota::Usage::default() {
            continue;
        }
        quota::give_project(directory, project)?;
        // Another process that took the same one in between shows by its directory.
        if quota::usage(directory, project)?.used_inodes <= 1 {
            *next = project + 1;
            return Ok(project);
        }
    }
    Err(io::Error::from_raw_os_error(libc::ENOSPC))
}
