//! Why the kernel refused a request.

use thiserror::Error;

/// A failed request to the kernel.
#[derive(Debug, Error)]
pub enum NetlinkError {
    /// The kernel answered with an error.
    #[error("{operation}{}: {errno}", explained(.explanation))]
    Refused {
        /// What was asked for, with its arguments.
        operation: String,
        /// The kernel's reason.
        errno: rustix::io::Errno,
        /// The kernel's own words, empty when it gave none.
        explanation: String,
    },
    /// A system call around the socket or the namespace failed.
    #[error("{operation}")]
    System {
        /// What was tried.
        operation: &'static str,
        /// Why.
        source: rustix::io::Errno,
    },
    /// The answer was not what the protocol promises.
    #[error("{operation}: unexpected answer from the kernel")]
    Answer {
        /// What was asked for.
        operation: String,
    },
    /// The thread that enters namespaces could not be started or is gone.
    #[error("the network namespace thread is gone")]
    Thread,
}

fn explained(explanation: &str) -> String {
    if explanation.is_empty() {
        String::new()
    } else {
        format!(" ({explanation})")
    }
}

impl NetlinkError {
    /// The errno behind this error, if any.
    pub fn errno(&self) -> Option<rustix::io::Errno> {
        match self {
            Self::Refused { errno, .. } => Some(*errno),
            Self::System { source, .. } => Some(*source),
            Self::Answer { .. } | Self::Thread => None,
        }
    }
}
