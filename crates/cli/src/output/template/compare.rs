//! Comparisons of templates: `eq`, `ne`, `lt`, `le`, `gt`, `ge`.

use super::value::Value;
use std::cmp::Ordering;

fn incompatible(one: &Value, other: &Value) -> String {
    let (one, other) = (one.type_name(), other.type_name());
    format!("incompatible types for comparison: {one} and {other}")
}

/// What the functions say, or why they cannot.
pub fn call(name: &str, arguments: &[Value]) -> Result<bool, String> {
    let first = &arguments[0];
    let Some(second) = arguments.get(1) else {
        return Err("missing argument for comparison".into());
    };
    match name {
        "eq" => {
            for other in &arguments[1..] {
                if equal(first, other)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        "ne" => equal(first, second).map(|it| !it),
        "lt" => order(first, second).map(Ordering::is_lt),
        "le" => order(first, second).map(Ordering::is_le),
        "gt" => order(first, second).map(Ordering::is_gt),
        _ => order(first, second).map(Ordering::is_ge),
    }
}

fn is_nil(value: &Value) -> bool {
    match value {
        Value::Missing | Value::Nil | Value::Pointer(None, _) => true,
        Value::List(it) => it.is_nil,
        Value::Map(it) => it.is_nil,
        _ => false,
    }
}

fn equal(one: &Value, other: &Value) -> Result<bool, String> {
    if is_nil(one) || is_nil(other) {
        return Ok(is_nil(one) == is_nil(other));
    }
    match (one, other) {
        (Value::Bool(one), Value::Bool(other)) => Ok(one == other),
        (Value::Time(one), Value::Time(other)) => Ok(one == other),
        (Value::List(_) | Value::Map(_), _) => Err(format!(
            "non-comparable type {}: {}",
            super::print::sprint(one, false),
            one.type_name()
        )),
        _ => basic(one, other)
            .map(Ordering::is_eq)
            .ok_or_else(|| incompatible(one, other)),
    }
}

fn order(one: &Value, other: &Value) -> Result<Ordering, String> {
    match basic(one, other) {
        Some(order) => Ok(order),
        None if basic(one, one).is_none() => Err("invalid type for comparison".into()),
        None => Err(incompatible(one, other)),
    }
}

fn basic(one: &Value, other: &Value) -> Option<Ordering> {
    use Value::{Duration, Float, Int, Text, Uint};
    match (one, other) {
        (Int(one) | Duration(one), Int(other) | Duration(other)) => Some(one.cmp(other)),
        (Uint(one), Uint(other)) => Some(one.cmp(other)),
        (Int(one), Uint(other)) => Some(i128::from(*one).cmp(&i128::from(*other))),
        (Uint(one), Int(other)) => Some(i128::from(*one).cmp(&i128::from(*other))),
        (Float(one), Float(other)) => one.partial_cmp(other),
        (Text(one, _), Text(other, _)) => Some(one.cmp(other)),
        _ => None,
    }
}
