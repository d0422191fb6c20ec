//! Values of expressions, and how one kind becomes another (zclconf/go-cty's rules).

use corten_compose::{json, output::Out};
use std::{cmp::Ordering, collections::BTreeMap};

/// What an expression gives. Sets are sorted lists without doubles.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// No value.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// Any number.
    Number(f64),
    /// A string.
    Text(String),
    /// A list, tuple or set.
    List(Vec<Value>),
    /// A map or object; its keys are sorted.
    Map(BTreeMap<String, Value>),
}

/// What a value is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// Whatever it is.
    Any,
    /// A string.
    Text,
    /// A number.
    Number,
    /// A truth.
    Bool,
    /// Elements of one type.
    List(Box<Type>),
    /// Different elements of one type.
    Set(Box<Type>),
    /// Named values of one type.
    Map(Box<Type>),
    /// One value of each type.
    Tuple(Vec<Type>),
    /// Named values, each of its type; those marked may be missing.
    Object(Vec<(String, Type, bool)>),
}

impl Value {
    /// What the kind is called in messages.
    pub fn kind_name(&self) -> &'static str {
        match self {
            Self::Null => "dynamic",
            Self::Bool(_) => "bool",
            Self::Number(_) => "number",
            Self::Text(_) => "string",
            Self::List(_) => "tuple",
            Self::Map(_) => "object",
        }
    }

    /// Its text, if it is a string or can be one.
    pub fn to_text(&self) -> Option<String> {
        match self {
            Self::Bool(value) => Some(value.to_string()),
            Self::Number(value) => Some(number_text(*value)),
            Self::Text(text) => Some(text.clone()),
            Self::Null | Self::List(_) | Self::Map(_) => None,
        }
    }

    /// Its truth, if it is one or says one.
    pub fn to_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            Self::Text(text) => match text.as_str() {
                "true" | "1" => Some(true),
                "false" | "0" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    /// Its number, if it is one or says one.
    pub fn to_number(&self) -> Option<f64> {
        match self {
            Self::Number(value) => Some(*value),
            Self::Text(text) => number(text),
            _ => None,
        }
    }

    /// A string, number or truth.
    pub fn is_primitive(&self) -> bool {
        matches!(self, Self::Bool(_) | Self::Number(_) | Self::Text(_))
    }

    /// A sorted list without doubles.
    pub fn set(mut items: Vec<Value>) -> Self {
        items.sort_by(order);
        items.dedup();
        Self::List(items)
    }

    /// As JSON, with the escapes of Go's `encoding/json`.
    pub fn json(&self) -> String {
        json::compact(&self.out())
    }

    fn out(&self) -> Out {
        match self {
            Self::Null => Out::Null,
            Self::Bool(value) => Out::Bool(*value),
            Self::Number(value) => Out::Number(number_text(*value)),
            Self::Text(text) => Out::Text(text.clone()),
            Self::List(items) => Out::List(items.iter().map(Self::out).collect()),
            Self::Map(entries) => {
                Out::Map(entries.iter().map(|(k, v)| (k.clone(), v.out())).collect())
            }
        }
    }

    /// From JSON.
    pub fn from_json(value: &serde_json::Value) -> Self {
        use serde_json::Value as Json;
        match value {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(value) => Self::Number(value.as_f64().unwrap_or_default()),
            Json::String(text) => Self::Text(text.clone()),
            Json::Array(items) => Self::List(items.iter().map(Self::from_json).collect()),
            Json::Object(entries) => Self::Map(
                entries
                    .iter()
                    .map(|(key, value)| (key.clone(), Self::from_json(value)))
                    .collect(),
            ),
        }
    }

    /// This value as a type has it, or what would have been required.
    pub fn convert(self, to: &Type) -> Result<Self, String> {
        let required = || format!("{} required", to.name());
        match (to, self) {
            (_, Self::Null) => Ok(Self::Null),
            (Type::Any, value) => Ok(value),
            (Type::Text, value) => value.to_text().map(Self::Text).ok_or_else(required),
            (Type::Bool, value) => value.to_bool().map(Self::Bool).ok_or_else(required),
            (Type::Number, value) => match value.to_number() {
                Some(number) => Ok(Self::Number(number)),
                None if matches!(value, Self::Text(_)) => Err("a number is required".into()),
                None => Err(required()),
            },
            (Type::List(of), Self::List(items)) => Ok(Self::List(each(items, of)?)),
            (Type::Set(of), Self::List(items)) => Ok(Self::set(each(items, of)?)),
            (Type::Tuple(types), Self::List(items)) if types.len() == items.len() => {
                let items = items.into_iter().zip(types);
                let items = items.map(|(item, of)| item.convert(of));
                Ok(Self::List(items.collect::<Result<_, _>>()?))
            }
            (Type::Map(of), Self::Map(entries)) => {
                let entries = entries.into_iter().map(|(key, value)| {
                    let value = value.convert(of);
                    let value = value.map_err(|why| format!("element {key:?}: {why}"))?;
                    Ok::<_, String>((key, value))
                });
                Ok(Self::Map(entries.collect::<Result<_, _>>()?))
            }
            (Type::Object(fields), Self::Map(mut entries)) => {
                let mut made = BTreeMap::new();
                for (name, of, optional) in fields {
                    let value = match entries.remove(name) {
                        Some(value) => value.convert(of),
                        None if *optional => Ok(Self::Null),
                        None => return Err(format!("attribute {name:?} is required")),
                    };
                    let value = value.map_err(|why| format!("attribute {name:?}: {why}"))?;
                    made.insert(name.clone(), value);
                }
                Ok(Self::Map(made))
            }
            _ => Err(required()),
        }
    }
}

fn each(items: Vec<Value>, of: &Type) -> Result<Vec<Value>, String> {
    let items = items.into_iter().enumerate();
    items
        .map(|(number, item)| {
            item.convert(of)
                .map_err(|why| format!("element {number}: {why}"))
        })
        .collect()
}

impl Type {
    /// What it is called in messages and lists.
    pub fn name(&self) -> String {
        match self {
            Self::Any => "any type".into(),
            Self::Text => "string".into(),
            Self::Number => "number".into(),
            Self::Bool => "bool".into(),
            Self::List(of) => format!("list of {}", of.name()),
            Self::Set(of) => format!("set of {}", of.name()),
            Self::Map(of) => format!("map of {}", of.name()),
            Self::Tuple(_) => "tuple".into(),
            Self::Object(_) => "object".into(),
        }
    }

    /// A string, number or truth.
    pub fn is_primitive(&self) -> bool {
        matches!(self, Self::Text | Self::Number | Self::Bool)
    }
}

/// A number as it is written without an exponent.
pub fn number_text(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 {
            "+Inf".into()
        } else {
            "-Inf".into()
        };
    }
    // `-0` is no number of go-cty's.
    let text = format!("{}", value + 0.0);
    if text == "-0" { "0".into() } else { text }
}

/// A number from text; neither `inf` nor `nan`.
pub fn number(text: &str) -> Option<f64> {
    let starts = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.'));
    let value: f64 = text.parse().ok()?;
    (starts && value.is_finite()).then_some(value)
}

/// An order over all values, for sets.
fn order(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.total_cmp(right),
        (Value::Text(left), Value::Text(right)) => left.cmp(right),
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        _ => left.json().cmp(&right.json()),
    }
}
