//! The time of records, as text.

use corten_base::Timestamp;

/// Formats times as Go's RFC3339Nano; the part down to the second is made once a second.
#[derive(Debug, Default)]
pub(crate) struct Stamp {
    second: i64,
    /// `2026-11-21T14:47:11`
    prefix: Vec<u8>,
}

impl Stamp {
    /// Appends `time`.
    pub(crate) fn append(&mut self, out: &mut Vec<u8>, time: Timestamp) {
        if self.prefix.is_empty() || self.second != time.unix_seconds() {
            self.second = time.unix_seconds();
            let whole = Timestamp::from_unix(self.second, 0).to_string();
            self.prefix = whole.trim_end_matches('Z').as_bytes().to_vec();
        }
        out.extend_from_slice(&self.prefix);
        let mut rest = time.subsec_nanoseconds();
        if rest != 0 {
            let mut digits = *b".000000000";
            for digit in digits[1..].iter_mut().rev() {
                *digit += (rest % 10) as u8;
                rest /= 10;
            }
            let kept = digits.iter().rposition(|&digit| digit != b'0').unwrap_or(0) + 1;
            out.extend_from_slice(&digits[..kept]);
        }
        out.push(b'Z');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_like_gos() {
        let mut stamp = Stamp::default();
        for (seconds, nanoseconds) in [
            (1_795_272_431, 592_242_018),
            (1_795_272_431, 710_000_000),
            (0, 0),
            (1, 1),
            (1, 0),
        ] {
            let time = Timestamp::from_unix(seconds, nanoseconds);
            let mut out = Vec::new();
            stamp.append(&mut out, time);
            assert_eq!(String::from_utf8(out).unwrap(), time.to_string());
        }
    }
}
