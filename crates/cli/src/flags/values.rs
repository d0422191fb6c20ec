//! Values on the command line, as Go's standard library reads and prints them.

use crate::tables::Flag;
use corten_base::text;

/// Whether a value is of the flag's type; the error is the reason in Go's words.
pub fn check_type(flag: &Flag, value: &str) -> Result<(), String> {
    let syntax = |function| {
        format!(
            "strconv.{function}: parsing {}: invalid syntax",
            go_quote(value)
        )
    };
    let range = |function| {
        format!(
            "strconv.{function}: parsing {}: value out of range",
            go_quote(value)
        )
    };
    match flag.kind {
        "" => parse_bool(value)
            .map(drop)
            .ok_or_else(|| syntax("ParseBool")),
        "int" | "int64" => parse_int(value).map(drop).ok_or_else(|| syntax("ParseInt")),
        "uint" | "uint16" => match parse_int(value) {
            Some(0..=0xffff) => Ok(()),
            Some(n) if n > 0 && flag.kind == "uint" => Ok(()),
            Some(n) if n > 0 => Err(range("ParseUint")),
            _ => Err(syntax("ParseUint")),
        },
        "bytes" => {
            if flag.name == "memory-swap" && value == "-1" {
                return Ok(());
            }
            text::parse_ram_bytes(value)
                .map(drop)
                .ok_or_else(|| size_error(value))
        }
        "duration" => text::parse_go_duration(value).map(drop).ok_or_else(|| {
            if value.parse::<f64>().is_ok() {
                format!("time: missing unit in duration {}", go_quote(value))
            } else {
                format!("time: invalid duration {}", go_quote(value))
            }
        }),
        "decimal" => parse_nano_cpus(value).map(drop),
        "filter" => {
            if value.is_empty() || value.contains('=') {
                Ok(())
            } else {
                Err("bad format of filter (expected name=value)".into())
            }
        }
        _ => Ok(()),
    }
}

/// Why a text is no size: its number or its unit.
fn size_error(value: &str) -> String {
    let digits = value
        .rfind(|c: char| c.is_ascii_digit() || c == '.')
        .map_or(0, |at| at + 1);
    let (number, suffix) = value.split_at(digits);
    match number.trim_end().parse::<f64>() {
        Ok(n) if n >= 0.0 => format!("invalid suffix: '{}'", suffix.trim_start().to_lowercase()),
        _ => format!("invalid size: '{value}'"),
    }
}

/// Billionths of a CPU from a decimal number (`1.5`).
pub fn parse_nano_cpus(value: &str) -> Result<i64, String> {
    let not_a_number = || format!("failed to parse {value} as a rational number");
    let number: f64 = value.parse().map_err(|_| not_a_number())?;
    if !number.is_finite() {
        return Err(not_a_number());
    }
    let fraction = value
        .split_once('.')
        .map(|(_, f)| f.trim_end_matches('0'))
        .unwrap_or("");
    if fraction.len() > 9 {
        return Err("value is too precise".into());
    }
    Ok((number * 1e9).round() as i64)
}

/// Go's `strconv.ParseBool`.
pub fn parse_bool(value: &str) -> Option<bool> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Go's `strconv.ParseInt` with base 0.
pub fn parse_int(value: &str) -> Option<i64> {
    let (sign, digits) = match value.as_bytes().first()? {
        b'-' => (-1, &value[1..]),
        b'+' => (1, &value[1..]),
        _ => (1, value),
    };
    let lower = digits.to_ascii_lowercase();
    let parse = |digits: &str, radix| {
        if digits.starts_with(['+', '-']) {
            None
        } else {
            i64::from_str_radix(digits, radix).ok()
        }
    };
    let number = if let Some(hex) = lower.strip_prefix("0x") {
        parse(hex, 16)
    } else if let Some(octal) = lower.strip_prefix("0o") {
        parse(octal, 8)
    } else if let Some(binary) = lower.strip_prefix("0b") {
        parse(binary, 2)
    } else if lower.len() > 1 && lower.starts_with('0') {
        parse(&lower[1..], 8)
    } else {
        parse(&lower, 10)
    };
    number.map(|n| sign * n)
}

/// A text in Go's `%q` form, for the characters that command lines hold.
pub fn go_quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if (c as u32) < 0x20 || c as u32 == 0x7f => {
                out.push_str(&format!("\\x{:02x}", c as u32));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_gos_with_their_prefixes() {
        for (text, number) in [
            ("10", Some(10)),
            ("0x10", Some(16)),
            ("010", Some(8)),
            ("-1", Some(-1)),
            ("1.5", None),
        ] {
            assert_eq!(parse_int(text), number, "{text}");
        }
    }
}
