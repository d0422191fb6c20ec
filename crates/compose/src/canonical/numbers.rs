//! Numbers, sizes, durations and permission bits.

use super::{Done, Walk};
use crate::node::{Node, Value};
use corten_base::text::go_duration;

impl Walk {
    pub(super) fn whole(&self, node: Node) -> Done {
        match &node.value {
            Value::Int(_) | Value::Null => Ok(node),
            Value::Float(value) if value.fract() == 0.0 && value.abs() < 9e15 => {
                let value = Value::Int(*value as i64);
                Ok(Node { value, ..node })
            }
            Value::Text(text) => {
                let value = text
                    .parse()
                    .map(Value::Int)
                    .map_err(|_| format!("{text:?} is not a whole number"));
                self.converted(node, value)
            }
            _ => Err(self.must_be(&node, "a whole number")),
        }
    }

    pub(super) fn float(&self, node: Node) -> Done {
        match &node.value {
            Value::Float(_) | Value::Null => Ok(node),
            Value::Int(value) => {
                let value = Value::Float(*value as f64);
                Ok(Node { value, ..node })
            }
            Value::Text(text) => {
                let value = text
                    .parse()
                    .map(Value::Float)
                    .map_err(|_| format!("{text:?} is not a number"));
                self.converted(node, value)
            }
            _ => Err(self.must_be(&node, "a number")),
        }
    }

    pub(super) fn bytes(&self, node: Node) -> Done {
        match &node.value {
            Value::Int(_) | Value::Null => Ok(node),
            Value::Float(value) => {
                let value = Value::Int(*value as i64);
                Ok(Node { value, ..node })
            }
            Value::Text(text) => {
                let value = parse_bytes(text)
                    .map(Value::Int)
                    .ok_or_else(|| format!("invalid size: '{text}'; write it like 512m or 2g"));
                self.converted(node, value)
            }
            _ => Err(self.must_be(&node, "a size")),
        }
    }

    pub(super) fn duration(&self, node: Node) -> Done {
        match &node.value {
            Value::Null => Ok(node),
            Value::Text(text) => {
                let value = parse_duration(text).map(|nanos| Value::Text(go_duration(nanos)));
                self.converted(node, value)
            }
            _ => Err(self
                .must_be(&node, "a string")
                .advise("a duration is written with its unit, like 30s")),
        }
    }

    /// Text is octal; a number is what YAML made of it (`0440` is octal there, too).
    pub(super) fn mode(&self, node: Node) -> Done {
        match &node.value {
            Value::Int(_) | Value::Null => Ok(node),
            Value::Text(text) => {
                let value = i64::from_str_radix(text, 8)
                    .map(Value::Int)
                    .map_err(|_| format!("{text:?} is not an octal number"));
                self.converted(node, value)
            }
            _ => Err(self.must_be(&node, "an octal number")),
        }
    }

    pub(super) fn count(&self, node: Node) -> Done {
        match &node.value {
            Value::Int(_) | Value::Null => Ok(node),
            Value::Text(text) if text.eq_ignore_ascii_case("all") => Ok(Node {
                value: Value::Int(-1),
                ..node
            }),
            Value::Text(text) => {
                let value = text.parse().map(Value::Int).map_err(|_| {
                    format!("invalid value {text:?}, the only value allowed is 'all' or a number")
                });
                self.converted(node, value)
            }
            _ => Err(self.must_be(&node, "'all' or a number")),
        }
    }
}

/// A size with a binary unit (`k`, `m`, `g`, `t`, `p`, with or without `b` or `ib`), in
/// bytes; a fraction is cut off (go-units' `RAMInBytes`).
fn parse_bytes(text: &str) -> Option<i64> {
    let text = text.trim();
    if text == "-1" {
        return Some(-1); // no limit, as `config` prints it
    }
    let digits = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    let number: f64 = text[..digits].parse().ok()?;
    let unit = text[digits..].trim_start().to_ascii_lowercase();
    let power = match unit.as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 1,
        "m" | "mb" | "mib" => 2,
        "g" | "gb" | "gib" => 3,
        "t" | "tb" | "tib" => 4,
        "p" | "pb" | "pib" => 5,
        _ => return None,
    };
    Some((number * 1024_f64.powi(power)) as i64)
}

/// Nanoseconds of a duration such as `1w2d3h4m5.5s`; a bare `0` needs no unit.
pub(crate) fn parse_duration(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {text:?}; write it like 1m30s");
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total = 0_f64;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !(c.is_ascii_digit() || c == '.'))
            .unwrap_or(rest.len());
        let number: f64 = rest[..digits].parse().map_err(|_| invalid())?;
        rest = &rest[digits..];
        let letters = rest
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(rest.len());
        let (unit, after) = rest.split_at(letters);
        let nanos = match unit {
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            "d" => 86400e9,
            "w" => 604_800e9,
            "" => {
                return Err(format!(
                    "time: missing unit in duration {text:?}; write {text}s"
                ));
            }
            _ => return Err(format!("time: unknown unit {unit:?} in duration {text:?}")),
        };
        total += number * nanos;
        rest = after;
    }
    if total >= 9.2e18 {
        return Err(invalid());
    }
    let total = total.round() as i64;
    Ok(if negative { -total } else { total })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_come_out_in_gos_form() {
        for (given, written) in [
            ("90s", "1m30s"),
            ("1w2d3h", "219h0m0s"),
            ("1.5s", "1.5s"),
            ("20ms", "20ms"),
            ("1500us", "1.5ms"),
            ("1ns", "1ns"),
            ("0", "0s"),
            ("1h", "1h0m0s"),
        ] {
            assert_eq!(
                parse_duration(given).map(go_duration).as_deref(),
                Ok(written)
            );
        }
        assert!(
            parse_duration("1x")
                .unwrap_err()
                .contains("unknown unit \"x\"")
        );
        assert!(parse_duration("10").unwrap_err().contains("write 10s"));
        assert!(parse_duration("").is_err());
    }

    #[test]
    fn sizes_are_binary() {
        assert_eq!(parse_bytes("64m"), Some(64 << 20));
        assert_eq!(parse_bytes("1.5 GB"), Some(3 << 29));
        assert_eq!(parse_bytes("12"), Some(12));
        assert_eq!(parse_bytes("abc"), None);
        assert_eq!(parse_bytes("1x"), None);
    }
}
