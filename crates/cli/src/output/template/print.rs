//! How Go's `fmt` prints values.

use super::value::Value;
use corten_base::text::go_duration;
use std::fmt::Write;

/// What Go shows for a pointer inside of a value: an address, which says nothing.
const ADDRESS: &str = "0xc000010000";

/// `%v`, and with `names` `%+v`.
pub fn sprint(value: &Value, names: bool) -> String {
    let mut out = String::new();
    print(&mut out, value, 0, names);
    out
}

/// What an action prints: pointers are followed.
pub fn action(value: &Value) -> String {
    match value.pointee() {
        Value::Missing | Value::Nil => "<no value>".into(),
        value => sprint(value, false),
    }
}

/// Values one after another, a blank between two that are no texts.
pub fn sprint_all(values: &[Value]) -> String {
    let mut out = String::new();
    let is_text = |value: &Value| matches!(value, Value::Text(..));
    for (index, value) in values.iter().enumerate() {
        if index > 0 && !is_text(value) && !is_text(&values[index - 1]) {
            out.push(' ');
        }
        print(&mut out, value, 0, false);
    }
    out
}

fn print(out: &mut String, value: &Value, depth: usize, names: bool) {
    match value {
        Value::Missing | Value::Nil | Value::Pointer(None, _) => out.push_str("<nil>"),
        Value::Bool(it) => _ = write!(out, "{it}"),
        Value::Int(it) => _ = write!(out, "{it}"),
        Value::Uint(it) => _ = write!(out, "{it}"),
        Value::Float(it) => out.push_str(&float(*it)),
        Value::Text(it, _) => out.push_str(it),
        Value::Time(it) => out.push_str(&time(it)),
        Value::Duration(it) => out.push_str(&go_duration(*it)),
        Value::List(it) => {
            out.push('[');
            for (index, item) in it.items.iter().enumerate() {
                if index > 0 {
                    out.push(' ');
                }
                print(out, item, depth + 1, names);
            }
            out.push(']');
        }
        Value::Map(it) => {
            out.push_str("map[");
            for (index, (key, value)) in it.members.iter().enumerate() {
                if index > 0 {
                    out.push(' ');
                }
                _ = write!(out, "{key}:");
                print(out, value, depth + 1, names);
            }
            out.push(']');
        }
        Value::Struct(it) => {
            out.push('{');
            for (index, field) in it.fields.iter().enumerate() {
                if index > 0 {
                    out.push(' ');
                }
                if names && let Some(of) = it.of {
                    _ = write!(out, "{}:", of.fields[index].name);
                }
                print(out, field, depth + 1, names);
            }
            out.push('}');
        }
        Value::Pointer(Some(to), _) => pointer(out, to, depth, names),
        Value::Row(row) => {
            out.push('{');
            let fields = row
                .fields
                .iter()
                .filter(|(name, _)| !name.starts_with('\0'));
            for (index, (_, field)) in fields.enumerate() {
                if index > 0 {
                    out.push(' ');
                }
                print(out, field, depth + 1, names);
            }
            out.push('}');
        }
    }
}

/// At the top a pointer to something composed shows it; deeper only an address, unless its
/// type has a `String` method.
fn pointer(out: &mut String, to: &Value, depth: usize, names: bool) {
    if let Some(shown) = stringer(to) {
        return out.push_str(&shown);
    }
    match to {
        Value::Struct(_) | Value::List(_) | Value::Map(_) if depth == 0 => {
            out.push('&');
            print(out, to, 1, names);
        }
        _ => out.push_str(ADDRESS),
    }
}

fn stringer(value: &Value) -> Option<String> {
    let it = match value {
        Value::Struct(it) => it,
        Value::Time(it) => return Some(time(it)),
        _ => return None,
    };
    let field = |name| it.field(name).map(|value| sprint(&value, false));
    match it.of?.name {
        "units.Ulimit" => Some(format!(
            "{}={}:{}",
            field("Name")?,
            field("Soft")?,
            field("Hard")?
        )),
        "blkiodev.WeightDevice" => Some(format!("{}:{}", field("Path")?, field("Weight")?)),
        "blkiodev.ThrottleDevice" => Some(format!("{}:{}", field("Path")?, field("Rate")?)),
        _ => None,
    }
}

/// The shortest form that reads back, with an exponent below 1e-4 and from 1e6 on.
pub fn float(it: f64) -> String {
    if it.is_nan() {
        return "NaN".into();
    }
    if it.is_infinite() {
        return if it > 0.0 { "+Inf" } else { "-Inf" }.into();
    }
    let exponent = format!("{it:e}");
    let (digits, power) = exponent.split_once('e').unwrap_or((&exponent, "0"));
    let power: i32 = power.parse().unwrap_or(0);
    if (-4..6).contains(&power) || it == 0.0 {
        return it.to_string();
    }
    let sign = if power < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", power.abs())
}

/// `2026-11-21 23:56:53.960278676 +0000 UTC`, from RFC 3339.
fn time(it: &str) -> String {
    let Some((day, clock)) = it.split_once('T') else {
        return it.to_owned();
    };
    let (clock, zone) = match clock.find(['Z', '+', '-']) {
        Some(at) => clock.split_at(at),
        None => (clock, "Z"),
    };
    match zone {
        "Z" => format!("{day} {clock} +0000 UTC"),
        offset => {
            let offset = offset.replace(':', "");
            format!("{day} {clock} {offset} {offset}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_times_and_durations_read_as_in_go() {
        for (value, text) in [
            (Value::Duration(30_000_000_000), "30s"),
            (Value::Duration(90_500_000_000), "1m30.5s"),
            (Value::Duration(3_600_000_000_000), "1h0m0s"),
            (Value::Duration(1_500_000), "1.5ms"),
            (Value::Duration(0), "0s"),
            (Value::Float(1e21), "1e+21"),
            (Value::Float(123_456.0), "123456"),
            (Value::Float(123_456_789.0), "1.23456789e+08"),
            (Value::Float(0.00001), "1e-05"),
            (Value::Float(2.5), "2.5"),
            (Value::Float(3.0), "3"),
            (
                Value::Time("2026-11-21T23:56:53.96Z".into()),
                "2026-11-21 23:56:53.96 +0000 UTC",
            ),
            (
                Value::Time("2026-11-21T23:56:53+02:00".into()),
                "2026-11-21 23:56:53 +0200 +0200",
            ),
        ] {
            assert_eq!(sprint(&value, false), text);
        }
    }
}
