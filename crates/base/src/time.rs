//! Instants as Docker prints them: RFC 3339 with nanoseconds, in UTC.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr, time::SystemTime};
use thiserror::Error;

/// A point in time, in nanoseconds since 1970 (UTC). The default is Go's zero time,
/// `0001-01-01T00:00:00Z`, which Docker shows where nothing has happened yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    seconds: i64,
    nanoseconds: u32,
}

/// A text that is no RFC 3339 instant.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{0:?} is not an RFC 3339 time")]
pub struct ParseTimestampError(String);

const ZERO_SECONDS: i64 = -62_135_596_800;

impl Timestamp {
    /// Go's zero time.
    pub const ZERO: Self = Self {
        seconds: ZERO_SECONDS,
        nanoseconds: 0,
    };

    /// The current time of the system's clock.
    pub fn now() -> Self {
        SystemTime::now().into()
    }

    /// From seconds and nanoseconds (below 1,000,000,000) since 1970.
    pub fn from_unix(seconds: i64, nanoseconds: u32) -> Self {
        Self {
            seconds,
            nanoseconds: nanoseconds.min(999_999_999),
        }
    }

    /// Whole seconds since 1970.
    pub fn unix_seconds(&self) -> i64 {
        self.seconds
    }

    /// Nanoseconds within the second.
    pub fn subsec_nanoseconds(&self) -> u32 {
        self.nanoseconds
    }

    /// Nanoseconds since 1970, saturating far from now.
    pub fn unix_nanoseconds(&self) -> i64 {
        self.seconds
            .saturating_mul(1_000_000_000)
            .saturating_add(i64::from(self.nanoseconds))
    }

    /// Whether this is Go's zero time.
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }

    /// With exactly nine fractional digits, as json-file log records carry it.
    pub fn to_fixed_nano(&self) -> String {
        let (date, time) = self.civil();
        format!("{date}T{time}.{:09}Z", self.nanoseconds)
    }

    fn civil(&self) -> (String, String) {
        // Days to civil date: H. Hinnant, "chrono-compatible low-level date algorithms".
        let days = self.seconds.div_euclid(86_400);
        let second = self.seconds.rem_euclid(86_400);
        let z = days + 719_468;
        let era = z.div_euclid(146_097);
        let doe = z.rem_euclid(146_097);
        let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
        let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        let mp = (5 * doy + 2) / 153;
        let day = doy - (153 * mp + 2) / 5 + 1;
        let month = if mp < 10 { mp + 3 } else { mp - 9 };
        let year = yoe + era * 400 + i64::from(month <= 2);
        (
            format!("{year:04}-{month:02}-{day:02}"),
            format!(
                "{:02}:{:02}:{:02}",
                second / 3600,
                second / 60 % 60,
                second % 60
            ),
        )
    }
}

impl Default for Timestamp {
    fn default() -> Self {
        Self::ZERO
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => Self::from_unix(since.as_secs() as i64, since.subsec_nanos()),
            Err(before) => {
                let before = before.duration();
                let (mut seconds, mut nanoseconds) =
                    (-(before.as_secs() as i64), before.subsec_nanos());
                if nanoseconds > 0 {
                    seconds -= 1;
                    nanoseconds = 1_000_000_000 - nanoseconds;
                }
                Self::from_unix(seconds, nanoseconds)
            }
        }
    }
}

/// Go's `RFC3339Nano`: trailing zeroes of the fraction are left out.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (date, time) = self.civil();
        write!(f, "{date}T{time}")?;
        if self.nanoseconds > 0 {
            let digits = format!("{:09}", self.nanoseconds);
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        f.write_str("Z")
    }
}

impl FromStr for Timestamp {
    type Err = ParseTimestampError;

    fn from_str(text: &str) -> Result<Self, ParseTimestampError> {
        parse(text).ok_or_else(|| ParseTimestampError(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Timestamp> {
    let number = |range: std::ops::Range<usize>| -> Option<i64> {
        let digits = text.get(range)?;
        digits
            .bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| digits.parse().ok())?
    };
    let mark =
        |at: usize, wanted: &[u8]| text.as_bytes().get(at).is_some_and(|b| wanted.contains(b));
    if !(mark(4, b"-") && mark(7, b"-") && mark(10, b"Tt ") && mark(13, b":") && mark(16, b":")) {
        return None;
    }
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    if !(1..=12).contains(&month)
        || !(1..=31).contains(&day)
        || hour > 23
        || minute > 59
        || second > 60
    {
        return None;
    }
    let mut rest = &text[19..];
    let mut nanoseconds = 0;
    if let Some(fraction) = rest.strip_prefix('.') {
        let length = fraction.bytes().take_while(u8::is_ascii_digit).count();
        if length == 0 {
            return None;
        }
        let kept = &fraction[..length.min(9)];
        nanoseconds = kept.parse::<u32>().ok()? * 10_u32.pow(9 - kept.len() as u32);
        rest = &fraction[length..];
    }
    let offset = offset_seconds(rest)?;
    let days = days_from_civil(year, month, day);
    Some(Timestamp::from_unix(
        days * 86_400 + hour * 3600 + minute * 60 + second - offset,
        nanoseconds,
    ))
}

fn offset_seconds(zone: &str) -> Option<i64> {
    if matches!(zone, "Z" | "z") {
        return Some(0);
    }
    let sign = match zone.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = zone[1..].split_once(':')?;
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let yoe = year.rem_euclid(400);
    let mp = (month + 9) % 12;
    let doy = (153 * mp + 2) / 5 + day - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    era * 146_097 + doe - 719_468
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_instants_print_as_docker_prints_them() {
        assert_eq!(Timestamp::ZERO.to_string(), "0001-01-01T00:00:00Z");
        assert_eq!(
            Timestamp::default().to_string().parse(),
            Ok(Timestamp::ZERO)
        );
        let time = Timestamp::from_unix(1_698_400_800, 120_000_000);
        assert_eq!(time.to_string(), "2023-10-27T10:00:00.12Z");
        assert_eq!(time.to_fixed_nano(), "2023-10-27T10:00:00.120000000Z");
        assert_eq!("2023-10-27T12:00:00.12+02:00".parse(), Ok(time));
        assert!("2023-10-27T10:00:00".parse::<Timestamp>().is_err());
    }

    proptest! {
        #[test]
        fn text_keeps_every_instant(seconds in -62_135_596_800_i64..253_402_300_799, nanos in 0_u32..1_000_000_000) {
            let time = Timestamp::from_unix(seconds, nanos);
            prop_assert_eq!(time.to_string().parse(), Ok(time));
        }
    }
}
