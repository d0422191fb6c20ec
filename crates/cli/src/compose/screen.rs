//! Progress on a terminal as stock Compose draws it: a line for each thing with a spinner,
//! drawn over and over in the same place.
//!
//! ```text
//! [+] Running 1/2
//!  ✔ Network p_default  Created                                     0.1s
//!  ⠙ Container p-web-1  Starting                                    0.3s
//! ```
//!
//! A thread of its own draws; it ends with a last picture when the screen is dropped.

use crate::terminal;
use corten_compose::apply::{Event, Phase};
use std::{
    io::Write,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// Between two pictures.
const PERIOD: Duration = Duration::from_millis(100);
const SPINNER: [char; 10] = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
/// Columns and rows where the terminal does not say.
const COLUMNS: usize = 80;
const ROWS: usize = 24;
/// What a line has beside its names and its status, as stock Compose counts it.
const BESIDE: usize = 15;

const UP: &str = "\u{1b}[1A";
const DOWN: &str = "\u{1b}[1B";
const FIRST_COLUMN: &str = "\u{1b}[0G";
const HIDE: &str = "\u{1b}[?25l";
const SHOW: &str = "\u{1b}[?25h";
const ERASE_BELOW: &str = "\u{1b}[0J";
const DONE: &str = "32";
const WARNING: &str = "33";
const ERROR: &str = "31;1";
const TIMER: &str = "34";
const PREFIX: &str = "36";

/// The screen, until it is dropped.
pub struct Screen {
    shared: Arc<Shared>,
    drawer: Option<JoinHandle<()>>,
}

struct Shared {
    // Lock: the picture and what is on the terminal.
    picture: Mutex<Picture>,
    wake: Condvar,
}

#[derive(Default)]
struct Picture {
    title: &'static str,
    /// What stands before every name.
    prefix: &'static str,
    /// Drawn on standard output instead.
    on_stdout: bool,
    entries: Vec<Entry>,
    /// Lines below the first that are on the terminal; none: nothing is.
    drawn: Option<usize>,
    over: bool,
}

struct Entry {
    id: String,
    phase: Phase,
    text: String,
    began: Instant,
    ended: Option<Instant>,
    turn: usize,
}

impl Screen {
    /// Nothing is drawn before the first event. `title`: what stands in the first line.
    pub fn new(title: &'static str, prefix: &'static str, on_stdout: bool) -> Self {
        let picture = Picture {
            title,
            prefix,
            on_stdout,
            ..Picture::default()
        };
        let shared = Arc::new(Shared {
            picture: Mutex::new(picture),
            wake: Condvar::new(),
        });
        let own = Arc::clone(&shared);
        let drawer = std::thread::Builder::new()
            .name("progress".into())
            .spawn(move || own.draw_until_over());
        Self {
            shared,
            // Without a thread only the last picture is drawn.
            drawer: drawer.ok(),
        }
    }

    /// Something happened.
    pub fn event(&self, event: Event) {
        self.shared.picture().take(event);
    }

    /// Writes a line above the picture.
    pub fn line(&self, text: &str) {
        let mut picture = self.shared.picture();
        let out = picture.erased() + text + "\n";
        picture.write(&out);
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.shared.picture().over = true;
        self.shared.wake.notify_all();
        if let Some(drawer) = self.drawer.take() {
            drop(drawer.join());
        }
        self.shared.picture().draw();
    }
}

impl Shared {
    fn picture(&self) -> MutexGuard<'_, Picture> {
        self.picture.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn draw_until_over(&self) {
        let mut picture = self.picture();
        while !picture.over {
            picture.draw();
            let woken = self.wake.wait_timeout(picture, PERIOD);
            picture = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Picture {
    fn take(&mut self, event: Event) {
        let now = Instant::now();
        let entry = match self.entries.iter().position(|it| it.id == event.id) {
            Some(at) => &mut self.entries[at],
            None => {
                self.entries.push(Entry {
                    id: event.id,
                    phase: event.phase,
                    text: String::new(),
                    began: now,
                    ended: None,
                    turn: 0,
                });
                let last = self.entries.len() - 1;
                &mut self.entries[last]
            }
        };
        if event.phase == Phase::Working {
            if entry.ended.take().is_some() {
                entry.began = now;
            }
        } else if entry.phase == Phase::Working || entry.ended.is_none() {
            entry.ended = Some(now);
        }
        entry.phase = event.phase;
        entry.text = event.text;
    }

    fn draw(&mut self) {
        if self.entries.is_empty() {
            return;
        }
        let size = terminal::size();
        let columns = size.map_or(COLUMNS, |it| usize::from(it.columns));
        let rows = size.map_or(ROWS, |it| usize::from(it.rows)).max(4);
        let text = self.text(columns, rows);
        self.write(&text);
    }

    fn write(&self, text: &str) {
        let mut out: Box<dyn Write> = match self.on_stdout {
            true => Box::new(std::io::stdout().lock()),
            false => Box::new(std::io::stderr().lock()),
        };
        // Nobody can be told that it is closed.
        drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
    }

    /// Back to where the picture began, with nothing below.
    fn erased(&mut self) -> String {
        match self.drawn.take() {
            Some(lines) => UP.repeat(lines + 1) + FIRST_COLUMN + ERASE_BELOW,
            None => String::new(),
        }
    }

    fn text(&mut self, columns: usize, rows: usize) -> String {
        let up = match self.drawn {
            Some(lines) => UP.repeat(lines + 1),
            None => format!("{UP}{DOWN}"),
        };
        let done = self.entries.iter().filter(|it| it.phase != Phase::Working);
        let (done, all) = (done.count(), self.entries.len());
        let first = format!("[+] {} {done}/{all}", self.title);
        let first = match done == all {
            true => coloured(TIMER, &first),
            false => first,
        };
        let names = self.entries.iter().map(|it| it.id.chars().count() + 1);
        let widest = names.max().unwrap_or(0);
        let mut out = format!("{up}{FIRST_COLUMN}{HIDE}{first}\n");
        // What has happened last is what matters where there is not room for all.
        let skipped = self.entries.len().saturating_sub(rows - 2);
        for entry in &mut self.entries[skipped..] {
            out += &entry.line(self.prefix, widest, columns);
        }
        self.drawn = Some(self.entries.len() - skipped);
        out + SHOW
    }
}

impl Entry {
    fn line(&mut self, prefix: &str, widest: usize, columns: usize) -> String {
        let (colour, sign) = match self.phase {
            Phase::Working => {
                self.turn += 1;
                (WARNING, SPINNER[(self.turn - 1) % SPINNER.len()])
            }
            Phase::Done => (DONE, '✔'),
            Phase::Warning => (WARNING, '!'),
            Phase::Error => (ERROR, '✘'),
        };
        let width = self.id.chars().count() + 1;
        let padding = " ".repeat(widest.saturating_sub(width));
        let room = columns.saturating_sub(width + widest + BESIDE);
        let mut status = self.text.replace(char::is_control, " ");
        if room > 0 && status.chars().count() > room {
            status = status.chars().take(room).collect::<String>() + "...";
        }
        let until = self.ended.unwrap_or_else(Instant::now);
        let timer = format!("{:.1}s ", until.duration_since(self.began).as_secs_f64());
        let shown = [
            " ", " ", prefix, " ", &self.id, " ", &padding, " ", &status, &timer,
        ];
        let shown: usize = shown.iter().map(|part| part.chars().count()).sum();
        let fill = " ".repeat(columns.saturating_sub(shown));
        let status = match self.phase {
            Phase::Working => status,
            _ => coloured(colour, &status),
        };
        let sign = coloured(colour, &sign.to_string());
        let prefix = match prefix {
            "" => String::new(),
            prefix => coloured(PREFIX, prefix),
        };
        let (id, timer) = (&self.id, coloured(TIMER, &timer));
        format!(" {sign}{prefix} {id} {padding} {status}{fill}{timer}\n")
    }
}

fn coloured(colour: &str, text: &str) -> String {
    format!("\u{1b}[{colour}m{text}\u{1b}[0m")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: &str, phase: Phase, text: &str) -> Event {
        Event {
            id: id.into(),
            phase,
            text: text.into(),
        }
    }

    #[test]
    fn a_picture_is_as_stock_compose_draws_it() {
        let mut picture = Picture {
            title: "Running",
            ..Picture::default()
        };
        picture.take(event("Network p_default", Phase::Done, "Created"));
        picture.take(event("Container p-db-1", Phase::Working, "Starting"));
        let first = picture.text(60, 24);
        let blanks = |count| " ".repeat(count);
        let network = format!(
            " \x1b[32m✔\x1b[0m Network p_default  \x1b[32mCreated\x1b[0m{}\x1b[34m0.0s \x1b[0m\n",
            blanks(26)
        );
        let container = format!(
            " \x1b[33m⠋\x1b[0m Container p-db-1   Starting{}\x1b[34m0.0s \x1b[0m\n",
            blanks(25)
        );
        assert_eq!(
            first,
            format!("\x1b[1A\x1b[1B\x1b[0G\x1b[?25l[+] Running 1/2\n{network}{container}\x1b[?25h")
        );
        picture.take(event("Container p-db-1", Phase::Done, "Started"));
        let last = picture.text(60, 24);
        let begun = "\x1b[1A\x1b[1A\x1b[1A\x1b[0G\x1b[?25l\x1b[34m[+] Running 2/2\x1b[0m\n";
        assert!(last.starts_with(begun), "{last:?}");
    }

    #[test]
    fn what_has_no_room_is_cut() {
        let mut picture = Picture::default();
        let long = event("Container p-db-1", Phase::Error, &"x".repeat(100));
        picture.take(long);
        let text = picture.text(60, 24);
        assert!(
            text.contains(&format!("{}...", "x".repeat(60 - 17 - 17 - 15))),
            "{text:?}"
        );
        for number in 0..40 {
            picture.take(event(
                &format!("Container {number}"),
                Phase::Done,
                "Created",
            ));
        }
        let text = picture.text(60, 10);
        assert_eq!(text.matches('\n').count(), 9);
        assert!(text.contains("Container 39"));
    }
}
