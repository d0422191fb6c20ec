//! Targets of Compose files: each service with a `build` section is one.

use crate::{
    definition::{Group, target_name, valid_name},
    entry,
    error::BakeError,
    source::Source,
    target::{Field, Target},
    value::Value,
};
use corten_compose::{Node, Project, Request, Steps, dotenv::Env};
use std::{collections::BTreeMap, path::Path};

/// What `build.x-bake` may say, and what it is called in a target.
const EXTENSION: [&str; 11] = [
    "tags",
    "cache-from",
    "cache-to",
    "secret",
    "ssh",
    "platforms",
    "output",
    "pull",
    "no-cache",
    "no-cache-filter",
    "contexts",
];

/// A project of these files.
pub(crate) fn project(
    files: &[&Source],
    directory: &Path,
    env: &Env,
) -> Result<Project, BakeError> {
    let request = Request {
        files: files
            .iter()
            .map(|it| corten_compose::Source::Text {
                name: it.name.clone(),
                text: it.text.clone(),
            })
            .collect(),
        directory: directory.to_owned(),
        name: env
            .get("COMPOSE_PROJECT_NAME")
            .filter(|it| !it.is_empty())
            .cloned(),
        fallback_name: "bake".into(),
        env: env.clone(),
        profiles: vec!["*".into()],
        steps: Steps {
            normalize: false,
            resolve_paths: false,
            check: false,
            ..Steps::default()
        },
    };
    let loaded = corten_compose::load(&request, &corten_compose::Disk);
    let loaded = loaded.map_err(|error| {
        BakeError::said(format!(
            "failed to parse compose file: {}",
            corten_base::chain(&error)
        ))
    })?;
    Ok(loaded.project)
}

type NamedTargets = Vec<(String, Target)>;

/// The targets of a project, and the group of all of them.
pub(crate) fn targets(
    project: &Project,
    env: &Env,
) -> Result<(NamedTargets, Vec<Group>), BakeError> {
    let mut targets = Vec::new();
    for (name, service) in project.services() {
        let Some(build) = service.get("build") else {
            continue;
        };
        let name = target_name(name);
        valid_name(&name).map_err(|why| {
            BakeError::said(format!(
                "failed to parse compose file: invalid service name {name:?}: {why}"
            ))
        })?;
        let target = target(project, service, build, env)
            .map_err(|why| BakeError::said(format!("failed to parse compose file: {why}")))?;
        targets.push((name, target));
    }
    let group = Group {
        name: "default".into(),
        targets: targets.iter().map(|(name, _)| name.clone()).collect(),
        ..Group::default()
    };
    Ok((targets, vec![group]))
}

fn target(project: &Project, service: &Node, build: &Node, env: &Env) -> Result<Target, String> {
    let mut target = Target::default();
    let text = |key: &str| {
        let value = build.get(key).and_then(|it| it.value.scalar_text());
        value.filter(|it| !it.is_empty())
    };
    for (key, name) in [
        ("context", "context"),
        ("dockerfile", "dockerfile"),
        ("dockerfile_inline", "dockerfile-inline"),
        ("target", "target"),
        ("network", "network"),
    ] {
        if let Some(value) = text(key) {
            target.set(
                name,
                Field::Text(if key == "context" {
                    local(&value)
                } else {
                    value
                }),
            );
        }
    }
    if let Some(bytes) = text("shm_size")
        .and_then(|it| it.parse::<u64>().ok())
        .filter(|it| *it > 0)
    {
        target.set(
            "shm-size",
            Field::Text(corten_base::text::bytes_size(bytes as f64)),
        );
    }
    for key in ["pull", "no_cache"] {
        if text(key).as_deref() == Some("true") {
            target.set(&key.replace('_', "-"), Field::Bool(true));
        }
    }
    let contexts = map(build, "additional_contexts")
        .into_iter()
        .map(|(key, value)| {
            let value = value.unwrap_or_default();
            let other = value
                .strip_prefix("service:")
                .or_else(|| value.strip_prefix("target:"));
            (
                key,
                other.map_or(local(&value), |it| format!("target:{}", target_name(it))),
            )
        });
    set_map(&mut target, "contexts", contexts.collect());
    let environment = map(service, "environment");
    let arguments = map(build, "args").into_iter().filter_map(|(key, value)| {
        let known = || {
            environment
                .get(&key)
                .cloned()
                .flatten()
                .or_else(|| env.get(&key).cloned())
        };
        Some((key.clone(), value.or_else(known)?))
    });
    set_map(&mut target, "args", arguments.collect());
    let labels = map(build, "labels").into_iter();
    set_map(
        &mut target,
        "labels",
        labels.map(|(k, v)| (k, v.unwrap_or_default())).collect(),
    );
    let hosts = build
        .get("extra_hosts")
        .and_then(Node::map)
        .into_iter()
        .flatten();
    let hosts = hosts.map(|(host, addresses)| {
        let addresses = addresses
            .list()
            .unwrap_or_default()
            .iter()
            .filter_map(Node::text);
        (host.clone(), addresses.collect::<Vec<_>>().join(","))
    });
    set_map(&mut target, "extra-hosts", hosts.collect());
    set_texts(&mut target, "tags", list(build, "tags"));
    if target.texts("tags").is_empty()
        && let Some(image) = service.text_at(&["image"])
    {
        set_texts(&mut target, "tags", vec![image.to_owned()]);
    }
    set_texts(&mut target, "platforms", list(build, "platforms"));
    let limits = build
        .get("ulimits")
        .and_then(Node::map)
        .into_iter()
        .flatten();
    let limits = limits.map(|(name, limit)| match limit.value.scalar_text() {
        Some(both) => format!("{name}={both}:{both}"),
        None => {
            let part = |key| {
                limit
                    .get(key)
                    .and_then(|it| it.value.scalar_text())
                    .unwrap_or_default()
            };
            format!("{name}={}:{}", part("soft"), part("hard"))
        }
    });
    set_texts(&mut target, "ulimits", limits.collect());
    for (key, name) in [("cache_from", "cache-from"), ("cache_to", "cache-to")] {
        let caches = list(build, key);
        let caches = caches
            .iter()
            .map(|it| entry::caches(it))
            .collect::<Result<Vec<_>, _>>()?
            .concat();
        if !caches.is_empty() {
            target.set(name, Field::Entries(caches));
        }
    }
    let mut attests = Vec::new();
    for kind in ["sbom", "provenance"] {
        if let Some(value) = text(kind) {
            attests.push(entry::attest(&attestation(kind, &value))?);
        }
    }
    if !attests.is_empty() {
        target.set("attest", Field::Entries(attests));
    }
    agents_and_secrets(&mut target, project, build)?;
    if let Some(own) = build.get("x-bake") {
        extend(&mut target, own)?;
    }
    Ok(target)
}

/// How `--provenance` and `--sbom` say what `--attest` says.
pub fn attestation(kind: &str, value: &str) -> String {
    match entry::truth(value) {
        Some(truth) => format!("type={kind},disabled={}", !truth),
        None => format!("type={kind},{value}"),
    }
}

fn agents_and_secrets(target: &mut Target, project: &Project, build: &Node) -> Result<(), String> {
    let keys = map(build, "ssh").into_iter();
    let mut keys: Vec<_> = keys
        .map(|(id, path)| entry::Ssh {
            id,
            paths: path.into_iter().filter(|it| !it.is_empty()).collect(),
        })
        .collect();
    keys.sort_by(|left, right| left.id.cmp(&right.id));
    if !keys.is_empty() {
        target.set("ssh", Field::Ssh(keys));
    }
    let mut secrets = Vec::new();
    for grant in build
        .get("secrets")
        .and_then(Node::list)
        .unwrap_or_default()
    {
        let source = grant
            .text_at(&["source"])
            .or(grant.text())
            .unwrap_or_default();
        let defined = project.secrets().get(source);
        let text = |key: &str| {
            let found = defined.and_then(|it| it.text_at(&[key]));
            found.unwrap_or_default().to_owned()
        };
        let external = defined.and_then(|it| it.get("external"));
        if external.and_then(|it| it.value.scalar_text()).as_deref() == Some("true") {
            return Err(format!("unsupported external secret {source}"));
        }
        let file = Some(text("file")).filter(|it| !it.is_empty());
        secrets.push(entry::Secret {
            id: source.to_owned(),
            source: file.map(|it| local(&it)).unwrap_or_default(),
            env: text("environment"),
        });
    }
    if !secrets.is_empty() {
        target.set("secret", Field::Secrets(secrets));
    }
    Ok(())
}

/// `build.x-bake` adds to lists and replaces truths.
fn extend(target: &mut Target, own: &Node) -> Result<(), String> {
    for (key, node) in own.map().into_iter().flatten() {
        if !EXTENSION.contains(&key.as_str()) {
            continue;
        }
        match key.as_str() {
            "pull" | "no-cache" => {
                let on = node.value.scalar_text().as_deref() == Some("true");
                target.set(key, Field::Bool(on));
            }
            "contexts" => {
                let mut all = map(own, key)
                    .into_iter()
                    .map(|(name, value)| {
                        let value = value.unwrap_or_default();
                        let other = value
                            .strip_prefix("service:")
                            .or_else(|| value.strip_prefix("target:"));
                        (
                            name,
                            other.map_or(value.clone(), |it| format!("target:{}", target_name(it))),
                        )
                    })
                    .collect::<BTreeMap<_, _>>();
                all.extend(target.map("contexts"));
                target.set("contexts", Field::Map(all));
            }
            _ => {
                // One text is a list of words.
                let items: Vec<String> = match node.list() {
                    Some(items) => items
                        .iter()
                        .filter_map(|it| it.value.scalar_text())
                        .collect(),
                    None => {
                        let text = node.value.scalar_text().unwrap_or_default();
                        text.split_whitespace().map(str::to_owned).collect()
                    }
                };
                let value = Value::List(items.into_iter().map(Value::Text).collect());
                if let Some(field) = crate::target::read(key, value)? {
                    target.join(key, field);
                }
            }
        }
    }
    target.normalize();
    Ok(())
}

/// A path of this machine in its plain form.
fn local(path: &str) -> String {
    match crate::paths::is_remote(path) || path.contains(':') {
        true => path.to_owned(),
        false => crate::paths::clean(path),
    }
}

/// Entries of a mapping, or of a list of `KEY=VALUE`.
fn map(node: &Node, key: &str) -> BTreeMap<String, Option<String>> {
    let Some(found) = node.get(key) else {
        return BTreeMap::new();
    };
    match (found.map(), found.list()) {
        (Some(entries), _) => entries
            .iter()
            .map(|(key, it)| (key.clone(), it.value.scalar_text()))
            .collect(),
        (None, Some(items)) => {
            let items = items.iter().filter_map(|it| it.value.scalar_text());
            items
                .map(|it| match it.split_once('=') {
                    Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
                    None => (it, None),
                })
                .collect()
        }
        (None, None) => BTreeMap::new(),
    }
}

fn list(node: &Node, key: &str) -> Vec<String> {
    let items = node
        .get(key)
        .and_then(Node::list)
        .unwrap_or_default()
        .iter();
    items.filter_map(|it| it.value.scalar_text()).collect()
}

fn set_map(target: &mut Target, name: &str, entries: BTreeMap<String, String>) {
    if !entries.is_empty() {
        target.set(name, Field::Map(entries));
    }
}

fn set_texts(target: &mut Target, name: &str, items: Vec<String>) {
    if !items.is_empty() {
        target.set(name, Field::Texts(items));
    }
}
