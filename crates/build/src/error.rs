//! What can go wrong in a build, in BuildKit's sentences where users know them.

use corten_base::{Kind, KindOf};
use corten_dockerfile::Location;
use std::{io, path::PathBuf};
use thiserror::Error;

/// What an operation answers.
pub type Result<T> = std::result::Result<T, Error>;

/// A build's failure.
#[derive(Debug, Error)]
pub enum Error {
    /// The Dockerfile cannot be read.
    #[error(transparent)]
    Dockerfile(#[from] corten_dockerfile::Error),
    /// A `.dockerignore` that cannot be read.
    #[error("failed to parse {name}: {source}")]
    Ignore {
        /// The file.
        name: String,
        /// Why.
        source: corten_dockerfile::IgnoreError,
    },
    /// An instruction that cannot be done, and where it stands.
    #[error("{source}")]
    At {
        /// Its lines.
        location: Location,
        /// Why.
        source: Box<Error>,
    },
    /// A word of an instruction cannot be expanded.
    #[error("failed to process {word:?}: {reason}")]
    Words {
        /// The word.
        word: String,
        /// Why.
        reason: String,
    },
    /// A sentence about what was asked.
    #[error("{0}")]
    Invalid(String),
    /// Nothing under this name.
    #[error("{0}")]
    NotFound(String),
    /// A cache mount of this name.
    #[error("cache mount {id:?} is there already: remove it first, with `builder prune --filter`")]
    MountExists {
        /// The name.
        id: String,
    },
    /// A right that the client has not given to the build.
    #[error("failed to load LLB: {0} is not allowed")]
    NotAllowed(&'static str),
    /// What Corten does not do.
    #[error("{0}")]
    Unsupported(String),
    /// The program of a step ended with a status.
    #[error("process {command:?} did not complete successfully: exit code: {code}")]
    ExitCode {
        /// The command, its words joined.
        command: String,
        /// The status.
        code: i64,
    },
    /// The program of a step is for another processor and nothing here runs those.
    #[error(
        "process {command:?} did not complete successfully: exit code: {code} (the step is for {platform}, this machine is {host}: the kernel needs an emulator, such as that of the package qemu-user-static)"
    )]
    Foreign {
        /// The command.
        command: String,
        /// Its status.
        code: i64,
        /// What it is for.
        platform: String,
        /// What this machine is.
        host: String,
    },
    /// A step could not be started.
    #[error("process {command:?} did not complete successfully: {reason}")]
    Start {
        /// The command.
        command: String,
        /// Why.
        reason: String,
    },
    /// A source of `COPY` or `ADD` that is not there.
    #[error(
        "failed to compute cache key: failed to calculate checksum of ref {reference}: {path:?}: not found"
    )]
    SourceMissing {
        /// What was looked in.
        reference: String,
        /// The path.
        path: String,
    },
    /// A server of the network, asked for a file.
    #[error("failed to load cache key: {0}")]
    Remote(String),
    /// A server of the network that does not give a file.
    #[error("failed to load cache key: invalid response status {status}")]
    RemoteStatus {
        /// What was asked for; without passwords.
        url: String,
        /// HTTP's status.
        status: u16,
    },
    /// Another file than the Dockerfile says.
    #[error("digest mismatch {actual}: {expected}")]
    Checksum {
        /// What came.
        actual: corten_oci::Digest,
        /// What was to come.
        expected: corten_oci::Digest,
    },
    /// A git repository.
    #[error("failed to load cache key: failed to fetch remote {remote}: git stderr:\n{said}")]
    Git {
        /// Its URL.
        remote: String,
        /// What git said.
        said: String,
    },
    /// A file or directory.
    #[error("{operation} {path}")]
    Path {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The client's session.
    #[error("{operation}: {reason}")]
    Session {
        /// What was asked of the client.
        operation: String,
        /// Why it failed.
        reason: String,
    },
    /// The image store.
    #[error(transparent)]
    Images(#[from] corten_images::Error),
    /// Layers.
    #[error(transparent)]
    Snapshot(#[from] corten_snapshot::Error),
    /// Archives.
    #[error(transparent)]
    Archive(#[from] corten_archive::Error),
    /// A list of packages.
    #[error(transparent)]
    Sbom(#[from] corten_sbom::Error),
    /// Records.
    #[error(transparent)]
    Store(#[from] corten_store::StoreError),
    /// The step that another one waited for failed; its own error is told there.
    #[error("{0}")]
    Shared(std::sync::Arc<Error>),
    /// The client went away.
    #[error("context canceled")]
    Cancelled,
}

impl Error {
    pub(crate) fn at(self, location: Location) -> Self {
        match self {
            located @ Self::At { .. } => located,
            // BuildKit finds these behind its front end, which knows lines.
            plain @ Self::NotAllowed(_) => plain,
            source => Self::At {
                location,
                source: Box::new(source),
            },
        }
    }

    /// The lines it is about.
    pub fn location(&self) -> Option<Location> {
        match self {
            Self::At { location, .. } => Some(*location),
            Self::Dockerfile(error) => error.location,
            Self::Shared(error) => error.location(),
            _ => None,
        }
    }

    pub(crate) fn path(
        operation: &'static str,
        path: impl Into<PathBuf>,
        source: impl Into<io::Error>,
    ) -> Self {
        Self::Path {
            operation,
            path: path.into(),
            source: source.into(),
        }
    }

    /// The status of the program that failed, if that is the reason.
    pub fn exit_code(&self) -> Option<i64> {
        match self {
            Self::ExitCode { code, .. } | Self::Foreign { code, .. } => Some(*code),
            Self::At { source, .. } => source.exit_code(),
            Self::Shared(error) => error.exit_code(),
            _ => None,
        }
    }
}

impl KindOf for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Dockerfile(_) | Self::Ignore { .. } | Self::Words { .. } | Self::Invalid(_) => {
                Kind::InvalidParameter
            }
            Self::NotFound(_) | Self::SourceMissing { .. } => Kind::NotFound,
            Self::Checksum { .. } => Kind::InvalidParameter,
            Self::MountExists { .. } => Kind::Conflict,
            Self::NotAllowed(_) => Kind::Forbidden,
            Self::Unsupported(_) => Kind::NotImplemented,
            Self::At { source, .. } => source.kind(),
            Self::Shared(error) => error.kind(),
            Self::Images(error) => error.kind(),
            Self::Archive(error) => error.kind(),
            Self::Sbom(error) => error.kind(),
            Self::ExitCode { .. }
            | Self::Foreign { .. }
            | Self::Start { .. }
            | Self::Path { .. }
            | Self::Remote(_)
            | Self::RemoteStatus { .. }
            | Self::Git { .. }
            | Self::Session { .. }
            | Self::Snapshot(_)
            | Self::Store(_)
            | Self::Cancelled => Kind::Internal,
        }
    }
}
