use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use http::{HeaderMap, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use thiserror::Error;

/// What a header cannot carry.
const MESSAGE: &AsciiSet = &CONTROLS.add(b'%');

/// A call's failure: gRPC's code and a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct Failure {
    /// See the constants.
    pub code: i32,
    /// A sentence.
    pub message: String,
    /// `google.rpc.Status`, encoded, where the other side sent one.
    pub details: Vec<u8>,
}

impl Failure {
    /// `CANCELLED`.
    pub const CANCELLED: i32 = 1;
    /// `UNKNOWN`.
    pub const UNKNOWN: i32 = 2;
    /// `NOT_FOUND`.
    pub const NOT_FOUND: i32 = 5;
    /// `UNIMPLEMENTED`.
    pub const UNIMPLEMENTED: i32 = 12;
    /// `INTERNAL`.
    pub const INTERNAL: i32 = 13;
    /// `UNAVAILABLE`.
    pub const UNAVAILABLE: i32 = 14;

    /// A failure of this code.
    pub fn new(code: i32, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            details: Vec::new(),
        }
    }

    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(Self::UNAVAILABLE, message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(Self::INTERNAL, message)
    }

    /// The other side has nothing of this name, or nothing of this kind at all.
    pub fn is_missing(&self) -> bool {
        matches!(self.code, Self::NOT_FOUND | Self::UNIMPLEMENTED)
            || self.message.ends_with("not found")
    }

    /// What trailers (or the head of an answer without body) say.
    pub(crate) fn of(headers: &HeaderMap) -> Result<(), Self> {
        let text = |name: &str| {
            let value = headers.get(name).and_then(|it| it.to_str().ok());
            value.unwrap_or_default()
        };
        match text("grpc-status") {
            "" | "0" => Ok(()),
            code => {
                let message = percent_decode_str(text("grpc-message")).decode_utf8_lossy();
                let code = code.parse().unwrap_or(Self::UNKNOWN);
                let details = text("grpc-status-details-bin").trim_end_matches('=');
                Err(Self {
                    details: STANDARD_NO_PAD.decode(details).unwrap_or_default(),
                    ..Self::new(code, message)
                })
            }
        }
    }

    pub(crate) fn trailers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("grpc-status", HeaderValue::from(self.code));
        let message = utf8_percent_encode(&self.message, MESSAGE).to_string();
        if let Ok(message) = HeaderValue::try_from(message) {
            headers.insert("grpc-message", message);
        }
        headers
    }
}
