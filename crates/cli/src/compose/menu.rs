//! The line below the output of `compose up` on a terminal, and the keys that it names.
//!
//! The line stands where the cursor is: what is written goes where the line was, and the
//! line is drawn again below. So it needs no position, and scrolls as the output does.
//! While it is there, keys come one by one and are not shown; Ctrl-C is a signal as ever.

use super::{Compose, printer, up};
use crate::terminal::{self, Raw};
use std::io::{Read, Write};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Back to the beginning of the line, with nothing on it nor below.
pub const ERASE: &str = "\r\u{1b}[0J";
/// Columns where the terminal does not say.
const COLUMNS: usize = 80;

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// The containers run on, the command ends.
    Detach,
    /// Files are watched, or no longer.
    Watch,
    /// An empty line, to tell what was from what comes.
    Line,
}

impl Key {
    fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            b'd' | b'D' => Self::Detach,
            b'w' | b'W' => Self::Watch,
            b'\r' | b'\n' => Self::Line,
            _ => return None,
        })
    }
}

/// Whether there is to be a menu: as `--menu` or its variable says, on a terminal that is
/// this command's own.
pub fn is_wanted(compose: &Compose<'_>) -> bool {
    let by_variable = match compose.env.get("COMPOSE_MENU") {
        Some(value) => up::is_true(value),
        None => true,
    };
    let terminals = terminal::terminals();
    compose.call.parsed.flag_or("menu", by_variable)
        && terminals.input
        && terminals.output
        && printer::ansi(compose) != "never"
        && terminal::is_ours()
}

/// The menu's state; the terminal is as it was when this is dropped.
pub struct Menu {
    /// Files are being watched.
    pub watches: bool,
    /// Nothing is drawn while others draw.
    pub hidden: usize,
    columns: fn() -> usize,
    _keys: Option<Raw>,
}

impl Menu {
    /// Takes the terminal; the keys that are pressed from now on.
    pub fn open() -> Option<(Self, UnboundedReceiver<Key>)> {
        let keys = Raw::key_by_key()?;
        let (pressed, keys_pressed) = unbounded_channel();
        // It ends with the process: reading a terminal cannot be given up.
        std::thread::Builder::new()
            .name("keys".into())
            .spawn(move || {
                let mut byte = [0];
                while let Ok(1) = std::io::stdin().read(&mut byte) {
                    if let Some(key) = Key::of(byte[0])
                        && pressed.send(key).is_err()
                    {
                        return;
                    }
                }
            })
            .ok()?;
        let menu = Self {
            watches: false,
            hidden: 0,
            columns,
            _keys: Some(keys),
        };
        Some((menu, keys_pressed))
    }

    /// The line; nothing while it is hidden.
    pub fn text(&self) -> String {
        if self.hidden > 0 {
            return String::new();
        }
        let watch = match self.watches {
            true => "Disable Watch",
            false => "Enable Watch",
        };
        // A line that wraps could not be erased.
        let mut room = (self.columns)().saturating_sub(1);
        let mut text = String::new();
        for (key, name) in [("w", watch), ("d", "Detach")] {
            let width = key.len() + 1 + name.len() + 3;
            if width > room {
                break;
            }
            room -= width;
            text += &format!("\u{1b}[1;7m{key}\u{1b}[0m\u{1b}[2m {name}\u{1b}[0m   ");
        }
        text
    }
}

impl Drop for Menu {
    fn drop(&mut self) {
        let mut out = std::io::stdout().lock();
        // Nobody can be told that the terminal went away.
        drop(out.write_all(ERASE.as_bytes()).and_then(|()| out.flush()));
    }
}

fn columns() -> usize {
    terminal::size().map_or(COLUMNS, |it| usize::from(it.columns))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_names_what_keys_do_as_far_as_there_is_room() {
        let mut menu = Menu {
            watches: false,
            hidden: 0,
            columns: || 80,
            _keys: None,
        };
        let plain = |menu: &Menu| {
            let text = menu.text();
            ["\u{1b}[1;7m", "\u{1b}[0m", "\u{1b}[2m"]
                .iter()
                .fold(text, |text, code| text.replace(code, ""))
        };
        assert_eq!(plain(&menu), "w Enable Watch   d Detach   ");
        menu.watches = true;
        assert_eq!(plain(&menu), "w Disable Watch   d Detach   ");
        menu.columns = || 24;
        assert_eq!(plain(&menu), "w Disable Watch   ");
        menu.columns = || 5;
        assert_eq!(plain(&menu), "");
        menu.columns = || 80;
        menu.hidden = 1;
        assert_eq!(plain(&menu), "");
    }
}
