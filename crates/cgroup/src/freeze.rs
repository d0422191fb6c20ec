//! Stopping all processes of a group and letting them go on.

use crate::cgroup::Cgroup;
use crate::{CgroupError, file};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Whether the processes of a group stand still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FreezerState {
    /// They run.
    Thawed,
    /// Some stand still.
    Freezing,
    /// All stand still.
    Frozen,
}

/// How long processes may take to stop. One in an uninterruptible wait takes until
/// that wait is over.
const FREEZE_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a version 1 freezer is given before it is started anew: a process that
/// forks while it is being frozen can leave it half done for ever
/// (cgroup-v1/freezer-subsystem.rst).
const REFREEZE_AFTER: Duration = Duration::from_millis(25);

const FIRST_PAUSE: Duration = Duration::from_micros(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(2);

pub(crate) fn freeze(group: &Cgroup) -> Result<(), CgroupError> {
    let directory = freezer(group)?;
    let (v1, start) = (is_v1(group), Instant::now());
    let mut pause = FIRST_PAUSE;
    let mut last = start;
    set(directory, v1, true)?;
    while state(group)? != FreezerState::Frozen {
        if start.elapsed() > FREEZE_TIMEOUT {
            set(directory, v1, false)?;
            return Err(CgroupError::FreezeTimeout {
                path: directory.to_owned(),
            });
        }
        sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
        if v1 && last.elapsed() > REFREEZE_AFTER {
            set(directory, v1, false)?;
            set(directory, v1, true)?;
            last = Instant::now();
        }
    }
    Ok(())
}

pub(crate) fn thaw(group: &Cgroup) -> Result<(), CgroupError> {
    set(freezer(group)?, is_v1(group), false)
}

pub(crate) fn state(group: &Cgroup) -> Result<FreezerState, CgroupError> {
    let directory = freezer(group)?;
    if is_v1(group) {
        return Ok(match file::read(directory, "freezer.state")?.trim() {
            "FROZEN" => FreezerState::Frozen,
            "FREEZING" => FreezerState::Freezing,
            _ => FreezerState::Thawed,
        });
    }
    let asked = file::read_number(directory, "cgroup.freeze")? == Some(1);
    let events = file::read(directory, "cgroup.events")?;
    Ok(
        match file::pairs(&events).find(|(name, _)| *name == "frozen") {
            Some((_, 1)) => FreezerState::Frozen,
            _ if asked => FreezerState::Freezing,
            _ => FreezerState::Thawed,
        },
    )
}

fn set(directory: &Path, v1: bool, frozen: bool) -> Result<(), CgroupError> {
    match (v1, frozen) {
        (true, true) => file::write(directory, "freezer.state", "FROZEN"),
        (true, false) => file::write(directory, "freezer.state", "THAWED"),
        (false, frozen) => file::write(directory, "cgroup.freeze", if frozen { "1" } else { "0" }),
    }
}

fn is_v1(group: &Cgroup) -> bool {
    group.v1_directory("freezer").is_some()
}

fn freezer(group: &Cgroup) -> Result<&Path, CgroupError> {
    let v2 = group.v2.as_ref().filter(|_| group.v1.is_empty());
    group
        .v1_directory("freezer")
        .or_else(|| v2.map(|group| group.directory.as_path()))
        .ok_or(CgroupError::MissingController {
            controller: "freezer",
            limit: "pause",
        })
}
