//! JSON that keeps the order of its keys and the text of its numbers, as the engine
//! sent them: what `inspect` prints must not be sorted.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number beyond `i64`.
    Uint(u64),
    Float(f64),
    Text(String),
    List(Vec<Json>),
    /// Keys in the order of the document.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// The member of an object.
    pub fn get(&self, key: &str) -> Option<&Json> {
        match self {
            Json::Object(members) => members.iter().find(|(k, _)| k == key).map(|(_, v)| v),
            _ => None,
        }
    }

    /// A member further down.
    pub fn at(&self, path: &[&str]) -> Option<&Json> {
        path.iter().try_fold(self, |value, key| value.get(key))
    }

    /// The text at `path`, empty where there is none.
    pub fn text(&self, path: &[&str]) -> &str {
        match self.at(path) {
            Some(Json::Text(text)) => text,
            _ => "",
        }
    }

    /// The whole number at `path`, 0 where there is none.
    pub fn int(&self, path: &[&str]) -> i64 {
        match self.at(path) {
            Some(Json::Int(n)) => *n,
            Some(Json::Uint(n)) => i64::try_from(*n).unwrap_or(i64::MAX),
            Some(Json::Float(n)) => *n as i64,
            _ => 0,
        }
    }

    /// The number at `path`, 0 where there is none.
    pub fn float(&self, path: &[&str]) -> f64 {
        match self.at(path) {
            Some(Json::Float(n)) => *n,
            Some(Json::Uint(n)) => *n as f64,
            Some(Json::Int(n)) => *n as f64,
            _ => 0.0,
        }
    }

    /// The truth value at `path`, false where there is none.
    pub fn bool(&self, path: &[&str]) -> bool {
        matches!(self.at(path), Some(Json::Bool(true)))
    }

    /// The elements of the list at `path`.
    pub fn list(&self, path: &[&str]) -> &[Json] {
        match self.at(path) {
            Some(Json::List(items)) => items,
            _ => &[],
        }
    }

    /// The members of the object at `path`.
    pub fn members(&self, path: &[&str]) -> &[(String, Json)] {
        match self.at(path) {
            Some(Json::Object(members)) => members,
            _ => &[],
        }
    }

    /// The elements as texts.
    pub fn texts(&self, path: &[&str]) -> Vec<&str> {
        self.list(path).iter().map(|v| v.text(&[])).collect()
    }

    /// One line without blanks. `escape_html` writes `<`, `>` and `&` as Go's encoder
    /// does by default.
    pub fn compact(&self, escape_html: bool) -> String {
        let mut out = String::new();
        self.write(&mut out, None, 0, escape_html);
        out
    }

    /// Several lines, each level indented by `indent`.
    pub fn pretty(&self, indent: &str) -> String {
        let mut out = String::new();
        self.write(&mut out, Some(indent), 0, false);
        out
    }

    /// As [`Json::pretty`], with `<`, `>` and `&` as Go's encoder writes them by default.
    pub fn pretty_escaped(&self, indent: &str) -> String {
        let mut out = String::new();
        self.write(&mut out, Some(indent), 0, true);
        out
    }

    fn write(&self, out: &mut String, indent: Option<&str>, depth: usize, html: bool) {
        let line = |out: &mut String, depth: usize| {
            if let Some(indent) = indent {
                out.push('\n');
                for _ in 0..depth {
                    out.push_str(indent);
                }
            }
        };
        match self {
            Json::Null => out.push_str("null"),
            Json::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Json::Int(n) => out.push_str(&n.to_string()),
            Json::Uint(n) => out.push_str(&n.to_string()),
            Json::Float(n) => out.push_str(&float(*n)),
            Json::Text(text) => quote(out, text, html),
            Json::List(items) if items.is_empty() => out.push_str("[]"),
            Json::List(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    line(out, depth + 1);
                    item.write(out, indent, depth + 1, html);
                }
                line(out, depth);
                out.push(']');
            }
            Json::Object(members) if members.is_empty() => out.push_str("{}"),
            Json::Object(members) => {
                out.push('{');
                for (at, (key, value)) in members.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    line(out, depth + 1);
                    quote(out, key, html);
                    out.push_str(if indent.is_some() { ": " } else { ":" });
                    value.write(out, indent, depth + 1, html);
                }
                line(out, depth);
                out.push('}');
            }
        }
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Json::Text(text.to_owned())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Json::Text(text)
    }
}

/// A number as Go's encoder writes a float64.
fn float(n: f64) -> String {
    if n == n.trunc() && n.abs() < 1e21 {
        format!("{n:.0}")
    } else {
        n.to_string()
    }
}

fn quote(out: &mut String, text: &str, html: bool) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' if html => out.push_str(&format!("\\u{:04x}", c as u32)),
            '\u{2028}' | '\u{2029}' => out.push_str(&format!("\\u{:04x}", c as u32)),
            c if (c as u32) < 0x20 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(i64::try_from(value).map_or(Json::Uint(value), Json::Int))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Json::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Json::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_numbers_and_text_survive() {
        let text = r#"{"b":1,"a":[1.5,18446744073709551615,-3,null],"c":{},"d":"x\n<é>"}"#;
        let json: Json = serde_json::from_str(text).unwrap();
        assert_eq!(json.compact(false), text);
        assert!(json.compact(true).ends_with("\\u003cé\\u003e\"}"));
        assert_eq!(json.int(&["b"]), 1);
        assert_eq!(json.list(&["a"]).len(), 4);
    }
}
