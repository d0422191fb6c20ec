//! The user's terminal: raw mode, size, and whether there is one.

use rustix::termios::{self, OptionalActions, Termios};
use std::io::{IsTerminal, stderr, stdin, stdout};

/// Columns and rows of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    pub rows: u16,
    pub columns: u16,
}

/// Whether stdin, stdout and stderr are terminals.
#[derive(Debug, Clone, Copy)]
pub struct Terminals {
    pub input: bool,
    pub output: bool,
    pub error: bool,
}

/// Looks at the three standard streams.
pub fn terminals() -> Terminals {
    Terminals {
        input: stdin().is_terminal(),
        output: stdout().is_terminal(),
        error: stderr().is_terminal(),
    }
}

/// Whether this process is in front at the terminal on stdin: one that is not is stopped
/// when it reads from it (tcsetattr(3), SIGTTOU).
pub fn is_ours() -> bool {
    termios::tcgetpgrp(stdin()).is_ok_and(|front| front == rustix::process::getpgrp())
}

/// Size of the terminal on stdout, or on stdin.
pub fn size() -> Option<Size> {
    let of = |size: termios::Winsize| Size {
        rows: size.ws_row,
        columns: size.ws_col,
    };
    termios::tcgetwinsize(stdout())
        .or_else(|_| termios::tcgetwinsize(stdin()))
        .ok()
        .map(of)
        .filter(|size| size.rows > 0 || size.columns > 0)
}

/// The terminal on stdin in raw mode until dropped.
pub struct Raw {
    before: Termios,
}

impl Raw {
    /// Turns raw mode on; `None` when stdin is no terminal.
    pub fn enter() -> Option<Self> {
        let before = termios::tcgetattr(stdin()).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        termios::tcsetattr(stdin(), OptionalActions::Now, &raw).ok()?;
        Some(Self { before })
    }

    /// Keys come one by one and are not shown; Ctrl-C stays a signal, Ctrl-Z is none.
    pub fn key_by_key() -> Option<Self> {
        let before = termios::tcgetattr(stdin()).ok()?;
        let mut keys = before.clone();
        keys.local_modes
            .remove(termios::LocalModes::ECHO | termios::LocalModes::ICANON);
        // termios(3): a read returns with the first byte; 0 is no character.
        keys.special_codes[termios::SpecialCodeIndex::VMIN] = 1;
        keys.special_codes[termios::SpecialCodeIndex::VTIME] = 0;
        keys.special_codes[termios::SpecialCodeIndex::VSUSP] = 0;
        termios::tcsetattr(stdin(), OptionalActions::Now, &keys).ok()?;
        Some(Self { before })
    }

    /// Turns only the echo off, for passwords.
    pub fn without_echo() -> Option<Self> {
        let before = termios::tcgetattr(stdin()).ok()?;
        let mut silent = before.clone();
        silent.local_modes.remove(termios::LocalModes::ECHO);
        termios::tcsetattr(stdin(), OptionalActions::Now, &silent).ok()?;
        Some(Self { before })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // Nothing can be done about a terminal that went away.
        let _ = termios::tcsetattr(stdin(), OptionalActions::Now, &self.before);
    }
}
