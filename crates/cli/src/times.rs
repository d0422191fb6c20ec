//! Times on the command line: `--since`, `--until`.

use crate::{app::Call, error::CliError};
use corten_base::{Timestamp, text};
use jiff::{civil::DateTime, tz::TimeZone};

/// A time for the API, in seconds since 1970 with nine digits of the fraction: from a Go
/// duration before now, an RFC 3339 time (with or without zone), or such seconds.
pub fn for_query(given: &str) -> Result<String, CliError> {
    let given = given.trim();
    if given.is_empty() {
        return Ok(String::new());
    }
    if let Some(nanoseconds) = text::parse_go_duration(given) {
        return Ok(print(Timestamp::now().unix_nanoseconds() - nanoseconds));
    }
    if let Ok(time) = given.parse::<Timestamp>() {
        return Ok(print(time.unix_nanoseconds()));
    }
    if let Some(time) = without_zone(given) {
        return Ok(print(time));
    }
    if given
        .split('.')
        .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
        && given.split('.').count() <= 2
    {
        return Ok(given.to_owned());
    }
    Err(CliError::Text(format!(
        "invalid value for \"since\": failed to parse value as time or duration: {given:?}"
    )))
}

fn print(nanoseconds: i64) -> String {
    format!(
        "{}.{:09}",
        nanoseconds.div_euclid(1_000_000_000),
        nanoseconds.rem_euclid(1_000_000_000)
    )
}

/// `2006-01-02T15:04:05`, `2006-01-02T15:04`, `2006-01-02`, in the local zone.
fn without_zone(given: &str) -> Option<i64> {
    let time = match given.len() {
        10 => format!("{given}T00:00:00"),
        13 => format!("{given}:00:00"),
        16 => format!("{given}:00"),
        _ => given.to_owned(),
    };
    let civil: DateTime = time.parse().ok()?;
    let zoned = civil.to_zoned(TimeZone::system()).ok()?;
    i64::try_from(zoned.timestamp().as_nanosecond()).ok()
}

/// A time flag for the query.
pub fn flag(call: &Call<'_>, name: &str) -> Result<String, CliError> {
    for_query(call.parsed.text(name))
}
