//! What can go wrong in an operation. Sentences that Docker's users know are Docker's.

use crate::messages::{self, Sentence};
use corten_base::{Kind, KindOf};
use corten_model::{ContainerId, FilterError};
use corten_shim_proto::client::ShimError;
use std::path::PathBuf;
use thiserror::Error;

/// A failed operation.
#[derive(Debug, Error)]
pub enum EngineError {
    /// No container has this name or ID.
    #[error("No such container: {0}")]
    NoSuchContainer(String),
    /// No exec process has this ID.
    #[error("No such exec instance: {0}")]
    NoSuchExec(String),
    /// Something else that was named does not exist.
    #[error("{0}")]
    NotFound(Sentence),
    /// The request makes no sense.
    #[error("{0}")]
    Invalid(Sentence),
    /// The state does not allow it.
    #[error("{0}")]
    Conflict(Sentence),
    /// An exec process starts once.
    #[error("{0}")]
    ExecAgain(Sentence),
    /// The caller may not do this.
    #[error("{0}")]
    Forbidden(Sentence),
    /// It failed, in Docker's words and with Docker's status 500.
    #[error("{0}")]
    Failed(Sentence),
    /// The object is in the wanted state already.
    #[error("{0}")]
    NotModified(Sentence),
    /// Corten does not do this yet.
    #[error("{0}")]
    Unsupported(Sentence),
    /// The daemon goes down.
    #[error("the daemon is shutting down")]
    Closing,
    /// A restart policy that does not exist.
    #[error(transparent)]
    RestartPolicy(#[from] corten_model::UnknownRestartPolicy),
    /// A filter that does not exist or cannot be used.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// The builder.
    #[error(transparent)]
    Build(#[from] corten_build::Error),
    /// Images.
    #[error(transparent)]
    Images(#[from] corten_images::Error),
    /// An image's name.
    #[error(transparent)]
    Reference(#[from] corten_oci::ReferenceError),
    /// A platform's name.
    #[error(transparent)]
    Platform(#[from] corten_oci::PlatformError),
    /// Volumes.
    #[error(transparent)]
    Volume(#[from] corten_volume::VolumeError),
    /// Networks.
    #[error(transparent)]
    Network(#[from] corten_network::NetworkError),
    /// A network could not be set up at start.
    #[error("{message}")]
    NetworkSetUp {
        /// The whole sentence.
        message: Sentence,
        /// Of the failure.
        kind: Kind,
    },
    /// Snapshots.
    #[error(transparent)]
    Snapshot(#[from] corten_snapshot::Error),
    /// Archives.
    #[error(transparent)]
    Archive(#[from] corten_archive::Error),
    /// The content store.
    #[error(transparent)]
    Content(#[from] corten_content::Error),
    /// A log driver or its options.
    #[error(transparent)]
    LogOptions(#[from] corten_logs::OptionError),
    /// Logs.
    #[error(transparent)]
    Logs(#[from] corten_logs::LogError),
    /// Control groups.
    #[error(transparent)]
    Cgroup(#[from] corten_cgroup::CgroupError),
    /// Records.
    #[error(transparent)]
    Store(#[from] corten_store::StoreError),
    /// Devices of vendors.
    #[error("CDI device injection failed")]
    Cdi(#[from] corten_cdi::CdiError),
    /// The shim.
    #[error(transparent)]
    Shim(#[from] ShimError),
    /// The durable exit status.
    #[error(transparent)]
    ExitFile(#[from] corten_shim_proto::ExitFileError),
    /// A file of the host.
    #[error("{operation} {path}")]
    File {
        /// `reading`, `writing`, …
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A start failed after the container was prepared; what the record keeps of it.
    #[error("{message}")]
    Start {
        /// The whole sentence.
        message: Sentence,
        /// 126, 127 or 128.
        exit_code: i64,
        /// Of the failure.
        kind: Kind,
    },
    /// A task of the engine itself ended before its work.
    #[error("{0} was cut short")]
    CutShort(&'static str),
}

impl EngineError {
    /// A shim that cannot be spoken to any more has told its container's end, or the end of
    /// its connection is about to: the container does not run.
    pub(crate) fn from_shim(id: ContainerId, error: ShimError) -> Self {
        match error {
            ShimError::Gone { .. } | ShimError::Broken { .. } => {
                Self::Conflict(messages::not_running(id))
            }
            other => other.into(),
        }
    }
}

impl KindOf for EngineError {
    fn kind(&self) -> Kind {
        match self {
            Self::NoSuchContainer(_) | Self::NoSuchExec(_) | Self::NotFound(_) => Kind::NotFound,
            Self::Invalid(_) | Self::RestartPolicy(_) | Self::Reference(_) | Self::Platform(_) => {
                Kind::InvalidParameter
            }
            Self::Conflict(_) | Self::ExecAgain(_) => Kind::Conflict,
            Self::Forbidden(_) => Kind::Forbidden,
            Self::NotModified(_) => Kind::NotModified,
            Self::Unsupported(_) => Kind::NotImplemented,
            Self::Closing => Kind::Unavailable,
            Self::Filter(error) => error.kind(),
            Self::Build(error) => error.kind(),
            Self::Images(error) => error.kind(),
            Self::Volume(error) => error.kind(),
            Self::Network(error) => error.kind(),
            Self::Snapshot(error) => error.kind(),
            Self::Archive(error) => error.kind(),
            Self::Content(error) => error.kind(),
            Self::LogOptions(error) => error.kind(),
            Self::Logs(error) => error.kind(),
            Self::Cgroup(error) => error.kind(),
            Self::Store(error) => error.kind(),
            Self::Cdi(error) => error.kind(),
            Self::Shim(error) => error.kind(),
            Self::ExitFile(error) => error.kind(),
            Self::Start { kind, .. } | Self::NetworkSetUp { kind, .. } => *kind,
            Self::Failed(_) | Self::File { .. } | Self::CutShort(_) => Kind::Internal,
        }
    }
}
