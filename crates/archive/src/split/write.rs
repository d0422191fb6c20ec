//! A record made while the tar is read.

use super::{END, FILE, MAGIC, RAW, RAW_BYTES_MAX};
use crate::{Error, Result};
use std::{
    fs::File,
    io::{self, BufWriter, Write},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// Headers repeat themselves: the quickest level halves what a slower one would spend.
const ZSTD_LEVEL: i32 = 1;

/// Bytes of a tar that a record may take in as they are, before compression. The headers of
/// a million files have half of it; a layer with more is kept as its blob.
const TAKEN_BYTES_MAX: u64 = 1 << 30;

/// Writes a record. What goes wrong is told at the end.
pub(crate) struct Recorder {
    out: io::Result<zstd::stream::write::Encoder<'static, BufWriter<File>>>,
    raw: Vec<u8>,
    taken: u64,
    total: u64,
    useless: bool,
}

impl Recorder {
    /// Writes to `file`, which is empty.
    pub fn new(file: File) -> Self {
        let begin = || {
            let file = BufWriter::new(file);
            let mut out = zstd::stream::write::Encoder::new(file, ZSTD_LEVEL)?;
            out.write_all(MAGIC)?;
            Ok(out)
        };
        Self {
            out: begin(),
            raw: Vec::with_capacity(RAW_BYTES_MAX),
            taken: 0,
            total: 0,
            useless: false,
        }
    }

    /// The tar goes on with these bytes, which no file has.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        self.taken += bytes.len() as u64;
        if self.taken > TAKEN_BYTES_MAX {
            self.give_up();
        }
        if self.useless {
            return;
        }
        for piece in bytes.chunks(RAW_BYTES_MAX) {
            if self.raw.len() + piece.len() > RAW_BYTES_MAX {
                self.flush_raw();
            }
            self.raw.extend_from_slice(piece);
        }
    }

    /// The tar goes on with the `size` bytes of the file at `place` in the layer's directory.
    pub fn file(&mut self, place: &Path, size: u64) {
        self.total += size;
        let path = place.as_os_str().as_bytes();
        let Ok(length) = u16::try_from(path.len()) else {
            return self.give_up();
        };
        self.flush_raw();
        self.write(&[&[FILE], &length.to_le_bytes(), path, &size.to_le_bytes()]);
    }

    /// The files will not have what the tar has: there is no record.
    pub fn give_up(&mut self) {
        self.useless = true;
        self.raw.clear();
    }

    /// Writes the end. False if the record is of no use. Not flushed to disk.
    pub fn finish(mut self) -> Result<bool> {
        self.flush_raw();
        let total = self.total.to_le_bytes();
        self.write(&[&[END], &total]);
        let ended = self.out.and_then(|out| out.finish()?.flush());
        match ended {
            Ok(()) => Ok(!self.useless),
            Err(source) => Err(Error::Path {
                operation: "writing the record of",
                path: PathBuf::from("/"),
                source,
            }),
        }
    }

    fn flush_raw(&mut self) {
        if self.raw.is_empty() {
            return;
        }
        let raw = std::mem::take(&mut self.raw);
        // At most RAW_BYTES_MAX.
        let length = (raw.len() as u32).to_le_bytes();
        self.write(&[&[RAW], &length, &raw]);
        self.raw = raw;
        self.raw.clear();
    }

    fn write(&mut self, parts: &[&[u8]]) {
        if self.useless {
            return;
        }
        if let Ok(out) = &mut self.out {
            let written = parts.iter().try_for_each(|part| out.write_all(part));
            if let Err(error) = written {
                self.out = Err(error);
            }
        }
    }
}
