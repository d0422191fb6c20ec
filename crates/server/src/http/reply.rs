//! Answers.

use super::Body;
use crate::error::ApiError;
use bytes::Bytes;
use corten_api::{ErrorResponse, json};
use futures_util::{Stream, StreamExt, TryStreamExt};
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::Frame;
use serde::Serialize;
use std::io;

pub(crate) type Reply = Result<Response<Body>, ApiError>;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

fn full(status: StatusCode, content_type: HeaderValue, bytes: Vec<u8>) -> Response<Body> {
    let body = Full::new(Bytes::from(bytes))
        .map_err(|never| match never {})
        .boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    response
}

/// 200 with a JSON value.
pub(crate) fn json<T: Serialize>(value: &T) -> Reply {
    Ok(full(StatusCode::OK, JSON, json::to_body(value)))
}

/// 201 with a JSON value.
pub(crate) fn created<T: Serialize>(value: &T) -> Reply {
    Ok(full(StatusCode::CREATED, JSON, json::to_body(value)))
}

/// A status without a body.
pub(crate) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Empty::new().map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = status;
    response
}

/// 204.
pub(crate) fn no_content() -> Reply {
    Ok(empty(StatusCode::NO_CONTENT))
}

/// 200 with a plain text.
pub(crate) fn ok_text(text: &'static str) -> Response<Body> {
    bytes(
        StatusCode::OK,
        "text/plain; charset=utf-8",
        text.as_bytes().to_vec(),
    )
}

/// A body of bytes.
pub(crate) fn bytes(
    status: StatusCode,
    content_type: &'static str,
    bytes: Vec<u8>,
) -> Response<Body> {
    full(status, HeaderValue::from_static(content_type), bytes)
}

/// An error as `{"message": …}`; 304 has no body.
pub(crate) fn error(error: ApiError) -> Response<Body> {
    if error.status == StatusCode::NOT_MODIFIED {
        return empty(error.status);
    }
    let body = ErrorResponse {
        message: error.message,
    };
    full(error.status, JSON, json::to_body(&body))
}

/// 200 with a body that comes bit by bit; it is dropped when the client leaves.
pub(crate) fn stream(
    content_type: &'static str,
    stream: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
) -> Response<Body> {
    let body = StreamBody::new(stream.map_ok(Frame::data)).boxed_unsync();
    let mut response = Response::new(body);
    let content_type = HeaderValue::from_static(content_type);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    response
}

/// 200 with one JSON value a line.
pub(crate) fn json_lines<T: Serialize + 'static>(
    values: impl Stream<Item = T> + Send + 'static,
) -> Response<Body> {
    stream(
        "application/json",
        values.map(|value| Ok(Bytes::from(json::to_line(&value)))),
    )
}
