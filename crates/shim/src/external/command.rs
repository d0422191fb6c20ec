//! One call of the runtime's program.

use crate::failure;
use corten_runtime::{Stdio, errno_text};
use corten_shim_proto::{ExternalRuntime, Failure, FailureStage};
use corten_sys::clone::{self, Options};
use corten_sys::exec::{self, Vector};
use corten_sys::signal_state;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long one call may take; within `REPLY_TIMEOUT` of the engine. runc takes some ten
/// milliseconds.
const LIMIT: Duration = Duration::from_secs(40);

/// How much of its log is read: the reason stands in the last line.
const LOG_LIMIT_BYTES: u64 = 64 << 10;

/// For helpers of the runtime, such as newuidmap; the daemon's own is nobody's business.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The program with everything that stands before the verb.
pub(super) struct Program {
    runtime: ExternalRuntime,
    state: PathBuf,
    log: PathBuf,
}

/// Descriptors 0, 1 and 2 of a call; `None` is `/dev/null`.
#[derive(Default)]
pub(super) struct Streams([Option<OwnedFd>; 3]);

impl Streams {
    /// Those of a process, which inherits them from the call.
    pub(super) fn of(stdio: Stdio) -> Self {
        match stdio {
            Stdio::Descriptors {
                stdin,
                stdout,
                stderr,
            } => Self([stdin, stdout, stderr]),
            Stdio::Inherit | Stdio::Terminal { .. } => Self::default(),
        }
    }
}

impl Program {
    pub(super) fn new(runtime: ExternalRuntime, place: &Path) -> Self {
        Self {
            runtime,
            state: place.join("state"),
            log: place.join("log.json"),
        }
    }

    /// Runs `verb` with `words` and waits for its end.
    pub(super) fn run(&self, verb: &str, words: &[&str]) -> Result<(), Failure> {
        self.run_with(verb, words, Streams::default())
    }

    pub(super) fn run_with(
        &self,
        verb: &str,
        words: &[&str],
        streams: Streams,
    ) -> Result<(), Failure> {
        let refused = |message: String| Failure::new(FailureStage::Runtime, message);
        // A log of the call before would be taken for this one's.
        let _removed = std::fs::remove_file(&self.log).is_ok();
        let failed = |error: &io::Error| {
            let path = self.runtime.program.display();
            let message = format!(
                "fork/exec {path}: {}",
                error
                    .raw_os_error()
                    .map_or_else(|| error.to_string(), errno_text)
            );
            Failure {
                errno: error.raw_os_error(),
                ..refused(message)
            }
        };
        let child = self.spawn(verb, words, streams).map_err(|e| failed(&e))?;
        let status = wait(&child).map_err(|error| failure::of_io("waiting", &error))?;
        match status {
            Some(0) => Ok(()),
            Some(status) => Err(refused(self.reason().unwrap_or_else(|| {
                format!("{} {verb} ended with {status}", self.runtime.name)
            }))),
            None => Err(refused(format!(
                "{} {verb} took longer than {} seconds",
                self.runtime.name,
                LIMIT.as_secs()
            ))),
        }
    }

    fn spawn(&self, verb: &str, words: &[&str], streams: Streams) -> io::Result<clone::Child> {
        let program = &self.runtime.program;
        let path = CString::new(program.as_os_str().as_bytes())?;
        let (state, log) = (self.state.to_string_lossy(), self.log.to_string_lossy());
        let mut line = vec![program.to_string_lossy().into_owned()];
        line.extend(self.runtime.arguments.iter().cloned());
        line.extend(["--root".into(), state.into_owned()]);
        line.extend(["--log".into(), log.into_owned()]);
        line.extend(["--log-format".into(), "json".into(), verb.into()]);
        line.extend(words.iter().map(|word| (*word).to_owned()));
        let (line, environment) = (Vector::new(line)?, Vector::new([PATH])?);
        let null = File::options().read(true).write(true).open("/dev/null")?;
        let (errno, told) = pipe_with(PipeFlags::CLOEXEC)?;
        let child = clone::spawn(Options::default(), || {
            let become_program = || -> io::Result<()> {
                // What the shim ignores, a container must hear.
                signal_state::reset()?;
                let [stdin, stdout, stderr] = &streams.0;
                let or_null = |end: &Option<OwnedFd>| match end {
                    Some(end) => end.as_fd().try_clone_to_owned(),
                    None => null.as_fd().try_clone_to_owned(),
                };
                // Copies first: an end may have one of the three numbers.
                let ends = (or_null(stdin)?, or_null(stdout)?, or_null(stderr)?);
                rustix::stdio::dup2_stdin(&ends.0)?;
                rustix::stdio::dup2_stdout(&ends.1)?;
                rustix::stdio::dup2_stderr(&ends.2)?;
                Err(exec::execve(&path, &line, &environment))
            };
            let error = become_program().err();
            let code = error.and_then(|it| it.raw_os_error());
            let code = code.unwrap_or(Errno::IO.raw_os_error());
            // The exit status says that it failed, if this cannot say why.
            let _told = rustix::io::write(&told, &code.to_ne_bytes()).is_ok();
            EXEC_FAILED
        })?;
        drop(told);
        let mut code = [0; 4];
        match File::from(errno).read_exact(&mut code) {
            Ok(()) => {
                wait(&child)?;
                Err(io::Error::from_raw_os_error(i32::from_ne_bytes(code)))
            }
            // Closed by execve.
            Err(_) => Ok(child),
        }
    }

    /// What the runtime's log says last.
    fn reason(&self) -> Option<String> {
        let mut text = Vec::new();
        let log = File::open(&self.log).ok()?;
        log.take(LOG_LIMIT_BYTES).read_to_end(&mut text).ok()?;
        reason_in(&String::from_utf8_lossy(&text))
    }
}

/// Shells' status of a program that could not be run.
const EXEC_FAILED: i32 = 127;

/// The message of the last error in a log of JSON lines, which runc and crun write alike.
fn reason_in(log: &str) -> Option<String> {
    let mut lines = log.lines().rev();
    lines.find_map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        (line["level"] == "error").then(|| line["msg"].as_str().map(str::to_owned))?
    })
}

/// The exit status, 128 and more after a signal; `None`: killed for taking too long.
fn wait(child: &clone::Child) -> io::Result<Option<i32>> {
    let deadline = Instant::now() + LIMIT;
    let mut ended = false;
    while !ended {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).ok();
        let mut wanted = [PollFd::new(&child.pidfd, PollFlags::IN)];
        match poll(&mut wanted, left.as_ref()) {
            Ok(0) => break,
            Ok(_) => ended = true,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if !ended {
        pidfd_send_signal(&child.pidfd, Signal::KILL)?;
    }
    let status = waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED)?;
    let status = status.and_then(|status| {
        let signal = status.terminating_signal().map(|signal| 128 + signal);
        status.exit_status().or(signal)
    });
    Ok(ended.then(|| status.unwrap_or(EXEC_FAILED)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn program(place: &Path, path: &Path) -> Program {
        let runtime = ExternalRuntime {
            name: "other".into(),
            program: path.to_owned(),
            arguments: vec!["--first".into()],
        };
        Program::new(runtime, place)
    }

    fn script(place: &Path, text: &str) -> PathBuf {
        let path = place.join("runtime");
        let mut file = File::create(&path).expect("a script");
        file.write_all(format!("#!/bin/sh\n{text}\n").as_bytes())
            .expect("written");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        file.set_permissions(mode).expect("executable");
        path
    }

    #[test]
    fn the_last_error_of_the_log_is_the_reason() {
        let place = tempfile::tempdir().expect("a directory");
        let log = r#"{"level":"warning","msg":"old"}
{"level":"error","msg":"first"}
{"level":"error","msg":"the reason"}
not JSON"#;
        let path = script(
            place.path(),
            &format!("cat >\"$5\" <<'E'\n{log}\nE\nexit 1"),
        );
        let error = program(place.path(), &path).run("kill", &["id"]);
        assert_eq!(error.expect_err("it exits with 1").message, "the reason");
    }

    #[test]
    fn the_words_stand_in_runcs_order() {
        let place = tempfile::tempdir().expect("a directory");
        let said = place.path().join("said");
        let path = script(place.path(), &format!("echo \"$@\" >{}", said.display()));
        program(place.path(), &path)
            .run("kill", &["id", "9"])
            .expect("it runs");
        let said = std::fs::read_to_string(said).expect("the words");
        let at = place.path().display();
        assert_eq!(
            said,
            format!("--first --root {at}/state --log {at}/log.json --log-format json kill id 9\n")
        );
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let place = tempfile::tempdir().expect("a directory");
        let error = program(place.path(), Path::new("/nowhere/runtime")).run("kill", &["id"]);
        let error = error.expect_err("there is none");
        assert_eq!(
            error.message,
            "fork/exec /nowhere/runtime: no such file or directory"
        );
    }
}
