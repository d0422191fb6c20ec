//! The lines of several containers on one screen: each with its container's name before
//! it, in a colour of its own.

use super::menu::{ERASE, Menu};
use crate::{
    app::{self, App},
    error::CliError,
    terminal,
};
use std::{
    cell::{Cell, RefCell},
    io::{self, Write},
    pin::Pin,
    task::{Context, Poll},
};
use tokio::io::AsyncWrite;

/// The colours in the order in which containers get them.
const COLOURS: [&str; 10] = [
    "36", "33", "32", "35", "34", "36;1", "33;1", "32;1", "35;1", "34;1",
];
/// Of what `watch` says.
const WATCH_COLOUR: &str = "92";
/// The name under which `watch` speaks.
pub const WATCH: &str = "#watch";
/// A line longer than this is shown in pieces.
const LINE_BYTES: usize = 1 << 20;

/// How lines are shown.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// With the container's name.
    pub prefix: bool,
    /// In colours.
    pub colour: bool,
    /// With the time of their arrival.
    pub timestamps: bool,
}

impl Look {
    /// What `--no-log-prefix`, `--no-color` and `--ansi` say.
    pub fn from_flags(compose: &super::Compose<'_>, timestamps: bool) -> Self {
        let parsed = &compose.call.parsed;
        let colour = match ansi(compose).as_str() {
            _ if app::environment("NO_COLOR").is_some() => false,
            "always" => true,
            "never" => false,
            _ => terminal::terminals().output,
        };
        Self {
            prefix: !parsed.is_on("no-log-prefix"),
            colour: colour && !parsed.is_on("no-color"),
            timestamps,
        }
    }
}

/// `auto`, `always` or `never`, as `--ansi` or its variable says; empty where neither does.
pub fn ansi(compose: &super::Compose<'_>) -> String {
    match (compose.group.get("ansi"), compose.env.get("COMPOSE_ANSI")) {
        (Some(given), _) => given.to_owned(),
        (None, Some(variable)) => variable.clone(),
        (None, None) if compose.group.is_on("no-ansi") => "never".into(),
        (None, None) => String::new(),
    }
}

struct Voice {
    name: String,
    colour: Option<&'static str>,
}

/// Shows lines.
pub struct Printer<'a> {
    app: &'a App,
    look: Look,
    voices: RefCell<Vec<Voice>>,
    next_colour: Cell<usize>,
    closed: Cell<bool>,
    /// Below all that is shown.
    menu: RefCell<Option<Menu>>,
}

impl<'a> Printer<'a> {
    /// A printer that nobody has spoken through yet.
    pub fn new(app: &'a App, look: Look) -> Self {
        Self {
            app,
            look,
            voices: RefCell::default(),
            next_colour: Cell::new(0),
            closed: Cell::new(false),
            menu: RefCell::default(),
        }
    }

    /// Shows a menu below everything, or none; the one before gives the terminal back.
    pub fn set_menu(&self, menu: Option<Menu>) {
        drop(self.menu.replace(menu));
        drop(self.above());
    }

    /// Says in the menu whether files are watched.
    pub fn menu_watches(&self, watches: bool) {
        let above = self.above();
        if let Some(menu) = &mut *self.menu.borrow_mut() {
            menu.watches = watches;
        }
        drop(above);
    }

    /// Makes room where the menu is; it is back when this is dropped.
    pub fn above(&self) -> Above<'_> {
        if let Some(menu) = &mut *self.menu.borrow_mut() {
            menu.hidden += 1;
            self.to_terminal(ERASE);
        }
        Above(&self.menu)
    }

    fn to_terminal(&self, text: &str) {
        // That nobody reads any more is seen with the next line.
        drop(self.app.out(text));
    }

    /// Makes a container known, so that the prefixes of all are equally wide.
    pub fn register(&self, name: &str) {
        let mut voices = self.voices.borrow_mut();
        if voices.iter().any(|voice| voice.name == name) {
            return;
        }
        let colour = match name {
            _ if !self.look.colour => None,
            WATCH => Some(WATCH_COLOUR),
            _ => {
                let next = self.next_colour.get();
                self.next_colour.set((next + 1) % COLOURS.len());
                Some(COLOURS[next])
            }
        };
        voices.push(Voice {
            name: name.to_owned(),
            colour,
        });
    }

    fn coloured(&self, name: &str, text: &str) -> String {
        let voices = self.voices.borrow();
        let voice = voices.iter().find(|voice| voice.name == name);
        match voice.and_then(|voice| voice.colour) {
            Some(colour) => format!("\x1b[{colour}m{text}\x1b[0m"),
            None => text.to_owned(),
        }
    }

    fn prefix(&self, name: &str) -> String {
        if !self.look.prefix {
            return String::new();
        }
        self.register(name);
        let widths = self.voices.borrow();
        let widest = widths.iter().map(|voice| voice.name.chars().count()).max();
        let width = widest.unwrap_or(0) + 1;
        let text = match name {
            WATCH => format!("{:width$} ⦿ ", ""),
            _ => format!("{name:width$} | "),
        };
        self.coloured(name, &text)
    }

    /// Shows a line of a container's output.
    pub fn line(&self, name: &str, line: &[u8], error: bool) {
        let mut text = self.prefix(name).into_bytes();
        if self.look.timestamps {
            let now = jiff::Zoned::now().strftime("%Y-%m-%dT%H:%M:%S.%9f%:z ");
            text.extend(now.to_string().bytes());
        }
        text.extend_from_slice(line);
        text.push(b'\n');
        let above = self.above();
        let written = if error {
            io::stderr().lock().write_all(&text)
        } else {
            let mut out = io::stdout().lock();
            out.write_all(&text).and_then(|()| out.flush())
        };
        if written.is_err() {
            self.closed.set(true);
        }
        drop(above);
    }

    /// Says what became of a container.
    pub fn status(&self, name: &str, text: &str) -> Result<(), CliError> {
        self.register(name);
        let line = self.coloured(name, &format!("\r\x1b[K{name} {text}\n"));
        let _above = self.above();
        self.app.out(&line)
    }

    /// Says something as `watch`.
    pub fn watch(&self, text: &str) {
        self.line(WATCH, text.as_bytes(), false);
    }

    /// Whether nobody reads any more.
    pub fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// A writer whose lines are shown as those of `name`.
    pub fn sink<'p>(&'p self, name: &str, error: bool) -> Sink<'p> {
        Sink {
            printer: self,
            name: name.to_owned(),
            error,
            held: Vec::new(),
        }
    }
}

/// Where others write while the menu is away.
pub struct Above<'p>(&'p RefCell<Option<Menu>>);

impl Drop for Above<'_> {
    fn drop(&mut self) {
        if let Some(menu) = &mut *self.0.borrow_mut() {
            menu.hidden = menu.hidden.saturating_sub(1);
            let mut out = io::stdout().lock();
            // As above.
            drop(
                out.write_all(menu.text().as_bytes())
                    .and_then(|()| out.flush()),
            );
        }
    }
}

/// One stream of a container on its way to the screen, line by line.
pub struct Sink<'p> {
    printer: &'p Printer<'p>,
    name: String,
    error: bool,
    held: Vec<u8>,
}

impl Sink<'_> {
    fn feed(&mut self, mut bytes: &[u8]) {
        while let Some(at) = bytes.iter().position(|byte| *byte == b'\n') {
            self.held.extend_from_slice(&bytes[..at]);
            self.flush_line();
            bytes = &bytes[at + 1..];
        }
        self.held.extend_from_slice(bytes);
        if self.held.len() > LINE_BYTES {
            self.flush_line();
        }
    }

    fn flush_line(&mut self) {
        self.printer.line(&self.name, &self.held, self.error);
        self.held.clear();
    }
}

impl AsyncWrite for Sink<'_> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.feed(buf);
        Poll::Ready(if self.printer.is_closed() {
            Err(io::ErrorKind::BrokenPipe.into())
        } else {
            Ok(buf.len())
        })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The rest without a line's end is shown, too.
impl Drop for Sink<'_> {
    fn drop(&mut self) {
        if !self.held.is_empty() {
            self.flush_line();
        }
    }
}
