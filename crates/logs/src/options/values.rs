//! Values as Go reads them.

use crate::OptionError;

/// Names between commas.
pub(super) fn names(list: &str) -> Vec<String> {
    list.split(',')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

/// go-units' FromHumanSize: decimal multiples, `10k` is 10,000.
pub(super) fn human_size(text: &str) -> Option<u64> {
    let end = text.rfind(|c: char| c.is_ascii_digit() || c == '.')? + 1;
    let (number, unit) = text.split_at(end);
    let number: f64 = number.parse().ok().filter(|number| *number >= 0.0)?;
    let unit = unit.trim_start().to_ascii_lowercase();
    let unit = unit
        .strip_suffix("ib")
        .or_else(|| unit.strip_suffix('b'))
        .unwrap_or(&unit);
    let power = ["", "k", "m", "g", "t", "p"]
        .iter()
        .position(|known| *known == unit)?;
    Some((number * 1000_f64.powi(power as i32)) as u64)
}

/// Go's strconv.ParseBool.
pub(super) fn go_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// Go's strconv.ParseBool of an option that only the creation of a container looks at.
pub(super) fn bool_at_create(text: &str) -> Result<bool, OptionError> {
    go_bool(text).ok_or_else(|| OptionError::Refused(crate::messages::not_a_bool(text)))
}

/// Go's time.ParseDuration, in milliseconds, without a sign.
pub(super) fn go_duration_ms(text: &str) -> Option<u64> {
    if text == "0" {
        return Some(0);
    }
    let mut rest = text;
    let mut total = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        rest = &rest[end..];
        let unit_end = rest
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(rest.len());
        let milliseconds = match &rest[..unit_end] {
            "ns" => 1e-6,
            "us" | "µs" | "μs" => 1e-3,
            "ms" => 1.0,
            "s" => 1e3,
            "m" => 60e3,
            "h" => 3600e3,
            _ => return None,
        };
        total += number * milliseconds;
        rest = &rest[unit_end..];
    }
    Some(total as u64)
}

/// `scheme://rest`; without one the scheme is empty.
pub(super) fn scheme(text: &str) -> (&str, &str) {
    text.split_once("://").unwrap_or(("", text))
}

/// `host:port`, `[::1]:port` or `host`. `Err` is Go's complaint about the port.
pub(super) fn host_port(text: &str) -> Result<(String, Option<u16>), String> {
    let (host, port) = match text.rfind(':') {
        Some(at) if !text[at..].contains(']') => (&text[..at], Some(&text[at + 1..])),
        _ => (text, None),
    };
    let port = match port {
        None | Some("") => None,
        Some(port) => Some(
            port.parse()
                .map_err(|_| format!("invalid port \":{port}\" after host"))?,
        ),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Ok((host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_gos() {
        assert_eq!(go_duration_ms("1.5s"), Some(1500));
        assert_eq!(go_duration_ms("1m30s"), Some(90_000));
        assert_eq!(go_duration_ms("500ms"), Some(500));
        assert_eq!(go_duration_ms("x"), None);
        assert_eq!(go_duration_ms("5"), None);
    }

    #[test]
    fn addresses_divide_at_the_port() {
        assert_eq!(host_port("h:5"), Ok(("h".to_owned(), Some(5))));
        assert_eq!(host_port("[::1]:5"), Ok(("::1".to_owned(), Some(5))));
        assert_eq!(host_port("[::1]"), Ok(("::1".to_owned(), None)));
        assert!(host_port("h:x").is_err());
    }
}
