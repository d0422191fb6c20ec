//! A file that is there whole, or not at all.

use rustix::fs::{AtFlags, Mode, OFlags};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Writes `name` in `directory`: data, fsync, rename, fsync of the directory.
pub(crate) fn write(directory: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::open(directory, flags, Mode::empty())?;
    let unfinished = format!("{name}.tmp");
    let flags =
        OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(0o600);
    let mut file = File::from(rustix::fs::openat(
        &directory,
        unfinished.as_str(),
        flags,
        mode,
    )?);
    file.write_all(bytes)?;
    file.sync_all()?;
    corten_base::step("shim.name_record");
    rustix::fs::renameat(&directory, unfinished.as_str(), &directory, name)?;
    corten_base::step("shim.recorded");
    Ok(rustix::fs::fsync(&directory)?)
}

/// Removes `name`, if it is there. A crash may bring it back.
pub(crate) fn remove(directory: &Path, name: &str) -> io::Result<()> {
    match rustix::fs::unlinkat(rustix::fs::CWD, directory.join(name), AtFlags::empty()) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
