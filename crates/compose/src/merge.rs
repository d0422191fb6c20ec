//! One tree over another, both canonical: later files over earlier ones, and a service over
//! the one it extends.

use crate::node::{Map, Node, Value};
use crate::schema::{self, Merge, Shape, Table};
use std::collections::HashMap;

/// `over` on `base`, each an object of `table`.
pub(crate) fn objects(base: Node, over: Node, table: Table) -> Node {
    match (base.value, over.value) {
        (Value::Map(mut base_entries), Value::Map(over_entries)) => {
            for (key, over) in over_entries {
                let merged = match base_entries.remove(&key) {
                    Some(base) => entry(&key, base, over, table),
                    None => over,
                };
                base_entries.insert(key, merged);
            }
            Node {
                value: Value::Map(base_entries),
                ..base
            }
        }
        (base_value, Value::Null) => Node {
            value: base_value,
            ..base
        },
        (_, over_value) => Node {
            value: over_value,
            ..over
        },
    }
}

fn entry(key: &str, base: Node, over: Node, table: Table) -> Node {
    match schema::field(table, key) {
        Some(field) => field_value(base, over, field.shape, field.merge),
        None => untyped(base, over),
    }
}

fn field_value(base: Node, over: Node, shape: Shape, merge: Merge) -> Node {
    // A command of null clears nothing but replaces; everything else keeps what was there.
    if merge == Merge::Replace {
        return over;
    }
    if over.is_null() {
        return base;
    }
    if merge == Merge::SameDriver {
        let driver = |node: &Node| node.text_at(&["driver"]).map(str::to_owned);
        if let (Some(left), Some(right)) = (driver(&base), driver(&over))
            && left != right
        {
            return over;
        }
    }
    if merge == Merge::Pools {
        return pools(base, over, shape);
    }
    match (shape.table(), &base.value, &over.value) {
        (Some(table), Value::Map(_), Value::Map(_)) if shape.is_named() => named(base, over, table),
        (Some(table), Value::Map(_), Value::Map(_)) => objects(base, over, table),
        (_, Value::List(_), Value::List(_)) => joined(base, over),
        (_, Value::Map(_), Value::Map(_)) if matches!(shape, Shape::Hosts) => hosts(base, over),
        (_, Value::Map(_), Value::Map(_)) => replaced_by_key(base, over),
        _ => over,
    }
}

/// Objects by name, those of the same name merged.
fn named(base: Node, over: Node, table: Table) -> Node {
    by_key(base, over, |base, over| objects(base, over, table))
}

/// Text by name, the later one of the same name staying.
fn replaced_by_key(base: Node, over: Node) -> Node {
    by_key(base, over, |_, over| over)
}

fn by_key(base: Node, over: Node, merge: impl Fn(Node, Node) -> Node) -> Node {
    let (Value::Map(mut entries), Value::Map(over_entries)) = (base.value, over.value) else {
        return over_nothing(base.place);
    };
    for (key, over) in over_entries {
        let merged = match entries.remove(&key) {
            Some(base) => merge(base, over),
            None => over,
        };
        entries.insert(key, merged);
    }
    Node {
        value: Value::Map(entries),
        place: base.place,
        tag: None,
    }
}

fn over_nothing(place: crate::place::Place) -> Node {
    Node::at(&place, Value::Null)
}

/// The addresses of a host are joined, each once.
fn hosts(base: Node, over: Node) -> Node {
    by_key(base, over, |mut base, over| {
        if let (Value::List(items), Value::List(more)) = (&mut base.value, over.value) {
            for item in more {
                if !items.contains(&item) {
                    items.push(item);
                }
            }
        }
        base
    })
}

fn joined(base: Node, over: Node) -> Node {
    let (Value::List(mut items), Value::List(more)) = (base.value, over.value) else {
        return over_nothing(base.place);
    };
    items.extend(more);
    Node {
        value: Value::List(items),
        place: base.place,
        tag: None,
    }
}

/// Pools of the same subnet become one; others stand side by side.
fn pools(base: Node, over: Node, shape: Shape) -> Node {
    let (Value::List(mut items), Value::List(more)) = (base.value, over.value) else {
        return over_nothing(base.place);
    };
    let table = shape.table().unwrap_or(&[]);
    for over in more {
        let subnet = over.text_at(&["subnet"]).map(str::to_owned);
        let same = items
            .iter()
            .position(|item| item.text_at(&["subnet"]) == subnet.as_deref());
        match same {
            Some(at) => {
                let base = items.remove(at);
                items.insert(at, objects(base, over, table));
            }
            None => items.push(over),
        }
    }
    Node {
        value: Value::List(items),
        place: base.place,
        tag: None,
    }
}

/// Values that the specification does not look into: mappings by key, lists joined.
fn untyped(base: Node, over: Node) -> Node {
    match (&base.value, &over.value) {
        (_, Value::Null) => base,
        (Value::Map(_), Value::Map(_)) => by_key(base, over, untyped),
        (Value::List(_), Value::List(_)) => joined(base, over),
        _ => over,
    }
}

/// Lists that are sets by a key of their items: the later item takes the place of the
/// earlier one.
pub(crate) fn unique(node: &mut Node, table: Table) {
    let Some(entries) = node.map_mut() else {
        return;
    };
    for (key, entry) in entries {
        let Some(field) = schema::field(table, key) else {
            continue;
        };
        if field.merge == Merge::Unique
            && let Value::List(items) = &mut entry.value
        {
            *items = once_each(std::mem::take(items), field.shape);
        }
        let Some(below) = field.shape.table() else {
            continue;
        };
        match &mut entry.value {
            Value::List(items) => items.iter_mut().for_each(|item| unique(item, below)),
            Value::Map(named) if field.shape.is_named() => {
                named.values_mut().for_each(|item| unique(item, below));
            }
            _ => unique(entry, below),
        }
    }
}

fn once_each(items: Vec<Node>, shape: Shape) -> Vec<Node> {
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut kept: Vec<Node> = Vec::with_capacity(items.len());
    for item in items {
        let Some(key) = key_of(&item, shape) else {
            kept.push(item);
            continue;
        };
        match places.get(&key) {
            Some(at) => kept[*at] = item,
            None => {
                places.insert(key, kept.len());
                kept.push(item);
            }
        }
    }
    kept
}

fn key_of(item: &Node, shape: Shape) -> Option<String> {
    let scalar = |key: &str| item.get(key).and_then(|node| node.value.scalar_text());
    match shape {
        Shape::Ports(_) => item.map().map(|_| {
            format!(
                "{}:{}:{}/{}",
                scalar("host_ip").unwrap_or_else(|| "0.0.0.0".into()),
                scalar("published").unwrap_or_default(),
                scalar("target").unwrap_or_default(),
                scalar("protocol").unwrap_or_else(|| "tcp".into()),
            )
        }),
        Shape::Volumes(_) | Shape::Devices(_) => scalar("target"),
        Shape::Grants(_) => {
            scalar("target").or_else(|| Some(format!("/run/secrets/{}", scalar("source")?)))
        }
        Shape::EnvFiles(_) => scalar("path"),
        _ => {
            let text = item.text()?;
            let key = text.split_once('=').map_or(text, |(key, _)| key);
            Some(key.to_owned())
        }
    }
}

/// Takes what stands at `path` (and all below) out of `node`; a word `*` of it stands for
/// any key.
pub(crate) fn remove(node: &mut Node, path: &[String]) {
    let (Some(entries), Some((first, rest))) = (node.map_mut(), path.split_first()) else {
        return;
    };
    if rest.is_empty() {
        entries.remove(first);
    } else if let Some(entry) = entries.get_mut(first) {
        remove(entry, rest);
    }
}

/// An empty mapping standing at the start of nothing, for a fold over files.
pub(crate) fn empty(file: &str) -> Node {
    Node::at(&crate::place::Place::start_of(file), Value::Map(Map::new()))
}
