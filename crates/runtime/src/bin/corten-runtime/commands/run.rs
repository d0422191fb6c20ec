//! `run`: create and start, in the foreground until the end.

use super::create::{Made, SHAPES, make, start_made};
use super::delete::remove;
use crate::arguments::Arguments;
use crate::error::CommandError;
use crate::terminal;
use corten_runtime::Running;
use rustix::process::{WaitId, WaitIdOptions, waitid};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

pub(super) fn run(root: &Path, words: &[String]) -> Result<u8, CommandError> {
    let arguments = Arguments::parse(words, SHAPES)?;
    let id = arguments.only("run")?;
    let detach = arguments.has("detach");
    let Made {
        directory,
        record,
        mut created,
    } = make(root, id, &arguments, detach)?;
    let master = created.console.take();
    if let (Some(master), Some(path)) = (&master, arguments.value("console-socket")) {
        terminal::send_master(Path::new(path), master.as_fd())?;
    }
    let started = start_made(&directory, &record);
    if let Err(error) = started {
        wait(&created.pidfd);
        remove(&directory, &record)?;
        return Err(error);
    }
    if detach {
        return Ok(0);
    }
    let running = Running {
        pid: created.pid,
        pidfd: created.pidfd,
        console: master.filter(|_| arguments.value("console-socket").is_none()),
        mount_namespace: None,
    };
    let status = foreground(running.console.as_ref(), &running.pidfd);
    if !arguments.has("keep") {
        remove(&directory, &record)?;
    }
    Ok(status)
}

/// Serves the terminal, if there is one, and waits for the end.
pub(super) fn foreground(master: Option<&OwnedFd>, pidfd: &OwnedFd) -> u8 {
    if let Some(master) = master {
        let _raw = terminal::RawTerminal::new();
        terminal::serve(master);
    }
    wait(pidfd)
}

/// Reaps; the exit code, or 128 and the signal.
fn wait(pidfd: &OwnedFd) -> u8 {
    let wait = || waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED);
    let status = rustix::io::retry_on_intr(wait).ok().flatten();
    let code = status.and_then(|status| {
        status
            .exit_status()
            .or_else(|| status.terminating_signal().map(|signal| 128 + signal))
    });
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(255)
}
