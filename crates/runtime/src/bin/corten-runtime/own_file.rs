//! This program's own file is out of a container's reach.
//!
//! A container can make a process of the runtime run `/proc/self/exe` and so get at the
//! runtime's file (CVE-2019-5736). So the commands that enter a container run from a
//! detached read-only mount of the file, on which nobody can open it for writing.

use crate::error::CommandError;
use corten_sys::exec::{Vector, fexecve};
use corten_sys::mount::read_only_file;
use rustix::fs::{Mode, OFlags, StatVfsMountFlags};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

const OWN: &str = "/proc/self/exe";

/// Goes on in a process that runs from a read-only mount; returns in that one.
pub(crate) fn protect() -> Result<(), CommandError> {
    let fail = |source: std::io::Error| CommandError::File {
        path: OWN.into(),
        source,
    };
    let file = rustix::fs::open(OWN, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .map_err(|error| fail(error.into()))?;
    let mount = rustix::fs::fstatvfs(&file).map_err(|error| fail(error.into()))?;
    if mount.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return Ok(());
    }
    let copy = read_only_file(Path::new(OWN)).map_err(fail)?;
    let variable = |(mut name, value): (std::ffi::OsString, std::ffi::OsString)| {
        name.push("=");
        name.push(value);
        name.into_vec()
    };
    let nul = |_| CommandError::Usage("an argument contains a NUL".to_owned());
    let words = Vector::new(std::env::args_os().map(OsStringExt::into_vec)).map_err(nul)?;
    let environment = Vector::new(std::env::vars_os().map(variable)).map_err(nul)?;
    Err(fail(fexecve(copy.as_fd(), &words, &environment)))
}
