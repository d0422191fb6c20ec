//! Where the data of a sparse file lies, in each of the four dialects.

use super::{
    BLOCK, number,
    pax::{Fault, SparseKeys, over_parts},
};
use crate::{Limit, Limits};

/// Offsets and lengths.
pub(crate) type Parts = Vec<(u64, u64)>;

// GNU tar manual § Old GNU Format: four parts in the header, 21 in each further block.
const OLD_HEADER: (usize, usize) = (386, 4);
const OLD_EXTENDED: usize = 482;
const OLD_SIZE: (usize, usize) = (483, 12);
const OLD_BLOCK: (usize, usize) = (0, 21);
const OLD_BLOCK_EXTENDED: usize = 504;

/// The old format's header: the numbers of its map, the size, whether blocks follow.
pub(crate) fn old_header(block: &[u8; BLOCK]) -> Result<(Vec<u64>, u64, bool), Fault> {
    let mut map = Vec::new();
    old_parts(block, OLD_HEADER, &mut map)?;
    let size = &block[OLD_SIZE.0..OLD_SIZE.0 + OLD_SIZE.1];
    let size = number::field(size).and_then(|size| u64::try_from(size).ok());
    Ok((
        map,
        size.ok_or("the sparse size is malformed")?,
        block[OLD_EXTENDED] != 0,
    ))
}

/// A further block of the old format; true if yet another follows.
pub(crate) fn old_block(
    block: &[u8; BLOCK],
    map: &mut Vec<u64>,
    limits: &Limits,
) -> Result<bool, Fault> {
    old_parts(block, OLD_BLOCK, map)?;
    over_parts(map.len(), limits)?;
    Ok(block[OLD_BLOCK_EXTENDED] != 0)
}

fn old_parts(
    block: &[u8; BLOCK],
    (start, count): (usize, usize),
    map: &mut Vec<u64>,
) -> Result<(), Fault> {
    for part in block[start..start + count * 24].chunks_exact(24) {
        if part[12] == 0 {
            break;
        }
        for field in part.chunks_exact(12) {
            let number = number::field(field).and_then(|number| u64::try_from(number).ok());
            map.push(number.ok_or("a sparse map is malformed")?);
        }
    }
    Ok(())
}

/// The map that format 1.0 puts in front of the data: decimal lines, their count first,
/// then NULs up to the block's end.
#[derive(Default)]
pub(crate) struct LeadingMap {
    numbers: Vec<u64>,
    line: Vec<u8>,
}

impl LeadingMap {
    /// Takes in a block; true if it was the last.
    pub fn add(&mut self, block: &[u8; BLOCK], limits: &Limits) -> Result<bool, Fault> {
        for &byte in block {
            match byte {
                _ if self.complete() => match byte {
                    0 => continue,
                    _ => return Err("a sparse map is longer than announced".into()),
                },
                b'\n' => {
                    let number = number::decimal(&self.line).ok_or("a sparse map is malformed")?;
                    if self.numbers.is_empty() && number > limits.sparse_parts as u64 {
                        return Err(Fault::Over(Limit::SparseParts));
                    }
                    self.numbers.push(number);
                    self.line.clear();
                }
                _ if self.line.len() >= 20 => return Err("a sparse map is malformed".into()),
                _ => self.line.push(byte),
            }
        }
        Ok(self.complete())
    }

    fn complete(&self) -> bool {
        let wanted = self.numbers.first().map(|&parts| 1 + 2 * parts as usize);
        wanted == Some(self.numbers.len())
    }

    /// Offsets and lengths in turn.
    pub fn numbers(self) -> Vec<u64> {
        self.numbers[1..].to_vec()
    }
}

/// Checks a pax map of format 0.0 or 0.1 against what it announces.
pub(crate) fn announced(keys: &SparseKeys) -> Result<(), Fault> {
    let parts = keys.map.len() as u64 / 2;
    match keys.map.len().is_multiple_of(2)
        && keys.parts_announced.is_none_or(|count| count == parts)
    {
        true => Ok(()),
        false => Err("a sparse map is not as long as announced".into()),
    }
}

/// The parts of a map, which must rise, lie inside `size` and need exactly `stored` bytes.
/// All but the last must fill whole blocks: some readers begin each part at a block, others
/// where the one before ended.
pub(crate) fn parts(map: &[u64], size: u64, stored: u64) -> Result<Parts, Fault> {
    let mut parts = Vec::with_capacity(map.len() / 2);
    let (mut end, mut sum) = (0_u64, 0_u64);
    for pair in map.chunks_exact(2) {
        let (offset, length) = (pair[0], pair[1]);
        let next = offset
            .checked_add(length)
            .filter(|&next| offset >= end && next <= size);
        end = next.ok_or("a sparse map is not in order or leaves the file")?;
        if length > 0 && !sum.is_multiple_of(BLOCK as u64) {
            return Err("a part of a sparse file does not fill its blocks".into());
        }
        // `end` is below 2^64 and the parts do not overlap, so neither is the sum.
        sum += length;
        if length > 0 {
            parts.push((offset, length));
        }
    }
    match sum == stored {
        true => Ok(parts),
        false => Err("a sparse map does not fit the data".into()),
    }
}
