//! Instants in queries.

use crate::error::ApiError;
use corten_base::Timestamp;

/// `1136073600`, `1136073600.000000001`, or an RFC 3339 time; empty and `0`: none.
pub(crate) fn instant(text: &str) -> Result<Option<Timestamp>, ApiError> {
    if matches!(text, "" | "0") {
        return Ok(None);
    }
    if let Ok(time) = text.parse() {
        return Ok(Some(time));
    }
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let malformed = |part: &str| ApiError::not_a_number("ParseInt", part);
    let seconds: i64 = seconds.parse().map_err(|_| malformed(seconds))?;
    if fraction.is_empty() || !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(malformed(fraction));
    }
    let digits: String = fraction
        .chars()
        .chain("000000000".chars())
        .take(9)
        .collect();
    let nanoseconds = digits.parse().map_err(|_| malformed(fraction))?;
    Ok(Some(Timestamp::from_unix(seconds, nanoseconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_unix_seconds_with_a_fraction() {
        let at = |text| instant(text).map_err(|error| error.message);
        assert_eq!(at("0"), Ok(None));
        assert_eq!(at("17"), Ok(Some(Timestamp::from_unix(17, 0))));
        assert_eq!(at("17.5"), Ok(Some(Timestamp::from_unix(17, 500_000_000))));
        assert_eq!(at("17.000000001"), Ok(Some(Timestamp::from_unix(17, 1))));
        for (text, part) in [("5.", ""), ("5.x", "x"), (".5", "")] {
            let sentence = format!("strconv.ParseInt: parsing \"{part}\": invalid syntax");
            assert_eq!(at(text), Err(sentence), "{text}");
        }
        assert_eq!(
            at("x"),
            Err("strconv.ParseInt: parsing \"x\": invalid syntax".to_owned())
        );
    }
}
