//! Text to trees: one for each document.

use super::scalar::resolve;
use crate::error::ComposeError;
use crate::node::{Map, Node, Tag, Value};
use crate::place::Place;
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

/// Deeper nesting is refused: the tree is walked by recursion.
const DEPTH_LIMIT: usize = 128;

/// So many values may a file have with its aliases written out: far beyond any real
/// project, and a bound on what a bomb of aliases costs (about 32 MiB).
const VALUE_LIMIT: usize = 250_000;

/// The documents of `text`; those that say nothing are left out.
///
/// Anchors and `<<` are resolved, keys are text, a key given twice is an error as in
/// yaml.v3, which Compose reads with.
pub fn read(file: &str, text: &str) -> Result<Vec<Node>, ComposeError> {
    let mut reader = Reader {
        file: file.into(),
        parser: Parser::new_from_str(text.trim_start_matches('\u{feff}')),
        anchors: HashMap::new(),
        values: 0,
        path: Vec::new(),
    };
    let mut documents = Vec::new();
    loop {
        let (event, span) = reader.next()?;
        match event {
            Event::StreamEnd => return Ok(documents),
            Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {
                reader.anchors.clear();
            }
            event => {
                let node = reader.node(event, span, 0)?;
                if !node.is_null() {
                    documents.push(node);
                }
            }
        }
    }
}

struct Reader<'text> {
    file: Arc<str>,
    parser: Parser<'text, StrInput<'text>>,
    /// Finished values by anchor, with how many values each has.
    anchors: HashMap<usize, (Node, usize)>,
    values: usize,
    /// The keys above, for messages.
    path: Vec<String>,
}

impl<'text> Reader<'text> {
    fn next(&mut self) -> Result<(Event<'text>, Span), ComposeError> {
        match self.parser.next_event() {
            Some(Ok(found)) => Ok(found),
            Some(Err(error)) => Err(ComposeError::Syntax {
                place: self.place(error.marker()),
                message: error.info().to_owned(),
            }),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn place(&self, marker: &Marker) -> Place {
        Place {
            file: Arc::clone(&self.file),
            line: u32::try_from(marker.line()).unwrap_or(u32::MAX),
            column: u32::try_from(marker.col() + 1).unwrap_or(u32::MAX),
        }
    }

    fn wrong(&self, span: Span, message: impl Into<String>) -> ComposeError {
        ComposeError::Syntax {
            place: self.place(&span.start),
            message: message.into(),
        }
    }

    fn count(&mut self, span: Span, values: usize) -> Result<(), ComposeError> {
        self.values += values;
        if self.values > VALUE_LIMIT {
            let message = format!("more than {VALUE_LIMIT} values, with aliases written out");
            return Err(self.wrong(span, message));
        }
        Ok(())
    }

    fn node(
        &mut self,
        event: Event<'text>,
        span: Span,
        depth: usize,
    ) -> Result<Node, ComposeError> {
        if depth > DEPTH_LIMIT {
            return Err(self.wrong(span, format!("nested deeper than {DEPTH_LIMIT} levels")));
        }
        let before = self.values;
        self.count(span, 1)?;
        let (value, anchor, tag) = match event {
            Event::Alias(anchor) => return self.alias(anchor, span),
            Event::Scalar(text, style, anchor, tag) => {
                let value = self.scalar(text, style, tag.as_deref(), span)?;
                (value, anchor, tag)
            }
            Event::SequenceStart(anchor, tag) => (self.sequence(depth)?, anchor, tag),
            Event::MappingStart(anchor, tag) => (self.mapping(depth)?, anchor, tag),
            _ => return Err(self.wrong(span, "a value is missing")),
        };
        let node = Node {
            value,
            place: self.place(&span.start),
            tag: instruction(tag),
        };
        if anchor != 0 {
            let values = self.values - before;
            self.anchors.insert(anchor, (node.clone(), values));
        }
        Ok(node)
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<Node, ComposeError> {
        let Some((node, values)) = self.anchors.get(&anchor).cloned() else {
            return Err(self.wrong(span, "an alias inside the value that it stands for"));
        };
        self.count(span, values)?;
        Ok(node)
    }

    fn scalar(
        &self,
        text: Cow<'text, str>,
        style: ScalarStyle,
        tag: Option<&saphyr_parser::Tag>,
        span: Span,
    ) -> Result<Value, ComposeError> {
        let core = tag.filter(|tag| tag.is_yaml_core_schema());
        match core.map(|tag| tag.suffix.as_str()) {
            Some("str" | "binary" | "timestamp") => Ok(Value::Text(text.into_owned())),
            Some("null") => Ok(Value::Null),
            Some(kind @ ("int" | "float" | "bool")) => match (kind, resolve(&text)) {
                ("float", Value::Int(value)) => Ok(Value::Float(value as f64)),
                ("int", value @ Value::Int(_))
                | ("float", value @ Value::Float(_))
                | ("bool", value @ Value::Bool(_)) => Ok(value),
                _ => Err(self.wrong(span, format!("cannot decode {text:?} as a !!{kind}"))),
            },
            _ if style == ScalarStyle::Plain => Ok(resolve(&text)),
            _ => Ok(Value::Text(text.into_owned())),
        }
    }

    fn sequence(&mut self, depth: usize) -> Result<Value, ComposeError> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok(Value::List(items));
            }
            let item = self.node(event, span, depth + 1)?;
            if item.tag != Some(Tag::Reset) {
                items.push(item);
            }
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Value, ComposeError> {
        let mut entries = Map::new();
        let mut merged = Map::new();
        let mut lines: HashMap<String, usize> = HashMap::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                break;
            }
            let is_merge =
                matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, _) if text == "<<");
            let key = self.key(event, span, depth)?;
            if let Some(line) = lines.insert(key.clone(), span.start.line()) {
                return Err(self.wrong(
                    span,
                    format!("mapping key {key:?} already defined at line {line}"),
                ));
            }
            let (event, value_span) = self.next()?;
            if is_merge {
                let node = self.node(event, value_span, depth + 1)?;
                self.merge(node, &mut merged, value_span)?;
                continue;
            }
            self.path.push(key.clone());
            let mut node = self.node(event, value_span, depth + 1)?;
            self.path.pop();
            node.place = self.place(&span.start);
            entries.insert(key, node);
        }
        for (key, mut node) in merged {
            match entries.get_mut(&key) {
                // What is reset is what earlier files say, not what is merged in here.
                Some(own) if own.tag == Some(Tag::Reset) => {
                    node.tag = Some(Tag::Override);
                    *own = node;
                }
                Some(_) => {}
                None => drop(entries.insert(key, node)),
            }
        }
        Ok(Value::Map(entries))
    }

    fn key(
        &mut self,
        event: Event<'text>,
        span: Span,
        depth: usize,
    ) -> Result<String, ComposeError> {
        let node = self.node(event, span, depth + 1)?;
        match node.value {
            Value::Text(key) => Ok(key),
            Value::List(_) | Value::Map(_) => {
                Err(self.wrong(span, "a key of a mapping must be a string"))
            }
            other => {
                let place = if self.path.is_empty() {
                    "at top level".to_owned()
                } else {
                    format!("in {}", self.path.join("."))
                };
                let written = other.scalar_text().unwrap_or_else(|| "null".into());
                Err(self.wrong(
                    span,
                    format!("non-string key {place}: {written}; write \"{written}\""),
                ))
            }
        }
    }

    /// The value of `<<`: a mapping or several, of which the first that has a key wins.
    fn merge(&self, node: Node, into: &mut Map, span: Span) -> Result<(), ComposeError> {
        match node.value {
            Value::Map(entries) => {
                for (key, node) in entries {
                    into.entry(key).or_insert(node);
                }
                Ok(())
            }
            Value::List(items) => items.into_iter().try_for_each(|item| match item.value {
                Value::Map(_) => self.merge(item, into, span),
                _ => Err(self.not_a_mapping(span)),
            }),
            _ => Err(self.not_a_mapping(span)),
        }
    }

    fn not_a_mapping(&self, span: Span) -> ComposeError {
        self.wrong(
            span,
            "map merge requires map or sequence of maps as the value",
        )
    }
}

fn instruction(tag: Option<Cow<'_, saphyr_parser::Tag>>) -> Option<Tag> {
    let tag = tag?;
    match (tag.handle.as_str(), tag.suffix.as_str()) {
        ("!", "reset") => Some(Tag::Reset),
        ("!", "override") => Some(Tag::Override),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Node {
        read("f.yaml", text).unwrap().remove(0)
    }

    fn failure(text: &str) -> String {
        read("f.yaml", text).unwrap_err().to_string()
    }

    #[test]
    fn merge_keys_give_what_the_mapping_does_not() {
        let node = one("a: &a {x: 1, y: 2}\nb: &b {y: 3, z: 4}\nc: {<<: [*a, *b], x: 0}\n");
        assert_eq!(node.get("c"), Some(&one("{x: 0, y: 2, z: 4}")));
    }

    #[test]
    fn an_entry_stands_where_its_key_does() {
        let node = one("services:\n  web:\n    image: x\n");
        let image = node.find(&["services", "web", "image"]).unwrap();
        assert_eq!(image.place.to_string(), "f.yaml:3:5");
    }

    #[test]
    fn a_key_given_twice_names_both_lines() {
        assert_eq!(
            failure("a: 1\nb: 2\na: 3\n"),
            "f.yaml:3:1: mapping key \"a\" already defined at line 1; remove one of them"
        );
    }

    #[test]
    fn a_key_that_is_no_text_says_how_to_write_it() {
        assert_eq!(
            failure("services:\n  1: {}\n"),
            "f.yaml:2:3: non-string key in services: 1; write \"1\""
        );
    }

    #[test]
    fn a_bomb_of_aliases_is_refused_soon() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let below = format!("*a{}, ", level - 1).repeat(10);
            text.push_str(&format!("a{level}: &a{level} [{below}]\n"));
        }
        assert!(failure(&text).contains("more than 250000 values"));
    }

    #[test]
    fn deep_nesting_is_refused() {
        let text = format!("a: {}{}", "[".repeat(5000), "]".repeat(5000));
        assert!(read("f.yaml", &text).is_err());
    }

    #[test]
    fn instructions_to_the_merge_are_kept() {
        let node = one("a: !reset null\nb: !override [1]\nc: [!reset x, y]\n");
        assert_eq!(node.get("a").unwrap().tag, Some(Tag::Reset));
        assert_eq!(node.get("b").unwrap().tag, Some(Tag::Override));
        assert_eq!(node.get("c").unwrap().list().unwrap().len(), 1);
    }

    #[test]
    fn broken_text_is_an_error_with_its_line() {
        let error = failure("services:\n  web:\n   image: x\n  - y\n");
        assert!(error.starts_with("f.yaml:4:"), "{error}");
    }
}
