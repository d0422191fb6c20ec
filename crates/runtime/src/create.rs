//! Making a container's first process and letting it go.

use crate::{CreateRequest, Stage, StartError};
use std::os::fd::OwnedFd;
use std::path::Path;

/// A container whose first process stands before the user's program.
///
/// Dropping it ends the process.
#[derive(Debug)]
pub struct Created {
    /// The first process as the caller's pid namespace numbers it. It is the caller's
    /// child, who must reap it, by `waitid(P_PIDFD)`.
    pub pid: i32,
    /// Readable when the process has ended.
    pub pidfd: OwnedFd,
    /// The pseudo-terminal's master, with `Stdio::Terminal`.
    pub console: Option<OwnedFd>,
    /// The container's mount namespace. While it is held, the end of the process is
    /// told without waiting for its mounts to be taken apart; close it afterwards.
    pub mount_namespace: Option<OwnedFd>,
}

/// A container whose first process runs the user's program.
#[derive(Debug)]
pub struct Running {
    /// As in [`Created::pid`].
    pub pid: i32,
    /// As in [`Created::pidfd`].
    pub pidfd: OwnedFd,
    /// As in [`Created::console`].
    pub console: Option<OwnedFd>,
    /// As in [`Created::mount_namespace`].
    pub mount_namespace: Option<OwnedFd>,
}

/// Makes the namespaces, the mounts and the first process, which then waits.
///
/// Blocks for some milliseconds, longer when hooks run.
pub fn create(request: CreateRequest<'_>) -> Result<Created, StartError> {
    Err(StartError::refused(
        Stage::Spec,
        request.id,
        "create is not built yet",
    ))
}

impl Created {
    /// Lets the process run the user's program and waits until it does.
    pub fn start(self) -> Result<Running, StartError> {
        Err(StartError::refused(
            Stage::Spec,
            "",
            "start is not built yet",
        ))
    }
}

/// Starts a container that was created with [`crate::Gate::Listener`] on `socket`.
pub fn start_through(socket: &Path) -> Result<(), StartError> {
    Err(StartError::refused(
        Stage::Spec,
        socket.to_string_lossy(),
        "start is not built yet",
    ))
}
