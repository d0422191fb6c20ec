//! How a command fails.

use crate::output::list::ListError;
pub use corten_base::errno_text;
use corten_client::ClientError;
use std::io;
use thiserror::Error;

/// A failed command; `Display` is what stderr shows.
#[derive(Debug, Error)]
pub enum CliError {
    /// The engine refused or could not be reached.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A sentence of the command line itself.
    #[error("{0}")]
    Text(String),
    /// A list could not be printed.
    #[error(transparent)]
    List(#[from] ListError),
    /// A message with an exit code of its own.
    #[error("{message}")]
    Coded { message: String, code: u8 },
    /// Everything was told already.
    #[error("")]
    Exit(u8),
    /// Standard output is closed: nobody listens any more.
    #[error("")]
    Closed,
}

impl CliError {
    /// A file that could not be opened, as Go tells it.
    pub fn open(path: &str, error: &io::Error) -> Self {
        Self::path("open", path, error)
    }

    /// A failed operation on a path, as Go tells it: `open /x: no such file or directory`.
    pub fn path(operation: &str, path: &str, error: &io::Error) -> Self {
        Self::Text(format!("{operation} {path}: {}", errno_text(error)))
    }

    /// What the process ends with.
    pub fn code(&self) -> u8 {
        match self {
            Self::Coded { code, .. } | Self::Exit(code) => *code,
            _ => 1,
        }
    }
}
