//! One header block and its fields.

use super::{BLOCK, number};

/// A header block whose checksum is right.
pub(crate) struct Block<'a>(&'a [u8; BLOCK]);

/// Why a block is no header.
pub(crate) type Fault = &'static str;

// POSIX.1-1988 ustar: offset and length of each field.
const NAME: (usize, usize) = (0, 100);
const MODE: (usize, usize) = (100, 8);
const UID: (usize, usize) = (108, 8);
const GID: (usize, usize) = (116, 8);
const SIZE: (usize, usize) = (124, 12);
const MTIME: (usize, usize) = (136, 12);
const CHECKSUM: (usize, usize) = (148, 8);
const KIND: usize = 156;
const LINK: (usize, usize) = (157, 100);
const MAGIC: (usize, usize) = (257, 8);
const MAJOR: (usize, usize) = (329, 8);
const MINOR: (usize, usize) = (337, 8);
const PREFIX: (usize, usize) = (345, 155);

impl<'a> Block<'a> {
    /// Checks the checksum, as unsigned or (old Sun) signed sum.
    pub fn new(bytes: &'a [u8; BLOCK]) -> Result<Self, Fault> {
        let (mut unsigned, mut signed) = (0_i64, 0_i64);
        for (at, &byte) in bytes.iter().enumerate() {
            let byte = match (CHECKSUM.0..CHECKSUM.0 + CHECKSUM.1).contains(&at) {
                true => b' ',
                false => byte,
            };
            unsigned += i64::from(byte);
            signed += i64::from(byte as i8);
        }
        let block = Self(bytes);
        let sum = number::field(block.raw(CHECKSUM)).ok_or("the checksum is no number")?;
        match sum == unsigned || sum == signed {
            true => Ok(block),
            false => Err("the checksum is wrong"),
        }
    }

    pub fn bytes(&self) -> &'a [u8; BLOCK] {
        self.0
    }

    fn raw(&self, (start, length): (usize, usize)) -> &'a [u8] {
        &self.0[start..start + length]
    }

    fn text(&self, field: (usize, usize)) -> &'a [u8] {
        until_nul(self.raw(field))
    }

    /// The type flag.
    pub fn kind(&self) -> u8 {
        self.0[KIND]
    }

    /// The name, with ustar's prefix in front.
    pub fn name(&self) -> Vec<u8> {
        let mut name = Vec::new();
        // GNU's magic is "ustar  \0", and it keeps other things where the prefix stands.
        if self.raw(MAGIC).starts_with(b"ustar\0") {
            // star: a shorter prefix, then times, then "tar\0" at the block's end.
            let star = self.0[508..] == *b"tar\0";
            let prefix = until_nul(self.raw((PREFIX.0, if star { 131 } else { PREFIX.1 })));
            if !prefix.is_empty() {
                name.extend_from_slice(prefix);
                name.push(b'/');
            }
        }
        name.extend_from_slice(self.text(NAME));
        name
    }

    /// The target of a link.
    pub fn link(&self) -> &'a [u8] {
        self.text(LINK)
    }

    /// Permission bits.
    pub fn mode(&self) -> Result<u32, Fault> {
        let mode = number::field(self.raw(MODE)).ok_or("the mode is no number")?;
        Ok((mode & 0o7777) as u32)
    }

    /// Owner's number.
    pub fn uid(&self) -> Result<u32, Fault> {
        id(self.raw(UID)).ok_or("the user ID is no 32-bit number")
    }

    /// Group's number.
    pub fn gid(&self) -> Result<u32, Fault> {
        id(self.raw(GID)).ok_or("the group ID is no 32-bit number")
    }

    /// Bytes that follow.
    pub fn size(&self) -> Result<u64, Fault> {
        let size = number::field(self.raw(SIZE)).ok_or("the size is no number")?;
        u64::try_from(size).map_err(|_| "the size is negative")
    }

    /// Seconds since 1970.
    pub fn mtime(&self) -> Result<i64, Fault> {
        number::field(self.raw(MTIME)).ok_or("the time is no number")
    }

    /// Major and minor device number.
    pub fn device(&self) -> Result<(u32, u32), Fault> {
        let fault = "the device is no 32-bit number";
        Ok((
            id(self.raw(MAJOR)).ok_or(fault)?,
            id(self.raw(MINOR)).ok_or(fault)?,
        ))
    }
}

fn id(bytes: &[u8]) -> Option<u32> {
    u32::try_from(number::field(bytes)?).ok()
}

/// The bytes before the first NUL.
pub(crate) fn until_nul(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len())]
}

/// A ustar block in the making.
pub(crate) struct NewBlock(pub [u8; BLOCK]);

impl NewBlock {
    pub fn new(kind: u8) -> Self {
        let mut bytes = [0; BLOCK];
        bytes[KIND] = kind;
        bytes[MAGIC.0..MAGIC.0 + MAGIC.1].copy_from_slice(b"ustar\x0000");
        Self(bytes)
    }

    /// The name, split into prefix and name if need be. False if it does not fit.
    pub fn name(&mut self, name: &[u8]) -> bool {
        if name.len() <= NAME.1 {
            self.0[..name.len()].copy_from_slice(name);
            return true;
        }
        // The split is at a slash; neither side may be empty, nor the name be a lone slash.
        let Some(most) = name.len().checked_sub(1) else {
            return false;
        };
        let split = (name.len() - NAME.1 - 1..most.min(PREFIX.1 + 1)).find(|&at| name[at] == b'/');
        match split {
            Some(at) if at > 0 && at <= PREFIX.1 => {
                self.0[PREFIX.0..PREFIX.0 + at].copy_from_slice(&name[..at]);
                let rest = &name[at + 1..];
                self.0[..rest.len()].copy_from_slice(rest);
                true
            }
            _ => false,
        }
    }

    pub fn link(&mut self, link: &[u8]) -> bool {
        let fits = link.len() <= LINK.1;
        if fits {
            self.0[LINK.0..LINK.0 + link.len()].copy_from_slice(link);
        }
        fits
    }

    fn number(&mut self, (start, length): (usize, usize), value: u64) -> bool {
        number::write_octal(&mut self.0[start..start + length], value)
    }

    pub fn mode(&mut self, mode: u32) {
        self.number(MODE, u64::from(mode & 0o7777));
    }

    pub fn uid(&mut self, uid: u32) -> bool {
        self.number(UID, u64::from(uid))
    }

    pub fn gid(&mut self, gid: u32) -> bool {
        self.number(GID, u64::from(gid))
    }

    pub fn size(&mut self, size: u64) -> bool {
        self.number(SIZE, size)
    }

    pub fn mtime(&mut self, seconds: i64) -> bool {
        u64::try_from(seconds).is_ok_and(|seconds| self.number(MTIME, seconds))
    }

    pub fn device(&mut self, major: u32, minor: u32) -> bool {
        self.number(MAJOR, u64::from(major)) && self.number(MINOR, u64::from(minor))
    }

    /// The block with its checksum.
    pub fn finish(mut self) -> [u8; BLOCK] {
        self.0[CHECKSUM.0..CHECKSUM.0 + CHECKSUM.1].fill(b' ');
        let sum: u64 = self.0.iter().map(|&byte| u64::from(byte)).sum();
        // Six digits, NUL, space, as every tar writes it.
        number::write_octal(&mut self.0[CHECKSUM.0..CHECKSUM.0 + 7], sum);
        self.0
    }
}
