//! Answers.

use crate::error::{Error, Wanted};
use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::Frame;
use serde::Serialize;
use std::io;

/// The body of an answer.
pub(crate) type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, io::Error>;
pub(crate) type Reply = Result<Response<Body>, Error>;

pub(crate) const DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
pub(crate) const UPLOAD: HeaderName = HeaderName::from_static("docker-upload-uuid");
pub(crate) const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
pub(crate) const TAG: HeaderName = HeaderName::from_static("oci-tag");
pub(crate) const FILTERS: HeaderName = HeaderName::from_static("oci-filters-applied");

/// A status without a body.
pub(crate) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Empty::new().map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, 0.into());
    response
}

/// Bytes of a content type.
pub(crate) fn bytes(status: StatusCode, kind: &str, bytes: Bytes) -> Response<Body> {
    let length = bytes.len();
    let body = Full::new(bytes)
        .map_err(|never| match never {})
        .boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    set(&mut response, header::CONTENT_TYPE, kind);
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, length.into());
    response
}

/// JSON.
pub(crate) fn json<T: Serialize>(value: &T) -> Response<Body> {
    let text = serde_json::to_vec(value).expect("strings and numbers are JSON");
    bytes(StatusCode::OK, "application/json", text.into())
}

/// A stream of known length.
pub(crate) fn stream(
    status: StatusCode,
    stream: crate::storage::ByteStream,
    length: u64,
) -> Response<Body> {
    frames(status, stream.map_ok(Frame::data), length)
}

/// Frames of known length.
pub(crate) fn frames(
    status: StatusCode,
    frames: impl Stream<Item = io::Result<Frame<Bytes>>> + Send + 'static,
    length: u64,
) -> Response<Body> {
    let body = StreamBody::new(frames).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, length.into());
    response
}

/// Sets a header; a value that cannot stand in one is left out.
pub(crate) fn set(response: &mut Response<Body>, name: HeaderName, value: &str) {
    match HeaderValue::try_from(value) {
        Ok(value) => drop(response.headers_mut().insert(name, value)),
        Err(_) => tracing::warn!(%name, "a value that no header can have"),
    }
}

/// A refusal, as the specification wants it.
pub(crate) fn error(error: &Error) -> Response<Body> {
    #[derive(Serialize)]
    struct Errors<'a> {
        errors: [One<'a>; 1],
    }
    #[derive(Serialize)]
    struct One<'a> {
        code: &'static str,
        message: String,
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        detail: &'a [Wanted],
    }
    let (code, status, message) = error.answer();
    let one = One {
        code: code.as_str(),
        message,
        detail: error.wanted(),
    };
    let mut response = json(&Errors { errors: [one] });
    *response.status_mut() = status;
    response
}
