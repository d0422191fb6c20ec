//! Trees as they are printed: attributes in the specification's order and only those that
//! say something, in the two forms that Compose has, YAML and JSON.

use crate::node::{Map, Node, Value};
use crate::schema::{self, Emit, Field, PROJECT, SERVICE, Shape, Table};
use crate::yaml;

/// A printable tree, its keys in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Out {
    /// Nothing.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any number, as it is to be written.
    Number(String),
    /// Text.
    Text(String),
    /// A sequence.
    List(Vec<Out>),
    /// A mapping in the order of its keys.
    Map(Vec<(String, Out)>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Yaml,
    Json,
}

/// A project (all of its tree) for YAML.
pub fn project_yaml(tree: &Node) -> Out {
    object(tree, PROJECT, Form::Yaml)
}

/// A project for JSON: the top level sorted by key.
pub fn project_json(tree: &Node) -> Out {
    let Out::Map(mut entries) = object(tree, PROJECT, Form::Json) else {
        return Out::Null;
    };
    // Unlike everywhere else, extensions of the top level are part of the JSON form.
    for (key, node) in tree.map().into_iter().flatten() {
        if schema::is_extension(key) {
            entries.push((key.clone(), plain(node, Form::Json)));
        }
    }
    // Stock Compose forgets its models here, and only here.
    entries.retain(|(key, _)| key != "models");
    entries.sort_by(|left, right| left.0.cmp(&right.0));
    Out::Map(entries)
}

/// A service for JSON, from which its hash is made.
pub(crate) fn service_json(service: &Node) -> Out {
    object(service, SERVICE, Form::Json)
}

/// Any resource with a table, for JSON.
pub(crate) fn resource_json(kind: &str, resource: &Node) -> Out {
    match schema::field(PROJECT, kind).and_then(|field| field.shape.table()) {
        Some(table) => object(resource, table, Form::Json),
        None => plain(resource, Form::Json),
    }
}

/// A tree of no table: keys sorted as yaml.v3 sorts them.
pub fn plain_yaml(node: &Node) -> Out {
    plain(node, Form::Yaml)
}

/// The same for JSON.
pub fn plain_json(node: &Node) -> Out {
    plain(node, Form::Json)
}

fn plain(node: &Node, form: Form) -> Out {
    match &node.value {
        Value::Null => Out::Null,
        Value::Bool(value) => Out::Bool(*value),
        Value::Int(value) => Out::Int(*value),
        Value::Float(value) => Out::Number(yaml::float_text(*value)),
        Value::Text(text) => Out::Text(text.clone()),
        Value::List(items) => Out::List(items.iter().map(|item| plain(item, form)).collect()),
        Value::Map(entries) => sorted(entries, form, |node| plain(node, form)),
    }
}

fn sorted(entries: &Map, form: Form, each: impl Fn(&Node) -> Out) -> Out {
    let mut done: Vec<(String, Out)> = entries
        .iter()
        .map(|(key, node)| (key.clone(), each(node)))
        .collect();
    if form == Form::Yaml {
        done.sort_by(|left, right| yaml::natural(&left.0, &right.0));
    }
    Out::Map(done)
}

fn object(node: &Node, table: Table, form: Form) -> Out {
    match node.map() {
        Some(entries) => attributes(entries, table, form),
        None => Out::Null,
    }
}

fn attributes(entries: &Map, table: Table, form: Form) -> Out {
    let mut done: Vec<(String, Out)> = table
        .iter()
        .filter_map(|field| {
            let out = attribute(field, entries.get(field.name), form)?;
            let key = match form {
                Form::Yaml => field.name,
                Form::Json => field.json,
            };
            Some((key.to_owned(), out))
        })
        .collect();
    if form == Form::Yaml {
        let own: Map = entries
            .iter()
            .filter(|(key, _)| schema::is_extension(key))
            .map(|(key, node)| (key.clone(), node.clone()))
            .collect();
        if let Out::Map(own) = sorted(&own, form, |node| plain(node, form)) {
            done.extend(own);
        }
    }
    Out::Map(done)
}

fn attribute(field: &Field, node: Option<&Node>, form: Form) -> Option<Out> {
    let node = node.filter(|node| !node.is_null());
    let out = node.map(|node| value(node, field.shape, form));
    match field.emit {
        Emit::Never => None,
        Emit::NonEmpty => out.filter(|out| !is_empty(out)),
        Emit::Given => out,
        Emit::GivenOrNull if form == Form::Json => Some(out.unwrap_or(Out::Null)),
        Emit::GivenOrNull => out,
        Emit::Struct if form == Form::Json => {
            Some(out.unwrap_or_else(|| {
                attributes(&Map::new(), field.shape.table().unwrap_or(&[]), form)
            }))
        }
        Emit::Struct => out.filter(|out| !is_empty(out)),
        Emit::Always => Some(out.unwrap_or(match field.shape {
            Shape::Bool => Out::Bool(false),
            Shape::Int => Out::Int(0),
            _ => Out::Text(String::new()),
        })),
    }
}

fn is_empty(out: &Out) -> bool {
    match out {
        Out::Null | Out::Bool(false) | Out::Int(0) => true,
        Out::Number(number) => number == "0",
        Out::Text(text) => text.is_empty() || text == "0s",
        Out::List(items) => items.is_empty(),
        Out::Map(entries) => entries.is_empty(),
        Out::Bool(true) | Out::Int(_) => false,
    }
}

fn value(node: &Node, shape: Shape, form: Form) -> Out {
    match (shape, &node.value) {
        (Shape::Bytes, Value::Int(0)) => Out::Int(0),
        (Shape::Bytes, Value::Int(bytes)) => Out::Text(bytes.to_string()),
        (Shape::Mode, Value::Int(mode)) => Out::Text(format!("0{mode:o}")),
        (Shape::Float, Value::Float(number)) => Out::Number(yaml::float32_text(*number as f32)),
        (Shape::Hosts, Value::Map(hosts)) => Out::List(host_list(hosts)),
        (Shape::EnvFiles(_), Value::List(files)) => {
            Out::List(files.iter().map(|file| env_file(file, form)).collect())
        }
        (Shape::Ulimits(table), Value::Map(limits)) => {
            sorted(limits, form, |limit| match limit.value {
                Value::Int(number) => Out::Int(number),
                _ => object(limit, table, form),
            })
        }
        (Shape::Ssh, Value::Map(keys)) => Out::List(
            keys.iter()
                .map(|(id, path)| {
                    Out::Text(match path.text() {
                        Some(path) => format!("{id}: {path}"),
                        None => id.clone(),
                    })
                })
                .collect(),
        ),
        (_, Value::Map(entries)) if shape.is_named() => {
            let table = shape.table().unwrap_or(&[]);
            sorted(entries, form, |entry| object(entry, table, form))
        }
        (_, Value::Map(_)) => match shape.table() {
            Some(table) => object(node, table, form),
            None => plain(node, form),
        },
        (_, Value::List(items)) => match shape.table() {
            Some(table) => Out::List(
                items
                    .iter()
                    .map(|item| match item.value {
                        Value::Map(_) => object(item, table, form),
                        _ => plain(item, form),
                    })
                    .collect(),
            ),
            None => plain(node, form),
        },
        _ => plain(node, form),
    }
}

fn host_list(hosts: &Map) -> Vec<Out> {
    let mut lines: Vec<String> = hosts
        .iter()
        .flat_map(|(host, addresses)| {
            addresses
                .list()
                .unwrap_or_default()
                .iter()
                .map(move |address| format!("{host}={}", address.text().unwrap_or_default()))
        })
        .collect();
    lines.sort();
    lines.into_iter().map(Out::Text).collect()
}

/// A required file is its path alone.
fn env_file(file: &Node, form: Form) -> Out {
    let path = file.text_at(&["path"]).unwrap_or_default().to_owned();
    let required = file
        .get("required")
        .is_none_or(|node| node.value == Value::Bool(true));
    if required {
        return Out::Text(path);
    }
    let mut entries = vec![
        ("path".to_owned(), Out::Text(path)),
        ("required".to_owned(), Out::Bool(false)),
    ];
    if let Some(format) = file.text_at(&["format"])
        && form == Form::Json
    {
        entries.push(("format".into(), Out::Text(format.to_owned())));
    }
    Out::Map(entries)
}
