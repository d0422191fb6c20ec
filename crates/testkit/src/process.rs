//! Running a program and keeping what it said.

use anyhow::{Context, Result};
use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// What a program printed and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// The words it was called with, for messages.
    pub call: String,
    /// Standard output, as text.
    pub stdout: String,
    /// Standard error, as text.
    pub stderr: String,
    /// Exit code; 128 + n after signal n.
    pub code: i32,
}

impl Ran {
    /// Panics unless the program ended with 0; gives its trimmed standard output.
    #[track_caller]
    pub fn ok(&self) -> &str {
        assert_eq!(
            self.code, 0,
            "{}\nstdout: {}\nstderr: {}",
            self.call, self.stdout, self.stderr
        );
        self.stdout.trim_end()
    }

    /// Panics unless the program ended with `code` and its standard error holds `text`.
    #[track_caller]
    pub fn fails(&self, code: i32, text: &str) -> &Self {
        assert!(
            self.code == code && self.stderr.contains(text),
            "{}: wanted {code} and {text:?}\ncode: {}\nstdout: {}\nstderr: {}",
            self.call,
            self.code,
            self.stdout,
            self.stderr
        );
        self
    }
}

/// A command with the words of `call` after the program.
pub fn program<S: AsRef<OsStr>>(
    path: impl AsRef<Path>,
    call: impl IntoIterator<Item = S>,
) -> Command {
    let mut command = Command::new(path.as_ref());
    command.args(call).stdin(Stdio::null());
    command
}

/// Words of `sh` that become git's daemon by themselves: `git daemon` is a parent, whose end
/// the daemon outlives. Its own words follow.
pub const GIT_DAEMON: [&str; 3] = [
    "-c",
    "exec \"$(git --exec-path)/git-daemon\" \"$@\"",
    "git-daemon",
];

/// Runs `command` to its end; panics when it cannot be started.
#[track_caller]
pub fn run(command: &mut Command) -> Ran {
    let call = format!("{command:?}");
    let output = command
        .output()
        .with_context(|| call.clone())
        .expect("the program starts");
    ran(call, &output)
}

/// Runs `command` with `input` on its standard input.
#[track_caller]
pub fn run_with_input(command: &mut Command, input: &[u8]) -> Ran {
    let call = format!("{command:?}");
    feed(command, input)
        .map(|output| ran(call, &output))
        .expect("the program starts")
}

fn feed(command: &mut Command, input: &[u8]) -> Result<Output> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().context("stdin is piped")?;
    let input = input.to_vec();
    // A program may end before it has read everything: its exit code tells the story.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output()?;
    drop(writer.join());
    Ok(output)
}

fn ran(call: String, output: &Output) -> Ran {
    use std::os::unix::process::ExitStatusExt;
    let code = output
        .status
        .code()
        .or_else(|| output.status.signal().map(|signal| 128 + signal));
    Ran {
        call,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        code: code.unwrap_or(-1),
    }
}
