//! Extended attributes as they lie behind an inode.

use crate::Error;

/// `struct erofs_xattr_ibody_header`: a filter of names, which this does not use, and a
/// count of shared attributes, which there are not.
const HEADER_BYTES: usize = 12;
/// `i_xattr_icount` counts words and has 16 bits.
const WORD_BYTES: usize = 4;

/// Prefixes and their numbers, longer ones first.
const PREFIXES: [(&[u8], u8); 5] = [
    (b"system.posix_acl_access", 2),
    (b"system.posix_acl_default", 3),
    (b"security.", 6),
    (b"trusted.", 4),
    (b"user.", 1),
];

/// Whether an image can hold an attribute of this name.
pub fn is_known(name: &[u8]) -> bool {
    split(name).is_some()
}

fn split(name: &[u8]) -> Option<(u8, &[u8])> {
    PREFIXES.iter().find_map(|(prefix, number)| {
        let rest = name.strip_prefix(*prefix)?;
        // An access control list has the whole of its name.
        (rest.is_empty() != prefix.ends_with(b".")).then_some((*number, rest))
    })
}

/// The bytes that attributes take behind an inode.
pub(crate) fn size(attributes: &[(Vec<u8>, Vec<u8>)]) -> Result<usize, Error> {
    if attributes.is_empty() {
        return Ok(0);
    }
    let mut bytes = HEADER_BYTES;
    for (name, value) in attributes {
        let (_, rest) = split(name).ok_or(Error::Attributes)?;
        if rest.len() > usize::from(u8::MAX) || value.len() > usize::from(u16::MAX) {
            return Err(Error::Attributes);
        }
        bytes += (4 + rest.len() + value.len()).next_multiple_of(WORD_BYTES);
    }
    match words(bytes) <= u16::MAX.into() {
        true => Ok(bytes),
        false => Err(Error::Attributes),
    }
}

/// `i_xattr_icount`.
pub(crate) fn words(bytes: usize) -> usize {
    match bytes {
        0 => 0,
        bytes => (bytes - HEADER_BYTES) / WORD_BYTES + 1,
    }
}

/// Writes attributes whose [`size`] was found.
pub(crate) fn write(attributes: &[(Vec<u8>, Vec<u8>)], out: &mut Vec<u8>) {
    if attributes.is_empty() {
        return;
    }
    let start = out.len();
    out.resize(start + HEADER_BYTES, 0);
    for (name, value) in attributes {
        let Some((prefix, rest)) = split(name) else {
            continue;
        };
        out.extend([rest.len() as u8, prefix]);
        out.extend((value.len() as u16).to_le_bytes());
        out.extend(rest);
        out.extend(value);
        let length = (out.len() - start).next_multiple_of(WORD_BYTES);
        out.resize(start + length, 0);
    }
}
