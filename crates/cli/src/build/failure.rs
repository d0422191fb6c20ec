//! A failed build as BuildKit's clients tell it: the step with its last lines, the lines of
//! the Dockerfile, the sentence.

use super::progress::Shown;
use crate::error::CliError;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use corten_client::ClientError;
use serde::Deserialize;

/// Lines shown before and after those at fault.
const AROUND: usize = 3;

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

pub(super) fn of(error: ClientError, shown: &Shown) -> CliError {
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
    text.push_str(&format!(
        "ERROR: failed to build: failed to solve: {message}"
    ));
    CliError::Text(text)
}

/// The lines at fault with those around them.
fn excerpt(json: &str) -> Option<String> {
    let source: Source = serde_json::from_str(json).ok()?;
    let text = STANDARD.decode(&source.info.data).ok()?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    let range = source.ranges.first()?;
    let start = range.start.line;
    if start == 0 || start > lines.len() {
        return None;
    }
    let end = range.end.line.clamp(start, lines.len());
    let (first, last) = (
        start.saturating_sub(AROUND).max(1),
        (end + AROUND).min(lines.len()),
    );
    let mut out = format!("{}:{start}\n--------------------\n", source.info.filename);
    for number in first..=last {
        let mark = match (start..=end).contains(&number) {
            true => ">>>",
            false => "   ",
        };
        out.push_str(&format!("{number:4} | {mark} {}\n", lines[number - 1]));
    }
    out.push_str("--------------------\n");
    Some(out)
}
