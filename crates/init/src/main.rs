//! The first process of a container that asks for one (`docker run --init`).
//!
//! Purpose: runs the program named by its arguments (after an optional `--`) as its only
//! child, passes signals on to it, reaps whatever the container orphans, and ends as the
//! program ended: its exit code, or 128 + n after signal n; 127 and 126 when it is missing
//! or cannot be run.
//!
//! Invariants: one thread; all signals are blocked before the child exists, so none is
//! lost; the child starts with no signal blocked, in a process group of its own, in the
//! terminal's foreground where there is a terminal.
//!
//! Never knows: that it runs in a container.
#![forbid(unsafe_code)]

use corten_sys::{clone, signal, signal_state, signal_wait};
use rustix::process::{self, Pid, WaitOptions};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1).peekable();
    words.next_if(|word| word == "--");
    let Some(program) = words.next() else {
        eprintln!("usage: corten-init [--] PROGRAM [ARGUMENT…]");
        return ExitCode::from(2);
    };
    let mut command = Command::new(program);
    command.args(words);
    match supervise(&mut command) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("corten-init: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs `command` to its end; the code to end with.
fn supervise(command: &mut Command) -> std::io::Result<u8> {
    signal_wait::block_all()?;
    if !process::getpid().is_init() {
        // With the host's pid namespace, orphans come here instead of to the host's init.
        process::set_child_subreaper(Some(process::getpid()))?;
    }
    let child = clone::fork(|| become_program(command))?;
    loop {
        let number = signal_wait::next()?;
        if number == signal_wait::CHILD {
            if let Some(code) = reap(child)? {
                return Ok(code);
            }
        } else if !signal_wait::is_of_the_terminal(number) {
            // It may have ended already: its end is told by the next signal.
            let _ = signal::kill(child, number);
        }
    }
}

/// The child's side: never returns unless the program could not be run.
fn become_program(command: &mut Command) -> i32 {
    // Before the signals are let through: taking the foreground raises SIGTTOU.
    let _ = process::setpgid(None, None);
    let _ = rustix::termios::tcsetpgrp(std::io::stdin(), process::getpid());
    let error = match signal_state::reset() {
        Ok(()) => command.exec(),
        Err(error) => error,
    };
    eprintln!(
        "corten-init: exec {}: {error}",
        command.get_program().display()
    );
    if error.kind() == std::io::ErrorKind::NotFound {
        127
    } else {
        126
    }
}

/// Reaps everything that has ended; the code of `main` once it is among them.
fn reap(main: i32) -> std::io::Result<Option<u8>> {
    let mut code = None;
    loop {
        match process::wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid.as_raw_nonzero().get() == main => {
                let ended = status
                    .exit_status()
                    .or_else(|| status.terminating_signal().map(|n| 128 + n));
                code = ended.map(|ended| ended as u8).or(code);
            }
            Ok(Some((Pid { .. }, _))) => {}
            Ok(None) | Err(rustix::io::Errno::CHILD) => return Ok(code),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
