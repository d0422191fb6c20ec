//! Adding a process to a running container.

use crate::{ExecRequest, ExecTarget, Stage, StartError};
use std::os::fd::OwnedFd;

/// A process that runs the user's program beside the container's first one.
#[derive(Debug)]
pub struct Child {
    /// As the caller's pid namespace numbers it; the caller's child, who must reap it.
    pub pid: i32,
    /// Readable when the process has ended.
    pub pidfd: OwnedFd,
    /// The pseudo-terminal's master, with `Stdio::Terminal`.
    pub console: Option<OwnedFd>,
}

/// Runs a process in the container and waits until its `execve` has succeeded.
pub fn exec(target: ExecTarget<'_>, request: ExecRequest<'_>) -> Result<Child, StartError> {
    let _ = (target, request);
    Err(StartError::refused(
        Stage::Spec,
        "",
        "exec is not built yet",
    ))
}
