//! A layer made from overlay's upper directory.

use crate::{
    Result, Times,
    emit::{Emitter, failed, relative},
    tree::DIRECTORY,
};
use rustix::fs::{self, Mode};
use std::{io::Write, os::fd::BorrowedFd, path::PathBuf};

/// How a layer is made.
#[derive(Debug, Clone, Default)]
pub struct DiffOptions {
    /// Paths (relative to the root) left out with all below them: mount points that the
    /// engine made.
    pub exclude: Vec<PathBuf>,
    /// Keep the sub-second part of times (Docker cuts it).
    pub nanoseconds: bool,
    /// What becomes of times.
    pub times: Times,
}

/// Writes `upper` as an uncompressed layer tar to `out`: sorted, whiteouts as `.wh.`
/// entries, opaque directories with `.wh..wh..opq`, hard links, extended attributes
/// without overlay's own. The same tree gives the same bytes.
pub fn diff<W: Write>(upper: BorrowedFd<'_>, out: W, options: &DiffOptions) -> Result<W> {
    let mut emitter = Emitter::new(out, true);
    emitter.nanoseconds = options.nanoseconds;
    emitter.times = options.times;
    emitter.exclude = relative(&options.exclude);
    let directory = fs::openat(upper, ".", DIRECTORY, Mode::empty())
        .map_err(|error| failed("opening", b"/", error))?;
    emitter.below(directory, Vec::new(), PathBuf::new())?;
    emitter.writer.finish()
}
