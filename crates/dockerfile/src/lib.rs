//! Dockerfiles and .dockerignore files: text to a checked syntax tree.
//!
//! Entry points: [`Dockerfile::parse`] for the tree with its source spans, [`words::Shell`]
//! for variables and quotes (done by who knows the variables), [`Patterns`] for
//! `.dockerignore`, `check` for the checks that need nothing but the text.
//!
//! Invariants: pure; every instruction knows its lines ([`Location`]); what BuildKit
//! refuses is refused with its sentence; time and memory are bounded by the length of the
//! text, whose parts have limits ([`LINE_BYTES_MAX`], [`FILE_BYTES_MAX`]).
//!
//! Never knows: the solver, images, files on disk.
//!
//! Sources: the Dockerfile reference (<https://docs.docker.com/reference/dockerfile/>),
//! docker/dockerfile 1.20.
#![forbid(unsafe_code)]

pub mod check;
mod directive;
mod error;
mod file;
mod flags;
mod heredoc;
mod ignore;
mod instruction;
mod lines;
mod mount;
mod parse;
mod pattern;
mod signal;
pub mod words;

#[cfg(test)]
mod tests;

pub use check::{Rule, Warning};
pub use directive::Directives;
pub use error::{Error, Fault, Result, similar};
pub use file::{Command, Dockerfile, Stage};
pub use heredoc::Heredoc;
pub use ignore::{IgnoreError, Patterns, is_pattern};
pub use instruction::*;
pub use mount::{CacheSharing, RunMount, RunMountKind};
pub use parse::{parse_exposed, parse_trigger};
pub use signal::is_signal;

/// Bytes of a Dockerfile; BuildKit's front end reads no more either.
pub const FILE_BYTES_MAX: usize = 2 << 20;
/// Bytes of one line, as BuildKit has it.
pub const LINE_BYTES_MAX: usize = 65_535;

/// The lines that a file has, as clients show it: behind a last line end there is one more.
pub fn source_lines(text: &str) -> Vec<String> {
    text.split('\n').map(str::to_owned).collect()
}

/// Lines of the source, counted from 1, both included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Location {
    /// First line.
    pub start: usize,
    /// Last line.
    pub end: usize,
}
