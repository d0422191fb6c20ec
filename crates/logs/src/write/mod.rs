//! Writing records.

mod compress;
pub(crate) mod lines;
pub(crate) mod rotate;

use crate::escape::{escape_line, quote_go};
use crate::stamp::{Clock, Ending};
use crate::{LogError, Stream};
use compress::Compression;
use corten_base::Timestamp;
use lines::Lines;
use rustix::fs::{Mode, OFlags};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// Encoded bytes that are collected before they are written, as a batch is at most.
/// Large enough that the call costs nothing, small enough to stay in the second cache.
const BATCH_BYTES: usize = 256 << 10;

/// Where and how to write.
#[derive(Debug, Clone)]
pub struct JsonFileConfig {
    /// The current file.
    pub path: PathBuf,
    /// Begin a new file at so many bytes.
    pub max_size_bytes: Option<u64>,
    /// How many files are kept, the current one included; at least 1.
    pub max_files: u32,
    /// Whether older files are compressed.
    pub compress: bool,
    /// `attrs` of every record.
    pub attributes: BTreeMap<String, String>,
}

/// Writes the output of one container. Nothing reaches the file before
/// [`JsonFileWriter::flush`], apart from full batches.
#[derive(Debug)]
pub struct JsonFileWriter {
    config: JsonFileConfig,
    file: File,
    /// Bytes in the file.
    size: u64,
    /// Whole records that are not in the file yet.
    batch: Vec<u8>,
    stdout: Lines,
    stderr: Lines,
    clock: Clock,
    /// By stream.
    endings: [Ending; 2],
    compression: Option<Compression>,
}

impl JsonFileWriter {
    /// Opens or makes the file (mode 0640) and goes on at its end. A torn last line is
    /// cut off.
    pub fn open(config: JsonFileConfig) -> Result<Self, LogError> {
        let file = open_file(&config.path, OFlags::empty()).map_err(|source| LogError::Open {
            path: config.path.clone(),
            source,
        })?;
        let size = cut_torn_line(&file).map_err(|source| LogError::Read {
            path: config.path.clone(),
            source,
        })?;
        let endings = [Stream::Stdout, Stream::Stderr]
            .map(|stream| Ending::new(ending(stream, &config.attributes)));
        Ok(Self {
            config,
            file,
            size,
            batch: Vec::new(),
            stdout: Lines::default(),
            stderr: Lines::default(),
            clock: Clock::default(),
            endings,
            compression: None,
        })
    }

    /// Takes bytes of a stream as they come; lines are put together and cut.
    pub fn write(&mut self, stream: Stream, bytes: &[u8]) -> Result<(), LogError> {
        self.with_lines(stream, |lines, clock, each| lines.push(bytes, clock, each))
    }

    /// The stream has ended: a last line without newline becomes a record.
    pub fn end(&mut self, stream: Stream) -> Result<(), LogError> {
        self.with_lines(stream, |lines, clock, each| lines.end(clock, each))
    }

    fn with_lines(
        &mut self,
        stream: Stream,
        cut: impl FnOnce(&mut Lines, &mut Clock, &mut dyn FnMut(&[u8], Timestamp)),
    ) -> Result<(), LogError> {
        let mut lines = std::mem::take(self.lines(stream));
        let mut clock = std::mem::take(&mut self.clock);
        clock.look();
        let mut result = Ok(());
        cut(&mut lines, &mut clock, &mut |line, time| {
            let appended = self.append(stream, line, time);
            if result.is_ok() {
                result = appended;
            }
        });
        self.clock = clock;
        *self.lines(stream) = lines;
        result
    }

    fn lines(&mut self, stream: Stream) -> &mut Lines {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }

    fn append(&mut self, stream: Stream, line: &[u8], time: Timestamp) -> Result<(), LogError> {
        let mut result = Ok(());
        if self
            .config
            .max_size_bytes
            .is_some_and(|max| self.size + self.batch.len() as u64 >= max)
        {
            // A file that cannot be put aside is better written on than lost.
            result = self.flush().and_then(|()| self.rotate());
        }
        let out = &mut self.batch;
        out.extend_from_slice(b"{\"log\":\"");
        match line {
            [line @ .., b'\n'] => {
                escape_line(out, line);
                out.extend_from_slice(b"\\n");
            }
            line => escape_line(out, line),
        }
        self.endings[stream as usize].append(out, time);
        if self.batch.len() >= BATCH_BYTES {
            result.and(self.flush())
        } else {
            result
        }
    }

    /// Writes what was collected, with one call. When that fails, the batch is lost and
    /// the file ends with a whole record again.
    pub fn flush(&mut self) -> Result<(), LogError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let (written, result) = write_all(&self.file, &self.batch);
        self.batch.clear();
        match result {
            Ok(()) => {
                self.size += written;
                Ok(())
            }
            Err(source) => {
                // If this fails too, the next open cuts the torn line.
                let _cut = self.cut_back(written).is_ok();
                Err(LogError::Write {
                    path: self.config.path.clone(),
                    source,
                })
            }
        }
    }

    fn cut_back(&self, bytes: u64) -> io::Result<()> {
        let size = self.file.metadata()?.len();
        self.file.set_len(size.saturating_sub(bytes))
    }

    fn rotate(&mut self) -> Result<(), LogError> {
        self.finish_compression();
        let failed = |source| LogError::Rotate {
            path: self.config.path.clone(),
            source,
        };
        rotate::rotate(&self.config).map_err(failed)?;
        self.file = open_file(&self.config.path, OFlags::EXCL).map_err(failed)?;
        self.size = 0;
        if self.config.compress && self.config.max_files > 1 {
            self.compression = Compression::start(&self.config.path);
        }
        Ok(())
    }

    /// Whether an older file waits to be compressed: call
    /// [`JsonFileWriter::compress_some`] when there is nothing better to do.
    pub fn has_background_work(&self) -> bool {
        self.compression.is_some()
    }

    /// Compresses a piece of a file that was put aside, for about a millisecond. A file
    /// that cannot be compressed stays as it is.
    pub fn compress_some(&mut self) {
        let more = self.compression.as_mut().is_some_and(Compression::step);
        if !more {
            self.compression = None;
        }
    }

    fn finish_compression(&mut self) {
        while self.compression.is_some() {
            self.compress_some();
        }
    }

    /// Gives memory back that a burst of output needed.
    pub fn release_memory(&mut self) {
        if self.batch.is_empty() {
            self.batch = Vec::new();
        }
        self.stdout.release_memory();
        self.stderr.release_memory();
    }
}

impl Drop for JsonFileWriter {
    fn drop(&mut self) {
        // Whoever wants to know flushes before.
        let _flushed = self.flush().is_ok();
        self.finish_compression();
    }
}

fn open_file(path: &std::path::Path, more: OFlags) -> io::Result<File> {
    // Read as well, for the search of a torn line. Appending, so that a file which its
    // owner truncates (`truncate -s 0`, a common remedy) does not get a hole.
    let flags = OFlags::RDWR | OFlags::APPEND | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let flags = flags | more;
    Ok(rustix::fs::open(path, flags, Mode::from_raw_mode(0o640))?.into())
}

/// How many bytes were written, and why not all.
fn write_all(mut file: &File, bytes: &[u8]) -> (u64, io::Result<()>) {
    let mut written = 0;
    while written < bytes.len() {
        match file.write(&bytes[written..]) {
            Ok(0) => return (written as u64, Err(io::ErrorKind::WriteZero.into())),
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (written as u64, Err(error)),
        }
    }
    (written as u64, Ok(()))
}

/// The file's size after a last line without newline has been cut off.
fn cut_torn_line(file: &File) -> io::Result<u64> {
    let size = file.metadata()?.len();
    let mut end = size;
    let mut buffer = [0; 4096];
    while end > 0 {
        let start = end.saturating_sub(buffer.len() as u64);
        let block = &mut buffer[..(end - start) as usize];
        file.read_exact_at(block, start)?;
        if let Some(at) = memchr::memrchr(b'\n', block) {
            end = start + at as u64 + 1;
            break;
        }
        end = start;
    }
    if end < size {
        file.set_len(end)?;
    }
    Ok(end)
}

fn ending(stream: Stream, attributes: &BTreeMap<String, String>) -> Vec<u8> {
    let mut out = format!("\",\"stream\":\"{}\",", stream.name()).into_bytes();
    if !attributes.is_empty() {
        out.extend_from_slice(b"\"attrs\":{");
        for (index, (name, value)) in attributes.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            quote_go(&mut out, name);
            out.push(b':');
            quote_go(&mut out, value);
        }
        out.extend_from_slice(b"},");
    }
    out.extend_from_slice(b"\"time\":\"");
    out
}
