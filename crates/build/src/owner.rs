//! `--chown` and `--chmod`.

use crate::{Error, Result};
use corten_sys::root::Root;
use std::path::Path;

/// Bytes of /etc/passwd and /etc/group of an image.
const TABLE_BYTES_MAX: u64 = 16 << 20;

/// Numbers of an owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner {
    pub uid: u32,
    pub gid: u32,
}

/// The owner that `user[:group]` means in the file system `root`.
pub(crate) fn owner(text: &str, root: &Root) -> Result<Owner> {
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    let table = |path: &str| {
        let bytes = root
            .read_regular(Path::new(path), TABLE_BYTES_MAX)
            .unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let mut owner = match number(user) {
        Some(uid) => Owner { uid, gid: uid },
        None => match find(&table("/etc/passwd"), user) {
            Some(line) => Owner {
                uid: field(line, 2)?,
                gid: field(line, 3)?,
            },
            // BuildKit 0.23: a name that the image does not know is root's, too.
            None => Owner { uid: 0, gid: 0 },
        },
    };
    match group {
        None => {}
        Some(group) => {
            owner.gid = match number(group) {
                Some(gid) => gid,
                None => match find(&table("/etc/group"), group) {
                    Some(line) => field(line, 2)?,
                    None => 0,
                },
            };
        }
    }
    // chown(2): the highest number leaves what is there, which is root's in new files.
    let told = |id: u32| if id == u32::MAX { 0 } else { id };
    Ok(Owner {
        uid: told(owner.uid),
        gid: told(owner.gid),
    })
}

/// Whether all of `user[:group]` can be told without an image's tables.
pub(crate) fn needs_no_table(text: &str) -> bool {
    let known = |name: &str| matches!(name, "" | "root") || number(name).is_some();
    text.split(':').all(known)
}

/// Digits only: no sign, no blank, nothing above 32 bits.
fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

fn find<'a>(table: &'a str, name: &str) -> Option<&'a str> {
    table
        .lines()
        .find(|line| line.split(':').next() == Some(name))
}

fn field(line: &str, index: usize) -> Result<u32> {
    let text = line.split(':').nth(index).unwrap_or_default();
    number(text.trim())
        .ok_or_else(|| Error::Invalid(format!("invalid number {text:?} in the image's user table")))
}

/// A change of permission bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Chmod {
    Bits(u32),
    Symbolic(Vec<Clause>),
}

/// `u=rwX` and the like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Clause {
    /// Bits of `rwx` for whom: 6 user, 3 group, 0 others.
    shifts: Vec<u32>,
    operator: char,
    letters: String,
    /// The bits of `rwx` come from these, as in `o=u`.
    copied: Option<u32>,
}

impl Chmod {
    /// `0755` or `u=rwX,go=rX`.
    pub fn parse(text: &str) -> Result<Self> {
        let invalid = || {
            Error::Invalid(format!(
                "invalid chmod parameter: '{text}'. it should be octal string and between 0 and 07777"
            ))
        };
        if text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty() {
            let bits = u32::from_str_radix(text, 8).map_err(|_| invalid())?;
            return match bits <= 0o7777 {
                true => Ok(Self::Bits(bits)),
                false => Err(invalid()),
            };
        }
        let no_syntax = || Error::Invalid("invalid syntax".into());
        let mut clauses = Vec::new();
        for clause in text.split(',') {
            let at = clause.find(['=', '+', '-']).ok_or_else(invalid)?;
            let mut shifts = Vec::new();
            for who in clause[..at].chars() {
                match who {
                    'u' => shifts.push(6),
                    'g' => shifts.push(3),
                    'o' => shifts.push(0),
                    'a' => shifts.extend([6, 3, 0]),
                    _ => return Err(no_syntax()),
                }
            }
            if shifts.is_empty() {
                shifts.extend([6, 3, 0]);
            }
            let operator = clause[at..].chars().next().ok_or_else(no_syntax)?;
            let letters = clause[at + 1..].to_owned();
            let copied = match letters.as_str() {
                "u" => Some(6),
                "g" => Some(3),
                "o" => Some(0),
                _ => None,
            };
            if copied.is_none() && !letters.chars().all(|c| "rwxXst".contains(c)) {
                return Err(no_syntax());
            }
            clauses.push(Clause {
                shifts,
                operator,
                letters,
                copied,
            });
        }
        Ok(Self::Symbolic(clauses))
    }

    /// The new bits of something that has `mode`.
    pub fn apply(&self, mode: u32, directory: bool) -> u32 {
        let clauses = match self {
            Self::Bits(bits) => return *bits,
            Self::Symbolic(clauses) => clauses,
        };
        let mut now = mode & 0o7777;
        for clause in clauses {
            let mut bits = clause.copied.map_or(0, |shift| now >> shift & 7);
            let mut special = 0;
            for letter in clause.letters.chars() {
                match letter {
                    'r' => bits |= 4,
                    'w' => bits |= 2,
                    'x' => bits |= 1,
                    'X' if directory || now & 0o111 != 0 => bits |= 1,
                    's' => {
                        special |= if clause.shifts.contains(&6) {
                            0o4000
                        } else {
                            0
                        };
                        special |= if clause.shifts.contains(&3) {
                            0o2000
                        } else {
                            0
                        };
                    }
                    't' => special |= 0o1000,
                    _ => {}
                }
            }
            let wide = clause
                .shifts
                .iter()
                .fold(special, |all, shift| all | bits << shift);
            let mask = clause.shifts.iter().fold(0, |all, shift| all | 7 << shift);
            now = match clause.operator {
                '=' => now & !mask | wide,
                '+' => now | wide,
                _ => now & !wide,
            };
        }
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permission_bits_are_changed_as_chmod_does() {
        for (text, mode, directory, expected) in [
            ("0755", 0o600, false, 0o755),
            ("u=rwX,go=rX", 0o600, false, 0o644),
            ("u=rwX,go=rX", 0o700, true, 0o755),
            ("+x", 0o644, false, 0o755),
            ("go-w", 0o666, false, 0o644),
            ("u+s", 0o755, false, 0o4755),
            ("o=u", 0o644, false, 0o646),
            ("go=u,g-w", 0o600, false, 0o646),
        ] {
            assert_eq!(
                Chmod::parse(text).unwrap().apply(mode, directory),
                expected,
                "{text}"
            );
        }
        assert!(Chmod::parse("9").is_err());
        assert!(Chmod::parse("rwx").is_err());
    }

    #[test]
    fn only_plain_digits_are_a_number() {
        for text in ["-1", "+1", " 1", "0x1", "4294967296", ""] {
            assert_eq!(number(text), None, "{text:?}");
        }
        assert_eq!(number("0"), Some(0));
    }
}
