//! Compressing a file that was put aside, a piece at a time, since the shim has one
//! thread.

use super::rotate::numbered;
use flate2::{Compression as Level, GzBuilder, write::GzEncoder};
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// How much is compressed at once: about a millisecond at 60 to 100 MB/s.
const STEP_BYTES: usize = 64 << 10;

/// `path.1` on its way to `path.1.gz`.
#[derive(Debug)]
pub(super) struct Compression {
    plain: PathBuf,
    packed: PathBuf,
    unfinished: PathBuf,
    input: File,
    output: Option<GzEncoder<File>>,
    buffer: Vec<u8>,
}

impl Compression {
    /// `None` where the files cannot be opened: then the plain one stays.
    pub(super) fn start(path: &Path) -> Option<Self> {
        let (plain, packed) = (numbered(path, 1, ""), numbered(path, 1, ".gz"));
        let unfinished = numbered(path, 1, ".gz.tmp");
        let input = File::open(&plain).ok()?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
        let output = rustix::fs::open(&unfinished, flags, Mode::from_raw_mode(0o640)).ok()?;
        let output = GzBuilder::new().write(File::from(output), Level::default());
        let buffer = vec![0; STEP_BYTES];
        Some(Self {
            plain,
            packed,
            unfinished,
            input,
            output: Some(output),
            buffer,
        })
    }

    /// Does a piece; whether there is more to do.
    pub(super) fn step(&mut self) -> bool {
        match self.try_step() {
            Ok(more) => more,
            Err(_) => {
                // A disk that is full, most likely. The plain file is whole.
                let _removed = rustix::fs::unlink(&self.unfinished).is_ok();
                false
            }
        }
    }

    fn try_step(&mut self) -> io::Result<bool> {
        let Some(output) = &mut self.output else {
            return Ok(false);
        };
        let count = self.input.read(&mut self.buffer)?;
        if count > 0 {
            output.write_all(&self.buffer[..count])?;
            return Ok(true);
        }
        if let Some(output) = self.output.take() {
            output.finish()?;
        }
        rustix::fs::rename(&self.unfinished, &self.packed)?;
        rustix::fs::unlink(&self.plain)?;
        Ok(false)
    }
}
