//! Plain scalars to values: the resolution rules of Go's yaml.v3 for a value of no wanted
//! type (YAML 1.2's core schema, with 1.1's numbers).

use crate::node::Value;

/// What an unquoted scalar means.
pub(crate) fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Value::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Value::Float(f64::INFINITY);
        }
        "-.inf" | "-.Inf" | "-.INF" => return Value::Float(f64::NEG_INFINITY),
        _ => {}
    }
    let starts_like_number = text.starts_with(|first: char| first.is_ascii_digit())
        || (text.len() > 1 && text.starts_with(['-', '+', '.']));
    if !starts_like_number {
        return Value::Text(text.to_owned());
    }
    number(text).unwrap_or_else(|| Value::Text(text.to_owned()))
}

fn number(text: &str) -> Option<Value> {
    let plain = text.replace('_', "");
    if let Some(value) = integer(&plain) {
        return Some(Value::Int(value));
    }
    if is_unsigned(&plain) {
        // Beyond what `Int` holds, and a float would lose digits.
        return Some(Value::Text(plain));
    }
    if is_float(&plain)
        && let Ok(value) = plain.parse::<f64>()
    {
        return Some(Value::Float(value));
    }
    None
}

/// Go's `strconv.ParseInt(text, 0, 64)` after underscores are gone, and yaml's own `0o`
/// and `0b` forms with a sign.
fn integer(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = if let Some(rest) = lower.strip_prefix("0x") {
        (16, rest)
    } else if let Some(rest) = lower.strip_prefix("0o") {
        (8, rest)
    } else if let Some(rest) = lower.strip_prefix("0b") {
        (2, rest)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, &lower[1..])
    } else {
        (10, lower.as_str())
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    let magnitude = i128::from_str_radix(digits, radix).ok()?;
    i64::try_from(if negative { -magnitude } else { magnitude }).ok()
}

/// Whether a text is a decimal number between `i64::MAX` and `u64::MAX`.
pub(super) fn is_unsigned(text: &str) -> bool {
    !text.starts_with(['0', '+'])
        && text
            .parse::<u64>()
            .is_ok_and(|it| i64::try_from(it).is_err())
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_float(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let mantissa_ok = match mantissa.split_once('.') {
        Some(("", fraction)) => digits(fraction),
        Some((whole, fraction)) => digits(whole) && (fraction.is_empty() || digits(fraction)),
        None => digits(mantissa),
    };
    let exponent_ok =
        exponent.is_none_or(|text| digits(text.strip_prefix(['-', '+']).unwrap_or(text)));
    mantissa_ok && exponent_ok
}

/// A float as Go's `%v` prints it: the shortest digits that read back the same, with an
/// exponent below 1e-4 and from 1e21.
pub fn float_text(value: f64) -> String {
    shortest(value, &format!("{value:e}"))
}

/// The same for a float of 32 bits.
pub(crate) fn float32_text(value: f32) -> String {
    shortest(f64::from(value), &format!("{value:e}"))
}

fn shortest(value: f64, scientific: &str) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.into();
    }
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if value != 0.0 && !(-4..21).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let digits: String = mantissa.chars().filter(|digit| *digit != '.').collect();
    let point = exponent + 1;
    if point <= 0 {
        return format!(
            "{sign}0.{}{digits}",
            "0".repeat(point.unsigned_abs() as usize)
        );
    }
    let point = point as usize;
    if digits.len() <= point {
        return format!("{sign}{digits}{}", "0".repeat(point - digits.len()));
    }
    format!("{sign}{}.{}", &digits[..point], &digits[point..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_mean_what_go_says() {
        for (text, value) in [
            ("017", Value::Int(15)),
            ("08", Value::Float(8.0)),
            ("1_000", Value::Int(1000)),
            ("0x10", Value::Int(16)),
            ("-0b11", Value::Int(-3)),
            ("0o17", Value::Int(15)),
            ("1e3", Value::Float(1000.0)),
            (
                "18446744073709551615",
                Value::Text("18446744073709551615".into()),
            ),
            ("1.", Value::Float(1.0)),
            (".5", Value::Float(0.5)),
            ("yes", Value::Text("yes".into())),
            ("1.2.3", Value::Text("1.2.3".into())),
            ("12:30", Value::Text("12:30".into())),
            ("-", Value::Text("-".into())),
            ("~", Value::Null),
            ("True", Value::Bool(true)),
        ] {
            assert_eq!(resolve(text), value, "{text}");
        }
    }

    #[test]
    fn floats_are_written_short() {
        for (value, text) in [
            (1.0, "1"),
            (0.5, "0.5"),
            (1000.0, "1000"),
            (1e21, "1e+21"),
            (0.00001, "1e-05"),
            (0.0001, "0.0001"),
            (-12.25, "-12.25"),
            (0.0, "0"),
        ] {
            assert_eq!(float_text(value), text);
        }
        assert_eq!(float32_text(0.1), "0.1");
    }
}
