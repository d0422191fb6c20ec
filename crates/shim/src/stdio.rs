//! The standard streams of a process that is about to be made.

use corten_oci::runtime::Process;
use corten_runtime::{Stdio, WindowSize};
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

/// Both sides: what the runtime gives the process, and the ends kept here. A terminal's
/// end comes from the runtime later.
pub(crate) fn make(process: &Process, wanted: Wanted) -> io::Result<(Stdio, Ends)> {
    if process.terminal {
        let size = process.console_size.unwrap_or_default();
        let size = WindowSize {
            rows: size.height,
            columns: size.width,
        };
        return Ok((Stdio::Terminal { size }, Ends::default()));
    }
    let mut ends = Ends::default();
    let stdin = match wanted.stdin {
        true => {
            let (theirs, ours) = pipe_with(PipeFlags::CLOEXEC)?;
            ends.stdin = Some(ours);
            Some(theirs)
        }
        false => None,
    };
    let stdout = output(wanted.stdout, &mut ends.stdout)?;
    let stderr = output(wanted.stderr, &mut ends.stderr)?;
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
