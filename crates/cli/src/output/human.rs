//! Times, IDs and texts as lists show them.

use corten_base::Timestamp;
use corten_base::text;
use jiff::tz::TimeZone;
use std::time::Duration;

/// `5 minutes ago`; empty for a time that is not known.
pub fn ago(unix_seconds: i64) -> String {
    let now = Timestamp::now().unix_seconds();
    let passed = Duration::from_secs(u64::try_from(now - unix_seconds).unwrap_or(0));
    format!("{} ago", text::human_duration(passed))
}

/// As Go prints a time of the local zone: `2026-11-21 14:28:13 +0000 UTC`.
pub fn go_time(unix_seconds: i64) -> String {
    local(unix_seconds, 0, "%Y-%m-%d %H:%M:%S %z %Z")
}

/// As Go prints a time with its fraction in UTC: `2026-11-21 14:10:02.360502356 +0000 UTC`.
pub fn go_time_utc(rfc3339: &str) -> String {
    let Ok(time) = rfc3339.parse::<Timestamp>() else {
        return rfc3339.to_owned();
    };
    let text = time.to_string();
    let text = text.trim_end_matches('Z').replacen('T', " ", 1);
    format!("{text} +0000 UTC")
}

/// RFC 3339 with nine digits in the local zone, as `events` prints it.
pub fn nano_local(unix_nanoseconds: i64) -> String {
    let seconds = unix_nanoseconds.div_euclid(1_000_000_000);
    let part = unix_nanoseconds.rem_euclid(1_000_000_000) as i32;
    let text = local(seconds, part, "%Y-%m-%dT%H:%M:%S.%9f%:z");
    match text.strip_suffix("+00:00") {
        Some(utc) => format!("{utc}Z"),
        None => text,
    }
}

/// RFC 3339 in seconds in the local zone.
pub fn seconds_local(unix_seconds: i64) -> String {
    let text = local(unix_seconds, 0, "%Y-%m-%dT%H:%M:%S%:z");
    match text.strip_suffix("+00:00") {
        Some(utc) => format!("{utc}Z"),
        None => text,
    }
}

/// A time in the local zone by a strftime format.
pub fn local(unix_seconds: i64, nanoseconds: i32, format: &str) -> String {
    match jiff::Timestamp::new(unix_seconds, nanoseconds) {
        Ok(time) => time
            .to_zoned(TimeZone::system())
            .strftime(format)
            .to_string(),
        Err(_) => String::new(),
    }
}

/// The first twelve digits of an ID, without its algorithm.
pub fn short_id(id: &str) -> &str {
    let id = id.split_once(':').map_or(id, |(_, rest)| rest);
    id.get(..12).unwrap_or(id)
}

/// At most `length` characters, the last one `…` where something is missing.
pub fn ellipsis(text: &str, length: usize) -> String {
    if text.chars().count() <= length {
        return text.to_owned();
    }
    let mut out: String = text.chars().take(length.saturating_sub(1)).collect();
    out.push('…');
    out
}

/// The size of a file or image with three significant digits.
pub fn size(bytes: i64) -> String {
    text::human_size_with_precision(bytes.max(0) as f64, 3)
}
