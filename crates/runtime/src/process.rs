//! Ends of children.

use rustix::process::{WaitId, WaitIdOptions, waitid};
use std::os::fd::{AsFd, OwnedFd};

/// Waits for the end of a child and takes its status: the exit code, or 128 and the
/// signal.
pub(crate) fn reap(pidfd: &OwnedFd) -> i32 {
    let wait = || waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED);
    match rustix::io::retry_on_intr(wait) {
        Ok(Some(status)) => status
            .exit_status()
            .or_else(|| status.terminating_signal().map(|signal| 128 + signal))
            .unwrap_or(-1),
        _ => -1,
    }
}
