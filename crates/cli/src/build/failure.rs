//! A failed build as BuildKit's clients tell it: the step with its last lines, the lines of
//! the Dockerfile, the sentence.

use super::progress::Shown;
use crate::error::CliError;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use corten_client::ClientError;
use serde::Deserialize;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Source {
    info: Info,
    ranges: Vec<Range>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Info {
    filename: String,
    data: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Range {
    start: Line,
    end: Line,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Line {
    line: usize,
}

/// `subject` stands before the sentence.
pub fn of(error: ClientError, shown: &Shown, subject: &str) -> CliError {
    let ClientError::Build {
        message,
        source_json,
    } = error
    else {
        return error.into();
    };
    let mut text = shown.failed().unwrap_or_default();
    let source = source_json.and_then(|json| excerpt(&json));
    text.push_str(&source.unwrap_or_default());
    text.push_str(&format!("ERROR: {subject}failed to solve: {message}"));
    CliError::Text(text)
}

/// The lines at fault with those around them; `json`: BuildKit's `errdefs.Source`.
pub fn excerpt(json: &str) -> Option<String> {
    let source: Source = serde_json::from_str(json).ok()?;
    let text = STANDARD.decode(&source.info.data).ok()?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let range = source.ranges.first()?;
    corten_bake::excerpt(
        &source.info.filename,
        &text,
        range.start.line,
        range.end.line,
    )
}
