//! Bodies, in and out.

use super::{Call, RequestBody};
use crate::{error::ApiError, limits, messages};
use bytes::Bytes;
use corten_api::json::{self, DecodeError};
use corten_engine::ByteStream;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, header};
use http_body_util::{BodyExt, BodyStream, LengthLimitError, Limited};
use hyper::body::Body as _;
use serde::de::DeserializeOwned;
use std::io;

/// The body of an answer.
pub(crate) type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, io::Error>;

/// Reads a JSON body that must be there.
pub(crate) async fn read_json<T: DeserializeOwned>(call: &mut Call) -> Result<T, ApiError> {
    check_content_type(&call.headers, has_body(&call.body))?;
    decode(&read_all(call).await?)
}

/// Reads a JSON body; without one the value is the default.
pub(crate) async fn read_json_or_default<T: DeserializeOwned + Default>(
    call: &mut Call,
) -> Result<T, ApiError> {
    let has_body = has_body(&call.body);
    check_content_type(&call.headers, has_body)?;
    if has_body {
        decode(&read_all(call).await?)
    } else {
        Ok(T::default())
    }
}

/// Reads a body that means nothing here. A connection that is closed with a body still on
/// its way breaks the client's write, and the client never sees the answer.
pub(crate) async fn pass_over(call: &mut Call) -> Result<(), ApiError> {
    read_all(call).await.map(drop)
}

/// A request's body as a stream; it ends with an error when the client leaves early.
pub(crate) fn stream_of(body: Option<RequestBody>) -> ByteStream {
    let Some(body) = body else {
        return stream::empty().boxed();
    };
    BodyStream::new(body)
        .filter_map(|frame| async {
            match frame {
                Ok(frame) => frame.into_data().ok().map(Ok),
                Err(error) => Some(Err(io::Error::new(io::ErrorKind::UnexpectedEof, error))),
            }
        })
        .boxed()
}

/// What Go calls `ContentLength != 0`.
fn has_body(body: &Option<RequestBody>) -> bool {
    body.as_ref()
        .is_some_and(|body| body.size_hint().exact() != Some(0))
}

fn check_content_type(headers: &HeaderMap, has_body: bool) -> Result<(), ApiError> {
    let given = headers
        .get(header::CONTENT_TYPE)
        .map(|value| value.as_bytes());
    let given = String::from_utf8_lossy(given.unwrap_or_default());
    let media_type = given.split(';').next().unwrap_or_default().trim();
    if media_type.is_empty() {
        // Go parses the missing type of a body that is there.
        return match has_body || !given.is_empty() {
            false => Ok(()),
            true => Err(ApiError::invalid(format!(
                "malformed Content-Type header ({given}): mime: no media type"
            ))),
        };
    }
    if media_type.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(ApiError::invalid(format!(
        "unsupported Content-Type header ({given}): must be 'application/json'"
    )))
}

async fn read_all(call: &mut Call) -> Result<Bytes, ApiError> {
    let Some(body) = call.body.take() else {
        return Ok(Bytes::new());
    };
    match Limited::new(body, limits::JSON_BODY_BYTES).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(ApiError {
            status: http::StatusCode::PAYLOAD_TOO_LARGE,
            message: format!(
                "request body is larger than the {} bytes that a JSON body may have",
                limits::JSON_BODY_BYTES
            ),
        }),
        Err(error) => Err(ApiError::invalid(format!(
            "reading the request body: {error}"
        ))),
    }
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    json::from_slice(bytes).map_err(|error| {
        ApiError::invalid(match error {
            DecodeError::Empty => messages::EOF_IN_BODY.to_owned(),
            DecodeError::Trailing => messages::CONTENT_AFTER_JSON.to_owned(),
            error => format!("invalid JSON: {error}"),
        })
    })
}
