//! Go templates for `--format`, behind our own small interface.
//!
//! The engine is the `gotmpl` crate; what Docker's client adds stands here: its
//! functions, methods with an argument (`.Label "x"`), its error texts, and JSON in the
//! order of the engine's fields.

use super::json::Json;
use crate::flags::go_quote;
use gotmpl::{MissingKey, Template, TemplateError, Value};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use thiserror::Error;

/// A template that could not be read or filled in.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum FormatError {
    /// The text is no template.
    #[error("template: :1: {0}")]
    Parse(String),
    /// A field that the value does not have.
    #[error("template: :{line}:{column}: executing \"\" at <{at}>: {why}")]
    Field {
        line: usize,
        column: usize,
        at: String,
        why: String,
    },
    /// Another failure while filling in.
    #[error("template: :1: executing \"\": {0}")]
    Execute(String),
}

/// Fields of the engine's answers that are maps in Go, so that a key may be missing.
const MAPS: [&str; 10] = [
    "Annotations",
    "Attributes",
    "DriverOpts",
    "ExposedPorts",
    "Labels",
    "Networks",
    "Options",
    "Ports",
    "Sysctls",
    "Volumes",
];

/// How a missing field is told.
#[derive(Debug, Clone, Copy)]
pub enum Missing<'a> {
    /// The value is a Go struct or has methods: `can't evaluate field X in type T`.
    Type(&'a str),
    /// The value is a map: `map has no entry for key "X"`.
    Key,
}

/// A parsed template.
pub struct Format {
    source: String,
    template: Template,
    /// The same, for what a map may lack: `<no value>`.
    lenient: Template,
    orders: Arc<std::sync::Mutex<Orders>>,
}

/// The order of keys of each set of keys seen in the data.
#[derive(Default)]
struct Orders(HashMap<Vec<String>, Vec<String>>);

impl Orders {
    fn learn(&mut self, members: &[(String, Json)]) {
        let order: Vec<String> = members.iter().map(|(k, _)| k.clone()).collect();
        let mut sorted = order.clone();
        sorted.sort_unstable();
        if sorted != order {
            self.0.insert(sorted, order);
        }
    }
}

impl Format {
    /// Reads a template. `header` makes every function print its argument unchanged, as
    /// the heading of a table needs it.
    pub fn parse(source: &str, header: bool) -> Result<Self, FormatError> {
        let orders = Arc::new(std::sync::Mutex::new(Orders::default()));
        let mut template = Template::new("").missing_key(MissingKey::Error);
        template = if header {
            header_functions(template)
        } else {
            functions(template, &orders)
        };
        let mut lenient = Template::new("");
        lenient = if header {
            header_functions(lenient)
        } else {
            functions(lenient, &orders)
        };
        let parse = |template: Template| {
            template
                .parse(&call_methods(source))
                .map_err(|error| FormatError::Parse(parse_message(error)))
        };
        let (template, lenient) = (parse(template)?, parse(lenient)?);
        Ok(Self {
            source: source.to_owned(),
            template,
            lenient,
            orders,
        })
    }

    /// Fills the template in.
    pub fn execute(&self, data: &Json, missing: Missing<'_>) -> Result<String, FormatError> {
        let value = match self.orders.lock() {
            Ok(mut orders) => to_value(data, &mut orders),
            Err(_) => Value::Nil,
        };
        let filled = match self.template.execute_to_string(&value) {
            Err(TemplateError::MissingKey { key }) if self.is_in_map(&key) => {
                self.lenient.execute_to_string(&value)
            }
            filled => filled,
        };
        filled.map_err(|error| match error {
            TemplateError::MissingKey { key } => self.missing(&key, missing),
            other => FormatError::Execute(other.to_string()),
        })
    }

    /// Whether the field stands behind one whose keys are the user's own.
    fn is_in_map(&self, key: &str) -> bool {
        MAPS.iter()
            .any(|map| self.source.contains(&format!(".{map}.{key}")))
    }

    fn missing(&self, key: &str, missing: Missing<'_>) -> FormatError {
        let wanted = format!(".{key}");
        let offset = self.source.find(&wanted).unwrap_or(0);
        // The whole chain of fields is named, and its first dot is the place.
        let is_chain = |b: u8| b == b'.' || b == b'_' || b.is_ascii_alphanumeric();
        let bytes = self.source.as_bytes();
        let start = (0..offset)
            .rev()
            .take_while(|at| is_chain(bytes[*at]))
            .last()
            .unwrap_or(offset);
        let before = &self.source[..start];
        let line = before.matches('\n').count() + 1;
        // Go counts from the field's own dot.
        let column = offset - before.rfind('\n').map_or(0, |at| at + 1);
        FormatError::Field {
            line,
            column,
            at: self.source[start..offset + wanted.len()].to_owned(),
            why: match missing {
                Missing::Type(name) => format!("can't evaluate field {key} in type {name}"),
                Missing::Key => format!("map has no entry for key {}", go_quote(key)),
            },
        }
    }
}

/// `.Label "x"` calls a method in Go; the data here is plain, so it becomes a function.
fn call_methods(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find(".Label ") {
        let starts = rest[..at]
            .chars()
            .next_back()
            .is_none_or(|c| matches!(c, '{' | '(' | ' ' | '-'));
        out.push_str(&rest[..at]);
        out.push_str(if starts { "label . " } else { ".Label " });
        rest = &rest[at + ".Label ".len()..];
    }
    out.push_str(rest);
    out
}

fn parse_message(error: TemplateError) -> String {
    match error {
        TemplateError::Parse { message, .. } | TemplateError::Lex { message, .. } => message,
        other => other.to_string(),
    }
}

/// Key under which a row carries its labels for `.Label`; never printed.
pub const HIDDEN_LABELS: &str = "\0labels";

fn functions(template: Template, orders: &Arc<std::sync::Mutex<Orders>>) -> Template {
    let text = |args: &[Value], at: usize| args.get(at).map(Value::to_string).unwrap_or_default();
    let orders = Arc::clone(orders);
    template
        .func("json", move |args| {
            let Ok(orders) = orders.lock() else {
                return Ok(Value::Nil);
            };
            let json = args.first().map_or(Json::Null, |v| to_json(v, &orders));
            let html = matches!(args.first(), Some(Value::Map(map)) if map.contains_key(ROW));
            Ok(Value::String(json.compact(html).into()))
        })
        .func("split", move |args| {
            let (value, separator) = (text(args, 0), text(args, 1));
            let parts: Vec<Value> = if separator.is_empty() {
                value
                    .chars()
                    .map(|c| Value::String(c.to_string().into()))
                    .collect()
            } else {
                value
                    .split(separator.as_str())
                    .map(|p| Value::String(p.into()))
                    .collect()
            };
            Ok(Value::List(parts.into()))
        })
        .func("join", move |args| {
            let separator = text(args, 1);
            let parts: Vec<String> = match args.first() {
                Some(Value::List(items)) => items.iter().map(Value::to_string).collect(),
                Some(Value::Nil) | None => Vec::new(),
                Some(other) => vec![other.to_string()],
            };
            Ok(Value::String(parts.join(&separator).into()))
        })
        .func("title", move |args| {
            let mut out = String::new();
            let mut start = true;
            for c in text(args, 0).chars() {
                if start {
                    out.extend(c.to_uppercase())
                } else {
                    out.push(c)
                }
                start = !(c.is_alphanumeric() || c == '_' || c == '\'');
            }
            Ok(Value::String(out.into()))
        })
        .func("lower", move |args| {
            Ok(Value::String(text(args, 0).to_lowercase().into()))
        })
        .func("upper", move |args| {
            Ok(Value::String(text(args, 0).to_uppercase().into()))
        })
        .func("pad", move |args| {
            let blanks = |at: usize| {
                " ".repeat(
                    args.get(at)
                        .and_then(Value::as_int)
                        .unwrap_or(0)
                        .clamp(0, 4096) as usize,
                )
            };
            let value = text(args, 0);
            let out = if value.is_empty() {
                value
            } else {
                blanks(1) + &value + &blanks(2)
            };
            Ok(Value::String(out.into()))
        })
        .func("truncate", move |args| {
            let length = args.get(1).and_then(Value::as_int).unwrap_or(0).max(0) as usize;
            Ok(Value::String(
                text(args, 0)
                    .chars()
                    .take(length)
                    .collect::<String>()
                    .into(),
            ))
        })
        // Go knows that the values of such a map are texts, and gives an empty one.
        .func("index", move |args| {
            let mut value = args.first().cloned().unwrap_or(Value::Nil);
            for key in args.iter().skip(1) {
                value = match &value {
                    Value::Map(map)
                        if !map.contains_key(key.to_string().as_str())
                            && map.values().all(|it| matches!(it, Value::String(_))) =>
                    {
                        Value::String("".into())
                    }
                    other => other.index(key)?,
                };
            }
            Ok(value)
        })
        .func("label", move |args| {
            let name = text(args, 1);
            let labels = match args.first() {
                Some(Value::Map(map)) => map.get(HIDDEN_LABELS).cloned(),
                _ => None,
            };
            Ok(match labels {
                Some(Value::Map(labels)) => labels
                    .get(name.as_str())
                    .cloned()
                    .unwrap_or(Value::String("".into())),
                _ => Value::String("".into()),
            })
        })
}

fn header_functions(mut template: Template) -> Template {
    for name in [
        "json", "split", "join", "title", "lower", "upper", "pad", "truncate",
    ] {
        template = template.func(name, |args| Ok(args.first().cloned().unwrap_or(Value::Nil)));
    }
    // The heading of `.Label "com.docker.x.y"` is `y`, with dashes as blanks.
    template.func("label", |args| {
        let name = args.get(1).map(Value::to_string).unwrap_or_default();
        let last = name
            .rsplit('.')
            .next()
            .unwrap_or("")
            .replace(['-', '_'], " ");
        Ok(Value::String(last.into()))
    })
}

/// Marks a row of a list: Docker encodes those with HTML escapes.
pub const ROW: &str = "\0row";

fn to_value(json: &Json, orders: &mut Orders) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(b) => Value::Bool(*b),
        Json::Int(n) => Value::Int(*n),
        Json::Uint(n) => Value::Uint(*n),
        Json::Float(n) => Value::Float(*n),
        Json::Text(text) => Value::String(text.as_str().into()),
        Json::List(items) => Value::List(
            items
                .iter()
                .map(|v| to_value(v, orders))
                .collect::<Vec<_>>()
                .into(),
        ),
        Json::Object(members) => {
            orders.learn(members);
            let map: BTreeMap<Arc<str>, Value> = members
                .iter()
                .map(|(k, v)| (k.as_str().into(), to_value(v, orders)))
                .collect();
            Value::Map(Arc::new(map))
        }
    }
}

fn to_json(value: &Value, orders: &Orders) -> Json {
    match value {
        Value::Bool(b) => Json::Bool(*b),
        Value::Int(n) => Json::Int(*n),
        Value::Uint(n) => Json::Uint(*n),
        Value::Float(n) => Json::Float(*n),
        Value::String(text) => Json::Text(text.to_string()),
        Value::List(items) => Json::List(items.iter().map(|v| to_json(v, orders)).collect()),
        Value::Map(map) => {
            let sorted: Vec<String> = map.keys().map(|k| k.to_string()).collect();
            let order = orders.0.get(&sorted).unwrap_or(&sorted);
            Json::Object(
                order
                    .iter()
                    .filter(|k| !k.starts_with('\0'))
                    .filter_map(|k| Some((k.clone(), to_json(map.get(k.as_str())?, orders))))
                    .collect(),
            )
        }
        _ => Json::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(template: &str, data: &str) -> Result<String, FormatError> {
        let data: Json = serde_json::from_str(data).unwrap();
        Format::parse(template, false)?.execute(&data, Missing::Key)
    }

    #[test]
    fn what_a_map_lacks_is_no_mistake() {
        let data = r#"{"Actor":{"Attributes":{"image":"b"}},"Labels":{"a":"1"},"List":[1,2]}"#;
        for (template, text) in [
            (
                "{{.Actor.Attributes.image}} {{.Actor.Attributes.exitCode}}",
                "b <no value>",
            ),
            (
                "{{index .Labels \"a\"}}|{{index .Labels \"x\"}}|{{index .List 1}}",
                "1||2",
            ),
        ] {
            assert_eq!(fill(template, data), Ok(text.to_owned()));
        }
        assert!(fill("{{.Actor.Nope}}", data).is_err());
    }

    #[test]
    fn docker_style_templates_print_what_docker_prints() {
        let data = r#"{"b":{"z":1,"a":[1,2]},"Name":"/web","Ports":{"80/tcp":[{"HostPort":"8080"}]},"N":null}"#;
        for (template, text) in [
            ("{{.Name}}", "/web"),
            ("{{json .b}}", r#"{"z":1,"a":[1,2]}"#),
            ("{{json .N}}", "null"),
            (
                "{{range $p, $c := .Ports}}{{$p}}->{{(index $c 0).HostPort}}{{end}}",
                "80/tcp->8080",
            ),
            ("{{join (split .Name \"e\") \"-\"}}", "/w-b"),
            ("{{upper .Name}} {{title \"two words\"}}", "/WEB Two Words"),
            ("{{truncate .Name 2}}|{{pad .Name 1 2}}|", "/w| /web  |"),
            ("{{if .N}}x{{else}}y{{end}} {{println 1}}", "y 1\n"),
            ("{{with index .Ports \"80/tcp\"}}{{len .}}{{end}}", "1"),
            ("{{.b}}", "map[a:[1 2] z:1]"),
        ] {
            assert_eq!(fill(template, data).unwrap(), text, "{template}");
        }
    }

    #[test]
    fn a_missing_field_is_told_in_gos_words() {
        assert_eq!(
            fill("{{.Foo}}", "{}").unwrap_err().to_string(),
            "template: :1:2: executing \"\" at <.Foo>: map has no entry for key \"Foo\""
        );
        assert_eq!(
            fill("{{", "{}").unwrap_err().to_string(),
            "template: :1: unclosed action"
        );
    }

    #[test]
    fn a_label_is_looked_up_by_name() {
        let data = "{\"\\u0000labels\":{\"com.x\":\"y\"},\"Labels\":\"com.x=y\"}";
        assert_eq!(
            fill("{{.Label \"com.x\"}}{{.Label \"no\"}}", data).unwrap(),
            "y"
        );
    }
}
