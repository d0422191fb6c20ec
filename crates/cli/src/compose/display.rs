//! What happens to a project's things, on standard error: line by line, or drawn over and
//! over on a terminal.

use super::{Compose, printer, screen::Screen};
use crate::{app, error::CliError, terminal};
use corten_compose::apply::{Event, Phase, Progress};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// How progress is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Lines,
    Screen,
    Json,
    Quiet,
}

/// Lines as they come; the same line for a thing is not told twice.
pub struct Lines<'a> {
    compose: &'a Compose<'a>,
    mode: Mode,
    screen: Option<Screen>,
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
    /// As the flags want it, under the command's own title.
    pub fn new(compose: &'a Compose<'a>) -> Self {
        Self::titled(compose, title(compose.call.command.path))
    }

    /// The same under another title.
    pub fn titled(compose: &'a Compose<'a>, title: &'static str) -> Self {
        let quiet =
            compose.call.command.path == "compose run" && compose.call.parsed.is_on("quiet");
        let mode = match wanted(compose).as_str() {
            _ if quiet => Mode::Quiet,
            "quiet" | "none" => Mode::Quiet,
            "json" => Mode::Json,
            "plain" => Mode::Lines,
            "tty" => Mode::Screen,
            _ if terminal::terminals().error && !is_plain(compose) => Mode::Screen,
            _ => Mode::Lines,
        };
        let prefix = match compose.is_dry() {
            true => " DRY-RUN MODE - ",
            false => "",
        };
        Self {
            compose,
            mode,
            screen: (mode == Mode::Screen).then(|| Screen::new(title, prefix)),
            last: RefCell::default(),
        }
    }
}

impl Lines<'_> {
    /// A line for the user beside what is told of things.
    pub fn note(&self, text: &str) {
        match &self.screen {
            Some(screen) => screen.line(text),
            None => self.compose.call.app.warn(text),
        }
    }
}

/// Whether the terminal's control sequences are not wanted.
fn is_plain(compose: &Compose<'_>) -> bool {
    printer::ansi(compose) == "never"
}

/// What stands above the things that a command is about.
fn title(command: &str) -> &'static str {
    match command.strip_prefix("compose ").unwrap_or_default() {
        "build" => "Building",
        "commit" => "Committing",
        "cp" => "Copying",
        "create" | "run" => "Creating",
        "export" => "Exporting",
        "kill" => "Killing",
        "pause" => "Pausing",
        "publish" => "Publishing",
        "pull" => "Pulling",
        "push" => "Pushing",
        "restart" => "Restarting",
        "rm" => "Removing",
        "stop" => "Stopping",
        _ => "Running",
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
        if let Some(screen) = &self.screen {
            // Of a plan that is only shown, every name has the words before it.
            let id = event.id.trim_start_matches("DRY-RUN MODE -  ").to_owned();
            return screen.event(Event { id, ..event });
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
        match &self.screen {
            Some(screen) => screen.line(&Compose::warning(sentence)),
            None => self.compose.warn(sentence),
        }
    }
}
