//! Extended headers: `length key=value\n`, again and again.

use super::{Time, number};
use crate::{Limit, Limits};

/// What went wrong in an extended header.
pub(crate) enum Fault {
    Malformed(String),
    Over(Limit),
}

impl From<&str> for Fault {
    fn from(text: &str) -> Self {
        Self::Malformed(text.to_owned())
    }
}

/// The records of one or two extended headers that change how an entry is read. Unknown
/// keys (`comment`, `ctime`, `LIBARCHIVE.*`, …) carry nothing we keep.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pax {
    pub path: Option<Vec<u8>>,
    pub link: Option<Vec<u8>>,
    pub size: Option<u64>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub mtime: Option<Time>,
    pub atime: Option<Time>,
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub sparse: SparseKeys,
}

/// `GNU.sparse.*`, GNU tar manual § PAX Formats for sparse files.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct SparseKeys {
    pub version: (Option<u64>, Option<u64>),
    pub name: Option<Vec<u8>>,
    /// `realsize` (0.1, 1.0) or `size` (0.0).
    pub size: Option<u64>,
    pub parts_announced: Option<u64>,
    /// Offsets and lengths in turn, from `map` or from `offset` and `numbytes`.
    pub map: Vec<u64>,
}

const XATTR: &[u8] = b"SCHILY.xattr.";

impl Pax {
    /// Adds the records of a header's data.
    pub fn add(&mut self, mut data: &[u8], limits: &Limits) -> Result<(), Fault> {
        while !data.is_empty() {
            let (key, value, rest) = record(data).ok_or("an extended header is malformed")?;
            self.set(key, value, limits)?;
            data = rest;
        }
        Ok(())
    }

    fn set(&mut self, key: &[u8], value: &[u8], limits: &Limits) -> Result<(), Fault> {
        if let Some(name) = key.strip_prefix(XATTR) {
            return self.xattr(name, value, limits);
        }
        if let Some(key) = key.strip_prefix(b"GNU.sparse.") {
            return self.sparse.set(key, value, limits);
        }
        // POSIX: an empty value takes back what an earlier header said.
        match key {
            b"path" => self.path = name(value, limits)?,
            b"linkpath" => self.link = name(value, limits)?,
            b"size" => self.size = optional(value, number::decimal, "size")?,
            b"uid" => self.uid = optional(value, id, "uid")?,
            b"gid" => self.gid = optional(value, id, "gid")?,
            b"mtime" => self.mtime = optional(value, number::time, "mtime")?,
            b"atime" => self.atime = optional(value, number::time, "atime")?,
            _ => {}
        }
        Ok(())
    }

    fn xattr(&mut self, name: &[u8], value: &[u8], limits: &Limits) -> Result<(), Fault> {
        if name.is_empty() || name.contains(&0) {
            return Err("an extended attribute has no proper name".into());
        }
        self.xattrs.retain(|(known, _)| known != name);
        let bytes: usize = self
            .xattrs
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        if bytes + name.len() + value.len() > limits.xattr_bytes {
            return Err(Fault::Over(Limit::XattrBytes));
        }
        self.xattrs.push((name.to_vec(), value.to_vec()));
        Ok(())
    }

    /// A global header may not say what every following entry is called or how long it is:
    /// readers disagree about that.
    pub fn fit_for_global(&self) -> bool {
        self.path.is_none()
            && self.link.is_none()
            && self.size.is_none()
            && self.sparse == SparseKeys::default()
    }
}

impl SparseKeys {
    fn set(&mut self, key: &[u8], value: &[u8], limits: &Limits) -> Result<(), Fault> {
        let number = || number::decimal(value).ok_or(Fault::from("a sparse number is malformed"));
        match key {
            b"major" => self.version.0 = Some(number()?),
            b"minor" => self.version.1 = Some(number()?),
            b"name" => self.name = name(value, limits)?,
            b"realsize" | b"size" => self.size = Some(number()?),
            b"numblocks" => self.parts_announced = Some(number()?),
            // 0.0 repeats these two keys, offset first.
            b"offset" if self.map.len().is_multiple_of(2) => self.map.push(number()?),
            b"numbytes" if !self.map.len().is_multiple_of(2) => self.map.push(number()?),
            b"offset" | b"numbytes" => return Err("a sparse map is out of order".into()),
            b"map" => {
                self.map.clear();
                for text in value.split(|&byte| byte == b',') {
                    let number = number::decimal(text).ok_or("a sparse map is malformed")?;
                    self.map.push(number);
                    over_parts(self.map.len(), limits)?;
                }
            }
            _ => return Err("an unknown sparse key".into()),
        }
        over_parts(self.map.len(), limits)
    }
}

pub(crate) fn over_parts(numbers: usize, limits: &Limits) -> Result<(), Fault> {
    match numbers / 2 > limits.sparse_parts {
        true => Err(Fault::Over(Limit::SparseParts)),
        false => Ok(()),
    }
}

fn name(value: &[u8], limits: &Limits) -> Result<Option<Vec<u8>>, Fault> {
    if value.contains(&0) {
        return Err("a name has a NUL in it".into());
    }
    if value.len() > limits.path_bytes {
        return Err(Fault::Over(Limit::PathBytes));
    }
    Ok((!value.is_empty()).then(|| value.to_vec()))
}

fn id(text: &[u8]) -> Option<u32> {
    u32::try_from(number::decimal(text)?).ok()
}

fn optional<T>(
    value: &[u8],
    parse: impl Fn(&[u8]) -> Option<T>,
    key: &str,
) -> Result<Option<T>, Fault> {
    if value.is_empty() {
        return Ok(None);
    }
    let parsed = parse(value);
    match parsed {
        Some(_) => Ok(parsed),
        None => Err(Fault::Malformed(format!(
            "the extended header's {key} is malformed"
        ))),
    }
}

/// Splits the first record off: its key, its value, what follows.
fn record(data: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = data.iter().take(8).position(|&byte| byte == b' ')?;
    let length = usize::try_from(number::decimal(&data[..space])?).ok()?;
    if length <= space + 1 || length > data.len() {
        return None;
    }
    let (record, rest) = data.split_at(length);
    let record = record[space + 1..].strip_suffix(b"\n")?;
    let equals = record.iter().position(|&byte| byte == b'=')?;
    let (key, value) = (&record[..equals], &record[equals + 1..]);
    (!key.is_empty() && !key.contains(&0)).then_some((key, value, rest))
}

/// Writes one record.
pub(crate) fn write_record(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    // The length counts its own digits.
    let body = key.len() + value.len() + 3;
    let mut length = body + body.to_string().len();
    if body + length.to_string().len() > length {
        length = body + length.to_string().len();
    }
    out.extend_from_slice(length.to_string().as_bytes());
    out.push(b' ');
    out.extend_from_slice(key);
    out.push(b'=');
    out.extend_from_slice(value);
    out.push(b'\n');
}

/// Writes an extended attribute's record.
pub(crate) fn write_xattr(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    write_record(out, &[XATTR, name].concat(), value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_record_counts_its_own_digits() {
        for size in 0..1200 {
            let mut out = Vec::new();
            write_record(&mut out, b"path", &vec![b'x'; size]);
            let (key, value, rest) = record(&out).unwrap();
            assert_eq!(
                (key, value.len(), rest),
                (b"path".as_slice(), size, b"".as_slice())
            );
        }
    }

    #[test]
    fn a_record_that_lies_about_its_length_is_refused() {
        for bad in [
            "8 path=a\n",
            "11 path=a\n",
            "9 path=a",
            "x path=a\n",
            " 6 a=b\n",
            "4 =\n",
        ] {
            assert!(record(bad.as_bytes()).is_none(), "{bad:?}");
        }
        assert!(record(b"9 path=a\n").is_some());
    }
}
