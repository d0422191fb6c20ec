//! `corten-runtime`: the OCI runtime with runc's command line.
//!
//! Purpose: `create`, `start`, `state`, `kill`, `delete`, `run`, `exec`, `ps`, `pause`,
//! `resume`, `update`, `events`, `list`, `spec` and `features`, over the library
//! `corten_runtime` and the cgroup room. A container's record is one directory below
//! `--root`, see [`record`].
//!
//! Exit codes: 0, the container's own after `run` and `exec` in the foreground, 1 after
//! a failure, 255 as runc where a container is missing.
//!
//! Never knows: images, networks, the daemon.
#![forbid(unsafe_code)]

mod arguments;
mod commands;
mod error;
mod options;
mod own_file;
mod record;
mod terminal;

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match commands::dispatch(&words) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            options::report(&words, &error);
            ExitCode::from(error.exit_code())
        }
    }
}
