//! The standard streams of a process that is about to be made.

use corten_oci::runtime::{IdMapping, Linux, Process};
use corten_runtime::{Stdio, WindowSize};
use rustix::fs::{Gid, Uid, fchown};
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
use std::io;
use std::os::fd::OwnedFd;

/// The size of output pipes: a writer of short lines gets 70 % more through than with
/// 64 KiB. /proc/sys/fs/pipe-max-size is this for everyone but root.
const PIPE_BYTES: usize = 1 << 20;

/// The shim's ends.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    pub(crate) stdin: Option<OwnedFd>,
    pub(crate) stdout: Option<OwnedFd>,
    pub(crate) stderr: Option<OwnedFd>,
}

/// Which streams somebody reads or writes; the others are `/dev/null`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) stdin: bool,
    pub(crate) stdout: bool,
    pub(crate) stderr: bool,
}

/// Root of a container in a user namespace, as the host numbers it: only whom a pipe
/// belongs to may open it anew (`/dev/stderr`), and only from outside it can be given.
pub(crate) type Owner = (Uid, Gid);

/// Who a container's root is outside; `None`: root itself.
pub(crate) fn owner(linux: Option<&Linux>) -> Option<Owner> {
    let root = |maps: &[IdMapping]| {
        let line = maps.iter().find(|line| line.container_id == 0)?;
        Some(line.host_id)
    };
    let linux = linux.filter(|linux| linux.namespace("user").is_some())?;
    let (uid, gid) = (root(&linux.uid_mappings)?, root(&linux.gid_mappings)?);
    Some((Uid::from_raw(uid), Gid::from_raw(gid)))
}

/// Both sides: what the runtime gives the process, and the ends kept here. A terminal's
/// end comes from the runtime later.
pub(crate) fn make(
    process: &Process,
    wanted: Wanted,
    owner: Option<Owner>,
) -> io::Result<(Stdio, Ends)> {
    if process.terminal {
        let size = process.console_size.unwrap_or_default();
        let size = WindowSize {
            rows: size.height,
            columns: size.width,
        };
        return Ok((Stdio::Terminal { size }, Ends::default()));
    }
    let mut ends = Ends::default();
    let give = |stream: &OwnedFd| match owner {
        Some((uid, gid)) => fchown(stream, Some(uid), Some(gid)),
        None => Ok(()),
    };
    let stdin = match wanted.stdin {
        true => {
            let (theirs, ours) = pipe_with(PipeFlags::CLOEXEC)?;
            give(&theirs)?;
            ends.stdin = Some(ours);
            Some(theirs)
        }
        false => None,
    };
    let stdout = output(wanted.stdout, &mut ends.stdout)?;
    let stderr = output(wanted.stderr, &mut ends.stderr)?;
    for stream in stdout.iter().chain(&stderr) {
        give(stream)?;
    }
    Ok((
        Stdio::Descriptors {
            stdin,
            stdout,
            stderr,
        },
        ends,
    ))
}

fn output(wanted: bool, end: &mut Option<OwnedFd>) -> io::Result<Option<OwnedFd>> {
    if !wanted {
        return Ok(None);
    }
    let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC)?;
    // Refused where the user's share of pipe memory is used up; 64 KiB do as well.
    let _larger = fcntl_setpipe_size(&theirs, PIPE_BYTES).is_ok();
    *end = Some(ours);
    Ok(Some(theirs))
}
