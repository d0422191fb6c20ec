//! What happens to a project's things, on standard error: line by line, or drawn over and
//! over on a terminal.

use super::{Compose, legacy, message::Message, printer, screen::Screen};
use crate::{app, error::CliError, flags, output::list::ListError, terminal};
use corten_compose::apply::{Event, Progress};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// What stands before all that a dry run tells.
pub const DRY_RUN: &str = " DRY-RUN MODE - ";

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
    /// What stands before everything.
    prefix: &'static str,
    screen: Option<Screen>,
    on_stdout: bool,
    last: RefCell<BTreeMap<String, String>>,
}

/// What `--progress` or `COMPOSE_PROGRESS` says; the variable is not one of env files.
pub fn wanted(compose: &Compose<'_>) -> String {
    let own = match compose.call.command.path {
        "compose build" => compose.call.parsed.get("progress"),
        _ => None,
    };
    match own.or(compose.group.get("progress")) {
        Some(mode) => mode.to_owned(),
        None => app::environment("COMPOSE_PROGRESS").unwrap_or_default(),
    }
}

/// Whether all that is told of progress, warnings and errors is JSON.
pub fn is_json(compose: &Compose<'_>) -> bool {
    wanted(compose) == "json"
}

/// An error as progress is told.
pub fn error(compose: &Compose<'_>, error: CliError) -> CliError {
    // Stock Compose has the words of older clients for templates.
    let error = match error {
        CliError::List(ListError::Parse(why) | ListError::Execute(why)) => {
            CliError::Text(format!("template parsing error: {why}"))
        }
        other => other,
    };
    match error {
        CliError::Exit(_) | CliError::Closed => error,
        error if is_json(compose) => CliError::Coded {
            message: serde_json::json!({ "error": true, "message": error.to_string() }).to_string(),
            code: error.code(),
        },
        error => error,
    }
}

/// Refuses a mode that is none, or that control sequences are wanted and not wanted.
pub fn check(compose: &Compose<'_>) -> Result<(), CliError> {
    let refuse = |sentence: &str| Err(CliError::Text(sentence.to_owned()));
    let group = &compose.group;
    if group.is_on("no-ansi") {
        if !matches!(group.get("ansi"), None | Some("auto")) {
            return refuse(
                "cannot specify DEPRECATED \"--no-ansi\" and \"--ansi\". Please use only \"--ansi\"",
            );
        }
        let notice = "option '--no-ansi' is DEPRECATED ! Please use '--ansi' instead.";
        compose.call.app.warn(notice);
    }
    match (wanted(compose).as_str(), printer::ansi(compose).as_str()) {
        ("tty", "never") => {
            return refuse("can't use --progress tty while ANSI support is disabled");
        }
        ("plain", "always") => {
            return refuse("can't use --progress plain while ANSI support is forced");
        }
        ("" | "auto" | "tty" | "plain" | "json" | "quiet" | "none", _) => {}
        (other, _) => return refuse(&format!("unsupported --progress value {other:?}")),
    }
    if group.text("workdir").is_empty() {
        return Ok(());
    }
    if !group.text("project-directory").is_empty() {
        return refuse(
            "cannot specify DEPRECATED \"--workdir\" and \"--project-directory\". Please use only \"--project-directory\" instead",
        );
    }
    legacy::tell_workdir(compose);
    Ok(())
}

/// Whether progress is told on standard output (`COMPOSE_STATUS_STDOUT`).
fn is_on_stdout() -> bool {
    app::environment("COMPOSE_STATUS_STDOUT")
        .and_then(|value| flags::parse_bool(&value))
        .unwrap_or(false)
}

impl<'a> Lines<'a> {
    /// As the flags want it, under the command's own title.
    pub fn new(compose: &'a Compose<'a>) -> Self {
        Self::titled(compose, title(compose.call.command.path))
    }

    /// The same under another title.
    pub fn titled(compose: &'a Compose<'a>, title: &'static str) -> Self {
        let quiet = ["compose run", "compose push"].contains(&compose.call.command.path)
            && compose.call.parsed.is_on("quiet");
        let on_stdout = is_on_stdout();
        let terminals = terminal::terminals();
        let is_terminal = match on_stdout {
            true => terminals.output,
            false => terminals.error,
        };
        let mode = match (wanted(compose).as_str(), printer::ansi(compose).as_str()) {
            _ if quiet => Mode::Quiet,
            ("quiet" | "none", _) => Mode::Quiet,
            ("json", _) => Mode::Json,
            ("plain", _) => Mode::Lines,
            ("tty", _) | (_, "always") => Mode::Screen,
            (_, "never") => Mode::Lines,
            _ if is_terminal => Mode::Screen,
            _ => Mode::Lines,
        };
        let prefix = match compose.is_dry() {
            true => DRY_RUN,
            false => "",
        };
        Self {
            compose,
            mode,
            prefix,
            screen: (mode == Mode::Screen).then(|| Screen::new(title, prefix, on_stdout)),
            on_stdout,
            last: RefCell::default(),
        }
    }
}

impl Lines<'_> {
    /// A line for the user beside what is told of things.
    pub fn note(&self, text: &str) {
        match (&self.screen, self.mode) {
            (_, Mode::Quiet) => {}
            (Some(screen), _) => screen.line(&format!("{}{text}", self.prefix.trim_start())),
            (None, Mode::Json) => self.tell(&Message::tail(text, self.compose.is_dry()).line()),
            (None, _) => self.tell(&format!("{}{text}", self.prefix)),
        }
    }

    fn tell(&self, line: &str) {
        let app = self.compose.call.app;
        match self.on_stdout {
            // That nobody reads progress is no reason to stop half-way.
            true => drop(app.line(line)),
            false => app.warn(line),
        }
    }
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
        if self.mode == Mode::Quiet {
            return;
        }
        let said = format!("{} {}", event.text, event.status);
        let told = self
            .last
            .borrow_mut()
            .insert(event.id.clone(), said.clone());
        if told.as_ref() == Some(&said) {
            return;
        }
        match (&self.screen, self.mode) {
            (Some(screen), _) => screen.event(event),
            (None, Mode::Json) => self.tell(&Message::of(&event, self.compose.is_dry()).line()),
            (None, _) => self.tell(&format!("{} {} {said}", self.prefix, event.id)),
        }
    }

    fn warn(&self, sentence: &str) {
        match &self.screen {
            Some(screen) => screen.line(&self.compose.warning(sentence)),
            None => self.compose.warn(sentence),
        }
    }
}
