//! Points in time.

use super::{Answer, Entry, said, text};
use crate::value::Value;
use corten_base::text::parse_go_duration;
use jiff::{SignedDuration, Timestamp, Zoned, fmt::strtime, tz::TimeZone};

pub(super) const TABLE: &[Entry] = &[
    ("formatdate", "format:string time:string", |it| {
        said(formatted(text(&it[0]), &zoned(&it[1])?)?)
    }),
    ("timeadd", "timestamp:string duration:string", added),
    ("timestamp", "", |_| {
        said(strftime(
            "%Y-%m-%dT%H:%M:%SZ",
            &Timestamp::now().to_zoned(TimeZone::UTC),
        )?)
    }),
];

/// A time of RFC 3339 with its own offset.
fn zoned(value: &Value) -> Result<Zoned, String> {
    let given = text(value);
    let invalid = || format!("not a valid RFC3339 timestamp: cannot use {given:?} as a timestamp");
    let time: Timestamp = given.parse().map_err(|_| invalid())?;
    let pieces = jiff::fmt::temporal::Pieces::parse(given).map_err(|_| invalid())?;
    let zone = pieces
        .to_numeric_offset()
        .map_or(TimeZone::UTC, TimeZone::fixed);
    Ok(time.to_zoned(zone))
}

fn strftime(format: &str, time: &Zoned) -> Result<String, String> {
    strtime::format(format, time).map_err(|error| error.to_string())
}

/// `Z`, or an offset with a colon where wanted.
fn offset(time: &Zoned, utc: Option<&str>, colon: bool) -> String {
    let seconds = time.offset().seconds();
    if let (0, Some(utc)) = (seconds, utc) {
        return utc.to_owned();
    }
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.abs() / 60;
    let between = if colon { ":" } else { "" };
    format!("{sign}{:02}{between}{:02}", minutes / 60, minutes % 60)
}

fn added(it: Vec<Value>) -> Answer {
    let time = zoned(&it[0])?;
    let given = text(&it[1]);
    let nanoseconds =
        parse_go_duration(given).ok_or_else(|| format!("invalid duration {given:?}"))?;
    let sum = time.checked_add(SignedDuration::from_nanos(nanoseconds));
    let sum = sum.map_err(|error| error.to_string())?;
    let text = strftime("%Y-%m-%dT%H:%M:%S", &sum)?;
    said(format!("{text}{}", offset(&sum, Some("Z"), true)))
}

/// go-cty's letters: a run of one letter is a verb, `'…'` is literal.
fn formatted(format: &str, time: &Zoned) -> Result<String, String> {
    let mut out = String::new();
    let letters: Vec<char> = format.chars().collect();
    let mut at = 0;
    while at < letters.len() {
        let c = letters[at];
        if c == '\'' {
            at += 1;
            loop {
                match (letters.get(at), letters.get(at + 1)) {
                    (Some('\''), Some('\'')) => {
                        out.push('\'');
                        at += 2;
                    }
                    (Some('\''), _) => break,
                    (Some(other), _) => {
                        out.push(*other);
                        at += 1;
                    }
                    (None, _) => return Err("unterminated literal '".into()),
                }
            }
            at += 1;
            continue;
        }
        let length = letters[at..].iter().take_while(|it| **it == c).count();
        let verb: String = letters[at..at + length].iter().collect();
        at += length;
        if !c.is_ascii_alphabetic() {
            out.push_str(&verb);
            continue;
        }
        let directive = match verb.as_str() {
            "YY" => "%y",
            "YYYY" => "%Y",
            "M" => "%-m",
            "MM" => "%m",
            "MMM" => "%b",
            "MMMM" => "%B",
            "D" => "%-d",
            "DD" => "%d",
            "EEE" => "%a",
            "EEEE" => "%A",
            "h" => "%-H",
            "hh" => "%H",
            "H" => "%-I",
            "HH" => "%I",
            "AA" => "%p",
            "aa" => "%P",
            "m" => "%-M",
            "mm" => "%M",
            "s" => "%-S",
            "ss" => "%S",
            "Z" | "ZZZ" | "ZZZZ" | "ZZZZZ" => {
                let utc = match verb.as_str() {
                    "Z" => Some("Z"),
                    "ZZZ" => Some("UTC"),
                    _ => None,
                };
                out.push_str(&offset(time, utc, matches!(verb.as_str(), "Z" | "ZZZZZ")));
                continue;
            }
            verb => return Err(format!("invalid date format verb {verb:?}")),
        };
        out.push_str(&strftime(directive, time)?);
    }
    Ok(out)
}
