//! `--set TARGET.KEY=VALUE` over what the files say.

use crate::{
    definition::Definition,
    entry::{self, Options, truth},
    error::BakeError,
    target::{Field, Target},
};
use std::collections::BTreeMap;

/// What the lines say about one key of one target.
#[derive(Debug, Clone, Default)]
pub(crate) struct Override {
    value: String,
    values: Vec<String>,
    append: bool,
}

/// Keys whose lines add up.
const LISTS: [&str; 11] = [
    "output",
    "cache-to",
    "cache-from",
    "tags",
    "platform",
    "secrets",
    "ssh",
    "attest",
    "entitlements",
    "network",
    "annotations",
];

/// By target, then by key.
pub(crate) fn read(
    definition: &Definition,
    lines: &[String],
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<BTreeMap<String, BTreeMap<String, Override>>, BakeError> {
    let mut all: BTreeMap<String, BTreeMap<String, Override>> = BTreeMap::new();
    for line in lines {
        let (whole, value) = match line.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (line.as_str(), None),
        };
        let key = whole.strip_suffix('+').unwrap_or(whole);
        let keys: Vec<&str> = key.splitn(3, '.').collect();
        if keys.len() < 2 {
            let text = format!("invalid override key {key}, expected target.name");
            return Err(BakeError::said(text));
        }
        let kind = keys[1];
        if value.is_none() && kind != "args" {
            let text = format!("invalid override {line}, expected target.name=value");
            return Err(BakeError::said(text));
        }
        for name in definition.matching(keys[0])? {
            let entries = all.entry(name).or_default();
            let entry = entries.entry(keys[1..].join(".")).or_default();
            if LISTS.contains(&kind) {
                entry.append = whole.ends_with('+');
                entry.values.extend(value.map(str::to_owned));
                // Stock bake reads a network as a list, looks for one value, and finds none;
                // here it counts.
                if kind != "network" {
                    continue;
                }
            }
            if matches!(kind, "args" | "contexts") && keys.len() != 3 {
                let text = format!("invalid key {whole}, {kind} requires name");
                return Err(BakeError::said(text));
            }
            match value {
                Some(value) => entry.value = value.to_owned(),
                None => match environment(keys[2]) {
                    Some(value) => entry.value = value,
                    None => drop(entries.remove(&keys[1..].join("."))),
                },
            }
        }
    }
    Ok(all)
}

/// Over a target that is otherwise ready.
pub(crate) fn apply(
    target: &mut Target,
    list: &BTreeMap<String, Override>,
) -> Result<(), BakeError> {
    for (key, entry) in list {
        one(target, key, entry).map_err(BakeError::Sentence)?;
    }
    Ok(())
}

fn one(target: &mut Target, key: &str, entry: &Override) -> Result<(), String> {
    let (kind, name) = key
        .split_once('.')
        .map_or((key, None), |(kind, name)| (kind, Some(name)));
    let value = &entry.value;
    let boolean =
        || truth(value).ok_or_else(|| format!("invalid value {value} for boolean key {kind}"));
    let filled = || entry.values.iter().filter(|it| !it.is_empty());
    let put = |target: &mut Target, name: &str, field: Field, join: bool| match join {
        true => target.join(name, field),
        false => target.set(name, field),
    };
    match kind {
        "context" | "dockerfile" | "target" | "call" | "shm-size" | "network" => {
            target.set(kind, Field::Text(value.clone()));
        }
        "args" | "contexts" | "labels" | "extra-hosts" => {
            let Some(name) = name else {
                let shape = if kind == "extra-hosts" {
                    "<hostname>=<ip>"
                } else {
                    "<name>=<value>"
                };
                return Err(format!(
                    "invalid format for {kind}, expecting {kind}.{shape}"
                ));
            };
            let entry = BTreeMap::from([(name.to_owned(), value.clone())]);
            target.join(kind, Field::Map(entry));
        }
        "tags" => put(
            target,
            "tags",
            Field::Texts(entry.values.clone()),
            entry.append,
        ),
        "platform" => put(
            target,
            "platforms",
            Field::Texts(entry.values.clone()),
            entry.append,
        ),
        // These are read as one value by stock bake, which then finds none.
        "no-cache-filter" | "ulimits" => {
            let values = if entry.values.is_empty() {
                vec![value.clone()]
            } else {
                entry.values.clone()
            };
            put(target, kind, Field::Texts(values), entry.append);
        }
        "entitlements" | "annotations" => {
            target.join(kind, Field::Texts(entry.values.clone()));
        }
        "cache-from" | "cache-to" => {
            let caches = filled()
                .map(|it| entry::caches(it))
                .collect::<Result<Vec<_>, _>>()?;
            put(target, kind, Field::Entries(caches.concat()), entry.append);
        }
        "secrets" => {
            let secrets = filled()
                .map(|it| entry::secret(it))
                .collect::<Result<_, _>>();
            let secrets = secrets.map_err(|why| format!("invalid value for outputs: {why}"))?;
            put(target, "secret", Field::Secrets(secrets), entry.append);
        }
        "ssh" => {
            let keys = filled().map(|it| entry::ssh(it)).collect();
            put(target, "ssh", Field::Ssh(keys), entry.append);
        }
        "output" => {
            let outputs = filled()
                .map(|it| entry::export(it))
                .collect::<Result<_, _>>();
            let outputs = outputs.map_err(|why| format!("invalid value for outputs: {why}"))?;
            put(target, "output", Field::Entries(outputs), entry.append);
        }
        "attest" => {
            let list = filled()
                .map(|it| entry::attest(it))
                .collect::<Result<_, _>>();
            let list = list.map_err(|why| format!("invalid value for attest: {why}"))?;
            target.join("attest", Field::Entries(list));
        }
        "no-cache" | "pull" => target.set(kind, Field::Bool(boolean()?)),
        "push" => {
            let outputs = pushed(target.entries("output").to_vec(), boolean()?);
            target.set("output", Field::Entries(outputs));
        }
        "load" => {
            if boolean()? {
                let outputs = loaded(target.entries("output").to_vec());
                target.set("output", Field::Entries(outputs));
            }
        }
        other => return Err(format!("unknown key: {other}")),
    }
    Ok(())
}

fn kind(options: &Options) -> &str {
    options.get("type").map_or("", String::as_str)
}

/// `push` over what a target puts where.
fn pushed(mut outputs: Vec<Options>, push: bool) -> Vec<Options> {
    if !push {
        outputs.retain(|it| kind(it) != "registry");
    }
    for output in outputs.iter_mut().filter(|it| kind(it) == "image") {
        output.insert("push".into(), push.to_string());
    }
    if push && outputs.iter().all(|it| kind(it) == "docker") {
        let image = [("type", "image"), ("push", "true")];
        outputs.push(image.map(|(key, value)| (key.into(), value.into())).into());
    }
    outputs
}

/// `load` over what a target puts where.
fn loaded(mut outputs: Vec<Options>) -> Vec<Options> {
    for output in &outputs {
        match kind(output) {
            "docker" if !output.contains_key("dest") => return outputs,
            "docker" | "image" | "registry" | "oci" => {}
            // A directory or an archive is all that is wanted.
            _ => return outputs,
        }
    }
    outputs.push(Options::from([("type".into(), "docker".into())]));
    outputs
}
