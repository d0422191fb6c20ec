//! The logger's end.

use super::{CONTINUED, HEADER_BYTES, PARTIAL, Part};
use crate::Stream;
use corten_base::Timestamp;
use std::io::{self, BufRead, BufReader, Read};

/// More than a line of any record; what claims to be longer is no record of ours.
const MAX_LINE_BYTES: usize = crate::MAX_LINE_BYTES + 1;

/// Reads records until the shim ends the stream.
#[derive(Debug)]
pub struct Receiver<R> {
    stream: BufReader<R>,
    line: Vec<u8>,
}

/// A record as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedRecord<'a> {
    /// Without a newline.
    pub line: &'a [u8],
    /// Where it was written.
    pub stream: Stream,
    /// When; the parts of one line all have the time of the first.
    pub time: Timestamp,
    /// Of a line that is longer than a record; `None`: it is a whole line.
    pub part: Option<Part>,
}

impl<R: Read> Receiver<R> {
    /// Reads from the stream behind the configuration.
    pub fn new(stream: R) -> Self {
        Self {
            stream: BufReader::new(stream),
            line: Vec::new(),
        }
    }

    /// Waits for the next record; `None` at the end. A shim that was killed may leave a
    /// torn one, which is an end as well.
    pub fn receive(&mut self) -> io::Result<Option<ReceivedRecord<'_>>> {
        if self.stream.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let mut header = [0; HEADER_BYTES];
        if !self.fill(&mut header)? {
            return Ok(None);
        }
        let number = |at: usize| {
            let mut bytes = [0; 4];
            bytes.copy_from_slice(&header[at..at + 4]);
            u32::from_le_bytes(bytes)
        };
        let mut seconds = [0; 8];
        seconds.copy_from_slice(&header[8..16]);
        let time = Timestamp::from_unix(i64::from_le_bytes(seconds), number(16));
        let length = number(20) as usize;
        if length > MAX_LINE_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut line = std::mem::take(&mut self.line);
        line.resize(length, 0);
        let whole = self.fill(&mut line)?;
        self.line = line;
        if !whole {
            return Ok(None);
        }
        let flags = header[1];
        let part = (flags & (PARTIAL | CONTINUED) != 0).then(|| Part {
            line: time,
            ordinal: number(4),
            last: flags & PARTIAL == 0,
        });
        Ok(Some(ReceivedRecord {
            line: &self.line,
            stream: match header[0] {
                0 => Stream::Stdout,
                _ => Stream::Stderr,
            },
            time,
            part,
        }))
    }

    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        match self.stream.read_exact(buffer) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }
}
