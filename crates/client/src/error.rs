//! What can go wrong between a command and an engine.

use crate::{EndpointError, messages};
use corten_base::{Kind, KindOf};
use thiserror::Error;

/// A failed request.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The address is not understood.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// Nobody listens at the address.
    #[error("{}", messages::cannot_connect(.host))]
    Connect {
        host: String,
        #[source]
        source: std::io::Error,
    },
    /// The socket's rights refuse this user.
    #[error("{}", messages::permission_denied(.host))]
    PermissionDenied { host: String },
    /// A file with keys or certificates cannot be used.
    #[error("TLS: {path}: {why}")]
    Tls { path: String, why: String },
    /// `ssh` cannot be run.
    #[error("running ssh: {0}")]
    Ssh(#[source] std::io::Error),
    /// The engine answered with an error.
    #[error("{}", messages::from_daemon(.message))]
    Api { status: u16, message: String },
    /// The connection broke or carried something that is not HTTP.
    #[error("error during connect: {method} {path}: {source}")]
    Http {
        method: String,
        path: String,
        #[source]
        source: hyper::Error,
    },
    /// A request that cannot be formed.
    #[error("{0}")]
    Request(#[from] http::Error),
    /// The engine did not switch to a raw stream.
    #[error("unable to upgrade to tcp, received {0}")]
    NotUpgraded(u16),
    /// An answer that is not the expected JSON.
    #[error("reading the answer of {path}: {source}")]
    Json {
        path: String,
        #[source]
        source: serde_json::Error,
    },
    /// An answer larger than any that the API gives.
    #[error("the answer of {path} is larger than {limit_bytes} bytes")]
    TooLarge { path: String, limit_bytes: usize },
    /// A directory of blobs could not be read or written.
    #[error("{}", corten_base::chain(.0))]
    Layout(#[source] crate::build::LayoutError),
    /// A build failed; the sentence is the builder's.
    #[error("failed to solve: {message}")]
    Build {
        message: String,
        /// `errdefs.Source`: the file and the lines at fault, as JSON.
        source_json: Option<String>,
    },
    /// A stream broke.
    #[error("{0}")]
    Stream(#[from] std::io::Error),
}

impl ClientError {
    /// The engine's own message, without `Error response from daemon: `.
    pub fn api_message(&self) -> Option<&str> {
        match self {
            Self::Api { message, .. } => Some(message),
            _ => None,
        }
    }

    /// Whether the engine said that the object does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Api { status: 404, .. })
    }

    /// Whether no engine could be reached at all.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::PermissionDenied { .. })
    }
}

impl KindOf for ClientError {
    fn kind(&self) -> Kind {
        match self {
            Self::Endpoint(_) | Self::Request(_) | Self::Tls { .. } => Kind::InvalidParameter,
            Self::Connect { .. } | Self::Ssh(_) => Kind::Unavailable,
            Self::PermissionDenied { .. } => Kind::Forbidden,
            Self::Api { status, .. } => match status {
                400 => Kind::InvalidParameter,
                401 => Kind::Unauthorized,
                403 => Kind::Forbidden,
                404 => Kind::NotFound,
                409 => Kind::Conflict,
                304 => Kind::NotModified,
                501 => Kind::NotImplemented,
                503 => Kind::Unavailable,
                _ => Kind::Internal,
            },
            Self::Http { .. }
            | Self::NotUpgraded(_)
            | Self::Json { .. }
            | Self::TooLarge { .. }
            | Self::Layout(_)
            | Self::Build { .. }
            | Self::Stream(_) => Kind::Internal,
        }
    }
}
