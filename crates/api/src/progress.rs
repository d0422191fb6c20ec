//! The messages of pull, push, load, import and build: one JSON object a line (CR LF).

use crate::skip::empty;
use serde::{Deserialize, Serialize};

/// The end of each message.
pub const LINE_END: &[u8] = b"\r\n";

/// One message.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename = "jsonmessage.JSONMessage")]
pub struct Message {
    /// Text of a build.
    #[serde(skip_serializing_if = "empty")]
    pub stream: String,
    /// `Downloading`, `Pull complete`, …
    #[serde(skip_serializing_if = "empty")]
    pub status: String,
    /// Figures of the bar; `{}` together with a status of a layer.
    #[serde(rename = "progressDetail", skip_serializing_if = "empty")]
    pub progress_detail: Option<ProgressDetail>,
    /// The bar as text, for old clients.
    #[serde(skip_serializing_if = "empty")]
    pub progress: String,
    /// The layer's short ID.
    #[serde(skip_serializing_if = "empty")]
    pub id: String,
    /// Why it failed; the last message.
    #[serde(rename = "errorDetail", skip_serializing_if = "empty")]
    pub error_detail: Option<ErrorDetail>,
    /// The same as text.
    #[serde(skip_serializing_if = "empty")]
    pub error: String,
    /// Results for programs: the pushed digest, an image ID.
    #[serde(skip_serializing_if = "empty")]
    pub aux: Option<serde_json::Value>,
}

/// Figures of a progress bar.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProgressDetail {
    /// Done.
    #[serde(skip_serializing_if = "empty")]
    pub current: i64,
    /// In all; 0: unknown.
    #[serde(skip_serializing_if = "empty")]
    pub total: i64,
    /// Seconds since 1970.
    #[serde(skip_serializing_if = "empty")]
    pub start: i64,
    /// Do not print the figures.
    #[serde(rename = "hidecounts", skip_serializing_if = "empty")]
    pub hide_counts: bool,
    /// Bytes when empty.
    #[serde(skip_serializing_if = "empty")]
    pub units: String,
}

/// Why it failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorDetail {
    /// Exit code of a build step.
    #[serde(skip_serializing_if = "empty")]
    pub code: i64,
    /// A sentence.
    pub message: String,
}

/// `aux` of a finished push.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct PushResult {
    /// The tag.
    pub tag: String,
    /// The manifest's digest.
    pub digest: String,
    /// The manifest's bytes.
    pub size: u64,
}
