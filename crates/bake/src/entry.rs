//! Attributes that have two forms, a text with commas and a mapping: caches, outputs,
//! attestations, secrets, agents.

use crate::{csv, value::Value};
use corten_compose::output::Out;
use std::collections::BTreeMap;

/// A cache, an output or an attestation: its options by name, `type` among them.
pub type Options = BTreeMap<String, String>;

/// A secret that a build may use.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Secret {
    /// Its name.
    pub id: String,
    /// A file.
    pub source: String,
    /// A variable of the environment.
    pub env: String,
}

/// An agent or keys that a build may use.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ssh {
    /// Its name.
    pub id: String,
    /// A socket, or files with keys.
    pub paths: Vec<String>,
}

type Pairs = Vec<(String, String)>;

fn pairs(text: &str) -> Result<Pairs, String> {
    let fields = csv::fields(text)?.into_iter();
    let fields = fields.map(|field| match field.split_once('=') {
        Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
        None => Err(format!("invalid value {field}")),
    });
    fields.collect()
}

/// Caches of a text: `type=…,…`, or references.
///
/// # Errors
/// A sentence about what is wrong.
pub fn caches(text: &str) -> Result<Vec<Options>, String> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    if !text.contains('=') {
        let references = csv::fields(text)?.into_iter();
        let references = references.map(|reference| {
            Options::from([
                ("type".into(), "registry".into()),
                ("ref".into(), reference),
            ])
        });
        return Ok(references.collect());
    }
    let options = pairs(text)?.into_iter();
    let options: Options = options
        .map(|(key, value)| (key.to_lowercase(), value))
        .collect();
    typed(options, || format!("type required form> {text:?}")).map(|it| vec![it])
}

/// An output of a text: `type=…,…`, a directory, or `-`.
///
/// # Errors
/// A sentence about what is wrong.
pub fn export(text: &str) -> Result<Options, String> {
    let fields = csv::fields(text)?;
    if fields.len() == 1 && fields[0] == text && !text.starts_with("type=") {
        let kind = if text == "-" { "tar" } else { "local" };
        return Ok(Options::from([
            ("type".into(), kind.into()),
            ("dest".into(), text.to_owned()),
        ]));
    }
    let options = pairs(text)?.into_iter();
    let options = options.map(|(key, value)| (key.trim().to_lowercase(), value));
    typed(options.collect(), || "type is required for output".into())
}

/// An attestation of a text.
///
/// # Errors
/// A sentence about what is wrong.
pub fn attest(text: &str) -> Result<Options, String> {
    let mut options = Options::new();
    for (key, value) in pairs(text)? {
        match key.trim().to_lowercase().as_str() {
            "disabled" => {
                let truth = truth(&value).ok_or_else(|| {
                    format!("invalid value disabled={value}: strconv.ParseBool: parsing {value:?}: invalid syntax")
                })?;
                if truth {
                    options.insert("disabled".into(), "true".into());
                }
            }
            "type" => drop(options.insert("type".into(), value)),
            _ => drop(options.insert(key, value)),
        }
    }
    typed(options, || "attestation type not specified".into())
}

fn typed(options: Options, missing: impl Fn() -> String) -> Result<Options, String> {
    match options.get("type").is_none_or(String::is_empty) {
        true => Err(missing()),
        false => Ok(options),
    }
}

/// Go's `strconv.ParseBool`.
pub fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// A secret of a text.
///
/// # Errors
/// A sentence about what is wrong.
pub fn secret(text: &str) -> Result<Secret, String> {
    let mut secret = Secret::default();
    let mut kind = String::new();
    for field in csv::fields(text)? {
        let Some((key, value)) = field.split_once('=') else {
            return Err(format!("invalid field '{field}' must be a key=value pair"));
        };
        let value = value.to_owned();
        match key.to_lowercase().as_str() {
            "type" if value != "file" && value != "env" => {
                return Err(format!("unsupported secret type {value:?}"));
            }
            "type" => kind = value,
            "id" => secret.id = value,
            "source" | "src" => secret.source = value,
            "env" => secret.env = value,
            key => return Err(format!("unexpected key '{key}' in '{field}'")),
        }
    }
    if kind == "env" && secret.env.is_empty() {
        secret.env = std::mem::take(&mut secret.source);
    }
    Ok(secret)
}

/// An agent of a text: `id` or `id=path,path`.
pub fn ssh(text: &str) -> Ssh {
    let (id, paths) = text.split_once('=').unwrap_or((text, ""));
    let paths = match text.contains('=') {
        true => paths.split(',').map(str::to_owned).collect(),
        false => Vec::new(),
    };
    Ssh {
        id: id.to_owned(),
        paths,
    }
}

/// A mapping's entries as texts.
fn texts(value: Value) -> Result<Options, String> {
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
    entries.collect()
}

/// Caches of a value.
///
/// # Errors
/// A sentence about what is wrong.
pub fn caches_of(value: Value) -> Result<Vec<Options>, String> {
    match value {
        Value::Text(text) => caches(&text),
        other => {
            let json = other.json();
            let missing = || format!("type required form> {json:?}");
            typed(texts(other)?, missing).map(|it| vec![it])
        }
    }
}

/// An output of a value.
///
/// # Errors
/// A sentence about what is wrong.
pub fn export_of(value: Value) -> Result<Options, String> {
    match value {
        Value::Text(text) => export(&text),
        other => {
            let mut options = texts(other)?;
            options.retain(|key, value| key != "dest" || !value.is_empty());
            typed(options, || "type is required for output".into())
        }
    }
}

/// An attestation of a value.
///
/// # Errors
/// A sentence about what is wrong.
pub fn attest_of(value: Value) -> Result<Options, String> {
    match value {
        Value::Text(text) => attest(&text),
        other => {
            let mut options = texts(other)?;
            if let Some(value) = options.remove("disabled") {
                let truth = truth(&value).ok_or_else(|| {
                    format!("strconv.ParseBool: parsing {value:?}: invalid syntax")
                })?;
                if truth {
                    options.insert("disabled".into(), "true".into());
                }
            }
            Ok(options)
        }
    }
}

/// A secret of a value.
///
/// # Errors
/// A sentence about what is wrong.
pub fn secret_of(value: Value) -> Result<Secret, String> {
    match value {
        Value::Text(text) => secret(&text),
        other => {
            let mut options = texts(other)?;
            let mut take = |key: &str| options.remove(key).unwrap_or_default();
            Ok(Secret {
                id: take("id"),
                source: take("src"),
                env: take("env"),
            })
        }
    }
}

/// An agent of a value.
///
/// # Errors
/// A sentence about what is wrong.
pub fn ssh_of(value: Value) -> Result<Ssh, String> {
    match value {
        Value::Text(text) => Ok(ssh(&text)),
        Value::Map(mut entries) => {
            let id = entries
                .remove("id")
                .and_then(|it| it.to_text())
                .unwrap_or_default();
            let paths = match entries.remove("paths") {
                Some(Value::List(items)) => items.iter().filter_map(Value::to_text).collect(),
                _ => Vec::new(),
            };
            Ok(Ssh { id, paths })
        }
        _ => Err("object required".into()),
    }
}

/// How a build's own flag takes it: `type` first.
pub fn flag(options: &Options) -> String {
    let first = ["type", "dest"]
        .into_iter()
        .filter_map(|key| options.get_key_value(key));
    let rest = options
        .iter()
        .filter(|(key, _)| !["type", "dest"].contains(&key.as_str()));
    let written: Vec<String> = first
        .chain(rest)
        .map(|(key, value)| csv::written(key, value))
        .collect();
    written.join(",")
}

impl Secret {
    /// How a build's own flag takes it.
    pub fn flag(&self) -> String {
        let parts = [("id", &self.id), ("src", &self.source), ("env", &self.env)];
        let parts = parts.into_iter().filter(|(_, value)| !value.is_empty());
        let parts: Vec<String> = parts.map(|(key, value)| csv::written(key, value)).collect();
        parts.join(",")
    }

    pub(crate) fn out(&self) -> Out {
        let parts = [("id", &self.id), ("src", &self.source), ("env", &self.env)];
        let parts = parts.into_iter().filter(|(_, value)| !value.is_empty());
        Out::Map(
            parts
                .map(|(key, value)| (key.into(), Out::Text(value.clone())))
                .collect(),
        )
    }

    pub(crate) fn value(&self) -> Value {
        let parts = [("id", &self.id), ("src", &self.source), ("env", &self.env)];
        Value::Map(
            parts
                .map(|(key, value)| (key.into(), Value::Text(value.clone())))
                .into(),
        )
    }
}

impl Ssh {
    /// How a build's own flag takes it.
    pub fn flag(&self) -> String {
        match self.paths.is_empty() {
            true => self.id.clone(),
            false => format!("{}={}", self.id, self.paths.join(",")),
        }
    }

    pub(crate) fn out(&self) -> Out {
        let mut parts = Vec::new();
        if !self.id.is_empty() {
            parts.push(("id".into(), Out::Text(self.id.clone())));
        }
        if !self.paths.is_empty() {
            let paths = self.paths.iter().cloned().map(Out::Text);
            parts.push(("paths".into(), Out::List(paths.collect())));
        }
        Out::Map(parts)
    }

    pub(crate) fn value(&self) -> Value {
        let paths = self.paths.iter().cloned().map(Value::Text).collect();
        Value::Map(BTreeMap::from([
            ("id".into(), Value::Text(self.id.clone())),
            ("paths".into(), Value::List(paths)),
        ]))
    }
}

/// As JSON; only `disabled` is no text.
pub(crate) fn out(options: &Options) -> Out {
    let entries = options.iter().map(|(key, value)| {
        let value = match key.as_str() {
            "disabled" => Out::Bool(value == "true"),
            _ => Out::Text(value.clone()),
        };
        (key.clone(), value)
    });
    Out::Map(entries.collect())
}
