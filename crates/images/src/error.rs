//! Why work on images failed.

use corten_base::{Kind, KindOf};
use corten_oci::{Digest, PlatformError, Reference, ReferenceError};
use std::{path::PathBuf, sync::Arc};
use thiserror::Error;

/// This crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why work on images failed. `Display` is Docker's sentence where it has one.
#[derive(Debug, Error)]
pub enum Error {
    /// No image of this name or ID. Holds the whole sentence.
    #[error("{0}")]
    NotFound(String),
    /// The image's state does not allow it. Holds the whole sentence.
    #[error("{0}")]
    Conflict(String),
    /// What was asked for or handed in makes no sense. Holds the whole sentence.
    #[error("{0}")]
    Invalid(String),
    /// It failed, in Docker's words and with Docker's status 500. Holds the whole sentence.
    #[error("{0}")]
    Failed(String),
    /// No image name.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// No platform.
    #[error(transparent)]
    Platform(#[from] PlatformError),
    /// The registry has no such image, or not for this user.
    #[error("{sentence}: {source}")]
    NotInRegistry {
        /// Docker's words for it.
        sentence: String,
        /// The registry's.
        source: Box<corten_distribution::Error>,
    },
    /// A registry to push to wants a user and a password, and none were given.
    #[error("no basic auth credentials")]
    NoCredentials,
    /// The registry could not be asked, or refused.
    #[error(transparent)]
    Registry(#[from] corten_distribution::Error),
    /// A layer's bytes are not those its digest names.
    #[error("filesystem layer verification failed for digest {0}")]
    LayerVerification(Digest),
    /// A layer whose blob is not kept, and whose files do not give its tar.
    #[error("layer {0} has no bytes on this machine")]
    NoBytes(Digest),
    /// A blob.
    #[error(transparent)]
    Content(#[from] corten_content::Error),
    /// A layer that cannot be unpacked.
    #[error("failed to register layer: {0}")]
    Archive(#[from] corten_archive::Error),
    /// The unpacked layers.
    #[error(transparent)]
    Layers(#[from] corten_snapshot::Error),
    /// The records.
    #[error(transparent)]
    Store(#[from] corten_store::StoreError),
    /// The work failed for everybody who waited for it.
    #[error(transparent)]
    Shared(Arc<Error>),
    /// The stream from or to the caller broke.
    #[error("{operation}")]
    Stream {
        /// What was tried.
        operation: &'static str,
        /// What happened.
        source: std::io::Error,
    },
    /// The engine is shutting down.
    #[error("the work was interrupted")]
    Interrupted,
    /// A file or directory of the store.
    #[error("{operation} {path:?}")]
    Path {
        /// What was tried, as in `opening`.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// The kernel's answer.
        source: std::io::Error,
    },
}

impl Error {
    /// The error itself, if nobody else holds it.
    pub(crate) fn unshared(self) -> Self {
        match self {
            Self::Shared(error) => Arc::try_unwrap(error).unwrap_or_else(Self::Shared),
            other => other,
        }
    }

    /// What Docker says when a pull fails at the registry.
    pub(crate) fn of_pull(error: corten_distribution::Error, reference: &Reference) -> Self {
        let error = error.first_only();
        let refusal = match &error {
            corten_distribution::Error::Registry(refusal) if !refusal.is_bare() => Some(refusal),
            _ => None,
        };
        let code = refusal.map(|refusal| refusal.code().to_owned());
        let (name, full) = (reference.familiar_name(), reference.familiar());
        let sentence = match code.as_deref() {
            Some("DENIED") => format!(
                "pull access denied for {name}, repository does not exist or may require 'docker login'"
            ),
            Some("MANIFEST_UNKNOWN") => format!("manifest for {full} not found"),
            Some("NAME_UNKNOWN") => format!("repository {name} not found"),
            _ => return error.into(),
        };
        Self::NotInRegistry {
            sentence,
            source: Box::new(error),
        }
    }
}

impl Error {
    /// What Docker says when a push fails at the registry.
    pub(crate) fn of_push(self) -> Self {
        match self {
            Self::Registry(corten_distribution::Error::NoCredentials { .. }) => Self::NoCredentials,
            Self::Registry(error) => Self::Registry(error.first_only()),
            other => other,
        }
    }
}

impl KindOf for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::NotFound(_) | Self::NoBytes(_) | Self::NotInRegistry { .. } => Kind::NotFound,
            Self::Conflict(_) => Kind::Conflict,
            Self::Invalid(_) | Self::Reference(_) | Self::Platform(_) => Kind::InvalidParameter,
            Self::Registry(error) => error.kind(),
            Self::Shared(error) => error.kind(),
            Self::Interrupted => Kind::Unavailable,
            Self::LayerVerification(_)
            | Self::Failed(_)
            | Self::NoCredentials
            | Self::Content(_)
            | Self::Archive(_)
            | Self::Layers(_)
            | Self::Store(_)
            | Self::Stream { .. }
            | Self::Path { .. } => Kind::Internal,
        }
    }
}
