//! How a build is shown, and what is kept of it for when it fails.

use super::{plain::Plain, raw_json, tty::Screen};
use crate::{app::Call, error::CliError, terminal};
use corten_client::build::StatusResponse;
use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};
use tokio::sync::mpsc;

/// Lines of a failed step that are told again at the end.
const LINES: usize = 20;
/// How often a screen is drawn anew.
const PERIOD: Duration = Duration::from_millis(150);

/// How a build is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Plain,
    Screen,
    RawJson,
    Quiet,
    None,
}

impl Mode {
    pub fn read(call: &Call<'_>) -> Result<Self, CliError> {
        if call.parsed.is_on("quiet") {
            return Ok(Self::Quiet);
        }
        let given = call.parsed.text("progress").to_owned();
        let text = match given.as_str() {
            "" | "auto" => std::env::var("BUILDKIT_PROGRESS").unwrap_or_default(),
            _ => given,
        };
        Ok(match text.as_str() {
            "" | "auto" if terminal::terminals().error => Self::Screen,
            "" | "auto" | "plain" => Self::Plain,
            "tty" if terminal::terminals().error => Self::Screen,
            "tty" => {
                return Err(CliError::Text(
                    "failed to get console: provided file is not a console".into(),
                ));
            }
            "rawjson" => Self::RawJson,
            "quiet" => Self::Quiet,
            "none" => Self::None,
            other => {
                return Err(CliError::Text(format!("invalid progress mode {other}")));
            }
        })
    }

    /// What is drawn over and over becomes lines where `stream` is no terminal.
    pub fn on(self, stream: Stream) -> Self {
        let is_terminal = match stream {
            Stream::Output => terminal::terminals().output,
            Stream::Error => terminal::terminals().error,
        };
        match self {
            Self::Screen if !is_terminal => Self::Plain,
            other => other,
        }
    }

    pub fn is_quiet(self) -> bool {
        self == Self::Quiet
    }
}

/// What was seen of a build.
#[derive(Default)]
pub struct Shown {
    names: HashMap<String, String>,
    lines: HashMap<String, VecDeque<String>>,
    /// The step that failed.
    failed: Option<String>,
}

impl Shown {
    fn keep(&mut self, message: &StatusResponse) {
        for vertex in &message.vertexes {
            self.names
                .insert(vertex.digest.clone(), vertex.name.clone());
            if !vertex.error.is_empty() && self.failed.is_none() {
                self.failed = Some(vertex.digest.clone());
            }
        }
        for log in &message.logs {
            let lines = self.lines.entry(log.vertex.clone()).or_default();
            for line in String::from_utf8_lossy(&log.msg).lines() {
                lines.push_back(line.to_owned());
                if lines.len() > LINES {
                    lines.pop_front();
                }
            }
        }
    }

    /// The failed step with its last lines, as BuildKit's clients print it.
    pub fn failed(&self) -> Option<String> {
        let digest = self.failed.as_ref()?;
        let mut text = format!("------\n > {}:\n", self.names.get(digest)?);
        for line in self.lines.get(digest).into_iter().flatten() {
            text.push_str(&format!("{line}\n"));
        }
        text.push_str("------\n");
        Some(text)
    }
}

/// Where a build is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Output,
    Error,
}

/// Shows messages on standard error until the last one.
pub async fn show(mode: Mode, messages: mpsc::Receiver<StatusResponse>) -> Shown {
    show_on(Stream::Error, mode, messages).await
}

/// Shows messages on a stream until the last one.
pub async fn show_on(
    stream: Stream,
    mode: Mode,
    mut messages: mpsc::Receiver<StatusResponse>,
) -> Shown {
    let mut shown = Shown::default();
    let mut plain = Plain::default();
    let mut screen = Screen::default();
    let mut ticks = tokio::time::interval(PERIOD);
    loop {
        tokio::select! {
            message = messages.recv() => {
                let Some(message) = message else { break };
                shown.keep(&message);
                match mode {
                    Mode::Plain => stream.print(&plain.tell(&message)),
                    Mode::Screen => screen.take(&message),
                    Mode::RawJson => stream.print(&raw_json::line(&message)),
                    Mode::Quiet | Mode::None => {}
                }
            }
            _ = ticks.tick(), if mode == Mode::Screen => stream.print(&screen.draw(false)),
        }
    }
    if mode == Mode::Screen {
        stream.print(&screen.draw(true));
    }
    shown
}

impl Stream {
    fn print(self, text: &str) {
        use std::io::Write;
        let mut out: Box<dyn Write> = match self {
            Self::Output => Box::new(std::io::stdout().lock()),
            Self::Error => Box::new(std::io::stderr().lock()),
        };
        // A build goes on when nobody looks at it any more.
        drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
    }
}
