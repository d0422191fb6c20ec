//! Times in filters: `until=10m`, `until=2026-01-02T03:04:05`, `until=1700000000`.

use crate::{EngineError, Result, messages};
use corten_base::{Timestamp, text};
use corten_model::Filters;

/// The filter `until` of a prune; at most one value.
pub(crate) fn until(filters: &Filters) -> Result<Option<Timestamp>> {
    let mut values = filters.get("until");
    match (values.next(), values.next()) {
        (Some(_), Some(_)) => Err(EngineError::Invalid(messages::several_until())),
        (value, _) => value.map(parse).transpose(),
    }
}

/// A Go duration before now, an RFC 3339 time (also without zone or time of day), or
/// seconds since 1970 with a fraction.
pub(crate) fn parse(value: &str) -> Result<Timestamp> {
    let wrong = || EngineError::Invalid(messages::invalid_time(value));
    if let Some(nanoseconds) = text::parse_go_duration(value) {
        let then = Timestamp::now().unix_nanoseconds() - nanoseconds;
        return Ok(from_nanoseconds(then));
    }
    if let Ok(time) = value.parse() {
        return Ok(time);
    }
    for complete in [
        format!("{value}Z"),
        format!("{value}:00Z"),
        format!("{value}T00:00:00Z"),
    ] {
        if value.contains('-')
            && let Ok(time) = complete.parse()
        {
            return Ok(time);
        }
    }
    let (seconds, fraction) = value.split_once('.').unwrap_or((value, ""));
    let seconds: i64 = seconds.parse().map_err(|_| wrong())?;
    let digits: String = fraction
        .chars()
        .chain("000000000".chars())
        .take(9)
        .collect();
    let nanoseconds: u32 = digits.parse().map_err(|_| wrong())?;
    Ok(Timestamp::from_unix(seconds, nanoseconds))
}

fn from_nanoseconds(nanoseconds: i64) -> Timestamp {
    const SECOND: i64 = 1_000_000_000;
    Timestamp::from_unix(
        nanoseconds.div_euclid(SECOND),
        nanoseconds.rem_euclid(SECOND) as u32,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_forms() {
        assert_eq!(
            parse("1700000000.5").expect("unix").subsec_nanoseconds(),
            500_000_000
        );
        assert_eq!(
            parse("2023-10-27T10:00:00").expect("local").unix_seconds(),
            1_698_400_800
        );
        assert_eq!(
            parse("2023-10-27").expect("date").unix_seconds(),
            1_698_364_800
        );
        assert!(parse("1h").expect("duration") < Timestamp::now());
        assert_eq!(
            parse("y").expect_err("nonsense").to_string(),
            "failed to parse value as time or duration: \"y\""
        );
    }
}
