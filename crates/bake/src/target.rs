//! A target: how its attributes are read, merged, put in order and printed.

use crate::{
    entry::{self, Options, Secret, Ssh},
    value::{Type, Value},
};
use corten_compose::output::Out;
use std::collections::BTreeMap;

/// An attribute's value.
#[derive(Debug, Clone, PartialEq)]
pub enum Field {
    /// A text.
    Text(String),
    /// A truth.
    Bool(bool),
    /// Texts.
    Texts(Vec<String>),
    /// Texts by name.
    Map(BTreeMap<String, String>),
    /// Caches, outputs or attestations.
    Entries(Vec<Options>),
    /// Secrets.
    Secrets(Vec<Secret>),
    /// Agents and keys.
    Ssh(Vec<Ssh>),
}

/// What an attribute holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Bool,
    Texts,
    Map,
    Caches,
    Exports,
    Attests,
    Secrets,
    Ssh,
}

/// What becomes of an attribute that two of a target's sources have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Merge {
    /// The later one counts.
    Replace,
    /// The later one's elements follow.
    Join,
}

/// The attributes in the order in which they are printed.
const FIELDS: [(&str, Kind, Merge); 26] = [
    ("description", Kind::Text, Merge::Replace),
    ("inherits", Kind::Texts, Merge::Join),
    ("annotations", Kind::Texts, Merge::Join),
    ("attest", Kind::Attests, Merge::Join),
    ("context", Kind::Text, Merge::Replace),
    ("contexts", Kind::Map, Merge::Join),
    ("dockerfile", Kind::Text, Merge::Replace),
    ("dockerfile-inline", Kind::Text, Merge::Replace),
    ("args", Kind::Map, Merge::Join),
    ("labels", Kind::Map, Merge::Join),
    ("tags", Kind::Texts, Merge::Replace),
    ("cache-from", Kind::Caches, Merge::Join),
    ("cache-to", Kind::Caches, Merge::Replace),
    ("target", Kind::Text, Merge::Replace),
    ("secret", Kind::Secrets, Merge::Join),
    ("ssh", Kind::Ssh, Merge::Join),
    ("platforms", Kind::Texts, Merge::Replace),
    ("output", Kind::Exports, Merge::Replace),
    ("pull", Kind::Bool, Merge::Replace),
    ("no-cache", Kind::Bool, Merge::Replace),
    ("network", Kind::Text, Merge::Replace),
    ("no-cache-filter", Kind::Texts, Merge::Join),
    ("shm-size", Kind::Text, Merge::Replace),
    ("ulimits", Kind::Texts, Merge::Join),
    ("call", Kind::Text, Merge::Replace),
    ("entitlements", Kind::Texts, Merge::Join),
];

/// The last one printed.
const EXTRA_HOSTS: (&str, Kind, Merge) = ("extra-hosts", Kind::Map, Merge::Join);

fn fields() -> impl Iterator<Item = (&'static str, Kind, Merge)> {
    FIELDS.into_iter().chain([EXTRA_HOSTS])
}

fn known(name: &str) -> Option<(&'static str, Kind, Merge)> {
    fields().find(|(known, _, _)| *known == name)
}

/// Names of all attributes.
pub fn names() -> impl Iterator<Item = &'static str> {
    fields().map(|(name, _, _)| name)
}

/// One thing to be built.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Target {
    fields: BTreeMap<&'static str, Field>,
    /// Only there because another target builds upon it: its result is not put anywhere.
    pub linked: bool,
}

/// An attribute's value from that of an expression; nothing for null.
///
/// # Errors
/// What would have been required.
pub fn read(name: &str, value: Value) -> Result<Option<Field>, String> {
    let Some((_, kind, _)) = known(name) else {
        return Ok(None);
    };
    if value == Value::Null {
        return Ok(None);
    }
    let list = |value: Value, of: &str| match value {
        Value::List(items) => Ok(items),
        _ => Err(format!("list of {of} required")),
    };
    let text = |value: Value| value.convert(&Type::Text);
    Ok(Some(match kind {
        Kind::Text => Field::Text(text(value)?.to_text().unwrap_or_default()),
        Kind::Bool => Field::Bool(value.convert(&Type::Bool)? == Value::Bool(true)),
        Kind::Texts => {
            let items = list(value, "string")?.into_iter().enumerate();
            let items = items.map(|(number, item)| match text(item) {
                Ok(text) => Ok(text.to_text().unwrap_or_default()),
                Err(why) => Err(format!("element {number}: {why}")),
            });
            Field::Texts(items.collect::<Result<_, _>>()?)
        }
        Kind::Map => {
            let Value::Map(entries) = value else {
                return Err("map of string required".into());
            };
            let entries = entries
                .into_iter()
                .filter(|(_, value)| *value != Value::Null);
            let entries = entries.map(|(key, value)| match value.to_text() {
                Some(text) => Ok((key, text)),
                None => Err(format!("element {key:?}: string required")),
            });
            Field::Map(entries.collect::<Result<_, _>>()?)
        }
        Kind::Caches => {
            let items = list(value, "map of string")?
                .into_iter()
                .map(entry::caches_of);
            Field::Entries(items.collect::<Result<Vec<_>, _>>()?.concat())
        }
        Kind::Exports => {
            let items = list(value, "map of string")?
                .into_iter()
                .map(entry::export_of);
            Field::Entries(items.collect::<Result<_, _>>()?)
        }
        Kind::Attests => {
            let items = list(value, "map of string")?
                .into_iter()
                .map(entry::attest_of);
            Field::Entries(items.collect::<Result<_, _>>()?)
        }
        Kind::Secrets => {
            let items = list(value, "object")?.into_iter().map(entry::secret_of);
            Field::Secrets(items.collect::<Result<_, _>>()?)
        }
        Kind::Ssh => {
            let items = list(value, "object")?.into_iter().map(entry::ssh_of);
            Field::Ssh(items.collect::<Result<_, _>>()?)
        }
    }))
}

/// An attribute as other expressions see it.
pub fn seen(name: &str, field: Option<&Field>) -> Value {
    let texts = |items: &[String]| Value::List(items.iter().cloned().map(Value::Text).collect());
    let map = |entries: &BTreeMap<String, String>| {
        Value::Map(
            entries
                .iter()
                .map(|(k, v)| (k.clone(), Value::Text(v.clone())))
                .collect(),
        )
    };
    match field {
        Some(Field::Text(text)) => Value::Text(text.clone()),
        Some(Field::Bool(value)) => Value::Bool(*value),
        Some(Field::Texts(items)) => texts(items),
        Some(Field::Map(entries)) => map(entries),
        Some(Field::Entries(items)) => Value::List(items.iter().map(map).collect()),
        Some(Field::Secrets(items)) => Value::List(items.iter().map(Secret::value).collect()),
        Some(Field::Ssh(items)) => Value::List(items.iter().map(Ssh::value).collect()),
        None => match known(name) {
            Some((
                _,
                Kind::Caches | Kind::Exports | Kind::Attests | Kind::Secrets | Kind::Ssh,
                _,
            )) => Value::List(Vec::new()),
            Some(("description", _, _)) => Value::Text(String::new()),
            _ => Value::Null,
        },
    }
}

impl Target {
    /// Sets an attribute.
    pub fn set(&mut self, name: &str, field: Field) {
        if let Some((name, _, _)) = known(name) {
            self.fields.insert(name, field);
        }
    }

    /// Removes an attribute.
    pub fn unset(&mut self, name: &str) {
        self.fields.remove(name);
    }

    /// An attribute.
    pub fn get(&self, name: &str) -> Option<&Field> {
        self.fields.get(name)
    }

    /// A text, if there is one.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(Field::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A truth.
    pub fn is_on(&self, name: &str) -> bool {
        matches!(self.get(name), Some(Field::Bool(true)))
    }

    /// Texts.
    pub fn texts(&self, name: &str) -> &[String] {
        match self.get(name) {
            Some(Field::Texts(items)) => items,
            _ => &[],
        }
    }

    /// Texts by name.
    pub fn map(&self, name: &str) -> BTreeMap<String, String> {
        match self.get(name) {
            Some(Field::Map(entries)) => entries.clone(),
            _ => BTreeMap::new(),
        }
    }

    /// Caches, outputs or attestations.
    pub fn entries(&self, name: &str) -> &[Options] {
        match self.get(name) {
            Some(Field::Entries(items)) => items,
            _ => &[],
        }
    }

    /// Secrets.
    pub fn secrets(&self) -> &[Secret] {
        match self.get("secret") {
            Some(Field::Secrets(items)) => items,
            _ => &[],
        }
    }

    /// Agents and keys.
    pub fn ssh(&self) -> &[Ssh] {
        match self.get("ssh") {
            Some(Field::Ssh(items)) => items,
            _ => &[],
        }
    }

    /// Another target's attributes over this one's.
    pub fn merge(&mut self, other: &Self) {
        for (name, field) in &other.fields {
            let Some((_, _, merge)) = known(name) else {
                continue;
            };
            if matches!((*name, field), ("description", Field::Text(text)) if text.is_empty()) {
                continue;
            }
            match (self.fields.get_mut(name), field) {
                (Some(own), field) if merge == Merge::Join => own.join(field),
                _ => drop(self.fields.insert(name, field.clone())),
            }
        }
    }

    /// Adds to an attribute.
    pub(crate) fn join(&mut self, name: &str, field: Field) {
        match known(name).and_then(|(name, _, _)| self.fields.get_mut(name)) {
            Some(own) => own.join(&field),
            None => self.set(name, field),
        }
    }

    /// Without doubles and what says nothing.
    pub(crate) fn normalize(&mut self) {
        if self.text("network") == Some("host") {
            self.join("entitlements", Field::Texts(vec!["network.host".into()]));
        }
        for (name, field) in &mut self.fields {
            match field {
                Field::Texts(items) => {
                    let mut seen = Vec::new();
                    for item in items.drain(..) {
                        if !item.is_empty() && !seen.contains(&item) {
                            seen.push(item);
                        }
                    }
                    *items = seen;
                }
                Field::Map(entries) if *name == "contexts" => {
                    entries.retain(|_, value| !value.is_empty());
                }
                Field::Entries(items) if *name == "attest" => {
                    last_of(items, |it| it.get("type").cloned());
                }
                Field::Entries(items) => {
                    let mut seen = Vec::new();
                    for item in items.drain(..) {
                        if !seen.contains(&item) {
                            seen.push(item);
                        }
                    }
                    *items = seen;
                }
                Field::Secrets(items) => last_of(items, |it| it.id.clone()),
                Field::Ssh(items) => last_of(items, |it| it.id.clone()),
                Field::Text(_) | Field::Bool(_) | Field::Map(_) => {}
            }
        }
    }

    /// As it is printed.
    pub fn out(&self) -> Out {
        let all = fields().filter_map(|(name, _, _)| Some((name, self.get(name)?)));
        let all = all.filter_map(|(name, field)| {
            let escapes = [
                "annotations",
                "dockerfile-inline",
                "labels",
                "args",
                "extra-hosts",
            ];
            let text = |text: &String| match escapes.contains(&name) {
                true => Out::Text(text.replace("${", "$${").replace("%{", "%%{")),
                false => Out::Text(text.clone()),
            };
            let out = match field {
                Field::Text(it) if name == "description" && it.is_empty() => return None,
                Field::Text(it) => text(it),
                Field::Bool(value) => Out::Bool(*value),
                Field::Texts(items) => Out::List(items.iter().map(text).collect()),
                Field::Map(entries) => {
                    Out::Map(entries.iter().map(|(k, v)| (k.clone(), text(v))).collect())
                }
                Field::Entries(items) => Out::List(items.iter().map(entry::out).collect()),
                Field::Secrets(items) => Out::List(items.iter().map(Secret::out).collect()),
                Field::Ssh(items) => Out::List(items.iter().map(Ssh::out).collect()),
            };
            let empty = matches!(&out, Out::List(items) if items.is_empty())
                || matches!(&out, Out::Map(entries) if entries.is_empty());
            (!empty).then(|| (name.to_owned(), out))
        });
        Out::Map(all.collect())
    }
}

impl Field {
    fn join(&mut self, other: &Self) {
        match (self, other) {
            (Self::Texts(own), Self::Texts(more)) => own.extend(more.iter().cloned()),
            (Self::Map(own), Self::Map(more)) => own.extend(more.clone()),
            (Self::Entries(own), Self::Entries(more)) => own.extend(more.iter().cloned()),
            (Self::Secrets(own), Self::Secrets(more)) => own.extend(more.iter().cloned()),
            (Self::Ssh(own), Self::Ssh(more)) => own.extend(more.iter().cloned()),
            (own, other) => *own = other.clone(),
        }
    }
}

/// Of those with one name the last, at the first one's place.
fn last_of<T, Key: PartialEq>(items: &mut Vec<T>, key: impl Fn(&T) -> Key) {
    let mut kept: Vec<T> = Vec::new();
    for item in items.drain(..) {
        match kept.iter().position(|it| key(it) == key(&item)) {
            Some(at) => kept[at] = item,
            None => kept.push(item),
        }
    }
    *items = kept;
}
