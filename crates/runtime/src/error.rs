//! What kept a process from starting: the stage, the errno and the path.

use corten_base::{Kind, KindOf};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Where in the making of a process a failure happened, in the order of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The specification asks for something impossible, unknown or refused.
    Spec,
    /// Making the processes and their channel.
    Clone,
    /// Making or joining namespaces, writing user and group maps.
    Namespace,
    /// Joining the cgroup.
    Cgroup,
    /// Putting the root file system together.
    Root,
    /// Making a mount; `path` is its destination.
    Mount,
    /// Making a device node or its link; `path` is the device.
    Device,
    /// Opening the pseudo-terminal or binding the console.
    Console,
    /// Hiding or write-protecting a path.
    Mask,
    /// Entering the root.
    PivotRoot,
    /// Writing a kernel parameter; `path` is its name.
    Sysctl,
    /// Setting the host or domain name.
    Hostname,
    /// Running a hook; `path` is its program.
    Hook,
    /// Finding the user or a group; `path` is the text that was looked up.
    User,
    /// Entering the working directory; `path` is that directory.
    WorkingDirectory,
    /// Setting a resource limit; `path` is its name.
    Rlimit,
    /// Setting identities, capability sets, priorities or labels.
    Privilege,
    /// Loading the system call filter.
    Seccomp,
    /// Finding the program; `path` is `args[0]`. ENOENT and EACCES are what the command
    /// line clients turn into exit codes 127 and 126.
    LookUp,
    /// Running the program; `path` is what was run. A program that the kernel does not
    /// run is no failure of the start, as with runc: it says so on its own standard
    /// error and ends with 255. So only a start that could not be asked for is told.
    Exec,
    /// The process ended without a word.
    Died,
}

/// What kept a process from starting.
///
/// `Display` speaks with runc's sentences where users know them, such as
/// `exec: "foo": executable file not found in $PATH`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartError {
    /// Where.
    pub stage: Stage,
    /// The kernel's answer; 0 where the kernel was not asked.
    pub errno: i32,
    /// What it was about; meaning by stage, may be empty.
    pub path: String,
    /// What was tried, or the whole sentence where `errno` is 0; may be empty.
    pub detail: String,
}

impl StartError {
    /// A failed system call.
    pub fn new(
        stage: Stage,
        errno: i32,
        path: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            stage,
            errno,
            path: path.into(),
            detail: detail.into(),
        }
    }

    /// A refusal with a sentence of its own.
    pub fn refused(stage: Stage, path: impl Into<String>, sentence: impl Into<String>) -> Self {
        Self::new(stage, 0, path, sentence)
    }

    /// Whether the program does not exist (the command line's exit code 127).
    pub fn is_not_found(&self) -> bool {
        matches!(self.stage, Stage::LookUp | Stage::Exec) && self.errno == libc::ENOENT
    }

    /// Whether the program exists and cannot be run (the command line's exit code 126).
    pub fn is_not_executable(&self) -> bool {
        matches!(self.stage, Stage::LookUp | Stage::Exec)
            && matches!(self.errno, libc::EACCES | libc::EISDIR | libc::ENOEXEC)
    }
}

impl std::error::Error for StartError {}

impl KindOf for StartError {
    fn kind(&self) -> Kind {
        match self.stage {
            Stage::Spec | Stage::User | Stage::LookUp | Stage::Exec | Stage::WorkingDirectory => {
                Kind::InvalidParameter
            }
            _ => Kind::Internal,
        }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::messages::write(self, f)
    }
}
