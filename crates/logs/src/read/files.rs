//! The files of a log.

use crate::LogError;
use crate::write::rotate::numbered;
use flate2::read::MultiGzDecoder;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

/// More older files than this are not looked for.
const MOST_FILES: u32 = 10_000;

/// How many numbers may be missing: a rotation under way leaves one, and another may
/// begin before the next number is looked at.
const GAPS: u32 = 3;

/// One file of a log, opened.
#[derive(Debug)]
pub(super) struct LogFile {
    pub(super) file: File,
    pub(super) compressed: bool,
    inode: u64,
    /// Whether its records may have been read from another file: see [`newer_than`].
    repeats: bool,
}

impl LogFile {
    fn open(path: &Path, compressed: bool) -> Result<Option<Self>, LogError> {
        let opened = File::open(path).and_then(|file| {
            let inode = file.metadata()?.ino();
            Ok(Self {
                file,
                compressed,
                inode,
                repeats: false,
            })
        });
        match opened {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(LogError::Open {
                path: path.to_owned(),
                source,
            }),
        }
    }

    pub(super) fn open_at(self, offset: u64) -> Input {
        let LogFile {
            file,
            compressed,
            inode,
            repeats,
        } = self;
        let bytes = match compressed {
            true => Bytes::Compressed(Box::new(MultiGzDecoder::new(file))),
            false => Bytes::Plain { file, offset },
        };
        Input {
            bytes,
            inode,
            repeats,
        }
    }
}

/// A file being read.
#[derive(Debug)]
pub(super) struct Input {
    bytes: Bytes,
    inode: u64,
    repeats: bool,
}

#[derive(Debug)]
enum Bytes {
    Plain { file: File, offset: u64 },
    Compressed(Box<MultiGzDecoder<File>>),
}

impl Input {
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.bytes {
            Bytes::Plain { file, offset } => {
                let count = file.read_at(buffer, *offset)?;
                *offset += count as u64;
                Ok(count)
            }
            Bytes::Compressed(decoder) => decoder.read(buffer),
        }
    }

    /// Finds the place again in a file that became shorter than what was read of it:
    /// either a torn line was cut off, of which `unfinished` bytes were read, or its
    /// owner emptied it. Whether that was so; the unfinished bytes are void then.
    pub(super) fn follow_truncation(&mut self, unfinished: u64) -> bool {
        let Bytes::Plain { file, offset } = &mut self.bytes else {
            return false;
        };
        match file.metadata() {
            Ok(metadata) if metadata.len() < *offset => {
                let kept = metadata.len() >= *offset - unfinished;
                *offset = if kept { *offset - unfinished } else { 0 };
                true
            }
            _ => false,
        }
    }

    /// Whether records that are not newer than the newest seen are to be passed over.
    pub(super) fn may_repeat(&self) -> bool {
        self.repeats
    }
}

/// All files, the oldest first.
pub(super) fn list(path: &Path) -> Result<VecDeque<LogFile>, LogError> {
    // From the newest to the oldest: a file that is rotated meanwhile is met twice, and
    // left out the second time, but never missed.
    let mut files: VecDeque<LogFile> = LogFile::open(path, false)?.into_iter().collect();
    let mut missing = 0;
    for number in 1..MOST_FILES {
        let plain = LogFile::open(&numbered(path, number, ""), false)?;
        let found = match plain {
            Some(file) => Some(file),
            None => LogFile::open(&numbered(path, number, ".gz"), true)?,
        };
        let Some(file) = found else {
            missing += 1;
            if missing > GAPS {
                break;
            }
            continue;
        };
        if files.iter().all(|known| known.inode != file.inode) {
            files.push_front(file);
        }
    }
    Ok(files)
}

/// The files that came after the one being read, the oldest first.
///
/// Where that one is among the others no longer, it was unlinked, and all there are came
/// after it, or it was compressed: then it is one of the compressed ones, and their
/// records have to be compared by time.
pub(super) fn newer_than(
    path: &Path,
    input: Option<&Input>,
) -> Result<VecDeque<LogFile>, LogError> {
    let mut files = list(path)?;
    let Some(input) = input else { return Ok(files) };
    if let Some(at) = files.iter().position(|file| file.inode == input.inode) {
        files.drain(..=at);
        return Ok(files);
    }
    for file in files.iter_mut().filter(|file| file.compressed) {
        file.repeats = true;
    }
    Ok(files)
}
