//! The time of records: taken once a piece of output, written quickly.

use corten_base::Timestamp;

const NANOSECONDS: i64 = 1_000_000_000;

/// Gives every record a time of its own. The clock is asked once for all lines of a
/// piece, and each further line is a nanosecond later: asking it for every line costs as
/// much as encoding one, and the order of times stays the order of lines.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// Nanoseconds since 1970 of the last record.
    last: i64,
}

impl Clock {
    /// A piece of output has come.
    pub(crate) fn look(&mut self) {
        let now = Timestamp::now().unix_nanoseconds();
        // The system's clock may be set back; records then go on from the new time.
        let is_ahead_by_counting = (now..now + NANOSECONDS).contains(&self.last);
        self.last = if is_ahead_by_counting {
            self.last + 1
        } else {
            now
        };
    }

    /// The time of the next record.
    pub(crate) fn next(&mut self) -> Timestamp {
        let time = self.last;
        self.last += 1;
        let nanoseconds = time.rem_euclid(NANOSECONDS) as u32;
        Timestamp::from_unix(time.div_euclid(NANOSECONDS), nanoseconds)
    }
}

/// The end of a record, of which all but the fraction of the second is made once a
/// second.
#[derive(Debug)]
pub(crate) struct Ending {
    /// `","stream":"stdout","attrs":{…},"time":"`
    fixed: Vec<u8>,
    second: i64,
    /// `fixed`, and `2026-11-21T14:47:11.`
    whole: Vec<u8>,
}

impl Ending {
    pub(crate) fn new(fixed: Vec<u8>) -> Self {
        Self {
            fixed,
            second: i64::MIN,
            whole: Vec::new(),
        }
    }

    /// Appends it with `time` as Go's RFC3339Nano: trailing zeros are left out.
    pub(crate) fn append(&mut self, out: &mut Vec<u8>, time: Timestamp) {
        if self.second != time.unix_seconds() {
            self.second = time.unix_seconds();
            let text = Timestamp::from_unix(self.second, 0).to_string();
            self.whole.clear();
            self.whole.extend_from_slice(&self.fixed);
            self.whole
                .extend_from_slice(text.trim_end_matches('Z').as_bytes());
            self.whole.push(b'.');
        }
        out.extend_from_slice(&self.whole);
        let mut rest = time.subsec_nanoseconds();
        let mut digits = [b'0'; 9];
        for digit in digits.iter_mut().rev() {
            *digit += (rest % 10) as u8;
            rest /= 10;
        }
        out.extend_from_slice(&digits);
        let zeros = digits
            .iter()
            .rev()
            .take_while(|&&digit| digit == b'0')
            .count();
        // Without any digit the point goes as well.
        let dropped = if zeros == digits.len() {
            zeros + 1
        } else {
            zeros
        };
        out.truncate(out.len() - dropped);
        out.extend_from_slice(b"Z\"}\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_like_gos() {
        let mut ending = Ending::new(b"<".to_vec());
        for (seconds, nanoseconds) in [
            (1_795_272_431, 592_242_018),
            (1_795_272_431, 710_000_000),
            (0, 0),
            (1, 1),
            (1, 0),
        ] {
            let time = Timestamp::from_unix(seconds, nanoseconds);
            let mut out = Vec::new();
            ending.append(&mut out, time);
            assert_eq!(String::from_utf8(out).unwrap(), format!("<{time}\"}}\n"));
        }
    }

    #[test]
    fn no_two_records_have_the_same_time() {
        let mut clock = Clock::default();
        let mut last = Timestamp::ZERO;
        for _ in 0..1000 {
            clock.look();
            for _ in 0..100 {
                let time = clock.next();
                assert!(time > last);
                last = time;
            }
        }
    }
}
