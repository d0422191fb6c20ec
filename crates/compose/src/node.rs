//! The tree that files become: values, each with the place it was written at.

use crate::place::Place;
use std::collections::BTreeMap;

/// A value and where it was written. An entry of a mapping stands where its key does.
#[derive(Debug, Clone)]
pub struct Node {
    /// What was written.
    pub value: Value,
    /// Where.
    pub place: Place,
    /// What a merge shall do with what is below, if the writer said so.
    pub tag: Option<Tag>,
}

/// The values of YAML as Go's yaml.v3 types them.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`; `yes` and its kin are text.
    Bool(bool),
    /// Decimal, `0x`, `0o`, `0b` and the old octal form with a leading zero.
    Int(i64),
    /// Everything else that looks like a number.
    Float(f64),
    /// Everything else.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping; order carries no meaning in a project.
    Map(Map),
}

/// A mapping's entries by key.
pub type Map = BTreeMap<String, Node>;

/// Instructions to the merge, written as YAML tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    /// `!reset`: what earlier files gave here is dropped, and this value with it.
    Reset,
    /// `!override`: this value replaces what earlier files gave.
    Override,
}

/// Two trees are equal when they say the same, wherever they say it.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl Node {
    /// A value that nobody wrote, standing where `place` does.
    pub fn at(place: &Place, value: Value) -> Self {
        Self {
            value,
            place: place.clone(),
            tag: None,
        }
    }

    /// Text standing where `self` does.
    pub(crate) fn text_here(&self, text: impl Into<String>) -> Self {
        Self::at(&self.place, Value::Text(text.into()))
    }

    /// A mapping of `entries` standing where `self` does.
    pub(crate) fn map_here<const N: usize>(&self, entries: [(&str, Node); N]) -> Self {
        let entries = entries.map(|(key, node)| (key.to_owned(), node));
        Self::at(&self.place, Value::Map(Map::from(entries)))
    }

    /// The entries, if it is a mapping.
    pub fn map(&self) -> Option<&Map> {
        match &self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The entries, to be changed.
    pub fn map_mut(&mut self) -> Option<&mut Map> {
        match &mut self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The items, if it is a sequence.
    pub fn list(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(list) => Some(list),
            _ => None,
        }
    }

    /// The text, if it is text.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The entry `key`, if it is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.map()?.get(key)
    }

    /// The node at the end of a path of keys.
    pub fn find(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The text at the end of a path of keys.
    pub fn text_at(&self, path: &[&str]) -> Option<&str> {
        self.find(path)?.text()
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        self.value == Value::Null
    }
}

impl Value {
    /// An empty mapping.
    pub fn empty_map() -> Self {
        Self::Map(Map::new())
    }

    /// What a message calls it.
    pub(crate) fn kind_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::Float(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }

    /// A scalar's text as Go's `%v` prints it; none for null, lists and mappings.
    pub fn scalar_text(&self) -> Option<String> {
        match self {
            Self::Bool(value) => Some(value.to_string()),
            Self::Int(value) => Some(value.to_string()),
            Self::Float(value) => Some(crate::yaml::float_text(*value)),
            Self::Text(value) => Some(value.clone()),
            Self::Null | Self::List(_) | Self::Map(_) => None,
        }
    }
}
