//! What kind of failure an error is, and how a chain of errors becomes one line.

use std::{error::Error, io};

/// The class of a failure, as far as a caller acts on it.
///
/// The server maps each to one HTTP status; the names are those of the Docker
/// Engine's error classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The request cannot be understood or asks for something impossible (400).
    InvalidParameter,
    /// Credentials are missing or wrong (401).
    Unauthorized,
    /// The caller may not do this (403).
    Forbidden,
    /// The named object does not exist (404).
    NotFound,
    /// The object's state does not allow the operation (409).
    Conflict,
    /// The object is in the wanted state already (304).
    NotModified,
    /// This build or host cannot do it (501).
    NotImplemented,
    /// A registry wants fewer requests (429).
    TooManyRequests,
    /// A part that is needed cannot be reached now (503).
    Unavailable,
    /// Everything else (500).
    Internal,
}

/// An error that knows its [`Kind`]. Each room's error enum implements it.
pub trait KindOf: Error {
    /// The class of this failure.
    fn kind(&self) -> Kind;
}

/// The message of `error` and of everything it was caused by, joined by `": "`.
///
/// A cause whose text already ends its parent's text is not repeated.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let line = cause.to_string();
        if !text.ends_with(&line) {
            text.push_str(": ");
            text.push_str(&line);
        }
        next = cause.source();
    }
    text
}

/// The text of a system error as Go prints it, and with it Docker: in lower case and
/// without Rust's `(os error 2)`, `no such file or directory`.
pub fn errno_text(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = text.chars();
    match letters.next() {
        // "Invalid argument" begins with a small letter, "RPC …" keeps its capitals.
        Some(first) if letters.as_str().starts_with(char::is_lowercase) => {
            first.to_lowercase().chain(letters).collect()
        }
        // musl's words for EIO.
        _ if text == "I/O error" => "input/output error".to_owned(),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use thiserror::Error;

    #[derive(Debug, Error)]
    #[error("opening {path}")]
    struct Outer {
        path: &'static str,
        source: std::io::Error,
    }

    #[test]
    fn a_chain_reads_from_the_outside_in() {
        let error = Outer {
            path: "/x",
            source: std::io::Error::other("no such file or directory"),
        };
        assert_eq!(chain(&error), "opening /x: no such file or directory");
    }

    #[test]
    fn a_system_error_reads_as_go_prints_it() {
        for (number, text) in [(2, "no such file or directory"), (5, "input/output error")] {
            assert_eq!(errno_text(&io::Error::from_raw_os_error(number)), text);
        }
        let own = io::Error::other("RPC version wrong");
        assert_eq!(errno_text(&own), "RPC version wrong");
    }
}
