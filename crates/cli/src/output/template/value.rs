//! What a template computes with: values that know their type in Go.

use super::types::{self, Struct};
use crate::output::Json;
use std::collections::BTreeMap;
use std::rc::Rc;

/// A value; cheap to clone.
#[derive(Debug, Clone)]
pub enum Value {
    /// What a map lacks: reflect's invalid value.
    Missing,
    /// An interface that holds nothing.
    Nil,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    /// A text and its type: `string`, or a named one that has methods.
    Text(Rc<str>, &'static str),
    /// A moment, as RFC 3339 has it.
    Time(Rc<str>),
    /// A length of time in nanoseconds.
    Duration(i64),
    List(Rc<List>),
    Map(Rc<Map>),
    Struct(Rc<Object>),
    /// A pointer; `None` is nil. With the type it points to.
    Pointer(Option<Rc<Value>>, &'static str),
    /// A row of a list, whose fields are methods in Go.
    Row(Rc<Row>),
}

#[derive(Debug)]
pub struct List {
    pub items: Vec<Value>,
    /// Type of the elements.
    pub element: &'static str,
    pub is_nil: bool,
}

/// A map with texts for keys.
#[derive(Debug)]
pub struct Map {
    pub members: BTreeMap<Rc<str>, Value>,
    pub key: &'static str,
    pub element: &'static str,
    pub is_nil: bool,
}

/// A struct with its fields in Go's order.
#[derive(Debug)]
pub struct Object {
    /// `None` for the empty struct.
    pub of: Option<&'static Struct>,
    pub fields: Vec<Value>,
    /// As the engine sent it.
    pub json: Json,
}

/// A row of a list, or its heading.
#[derive(Debug)]
pub struct Row {
    /// `*formatter.ContainerContext`
    pub type_name: &'static str,
    pub fields: Vec<(String, Value)>,
    /// For the method `Label`; `None` where there is none.
    pub labels: Option<BTreeMap<String, String>>,
    pub is_heading: bool,
    pub json: Json,
}

/// A value without a type of its own: what JSON says.
pub fn any(json: &Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(it) => Value::Bool(*it),
        Json::Int(it) => Value::Int(*it),
        Json::Uint(it) => Value::Uint(*it),
        Json::Float(it) => Value::Float(*it),
        Json::Text(it) => text(it),
        Json::List(items) => Value::List(Rc::new(List {
            items: items.iter().map(any).collect(),
            element: "any",
            is_nil: false,
        })),
        Json::Object(members) => Value::Map(Rc::new(Map {
            members: members
                .iter()
                .map(|(key, value)| (key.as_str().into(), any(value)))
                .collect(),
            key: "string",
            element: "any",
            is_nil: false,
        })),
    }
}

/// JSON that the client did not decode into its structs: numbers stay as they are written,
/// which for templates makes them texts.
pub fn bare(json: &Json) -> Value {
    match json {
        Json::Int(_) | Json::Uint(_) | Json::Float(_) => {
            Value::Text(json.compact(false).into(), NUMBER)
        }
        Json::List(items) => Value::List(Rc::new(List {
            items: items.iter().map(bare).collect(),
            element: "any",
            is_nil: false,
        })),
        Json::Object(members) => Value::Map(Rc::new(Map {
            members: members
                .iter()
                .map(|(key, value)| (key.as_str().into(), bare(value)))
                .collect(),
            key: "string",
            element: "any",
            is_nil: false,
        })),
        other => any(other),
    }
}

/// Go's type of a number that was not decoded.
const NUMBER: &str = "json.Number";

/// A plain text.
pub fn text(it: &str) -> Value {
    Value::Text(it.into(), "string")
}

/// A value of a type of the table, as Go decodes it: what JSON lacks is zero.
pub fn typed(ty: &'static str, json: Option<&Json>) -> Value {
    let json = json.filter(|json| !matches!(json, Json::Null));
    if let Some(to) = ty.strip_prefix('*') {
        let value = json.map(|json| Rc::new(typed(to, Some(json))));
        return Value::Pointer(value, to);
    }
    if let Some(element) = ty.strip_prefix("[]") {
        let items = json.map(|json| json.list(&[])).unwrap_or_default();
        return Value::List(Rc::new(List {
            items: items.iter().map(|it| typed(element, Some(it))).collect(),
            element,
            is_nil: json.is_none(),
        }));
    }
    if let Some((key, element)) = types::map(ty) {
        let members = json.map(|json| json.members(&[])).unwrap_or_default();
        return Value::Map(Rc::new(Map {
            members: members
                .iter()
                .map(|(key, it)| (key.as_str().into(), typed(element, Some(it))))
                .collect(),
            key,
            element,
            is_nil: json.is_none(),
        }));
    }
    let json = json.unwrap_or(&Json::Null);
    match ty {
        "any" => any(json),
        "bool" => Value::Bool(json.bool(&[])),
        "int" => Value::Int(json.int(&[])),
        "uint" => match json {
            Json::Uint(it) => Value::Uint(*it),
            other => Value::Uint(other.int(&[]).max(0).unsigned_abs()),
        },
        "float" => Value::Float(json.float(&[])),
        "time.Time" => Value::Time(match json {
            Json::Text(it) => it.as_str().into(),
            _ => "0001-01-01T00:00:00Z".into(),
        }),
        "time.Duration" => Value::Duration(json.int(&[])),
        "{}" => Value::Struct(Rc::new(Object {
            of: None,
            fields: Vec::new(),
            json: Json::Object(Vec::new()),
        })),
        _ => match types::find(ty) {
            Some(of) => object(of, json),
            None => Value::Text(json.text(&[]).into(), ty),
        },
    }
}

fn object(of: &'static Struct, json: &Json) -> Value {
    let fields = of.fields.iter().map(|field| {
        if field.json.is_empty() {
            typed(field.ty, Some(json))
        } else {
            typed(field.ty, json.get(field.json))
        }
    });
    Value::Struct(Rc::new(Object {
        of: Some(of),
        fields: fields.collect(),
        json: json.clone(),
    }))
}

impl Object {
    /// A field, of this struct or of one embedded in it.
    pub fn field(&self, name: &str) -> Option<Value> {
        let of = self.of?;
        let mut pairs = of.fields.iter().zip(&self.fields);
        if let Some((_, value)) = pairs.find(|(field, _)| field.name == name) {
            return Some(value.clone());
        }
        let embedded = of.fields.iter().zip(&self.fields);
        let embedded = embedded.filter(|(field, _)| field.json.is_empty());
        embedded
            .into_iter()
            .find_map(|(_, value)| match value.pointee() {
                Value::Struct(inner) => inner.field(name),
                _ => None,
            })
    }

    fn knows(&self, key: &str) -> bool {
        let Some(of) = self.of else { return false };
        of.fields
            .iter()
            .zip(&self.fields)
            .any(|(field, value)| match value.pointee() {
                Value::Struct(inner) if field.json.is_empty() => inner.knows(key),
                _ => field.json == key,
            })
    }
}

impl Value {
    /// What a pointer points to; the value itself where it is none.
    pub fn pointee(&self) -> &Value {
        match self {
            Value::Pointer(Some(to), _) => to,
            other => other,
        }
    }

    /// As `if` sees it.
    pub fn is_true(&self) -> bool {
        match self {
            Value::Missing | Value::Nil => false,
            Value::Bool(it) => *it,
            Value::Int(it) | Value::Duration(it) => *it != 0,
            Value::Uint(it) => *it != 0,
            Value::Float(it) => *it != 0.0,
            Value::Text(it, _) => !it.is_empty(),
            Value::List(it) => !it.items.is_empty(),
            Value::Map(it) => !it.members.is_empty(),
            Value::Pointer(to, _) => to.is_some(),
            Value::Time(_) | Value::Struct(_) | Value::Row(_) => true,
        }
    }

    /// The type's name in Go's messages.
    pub fn type_name(&self) -> String {
        match self {
            Value::Missing | Value::Nil => "interface {}".into(),
            Value::Bool(_) => "bool".into(),
            Value::Int(_) => "int".into(),
            Value::Uint(_) => "uint64".into(),
            Value::Float(_) => "float64".into(),
            Value::Text(_, ty) => (*ty).into(),
            Value::Time(_) => "time.Time".into(),
            Value::Duration(_) => "time.Duration".into(),
            Value::List(it) => format!("[]{}", types::go_name(it.element)),
            Value::Map(it) => format!("map[{}]{}", it.key, types::go_name(it.element)),
            Value::Struct(it) => match it.of.map(|of| of.name) {
                None => "struct {}".into(),
                // They stand in a field that is an interface, and Go tells of that.
                Some("imagetools.index" | "imagetools.manifest") => "interface {}".into(),
                Some(name) => name.into(),
            },
            Value::Pointer(_, to) => format!("*{}", types::go_name(to)),
            Value::Row(row) => row.type_name.into(),
        }
    }

    /// As Go's encoder writes it.
    pub fn json(&self) -> Json {
        match self {
            Value::Missing | Value::Nil | Value::Pointer(None, _) => Json::Null,
            Value::Bool(it) => Json::Bool(*it),
            Value::Int(it) | Value::Duration(it) => Json::Int(*it),
            Value::Uint(it) => Json::Uint(*it),
            Value::Float(it) => Json::Float(*it),
            Value::Text(it, NUMBER) => serde_json::from_str(it).unwrap_or(Json::Null),
            Value::Text(it, _) | Value::Time(it) => Json::Text(it.to_string()),
            Value::List(it) if it.is_nil => Json::Null,
            Value::List(it) => Json::List(it.items.iter().map(Value::json).collect()),
            Value::Map(it) if it.is_nil => Json::Null,
            Value::Map(it) => Json::Object(
                it.members
                    .iter()
                    .map(|(key, value)| (key.to_string(), value.json()))
                    .collect(),
            ),
            Value::Struct(it) => Json::Object(
                it.json
                    .members(&[])
                    .iter()
                    .filter(|(key, _)| it.knows(key))
                    .map(|(key, sent)| (key.clone(), it.member(key).unwrap_or(sent.clone())))
                    .collect(),
            ),
            Value::Pointer(Some(to), _) => to.json(),
            Value::Row(row) => row.json.clone(),
        }
    }
}

impl Object {
    /// The field behind a key of JSON.
    fn member(&self, key: &str) -> Option<Json> {
        let of = self.of?;
        let mut pairs = of.fields.iter().zip(&self.fields);
        pairs.find_map(|(field, value)| match value.pointee() {
            Value::Struct(inner) if field.json.is_empty() => inner.member(key),
            _ => (field.json == key).then(|| value.json()),
        })
    }
}
