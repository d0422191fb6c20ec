//! A registry's refusal read from its response.

use crate::{
    challenge,
    error::{RegistryError, RegistryErrorEntry},
    http::Response,
    limits::ERROR_BODY_MAX,
};
use http::StatusCode;
use serde::Deserialize;

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    details: Option<String>,
    #[serde(default)]
    errors: Option<Vec<Entry>>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    detail: Option<serde::de::IgnoredAny>,
}

/// Reads what a response of status 400 or more says. Distribution-spec § Error Codes, and
/// the older forms that Docker understands.
pub(crate) async fn refusal(response: Response) -> RegistryError {
    let status = response.status;
    let challenged = status
        .is_client_error()
        .then(|| from_challenge(&response))
        .flatten();
    let text = response.text(ERROR_BODY_MAX).await;
    let mut errors: Vec<_> = challenged.into_iter().collect();
    let document = serde_json::from_str::<Document>(&text).ok();
    let details = document
        .as_ref()
        .and_then(|d| d.details.clone())
        .filter(|d| !d.is_empty());
    if !status.is_client_error() {
        return RegistryError {
            status,
            errors: Vec::new(),
            unexpected: Some(text),
        };
    }
    let listed = document.and_then(|d| d.errors).unwrap_or_default();
    if let Some(details) = details {
        errors.push(spoken(code_of(status), &details));
    } else {
        errors.extend(listed.into_iter().map(|entry| {
            let code = if entry.code.is_empty() {
                "UNKNOWN".to_owned()
            } else {
                entry.code
            };
            let usual = message_of(&code);
            let is_bare =
                entry.detail.is_none() && (entry.message.is_empty() || entry.message == usual);
            let message = if entry.message.is_empty() {
                usual.to_owned()
            } else {
                entry.message
            };
            RegistryErrorEntry {
                code,
                message,
                is_bare,
            }
        }));
    }
    if errors.is_empty() && status == StatusCode::UNAUTHORIZED {
        errors.push(spoken("UNAUTHORIZED", message_of("UNAUTHORIZED")));
    }
    RegistryError {
        status,
        errors,
        unexpected: Some(text),
    }
}

fn spoken(code: &str, message: &str) -> RegistryErrorEntry {
    RegistryErrorEntry {
        code: code.to_owned(),
        message: message.to_owned(),
        is_bare: false,
    }
}

/// RFC 6750 § 3.1.
fn from_challenge(response: &Response) -> Option<RegistryErrorEntry> {
    challenge::challenges(&response.headers)
        .into_iter()
        .find_map(|challenge| {
            let code = match challenge.parameters.get("error").map(String::as_str) {
                Some("invalid_token") => "UNAUTHORIZED",
                Some("insufficient_scope") => "DENIED",
                _ => return None,
            };
            let described = challenge
                .parameters
                .get("error_description")
                .filter(|d| !d.is_empty());
            let message = described.map_or(message_of(code), String::as_str);
            (challenge.scheme == "bearer").then(|| spoken(code, message))
        })
}

fn code_of(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "UNAUTHORIZED",
        StatusCode::FORBIDDEN => "DENIED",
        StatusCode::TOO_MANY_REQUESTS => "TOOMANYREQUESTS",
        _ => "UNKNOWN",
    }
}

/// The registry protocol's own words for a code.
fn message_of(code: &str) -> &'static str {
    match code {
        "UNAUTHORIZED" => "authentication required",
        "DENIED" => "requested access to the resource is denied",
        "TOOMANYREQUESTS" => "too many requests",
        "MANIFEST_UNKNOWN" => "manifest unknown",
        "NAME_UNKNOWN" => "repository name not known to registry",
        "UNAVAILABLE" => "service unavailable",
        "BLOB_UNKNOWN" => "blob unknown to registry",
        "UNSUPPORTED" => "The operation is unsupported.",
        _ => "unknown error",
    }
}
