//! YAML as the JSON that it stands for: one document, without tags of its own.

use crate::error::FileError;
use saphyr_parser::{Event, Parser, ScalarStyle, StrInput};
use serde_json::{Map, Number, Value};

/// Deeper nesting is refused.
const DEPTH_MAX: usize = 32;

/// The first document of `text`. Aliases are refused: no vendor's file has them, and they
/// make small files large.
pub(crate) fn parse(text: &str) -> Result<Value, FileError> {
    let mut reader = Reader(Parser::new_from_str(text));
    loop {
        match reader.next()? {
            Event::StreamStart | Event::DocumentStart(_) | Event::Nothing => {}
            Event::StreamEnd => return Ok(Value::Null),
            event => return reader.value(event, 0),
        }
    }
}

struct Reader<'text>(Parser<'text, StrInput<'text>>);

impl<'text> Reader<'text> {
    fn next(&mut self) -> Result<Event<'text>, FileError> {
        match self.0.next_event() {
            Some(Ok((event, _))) => Ok(event),
            Some(Err(error)) => Err(FileError::Yaml(error.to_string())),
            None => Ok(Event::StreamEnd),
        }
    }

    fn value(&mut self, event: Event<'text>, depth: usize) -> Result<Value, FileError> {
        if depth > DEPTH_MAX {
            return Err(FileError::Yaml(format!("nested deeper than {DEPTH_MAX}")));
        }
        match event {
            Event::Scalar(text, ScalarStyle::Plain, _, _) => Ok(plain(&text)),
            Event::Scalar(text, ..) => Ok(Value::String(text.into_owned())),
            Event::SequenceStart(..) => {
                let mut list = Vec::new();
                loop {
                    match self.next()? {
                        Event::SequenceEnd => return Ok(Value::Array(list)),
                        event => list.push(self.value(event, depth + 1)?),
                    }
                }
            }
            Event::MappingStart(..) => {
                let mut map = Map::new();
                loop {
                    let key = match self.next()? {
                        Event::MappingEnd => return Ok(Value::Object(map)),
                        Event::Scalar(text, ..) => text.into_owned(),
                        _ => return Err(FileError::Yaml("a key that is no text".into())),
                    };
                    let event = self.next()?;
                    map.insert(key, self.value(event, depth + 1)?);
                }
            }
            Event::Alias(_) => Err(FileError::Yaml("an alias".into())),
            _ => Err(FileError::Yaml("a value is missing".into())),
        }
    }
}

/// YAML 1.2 § 10.3, the core schema; octal as YAML 1.1 writes it, too, since file modes
/// are written so.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let radix = |digits: &str, radix| i64::from_str_radix(digits, radix).ok();
    let number = if let Some(digits) = text.strip_prefix("0x") {
        radix(digits, 16)
    } else if let Some(digits) = text.strip_prefix("0o") {
        radix(digits, 8)
    } else if text.len() > 1 && text.starts_with('0') {
        radix(&text[1..], 8)
    } else {
        text.parse().ok()
    };
    match number {
        Some(number) => Value::Number(Number::from(number)),
        None => Value::String(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_vendors_file_reads_as_its_json() {
        let text = "---\ncdiVersion: \"0.6.0\"\nkind: v.com/c # kind\ndevices:\n- name: \"0\"\n  containerEdits:\n    deviceNodes:\n    - {path: /dev/x, fileMode: 0666}\n    env: [A=1, 'B=2']\n";
        let read = parse(text).expect("a document");
        assert_eq!(read["kind"], "v.com/c");
        assert_eq!(read["cdiVersion"], "0.6.0");
        let edits = &read["devices"][0]["containerEdits"];
        assert_eq!(
            edits["deviceNodes"][0],
            json!({"path": "/dev/x", "fileMode": 0o666})
        );
        assert_eq!(edits["env"], json!(["A=1", "B=2"]));
    }

    #[test]
    fn aliases_and_depth_are_refused() {
        assert!(parse("a: &x [1]\nb: *x\n").is_err());
        assert!(parse(&"[".repeat(100)).is_err());
    }
}
