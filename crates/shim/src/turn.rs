//! Runs of one container take turns.
//!
//! The end of a run is told before what it leaves behind is removed, so that nobody waits
//! for that. Whoever starts the container again at once has another shim, which would make
//! the control group that the one before is about to remove. So a shim holds its container's
//! directory, and the next one waits for it: flock(2), which ends with its holder, however
//! that ends.

use rustix::fs::{FlockOperation, Mode, OFlags};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

/// The turn of a run; the next begins when it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    _directory: OwnedFd,
}

impl Turn {
    /// Waits until the run before has been cleaned up.
    pub(crate) fn take(directory: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(directory, flags, Mode::empty())?;
        loop {
            match rustix::fs::flock(&directory, FlockOperation::LockExclusive) {
                Ok(()) => break,
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(Self {
            _directory: directory,
        })
    }
}
