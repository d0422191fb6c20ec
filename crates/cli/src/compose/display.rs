//! What happens to a project's things, line by line on standard error.

use super::Compose;
use crate::{app, error::CliError};
use corten_compose::apply::{Event, Phase, Progress};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// How progress is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Lines,
    Json,
    Quiet,
}

/// Lines as they come; the same line for a thing is not told twice.
pub struct Lines<'a> {
    compose: &'a Compose<'a>,
    mode: Mode,
    last: RefCell<BTreeMap<String, String>>,
}

/// What `--progress` or `COMPOSE_PROGRESS` says.
fn wanted(compose: &Compose<'_>) -> String {
    match compose.group.get("progress") {
        Some(mode) => mode.to_owned(),
        None => app::environment("COMPOSE_PROGRESS").unwrap_or_default(),
    }
}

/// Refuses a mode that is none.
pub fn check(compose: &Compose<'_>) -> Result<(), CliError> {
    match wanted(compose).as_str() {
        "" | "auto" | "tty" | "plain" | "json" | "quiet" | "none" => Ok(()),
        other => Err(CliError::Text(format!(
            "unsupported --progress value {other:?}"
        ))),
    }
}

impl<'a> Lines<'a> {
    /// As the flags want it.
    pub fn new(compose: &'a Compose<'a>) -> Self {
        let quiet =
            compose.call.command.path == "compose run" && compose.call.parsed.is_on("quiet");
        Self {
            compose,
            mode: match wanted(compose).as_str() {
                _ if quiet => Mode::Quiet,
                "quiet" | "none" => Mode::Quiet,
                "json" => Mode::Json,
                _ => Mode::Lines,
            },
            last: RefCell::default(),
        }
    }
}

impl Progress for Lines<'_> {
    fn event(&self, event: Event) {
        if self.mode == Mode::Quiet && event.phase != Phase::Error {
            return;
        }
        let told = self
            .last
            .borrow_mut()
            .insert(event.id.clone(), event.text.clone());
        if told.as_ref() == Some(&event.text) {
            return;
        }
        let app = self.compose.call.app;
        if self.mode == Mode::Json {
            let mut line = serde_json::json!({ "id": event.id, "text": event.text });
            if self.compose.is_dry() {
                line["dry-run"] = true.into();
            }
            app.warn(&line.to_string());
            return;
        }
        app.warn(&format!(" {}  {}", event.id, event.text));
    }

    fn warn(&self, sentence: &str) {
        self.compose.warn(sentence);
    }
}
