//! A stream that is written to a file while it is read.

use crate::{Error, Limits, Result, decode::BUFFER_BYTES};
use rustix::{fs, io::Errno};
use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, Write},
    path::PathBuf,
};

/// Bytes written between two looks at the free space.
const SPACE_CHECK_BYTES: u64 = 64 << 20;

/// Writes each piece of `inner` once, before it can be read.
pub(super) struct Tee<'a, R> {
    inner: R,
    file: &'a File,
    free_floor_bytes: u64,
    /// Bytes of the piece at hand that were written and not yet consumed.
    ahead: usize,
    written: u64,
    unchecked: u64,
}

impl<'a, R: BufRead> Tee<'a, R> {
    pub fn new(inner: R, file: &'a File, limits: &Limits) -> Self {
        Self {
            inner,
            file,
            free_floor_bytes: limits.free_floor_bytes,
            ahead: 0,
            written: 0,
            unchecked: SPACE_CHECK_BYTES,
        }
    }

    /// The whole stream from its beginning: what was written, then what is still to come.
    pub fn again(mut self) -> Result<impl BufRead> {
        self.inner.consume(self.ahead);
        let mut file = self.file;
        file.rewind().map_err(Error::Read)?;
        let written = BufReader::with_capacity(BUFFER_BYTES, file.take(self.written));
        Ok(written.chain(self.inner))
    }
}

impl<R: BufRead> BufRead for Tee<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let piece = self.inner.fill_buf()?;
        if self.ahead == 0 && !piece.is_empty() {
            self.unchecked += piece.len() as u64;
            if self.unchecked >= SPACE_CHECK_BYTES {
                self.unchecked = 0;
                check_space(self.file, self.free_floor_bytes).map_err(io::Error::other)?;
            }
            let mut file = self.file;
            file.write_all(piece).map_err(|source| {
                io::Error::other(Error::Path {
                    operation: "writing",
                    path: PathBuf::from("/"),
                    source,
                })
            })?;
            self.ahead = piece.len();
            self.written += piece.len() as u64;
        }
        Ok(piece)
    }

    fn consume(&mut self, count: usize) {
        self.inner.consume(count);
        self.ahead -= count;
    }
}

impl<R: BufRead> Read for Tee<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let piece = self.fill_buf()?;
        let count = piece.len().min(buffer.len());
        buffer[..count].copy_from_slice(&piece[..count]);
        self.consume(count);
        Ok(count)
    }
}

/// Fails once too little space would be left.
fn check_space(file: &File, floor: u64) -> Result<()> {
    let failed = |error: Errno| Error::Path {
        operation: "asking for the free space of",
        path: PathBuf::from("/"),
        source: error.into(),
    };
    let space = fs::fstatvfs(file).map_err(failed)?;
    match space.f_bavail.saturating_mul(space.f_frsize) < floor {
        true => Err(Error::NoSpace { floor }),
        false => Ok(()),
    }
}
