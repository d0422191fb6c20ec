//! Ending every process of a group, and removing the group.

use crate::cgroup::Cgroup;
use crate::{CgroupError, file};
use rustix::io::Errno;
use rustix::process::Signal;
use std::io;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a directory may stay busy: an ended process leaves its group only when it
/// has been reaped.
const DELETE_TIMEOUT: Duration = Duration::from_secs(1);

const FIRST_PAUSE: Duration = Duration::from_micros(100);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// How often the list is read again for processes forked meanwhile, where nothing can
/// hold them still.
const KILL_ROUNDS: usize = 10;

pub(crate) fn kill_all(group: &Cgroup, signal: i32) -> Result<(), CgroupError> {
    let unified = group.v2.as_ref().filter(|_| group.v1.is_empty());
    if let (Some(unified), true) = (unified, signal == Signal::KILL.as_raw()) {
        // cgroup.kill, Linux 5.14.
        match file::write(&unified.directory, "cgroup.kill", "1") {
            Err(CgroupError::Write { source, .. }) if file::is_absent(&source) => {}
            other => return other,
        }
    }
    // A frozen process can neither fork nor end, so that the list is whole and no pid
    // of it can belong to another process by the time the signal is sent.
    let frozen = group.freeze().is_ok();
    let killed = signal_listed(group, signal, if frozen { 1 } else { KILL_ROUNDS });
    if frozen {
        killed.and(group.thaw())
    } else {
        killed
    }
}

fn signal_listed(group: &Cgroup, signal: i32, rounds: usize) -> Result<(), CgroupError> {
    let mut known = Vec::new();
    for _ in 0..rounds {
        let pids = group.pids()?;
        let fresh: Vec<u32> = pids
            .into_iter()
            .filter(|pid| !known.contains(pid))
            .collect();
        if fresh.is_empty() {
            break;
        }
        for &pid in &fresh {
            match corten_sys::signal::kill(pid as i32, signal) {
                Err(error) if Errno::from_io_error(&error) == Some(Errno::INVAL) => {
                    let value = signal.to_string();
                    return Err(CgroupError::InvalidValue {
                        limit: "signal",
                        value,
                    });
                }
                // It may have ended by itself.
                _ => {}
            }
        }
        known.extend(fresh);
    }
    Ok(())
}

pub(crate) fn delete(group: &Cgroup) -> Result<(), CgroupError> {
    let deadline = Instant::now() + DELETE_TIMEOUT;
    let mut first = Ok(());
    for directory in group.directories() {
        let removed = remove_tree(directory, deadline);
        first = first.and(removed);
    }
    first
}

fn remove_tree(directory: &Path, deadline: Instant) -> Result<(), CgroupError> {
    let mut pause = FIRST_PAUSE;
    loop {
        match remove_once(directory) {
            Ok(()) => return Ok(()),
            Err(errno) if errno == Errno::BUSY && Instant::now() < deadline => {
                sleep(pause);
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            Err(errno) => {
                let source = io::Error::from(errno);
                return Err(CgroupError::Delete {
                    path: directory.to_owned(),
                    source,
                });
            }
        }
    }
}

fn remove_once(directory: &Path) -> Result<(), Errno> {
    // Mostly there is nothing below.
    match rustix::fs::rmdir(directory) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::BUSY | Errno::NOTEMPTY) => {}
        Err(errno) => return Err(errno),
    }
    for path in file::tree(directory) {
        match rustix::fs::rmdir(&path) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}
