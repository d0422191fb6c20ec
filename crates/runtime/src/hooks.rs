//! Programs run at points of the container's life (config.md § POSIX-platform Hooks).

use crate::{Stage, StartError};
use corten_oci::runtime::{Hook, Spec, State, Status};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What a hook is told on its standard input.
pub(crate) fn state(
    id: &str,
    spec: &Spec,
    bundle: &Path,
    status: Status,
    pid: Option<i32>,
) -> State {
    State {
        oci_version: corten_oci::runtime::SPEC_VERSION.to_owned(),
        id: id.to_owned(),
        status,
        pid,
        bundle: bundle.to_owned(),
        annotations: spec.annotations.clone(),
    }
}

/// Runs `hooks` in their order; the first failure ends it.
///
/// # Errors
/// A hook that cannot be run, exits with anything but 0, or outlives its timeout.
pub fn run_hooks(hooks: &[Hook], state: &State) -> Result<(), StartError> {
    for (index, hook) in hooks.iter().enumerate() {
        run(hook, state).map_err(|sentence| {
            let path = hook.path.to_string_lossy();
            let sentence = format!("error running hook #{index}: {sentence}");
            StartError::refused(Stage::Hook, path, sentence)
        })?;
    }
    Ok(())
}

fn run(hook: &Hook, state: &State) -> Result<(), String> {
    let text = serde_json::to_vec(state).map_err(|error| error.to_string())?;
    let mut command = Command::new(&hook.path);
    if let Some(name) = hook.args.first() {
        command.arg0(name).args(&hook.args[1..]);
    }
    command.env_clear();
    for entry in &hook.env {
        let (key, value) = entry.split_once('=').unwrap_or((entry, ""));
        command.env(key, value);
    }
    let output = tempfile_in_memory().map_err(|error| error.to_string())?;
    let copy = output.try_clone().map_err(|error| error.to_string())?;
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(copy);
    let mut child = command
        .spawn()
        .map_err(|error| format!("{}: {error}", hook.path.display()))?;
    if let Some(mut input) = child.stdin.take() {
        // A hook need not read what it is told.
        let _ = input.write_all(&text);
    }
    let ended = wait(&mut child, hook.timeout).map_err(|error| error.to_string())?;
    match ended {
        None => Err(format!(
            "timed out after {} seconds",
            hook.timeout.unwrap_or(0)
        )),
        Some(status) if status.success() => Ok(()),
        Some(status) => {
            let said = said(output);
            Err(format!("{status}, stderr: {}", said.trim_end()))
        }
    }
}

/// Waits for the end, at most `timeout` seconds; kills what lives longer.
fn wait(
    child: &mut Child,
    timeout: Option<u64>,
) -> std::io::Result<Option<std::process::ExitStatus>> {
    let Some(seconds) = timeout else {
        return child.wait().map(Some);
    };
    let pid = rustix::process::Pid::from_child(child);
    let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())?;
    let deadline = Instant::now() + Duration::from_secs(seconds);
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).ok();
        let mut wanted = [PollFd::new(&pidfd, PollFlags::IN)];
        match poll(&mut wanted, left.as_ref()) {
            Ok(0) => {
                child.kill()?;
                child.wait()?;
                return Ok(None);
            }
            Ok(_) => return child.wait().map(Some),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// A file without a name for what the hook says: a pipe that nobody reads would stop it.
fn tempfile_in_memory() -> std::io::Result<std::fs::File> {
    let flags = rustix::fs::MemfdFlags::CLOEXEC;
    Ok(rustix::fs::memfd_create("hook", flags)?.into())
}

fn said(mut output: std::fs::File) -> String {
    const LIMIT: u64 = 4096;
    let mut bytes = Vec::new();
    let _ = std::io::Seek::rewind(&mut output);
    let _ = output.take(LIMIT).read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}
