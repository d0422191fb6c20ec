//! Entries out of a stream.
//!
//! ```text
//!  meta headers (x, g, L, K) gather in `Pending`
//!        │ next real header
//!        v
//!      Entry ── its data: `remaining` bytes, then padding ──> next header
//! ```

use super::{
    BLOCK, Entry,
    block::{Block, until_nul},
    padding,
    pax::{Fault, Pax},
};
use crate::{Error, Limit, Limits, Result, split::Recorder};
use std::{
    io::{self, BufRead},
    path::Path,
};

/// Reads the members of an uncompressed archive, one after the other.
///
/// After [`Reader::next_entry`] gave a regular file, [`Reader::read_data`] gives its
/// bytes (of a sparse file the parts', joined); what is not read is skipped.
pub struct Reader<R> {
    inner: R,
    pub(super) limits: Limits,
    /// Bytes of the stream consumed.
    offset: u64,
    /// Where the header at hand begins, for errors.
    header: u64,
    entries: u64,
    /// Bytes of the current member's data not yet read, and its padding.
    pub(super) remaining: u64,
    pub(super) padding: u64,
    pub(super) global: Pax,
    ended: bool,
    recorder: Option<Recorder>,
    /// The current member's data are in a file, and not recorded.
    in_file: bool,
}

/// What meta headers said about the entry to come.
#[derive(Default)]
pub(super) struct Pending {
    pub pax: Option<Pax>,
    pub name: Option<Vec<u8>>,
    pub link: Option<Vec<u8>>,
}

impl<R: BufRead> Reader<R> {
    /// Reads from `inner`, whose buffer should be large.
    pub fn new(inner: R, limits: Limits) -> Self {
        Self {
            inner,
            limits,
            offset: 0,
            header: 0,
            entries: 0,
            remaining: 0,
            padding: 0,
            global: Pax::default(),
            ended: false,
            recorder: None,
            in_file: false,
        }
    }

    /// As [`Reader::new`]; what is read is recorded, but for what goes into files.
    pub(crate) fn recorded(inner: R, limits: Limits, recorder: Option<Recorder>) -> Self {
        Self {
            recorder,
            ..Self::new(inner, limits)
        }
    }

    /// What was recorded.
    pub(crate) fn into_record(self) -> Option<Recorder> {
        self.recorder
    }

    /// The current member's data, none of which is read yet, will be in the file at `place`
    /// (relative, without links) of the directory unpacked into, as they are.
    pub(crate) fn data_at(&mut self, place: &Path) {
        if let Some(recorder) = self.recorder.as_mut().filter(|_| self.remaining > 0) {
            recorder.file(place, self.remaining);
            self.in_file = true;
        }
    }

    /// Files that were unpacked are no longer what the archive had in their place.
    pub(crate) fn give_up_record(&mut self) {
        self.recorder.iter_mut().for_each(Recorder::give_up);
    }

    /// The next member, or none after the end of the archive.
    ///
    /// Fails with [`Error::Malformed`] or [`Error::OverLimit`]; the reader is of no use
    /// afterwards.
    pub fn next_entry(&mut self) -> Result<Option<Entry>> {
        let mut pending = Pending::default();
        loop {
            self.skip(self.remaining)?;
            self.in_file = false;
            self.skip(self.padding)?;
            (self.remaining, self.padding) = (0, 0);
            self.header = self.offset;
            let mut bytes = [0; BLOCK];
            if self.ended || !self.read_block(&mut bytes)? || self.end_mark(&bytes)? {
                self.ended = true;
                return match pending.is_empty() {
                    true => Ok(None),
                    false => Err(self.malformed("an extended header belongs to no entry")),
                };
            }
            self.entries += 1;
            if self.entries > self.limits.entries {
                return Err(self.over(Limit::Entries));
            }
            let block = Block::new(&bytes).map_err(|fault| self.malformed(fault))?;
            if !self.meta(&block, &mut pending)? {
                return self.entry(&block, pending).map(Some);
            }
        }
    }

    /// Takes in a header that describes another one; false if it is an entry's own.
    fn meta(&mut self, block: &Block<'_>, pending: &mut Pending) -> Result<bool> {
        match block.kind() {
            b'x' | b'X' => {
                if pending.pax.is_some() {
                    return Err(self.malformed("two extended headers for one entry"));
                }
                let mut pax = self.global.clone();
                let data = self.meta_data(block)?;
                pax.add(&data, &self.limits)
                    .map_err(|fault| self.fault(fault))?;
                pending.pax = Some(pax);
            }
            b'g' => {
                if !pending.is_empty() {
                    return Err(self.malformed("a global header between an entry's headers"));
                }
                let data = self.meta_data(block)?;
                self.global
                    .add(&data, &self.limits)
                    .map_err(|fault| fault.at(self.header, &self.limits))?;
                if !self.global.fit_for_global() {
                    return Err(self.malformed("a global header names every entry"));
                }
            }
            b'L' => pending.name = Some(self.long_name(block, pending.name.is_some())?),
            b'K' => pending.link = Some(self.long_name(block, pending.link.is_some())?),
            // GNU: a volume label is no member.
            b'V' if pending.is_empty() => self.begin_data(block)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn begin_data(&mut self, block: &Block<'_>) -> Result<()> {
        self.remaining = block.size().map_err(|fault| self.malformed(fault))?;
        self.check_size(self.remaining)?;
        self.padding = padding(self.remaining);
        Ok(())
    }

    fn meta_data(&mut self, block: &Block<'_>) -> Result<Vec<u8>> {
        self.begin_data(block)?;
        if self.remaining > self.limits.header_bytes as u64 {
            return Err(self.over(Limit::HeaderBytes));
        }
        self.read_all(self.limits.header_bytes as u64)
    }

    fn long_name(&mut self, block: &Block<'_>, repeated: bool) -> Result<Vec<u8>> {
        if repeated {
            return Err(self.malformed("two long names for one entry"));
        }
        let data = self.meta_data(block)?;
        let name = until_nul(&data).to_vec();
        match name.is_empty() {
            true => Err(self.malformed("an empty long name")),
            false => Ok(name),
        }
    }

    /// Fills `buffer` from the current member's data; 0 at its end.
    pub fn read_data(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let piece = self.peek_data()?;
        let count = piece.len().min(buffer.len());
        buffer[..count].copy_from_slice(&piece[..count]);
        self.take_data(count);
        Ok(count)
    }

    /// The next bytes of the current member's data as they lie in the stream's buffer;
    /// empty at its end. [`Reader::take_data`] moves on.
    pub fn peek_data(&mut self) -> Result<&[u8]> {
        if self.remaining == 0 {
            return Ok(&[]);
        }
        let header = self.header;
        let limit = self.remaining;
        let piece = fill(&mut self.inner)?;
        if piece.is_empty() {
            return Err(malformed(header, "the archive ends in an entry's data"));
        }
        let count = limit.min(piece.len() as u64) as usize;
        Ok(&piece[..count])
    }

    /// Marks `count` bytes of what [`Reader::peek_data`] gave as read.
    pub fn take_data(&mut self, count: usize) {
        self.consume(count);
        self.remaining -= count as u64;
    }

    /// Moves on in the stream, within what its buffer has.
    fn consume(&mut self, count: usize) {
        if let Some(recorder) = self.recorder.as_mut().filter(|_| !self.in_file) {
            match self.inner.fill_buf() {
                Ok(piece) => recorder.raw(&piece[..count]),
                // It has been filled already.
                Err(_) => recorder.give_up(),
            }
        }
        self.inner.consume(count);
        self.offset += count as u64;
    }

    /// The whole data of the current member, if it is at most `limit` bytes.
    pub fn read_all(&mut self, limit: u64) -> Result<Vec<u8>> {
        if self.remaining > limit {
            return Err(Error::OverLimit {
                limit: Limit::TotalBytes,
                allowed: limit,
            });
        }
        let mut data = Vec::new();
        loop {
            let piece = self.peek_data()?;
            let count = piece.len();
            if count == 0 {
                return Ok(data);
            }
            data.extend_from_slice(piece);
            self.take_data(count);
        }
    }

    /// Reads what follows the end mark, up to the stream's end.
    pub fn drain(&mut self) -> Result<()> {
        loop {
            let count = fill(&mut self.inner)?.len();
            if count == 0 {
                return Ok(());
            }
            self.consume(count);
            if self.offset > self.limits.total_bytes {
                return Err(self.over(Limit::TotalBytes));
            }
        }
    }

    /// Bytes of the archive read so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Headers read so far.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// The stream, wherever it stands.
    pub fn into_inner(self) -> R {
        self.inner
    }

    pub(super) fn check_size(&self, size: u64) -> Result<()> {
        match size > self.limits.total_bytes - self.offset.min(self.limits.total_bytes) {
            true => Err(self.over(Limit::TotalBytes)),
            false => Ok(()),
        }
    }

    fn skip(&mut self, mut count: u64) -> Result<()> {
        while count > 0 {
            let piece = fill(&mut self.inner)?.len() as u64;
            if piece == 0 {
                return Err(self.malformed("the archive ends in an entry's data"));
            }
            let step = piece.min(count);
            self.consume(step as usize);
            count -= step;
        }
        Ok(())
    }

    /// One block; false at the stream's end.
    pub(super) fn read_block(&mut self, bytes: &mut [u8; BLOCK]) -> Result<bool> {
        let mut have = 0;
        while have < BLOCK {
            let piece = fill(&mut self.inner)?;
            if piece.is_empty() {
                return match have {
                    0 => Ok(false),
                    _ => Err(self.malformed("the archive ends in a block")),
                };
            }
            let count = piece.len().min(BLOCK - have);
            bytes[have..have + count].copy_from_slice(&piece[..count]);
            self.consume(count);
            have += count;
        }
        Ok(true)
    }

    /// Two zero blocks, or one at the stream's end.
    fn end_mark(&mut self, bytes: &[u8; BLOCK]) -> Result<bool> {
        let zero = |bytes: &[u8; BLOCK]| bytes.iter().all(|&byte| byte == 0);
        if !zero(bytes) {
            return Ok(false);
        }
        let mut second = [0; BLOCK];
        match self.read_block(&mut second)? && !zero(&second) {
            // GNU tar stops at the first, others go on.
            true => Err(self.malformed("a lone zero block")),
            false => Ok(true),
        }
    }

    pub(super) fn malformed(&self, reason: &str) -> Error {
        malformed(self.header, reason)
    }

    pub(super) fn over(&self, limit: Limit) -> Error {
        over(limit, &self.limits)
    }

    pub(super) fn fault(&self, fault: Fault) -> Error {
        fault.at(self.header, &self.limits)
    }
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.pax.is_none() && self.name.is_none() && self.link.is_none()
    }
}

impl Fault {
    fn at(self, offset: u64, limits: &Limits) -> Error {
        match self {
            Self::Malformed(reason) => Error::Malformed { offset, reason },
            Self::Over(limit) => over(limit, limits),
        }
    }
}

fn malformed(offset: u64, reason: &str) -> Error {
    Error::Malformed {
        offset,
        reason: reason.to_owned(),
    }
}

pub(crate) fn over(limit: Limit, limits: &Limits) -> Error {
    Error::OverLimit {
        limit,
        allowed: limits.of(limit),
    }
}

/// The stream's next bytes. An error of ours that travelled inside an I/O error comes out
/// as itself.
fn fill<R: BufRead>(inner: &mut R) -> Result<&[u8]> {
    // Asked for twice, since the borrow checker cannot return the buffer out of a loop.
    while let Err(error) = inner.fill_buf() {
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(Error::from_read(error));
        }
    }
    inner.fill_buf().map_err(Error::from_read)
}
