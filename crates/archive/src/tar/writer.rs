//! Entries into a stream.

use super::{BLOCK, Entry, EntryKind, block::NewBlock, number, padding, pax};
use crate::{Error, Result};
use std::io::{Read, Write};

/// Bytes gathered before they are written on.
const BUFFER_BYTES: usize = 256 << 10;

/// Writes an uncompressed archive. Forgetting [`Writer::finish`] leaves it without its
/// end mark. The bytes depend on the entries only.
pub struct Writer<W> {
    inner: W,
    buffer: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Writes to `inner`; small pieces are gathered here.
    pub fn new(inner: W) -> Self {
        Self {
            inner,
            buffer: Vec::with_capacity(BUFFER_BYTES),
        }
    }

    /// One member with exactly [`Entry::stored_bytes`] bytes of `data`.
    ///
    /// A file that shrank meanwhile is filled with zero bytes, one that grew is cut.
    pub fn append(&mut self, entry: &Entry, mut data: impl Read) -> Result<()> {
        let map = entry
            .sparse
            .as_ref()
            .map(|parts| sparse_map(parts, entry.size));
        self.headers(entry, map.as_deref())?;
        if let Some(map) = &map {
            self.put(map)?;
        }
        let stored = entry.stored_bytes();
        let mut left = stored;
        while left > 0 {
            if self.buffer.len() == BUFFER_BYTES {
                self.send()?;
            }
            let start = self.buffer.len();
            let room = (BUFFER_BYTES - start).min(usize::try_from(left).unwrap_or(usize::MAX));
            self.buffer.resize(start + room, 0);
            let count = match data.read(&mut self.buffer[start..]) {
                Ok(count) => count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {
                    self.buffer.truncate(start);
                    continue;
                }
                Err(error) => return Err(Error::from_read(error)),
            };
            // The rest of a file that shrank is zero: the buffer is already.
            let count = if count == 0 { room } else { count };
            self.buffer.truncate(start + count);
            left -= count as u64;
        }
        self.pad(stored)
    }

    /// One member with `data` as its bytes ([`Entry::size`] is taken from it).
    pub fn append_bytes(&mut self, entry: &Entry, data: &[u8]) -> Result<()> {
        let entry = Entry {
            size: data.len() as u64,
            ..entry.clone()
        };
        self.append(&entry, data)
    }

    /// The end mark; gives the stream back, flushed.
    pub fn finish(mut self) -> Result<W> {
        self.put(&[0; 2 * BLOCK])?;
        self.send()?;
        self.inner.flush().map_err(Error::Write)?;
        Ok(self.inner)
    }

    /// The entry's header, after a pax header if something does not fit in it.
    fn headers(&mut self, entry: &Entry, map: Option<&[u8]>) -> Result<()> {
        let mut records = Vec::new();
        let block = header(entry, map, &mut records);
        if !records.is_empty() {
            let mut extended = NewBlock::new(b'x');
            extended.name(&extended_name(&entry.path));
            extended.mode(0o644);
            extended.uid(0);
            extended.gid(0);
            extended.mtime(0);
            extended.size(records.len() as u64);
            self.put(&extended.finish())?;
            self.put(&records)?;
            self.pad(records.len() as u64)?;
        }
        self.put(&block)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        if self.buffer.len() + bytes.len() > BUFFER_BYTES {
            self.send()?;
        }
        match bytes.len() > BUFFER_BYTES {
            true => self.inner.write_all(bytes).map_err(Error::Write)?,
            false => self.buffer.extend_from_slice(bytes),
        }
        Ok(())
    }

    fn pad(&mut self, length: u64) -> Result<()> {
        self.put(&[0; BLOCK][..padding(length) as usize])
    }

    fn send(&mut self) -> Result<()> {
        self.inner.write_all(&self.buffer).map_err(Error::Write)?;
        self.buffer.clear();
        Ok(())
    }
}

/// Fills `records` with what the block cannot hold.
fn header(entry: &Entry, map: Option<&[u8]>, records: &mut Vec<u8>) -> [u8; BLOCK] {
    let kind = match entry.kind {
        EntryKind::Regular => b'0',
        EntryKind::HardLink => b'1',
        EntryKind::Symlink => b'2',
        EntryKind::CharDevice { .. } => b'3',
        EntryKind::BlockDevice { .. } => b'4',
        EntryKind::Directory => b'5',
        EntryKind::Fifo => b'6',
    };
    let mut block = NewBlock::new(kind);
    let decimal = |value: u64| value.to_string().into_bytes();
    let mut record = |fits: bool, key: &[u8], value: &[u8]| {
        if !fits {
            pax::write_record(records, key, value);
        }
    };
    match map {
        // GNU tar manual § PAX 1.0: the real name and size stand in records.
        Some(map) => {
            let stored = entry.stored_bytes() + map.len() as u64;
            record(false, b"GNU.sparse.major", b"1");
            record(false, b"GNU.sparse.minor", b"0");
            record(false, b"GNU.sparse.name", &entry.path);
            record(false, b"GNU.sparse.realsize", &decimal(entry.size));
            block.name(b"GNUSparseFile.0/data");
            record(block.size(stored), b"size", &decimal(stored));
        }
        None => {
            record(block.name(&entry.path), b"path", &entry.path);
            let size = entry.stored_bytes();
            record(block.size(size), b"size", &decimal(size));
        }
    }
    if !entry.link.is_empty() {
        record(block.link(&entry.link), b"linkpath", &entry.link);
    }
    block.mode(entry.mode);
    record(block.uid(entry.uid), b"uid", &decimal(entry.uid.into()));
    record(block.gid(entry.gid), b"gid", &decimal(entry.gid.into()));
    let whole = block.mtime(entry.mtime.seconds) && entry.mtime.nanoseconds == 0;
    record(whole, b"mtime", number::format_time(entry.mtime).as_bytes());
    if let Some(atime) = entry.atime {
        record(false, b"atime", number::format_time(atime).as_bytes());
    }
    if let EntryKind::CharDevice { major, minor } | EntryKind::BlockDevice { major, minor } =
        entry.kind
    {
        // Linux has 12 and 20 bits for them, the fields 21.
        block.device(major, minor);
    }
    for (name, value) in &entry.xattrs {
        pax::write_xattr(records, name, value);
    }
    block.finish()
}

/// The name of a pax header, for readers that do not know it and make a file of it.
fn extended_name(path: &[u8]) -> Vec<u8> {
    let base = path.trim_ascii_end();
    let base = base.strip_suffix(b"/").unwrap_or(base);
    let base = base.rsplit(|&byte| byte == b'/').next().unwrap_or(base);
    let mut name = b"PaxHeaders.0/".to_vec();
    name.extend_from_slice(&base[..base.len().min(80)]);
    name
}

/// The parts, and an empty one at the end: GNU tar takes the file's size from it.
fn sparse_map(parts: &[(u64, u64)], size: u64) -> Vec<u8> {
    let mut text = format!("{}\n", parts.len() + 1);
    for (offset, length) in parts.iter().chain([&(size, 0)]) {
        text.push_str(&format!("{offset}\n{length}\n"));
    }
    let mut map = text.into_bytes();
    let fill = padding(map.len() as u64) as usize;
    map.resize(map.len() + fill, 0);
    map
}
