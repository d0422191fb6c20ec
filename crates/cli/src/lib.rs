//! The command line: `corten`, and `docker` when called so.
#![forbid(unsafe_code)]

pub mod flags;
pub mod help;
pub mod output;
pub mod tables;
