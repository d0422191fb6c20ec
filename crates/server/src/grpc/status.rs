//! gRPC's statuses: a code, a sentence, and for BuildKit's clients the lines at fault.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use corten_base::{Kind, KindOf};
use corten_build::Failure;
use corten_buildkit::{
    Message,
    control::{Any, RpcStatus},
};
use http::{HeaderMap, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// What a header cannot carry.
const MESSAGE: &AsciiSet = &CONTROLS.add(b'%');

/// A call's failure.
#[derive(Debug, Clone)]
pub(crate) struct Status {
    pub code: i32,
    pub message: String,
    /// `errdefs.Source`, as JSON.
    source: Option<String>,
}

pub(crate) const UNKNOWN: i32 = 2;
const CANCELLED: i32 = 1;
const INVALID: i32 = 3;
const NOT_FOUND: i32 = 5;
const UNIMPLEMENTED: i32 = 12;
const INTERNAL: i32 = 13;
const UNAVAILABLE: i32 = 14;

impl From<corten_grpc::Failure> for Status {
    fn from(failure: corten_grpc::Failure) -> Self {
        Self::new(failure.code, failure.message)
    }
}

impl Status {
    pub fn new(code: i32, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            source: None,
        }
    }

    pub fn unknown(message: impl Into<String>) -> Self {
        Self::new(UNKNOWN, message)
    }

    pub fn cancelled() -> Self {
        Self::new(CANCELLED, "context canceled")
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(INVALID, message)
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(NOT_FOUND, message)
    }

    pub fn unimplemented(message: impl Into<String>) -> Self {
        Self::new(UNIMPLEMENTED, message)
    }

    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(INTERNAL, message)
    }

    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(UNAVAILABLE, message)
    }

    pub fn of<E: KindOf>(error: &E) -> Self {
        let message = corten_base::chain(error);
        match error.kind() {
            Kind::InvalidParameter => Self::invalid(message),
            Kind::NotFound => Self::not_found(message),
            Kind::NotImplemented => Self::unimplemented(message),
            Kind::Unavailable => Self::unavailable(message),
            _ => Self::unknown(message),
        }
    }

    pub fn of_build(failure: &Failure) -> Self {
        let at = failure.error.location().filter(|at| at.start > 0);
        let source = at.filter(|_| !failure.source.is_empty()).map(|at| {
            let text = failure.source.join("\n");
            serde_json::json!({
                "info": {
                    "filename": failure.file,
                    "data": STANDARD.encode(text),
                    "language": "Dockerfile",
                },
                "ranges": [{"start": {"line": at.start}, "end": {"line": at.end}}],
            })
            .to_string()
        });
        Self {
            source,
            ..Self::unknown(corten_base::chain(&failure.error))
        }
    }

    pub fn from_rpc(status: RpcStatus) -> Self {
        let source = status
            .details
            .iter()
            .find(|it| it.type_url.ends_with("errdefs.Source+json"));
        Self {
            code: status.code,
            message: status.message,
            source: source.map(|it| String::from_utf8_lossy(&it.value).into_owned()),
        }
    }

    pub fn to_rpc(&self) -> RpcStatus {
        let details = self.source.iter().map(|source| Any {
            type_url: "github.com/moby/buildkit/errdefs.Source+json".into(),
            value: source.clone().into_bytes(),
        });
        RpcStatus {
            code: self.code,
            message: self.message.clone(),
            details: details.collect(),
        }
    }

    /// The trailers that tell it.
    pub fn trailers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("grpc-status", HeaderValue::from(self.code));
        let message = utf8_percent_encode(&self.message, MESSAGE).to_string();
        if let Ok(message) = HeaderValue::try_from(message) {
            headers.insert("grpc-message", message);
        }
        if self.source.is_some() {
            let details = STANDARD_NO_PAD.encode(self.to_rpc().encode_to_vec());
            if let Ok(details) = HeaderValue::try_from(details) {
                headers.insert("grpc-status-details-bin", details);
            }
        }
        headers
    }
}
