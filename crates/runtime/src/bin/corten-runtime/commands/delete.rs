//! `delete`.

use super::find;
use crate::arguments::Arguments;
use crate::error::CommandError;
use crate::record::{Record, RecordDirectory};
use corten_cgroup::Cgroup;
use corten_oci::runtime::Status;
use corten_runtime::run_hooks;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, pidfd_send_signal};
use std::path::Path;

pub(super) fn delete(root: &Path, words: &[String]) -> Result<u8, CommandError> {
    let arguments = Arguments::parse(words, &[("force", Some('f'), false)])?;
    let id = arguments.only("delete")?;
    let force = arguments.has("force");
    let directory = match RecordDirectory::open(root, id) {
        Err(CommandError::NoContainer) if force => return Ok(0),
        result => result?,
    };
    let record = match find(root, id) {
        // A create that died in the middle left no record.
        Err(CommandError::NoContainer) if force => {
            directory.remove()?;
            return Ok(0);
        }
        result => result?.1,
    };
    match record.status(&directory) {
        Status::Stopped => {}
        Status::Created => end(&record)?,
        _ if force => end(&record)?,
        status => {
            let sentence = format!(
                "cannot delete container {id} that is not stopped: {}",
                status.as_str()
            );
            return Err(CommandError::State(sentence));
        }
    }
    remove(&directory, &record)?;
    Ok(0)
}

/// Kills the first process and waits for its end.
fn end(record: &Record) -> Result<(), CommandError> {
    let Some(pidfd) = record.process() else {
        return Ok(());
    };
    let group = Cgroup::open(&record.cgroup);
    match pidfd_send_signal(&pidfd, Signal::KILL) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => {}
        Err(error) => return Err(CommandError::call("killing the container")(error)),
    }
    if let Ok(group) = group {
        let _ = group.thaw();
    }
    let patience = Timespec {
        tv_sec: 10,
        tv_nsec: 0,
    };
    match poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&patience)) {
        Ok(0) => Err(CommandError::State(
            "container init still running".to_owned(),
        )),
        _ => Ok(()),
    }
}

/// Removes cgroup and record, then runs the last hooks. While the cgroup cannot be
/// removed the record stays, so that another `delete` finds it.
pub(super) fn remove(directory: &RecordDirectory, record: &Record) -> Result<(), CommandError> {
    let group = Cgroup::open(&record.cgroup)?;
    // Without a pid namespace of its own, others may still run.
    group.kill_all(libc::SIGKILL)?;
    group.delete()?;
    directory.remove()?;
    if let Some(hooks) = &record.spec.hooks
        && let Err(error) = run_hooks(&hooks.poststop, &record.state(Status::Stopped))
    {
        eprintln!("warning: {error}");
    }
    Ok(())
}
