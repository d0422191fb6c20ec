//! Errors at the door: a status and one sentence.

use corten_base::{Kind, KindOf, chain};
use http::StatusCode;

/// A failed request.
#[derive(Debug)]
pub(crate) struct ApiError {
    pub status: StatusCode,
    pub message: String,
}

impl ApiError {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            status: status(kind),
            message: message.into(),
        }
    }

    /// 400.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::InvalidParameter, message)
    }

    /// Go's complaint about a text that is no number; dockerd sends it as a failure of its
    /// own, with 500.
    pub fn not_a_number(function: &str, text: &str) -> Self {
        Self::new(
            Kind::Internal,
            crate::messages::not_a_number(function, text),
        )
    }

    /// 501 with a sentence that names what is not done.
    pub fn unsupported(what: impl std::fmt::Display) -> Self {
        Self::new(Kind::NotImplemented, crate::messages::unsupported(what))
    }
}

/// The one place where a chain of errors becomes text.
impl<E: KindOf> From<E> for ApiError {
    fn from(error: E) -> Self {
        Self::new(error.kind(), chain(&error))
    }
}

/// The HTTP status of a kind of failure, as dockerd chooses it.
pub(crate) fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::InvalidParameter => StatusCode::BAD_REQUEST,
        Kind::Unauthorized => StatusCode::UNAUTHORIZED,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::NotModified => StatusCode::NOT_MODIFIED,
        Kind::NotImplemented => StatusCode::NOT_IMPLEMENTED,
        Kind::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
        Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
