//! What a request may be refused with, in the words of the specification.

use corten_base::{Kind, KindOf};
use corten_oci::Digest;
use http::StatusCode;
use serde::Serialize;
use std::io;
use thiserror::Error;

/// This crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a request failed.
#[derive(Debug, Error)]
pub enum Error {
    /// The client's fault, with the specification's code.
    #[error("{message}")]
    Refused {
        /// The code.
        code: Code,
        /// The status, which some codes leave open.
        status: StatusCode,
        /// What exactly.
        message: String,
        /// The rights that were asked for, where it is about rights.
        wanted: Vec<Wanted>,
    },
    /// The storage failed.
    #[error("{operation} {key}")]
    Storage {
        /// `reading`, `writing`, …
        operation: &'static str,
        /// The object.
        key: String,
        /// Why.
        source: io::Error,
    },
    /// A stored record cannot be read.
    #[error("the record {key} is damaged: {reason}")]
    Damaged {
        /// The object.
        key: String,
        /// What is wrong.
        reason: String,
    },
    /// The client stopped sending.
    #[error("reading the request's body: {0}")]
    Body(String),
    /// The upstream of a pull-through cache failed.
    #[error("the upstream registry")]
    Upstream(#[source] corten_distribution::Error),
}

/// A right that a refused request needed, as Docker's registry tells it in the `detail`.
/// Without any detail Podman leaves out a sentence that it knows: a bare `unauthorized`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Wanted {
    /// `repository` or `registry`.
    #[serde(rename = "Type")]
    pub kind: &'static str,
    /// Always empty.
    pub class: &'static str,
    /// The repository, or `catalog`.
    pub name: String,
    /// `pull`, `push`, `delete`, or `*`.
    pub action: &'static str,
}

/// OCI distribution-spec 1.1 § Error Codes, and those of Docker's registry beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Code {
    BlobUnknown,
    BlobUploadInvalid,
    BlobUploadUnknown,
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestUnknown,
    NameInvalid,
    NameUnknown,
    PaginationNumberInvalid,
    RangeInvalid,
    SizeInvalid,
    TagInvalid,
    Unauthorized,
    Denied,
    Unsupported,
    Unavailable,
    Unknown,
}

impl Code {
    /// As it stands in an answer.
    pub fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The usual status.
    pub fn status(self) -> StatusCode {
        self.row().1
    }

    /// The usual sentence.
    pub fn sentence(self) -> &'static str {
        self.row().2
    }

    fn row(self) -> (&'static str, StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            Self::BlobUnknown => ("BLOB_UNKNOWN", S::NOT_FOUND, "blob unknown to registry"),
            Self::BlobUploadInvalid => {
                ("BLOB_UPLOAD_INVALID", S::BAD_REQUEST, "blob upload invalid")
            }
            Self::BlobUploadUnknown => (
                "BLOB_UPLOAD_UNKNOWN",
                S::NOT_FOUND,
                "blob upload unknown to registry",
            ),
            Self::DigestInvalid => (
                "DIGEST_INVALID",
                S::BAD_REQUEST,
                "provided digest did not match uploaded content",
            ),
            Self::ManifestBlobUnknown => (
                "MANIFEST_BLOB_UNKNOWN",
                S::BAD_REQUEST,
                "manifest references a manifest or blob unknown to registry",
            ),
            Self::ManifestInvalid => ("MANIFEST_INVALID", S::BAD_REQUEST, "manifest invalid"),
            Self::ManifestUnknown => ("MANIFEST_UNKNOWN", S::NOT_FOUND, "manifest unknown"),
            Self::NameInvalid => ("NAME_INVALID", S::BAD_REQUEST, "invalid repository name"),
            Self::NameUnknown => (
                "NAME_UNKNOWN",
                S::NOT_FOUND,
                "repository name not known to registry",
            ),
            Self::PaginationNumberInvalid => (
                "PAGINATION_NUMBER_INVALID",
                S::BAD_REQUEST,
                "invalid number of results requested",
            ),
            Self::RangeInvalid => (
                "RANGE_INVALID",
                S::RANGE_NOT_SATISFIABLE,
                "invalid content range",
            ),
            Self::SizeInvalid => (
                "SIZE_INVALID",
                S::BAD_REQUEST,
                "provided length did not match content length",
            ),
            Self::TagInvalid => (
                "TAG_INVALID",
                S::BAD_REQUEST,
                "manifest tag did not match URI",
            ),
            Self::Unauthorized => ("UNAUTHORIZED", S::UNAUTHORIZED, "authentication required"),
            Self::Denied => (
                "DENIED",
                S::FORBIDDEN,
                "requested access to the resource is denied",
            ),
            Self::Unsupported => (
                "UNSUPPORTED",
                S::METHOD_NOT_ALLOWED,
                "The operation is unsupported.",
            ),
            Self::Unavailable => ("UNAVAILABLE", S::SERVICE_UNAVAILABLE, "service unavailable"),
            Self::Unknown => ("UNKNOWN", S::INTERNAL_SERVER_ERROR, "unknown error"),
        }
    }
}

impl Error {
    /// The code's usual refusal.
    pub fn code(code: Code) -> Self {
        Self::with(code, code.sentence())
    }

    /// The code with a sentence of its own.
    pub fn with(code: Code, message: impl Into<String>) -> Self {
        Self::at(code, code.status(), message)
    }

    /// The code with another status.
    pub fn at(code: Code, status: StatusCode, message: impl Into<String>) -> Self {
        Self::Refused {
            code,
            status,
            message: message.into(),
            wanted: Vec::new(),
        }
    }

    /// The refusal with the rights that were asked for.
    pub fn about(mut self, rights: Vec<Wanted>) -> Self {
        if let Self::Refused { wanted, .. } = &mut self {
            *wanted = rights;
        }
        self
    }

    /// The rights that were asked for; none where it is about something else.
    pub fn wanted(&self) -> &[Wanted] {
        match self {
            Self::Refused { wanted, .. } => wanted,
            _ => &[],
        }
    }

    /// A blob the repository does not have.
    pub fn blob_unknown(digest: &Digest) -> Self {
        Self::with(
            Code::BlobUnknown,
            format!("blob unknown to registry: {digest}"),
        )
    }

    /// A manifest the repository does not have.
    pub fn manifest_unknown(target: impl std::fmt::Display) -> Self {
        Self::with(Code::ManifestUnknown, format!("manifest unknown: {target}"))
    }

    /// What the client is told: code, status and sentence. What is not its fault is told
    /// without detail.
    pub fn answer(&self) -> (Code, StatusCode, String) {
        let usual = |code: Code| (code, code.status(), code.sentence().to_owned());
        match self {
            Self::Refused {
                code,
                status,
                message,
                ..
            } => (*code, *status, message.clone()),
            Self::Body(_) => (
                Code::BlobUploadInvalid,
                StatusCode::BAD_REQUEST,
                self.to_string(),
            ),
            Self::Upstream(error) => match error.registry() {
                Some(refused) if refused.status == StatusCode::NOT_FOUND => {
                    usual(Code::ManifestUnknown)
                }
                _ => (
                    Code::Unavailable,
                    StatusCode::BAD_GATEWAY,
                    "the upstream registry did not answer as it should".into(),
                ),
            },
            Self::Storage { .. } | Self::Damaged { .. } => usual(Code::Unknown),
        }
    }
}

impl KindOf for Error {
    fn kind(&self) -> Kind {
        match self.answer().1.as_u16() {
            401 => Kind::Unauthorized,
            403 => Kind::Forbidden,
            404 => Kind::NotFound,
            503 => Kind::Unavailable,
            400..=499 => Kind::InvalidParameter,
            _ => Kind::Internal,
        }
    }
}
