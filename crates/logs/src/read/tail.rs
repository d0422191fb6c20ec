//! Where the last records begin.

use super::files::LogFile;
use crate::LogError;
use flate2::read::MultiGzDecoder;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::fs::FileExt;
use std::path::Path;

const BLOCK_BYTES: usize = 64 << 10;

/// Where to begin.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Start {
    /// The file, counted from the oldest.
    pub(super) file: usize,
    /// Its byte.
    pub(super) offset: u64,
    /// Records to leave out from there.
    pub(super) skip: u64,
}

/// Finds the `wanted` last records. A plain file is searched from its end, a compressed
/// one has to be unpacked to be counted.
pub(super) fn find(
    path: &Path,
    files: &VecDeque<LogFile>,
    mut wanted: u64,
) -> Result<Start, LogError> {
    let failed = |source| LogError::Read {
        path: path.to_owned(),
        source,
    };
    for (index, log) in files.iter().enumerate().rev() {
        if log.compressed {
            let count = count(&log.file).map_err(failed)?;
            if count >= wanted {
                return Ok(Start {
                    file: index,
                    offset: 0,
                    skip: count - wanted,
                });
            }
            wanted -= count;
        } else {
            match search_back(&log.file, wanted).map_err(failed)? {
                Found::At(offset) => {
                    return Ok(Start {
                        file: index,
                        offset,
                        skip: 0,
                    });
                }
                Found::Fewer(count) => wanted -= count,
            }
        }
    }
    Ok(Start {
        file: 0,
        offset: 0,
        skip: 0,
    })
}

enum Found {
    /// The record begins here.
    At(u64),
    /// The whole file has only so many.
    Fewer(u64),
}

fn search_back(file: &File, wanted: u64) -> io::Result<Found> {
    let size = file.metadata()?.len();
    let mut end = size;
    let mut newlines = 0;
    let mut buffer = vec![0; BLOCK_BYTES];
    while end > 0 {
        let start = end.saturating_sub(BLOCK_BYTES as u64);
        let block = &mut buffer[..(end - start) as usize];
        file.read_exact_at(block, start)?;
        for at in memchr::memrchr_iter(b'\n', block) {
            // The newline before the first wanted record.
            if newlines == wanted {
                return Ok(Found::At(start + at as u64 + 1));
            }
            newlines += 1;
        }
        end = start;
    }
    // With nothing wanted, an unfinished first line is still to be waited for.
    if newlines >= wanted {
        Ok(Found::At(0))
    } else {
        Ok(Found::Fewer(newlines))
    }
}

/// How many lines a compressed file has; its position is where it was afterwards.
fn count(file: &File) -> io::Result<u64> {
    let mut input = file;
    let mut decoder = MultiGzDecoder::new(&mut input);
    let mut buffer = vec![0; BLOCK_BYTES];
    let mut lines = 0;
    loop {
        match decoder.read(&mut buffer)? {
            0 => break,
            count => lines += memchr::memchr_iter(b'\n', &buffer[..count]).count() as u64,
        }
    }
    input.rewind()?;
    Ok(lines)
}
