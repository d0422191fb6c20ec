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
use corten_base::text;
use corten_compose::apply::{Event, Phase};
use std::{
    io::Write,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// Between two pictures.
const PERIOD: Duration = Duration::from_millis(100);
/// How far each part of a thing is, from nothing to all.
const FILLED: [char; 9] = ['⠀', '⡀', '⣀', '⣄', '⣤', '⣦', '⣶', '⣷', '⣿'];
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
    /// What was told of it last.
    event: Event,
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
        let entries = &mut self.entries;
        let Some(entry) = entries.iter_mut().find(|it| it.event.id == event.id) else {
            let ended = (event.phase != Phase::Working).then_some(now);
            return entries.push(Entry {
                event,
                began: now,
                ended,
                turn: 0,
            });
        };
        if event.phase == Phase::Working {
            if entry.ended.take().is_some() {
                entry.began = now;
            }
        } else if entry.event.phase == Phase::Working || entry.ended.is_none() {
            entry.ended = Some(now);
        }
        // How far it is only grows; a part stays with its first whole.
        let before = std::mem::replace(&mut entry.event, event);
        let amount = &mut entry.event.amount;
        amount.current = amount.current.max(before.amount.current);
        amount.total = amount.total.max(before.amount.total);
        amount.percent = amount.percent.max(before.amount.percent);
        if !before.parent.is_empty() && !entry.event.parent.is_empty() {
            entry.event.parent = before.parent;
        }
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
        let done = self.entries.iter();
        let done = done.filter(|it| it.event.phase != Phase::Working);
        let (done, all) = (done.count(), self.entries.len());
        let first = format!("[+] {} {done}/{all}", self.title);
        let first = match done == all {
            true => coloured(TIMER, &first),
            false => first,
        };
        let names = self.entries.iter().map(|it| it.name().chars().count());
        let widest = names.max().unwrap_or(0);
        let mut out = format!("{up}{FIRST_COLUMN}{HIDE}{first}\n");
        let mut order = self.in_order(all <= rows - 2);
        // What has happened last is what matters where there is not room for all.
        order.drain(..order.len().saturating_sub(rows - 2));
        let mut shown = order.len();
        for (at, is_part) in order {
            let parts = self.parts(&self.entries[at].event);
            let entry = &mut self.entries[at];
            out += &entry.line(self.prefix, is_part, &parts, widest, columns);
        }
        // Where there is less than before, the rest is wiped.
        let wiped = self.drawn.unwrap_or(0).saturating_sub(shown);
        out += &(" ".repeat(columns) + "\n").repeat(wiped);
        shown += wiped;
        self.drawn = Some(shown);
        out + SHOW
    }

    /// Where the things stand: each before its parts, and whether it is one.
    fn in_order(&self, with_parts: bool) -> Vec<(usize, bool)> {
        let mut order = Vec::new();
        let known = |id: &str| self.entries.iter().any(|it| it.event.id == id);
        for (at, entry) in self.entries.iter().enumerate() {
            if !entry.event.parent.is_empty() && known(&entry.event.parent) {
                continue;
            }
            order.push((at, false));
            let parts = self.entries.iter().enumerate();
            let parts = parts.filter(|(_, it)| with_parts && it.event.parent == entry.event.id);
            order.extend(parts.map(|(at, _)| (at, true)));
        }
        order
    }

    /// How far the parts of a thing are that is worked on: ` [⣿⣷⠀] 12MB / 30MB`.
    fn parts(&self, whole: &Event) -> String {
        let parts = self.entries.iter().map(|it| &it.event);
        let parts = parts.filter(|it| it.parent == whole.id);
        let parts: Vec<&Event> = parts.filter(|_| whole.phase == Phase::Working).collect();
        if parts.is_empty() {
            return String::new();
        }
        let filled = parts.iter().map(|part| {
            let percent = usize::try_from(part.amount.percent).unwrap_or(0).min(100);
            FILLED[(FILLED.len() - 1) * percent / 100]
        });
        let filled = coloured(DONE, &filled.collect::<String>());
        let is_known = |part: &&Event| part.phase != Phase::Working || part.amount.total > 0;
        let sum = |of: fn(&Event) -> i64| {
            let sum: i64 = parts.iter().map(|part| of(part)).sum();
            text::human_size(sum.max(0).unsigned_abs())
        };
        let total: i64 = parts.iter().map(|part| part.amount.total).sum();
        let details = match parts.iter().all(is_known) && total > 0 {
            true => format!(
                " {:>7} / {:<7}",
                sum(|part| part.amount.current),
                sum(|part| part.amount.total)
            ),
            false => String::new(),
        };
        format!(" [{filled}]{details}")
    }
}

impl Entry {
    /// What is told of it beside how it is.
    fn name(&self) -> String {
        format!("{} {}", self.event.id, self.event.text)
    }

    fn line(
        &mut self,
        prefix: &str,
        is_part: bool,
        parts: &str,
        widest: usize,
        columns: usize,
    ) -> String {
        let (colour, sign) = match self.event.phase {
            Phase::Working => {
                self.turn += 1;
                (WARNING, SPINNER[(self.turn - 1) % SPINNER.len()])
            }
            Phase::Done => (DONE, '✔'),
            Phase::Warning => (WARNING, '!'),
            Phase::Error => (ERROR, '✘'),
        };
        let name = match parts {
            "" => self.name(),
            parts => format!("{}{parts} {}", self.event.id, self.event.text),
        };
        let indent = if is_part { "  " } else { "" };
        let width = shown_width(&name);
        let padding = " ".repeat(widest.saturating_sub(width));
        let room = columns.saturating_sub(width + widest + BESIDE);
        let mut status = self.event.status.replace(char::is_control, " ");
        if room > 0 && status.chars().count() > room {
            status = status.chars().take(room).collect::<String>() + "...";
        }
        let until = self.ended.unwrap_or_else(Instant::now);
        let timer = format!("{:.1}s ", until.duration_since(self.began).as_secs_f64());
        let status = match self.event.phase {
            Phase::Working => status,
            _ => coloured(colour, &status),
        };
        let sign = coloured(colour, &sign.to_string());
        let prefix = match prefix {
            "" => String::new(),
            prefix => coloured(PREFIX, prefix),
        };
        let timer = coloured(TIMER, &timer);
        let text = format!("{indent} {sign}{prefix} {name}{padding} {status}");
        let fill = columns.saturating_sub(shown_width(&text) + shown_width(&timer));
        format!("{text}{}{timer}\n", " ".repeat(fill))
    }
}

/// Columns of a text without its colours.
fn shown_width(text: &str) -> usize {
    let mut pieces = text.split('\u{1b}');
    let plain = pieces.next().map_or(0, |it| it.chars().count());
    let after = pieces.map(|it| it.split_once('m').map_or(0, |(_, it)| it.chars().count()));
    plain + after.sum::<usize>()
}

fn coloured(colour: &str, text: &str) -> String {
    format!("\u{1b}[{colour}m{text}\u{1b}[0m")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: &str, phase: Phase, text: &str) -> Event {
        Event::of(id, phase).status(text)
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
    fn layers_stand_below_their_service_which_sums_them_up() {
        let mut picture = Picture {
            title: "Pulling",
            ..Picture::default()
        };
        picture.take(Event::of("web", Phase::Working).text("Pulling"));
        let layer = |id: &str, phase, current, percent| {
            let mut event = Event::of(id, phase).text("Downloading");
            event.parent = "web".into();
            event.amount = corten_compose::apply::Amount {
                current,
                total: 2_000_000,
                percent,
            };
            event
        };
        picture.take(layer("aaa", Phase::Done, 2_000_000, 100));
        picture.take(layer("bbb", Phase::Working, 500_000, 25));
        let text = picture.text(80, 24);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].ends_with("[+] Pulling 1/3"), "{text:?}");
        let sum = "web [\u{1b}[32m⣿⣀\u{1b}[0m]   2.5MB / 4MB     Pulling";
        assert!(lines[1].contains(sum), "{text:?}");
        let part = "   \u{1b}[32m✔\u{1b}[0m aaa Downloading ";
        assert!(lines[2].starts_with(part), "{text:?}");
        assert_eq!(lines.len(), 5);
        // Where there is no room for all, the parts are left out.
        assert_eq!(picture.text(80, 4).matches("Downloading").count(), 0);
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
