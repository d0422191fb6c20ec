//! Volumes, secrets and configs of a container.

use super::{OldMount, Surroundings, View, is_nothing};
use crate::error::ComposeError;
use crate::node::{Node, Value};
use crate::project::Project;
use serde_json::{Map as Json, Value as J, json};
use std::collections::BTreeMap;

pub(super) fn tmpfs(view: &View<'_>) -> J {
    let lines = view.items("tmpfs").iter().filter_map(Node::text);
    J::Object(
        lines
            .map(|line| {
                let (path, options) = line.split_once(':').unwrap_or((line, ""));
                (path.to_owned(), options.into())
            })
            .collect(),
    )
}

/// `Binds` and `Mounts`: the old form where it says all, the new one where it must.
pub(super) fn of(
    project: &Project,
    name: &str,
    view: &View<'_>,
    around: &Surroundings,
) -> Result<(Vec<String>, Vec<J>), ComposeError> {
    let mut binds = BTreeMap::new();
    let mut mounts = BTreeMap::new();
    for old in &around.inherited {
        let anonymous = view
            .objects("volumes")
            .any(|volume| volume.str("target") == old.target && volume.str("source").is_empty());
        if old.kind != "tmpfs" && (anonymous || around.image_volumes.contains(&old.target)) {
            mounts.insert(old.target.clone(), inherited(old));
        }
    }
    for volume in view.objects("volumes") {
        let target = volume.str("target").to_owned();
        let anonymous = volume.str("source").is_empty() && volume.str("type") == "volume";
        if anonymous && mounts.contains_key(&target) {
            continue;
        }
        mounts.remove(&target);
        let source = source(project, &volume);
        match needs_mount(project, &volume, &source) {
            true => drop(mounts.insert(target, mount(&volume, &source))),
            false => drop(binds.insert(target, bind(&volume, &source))),
        }
    }
    for (kind, directory) in [("secrets", "/run/secrets/"), ("configs", "/")] {
        for grant in view.objects(kind) {
            if let Some((target, mount)) = granted(project, name, kind, directory, &grant)?
                && !binds.contains_key(&target)
            {
                mounts.entry(target).or_insert(mount);
            }
        }
    }
    Ok((
        binds.into_values().collect(),
        mounts.into_values().collect(),
    ))
}

fn inherited(old: &OldMount) -> J {
    json!({
        "Type": old.kind,
        "Source": old.source,
        "Target": old.target,
        "ReadOnly": !old.writable,
    })
}

/// The source as the engine knows it: a named volume by its full name.
fn source(project: &Project, volume: &View<'_>) -> String {
    let source = volume.str("source");
    if volume.str("type") == "volume"
        && let Some(name) = project
            .volumes()
            .get(source)
            .and_then(|volume| volume.text_at(&["name"]))
    {
        return name.to_owned();
    }
    source.to_owned()
}

fn needs_mount(project: &Project, volume: &View<'_>, source: &str) -> bool {
    match volume.str("type") {
        "bind" => volume.below("bind").is_some_and(|bind| {
            bind.given_truth("create_host_path") != Some(true)
                || !bind.str("propagation").is_empty()
                || !bind.str("recursive").is_empty()
        }),
        "volume" => {
            let known = project
                .volumes()
                .values()
                .any(|volume| volume.text_at(&["name"]) == Some(source));
            let detailed = volume.below("volume").is_some_and(|detail| {
                !detail.entries("labels").is_empty()
                    || !detail.str("subpath").is_empty()
                    || detail.given_truth("nocopy") == Some(true)
            });
            !known || detailed
        }
        _ => true,
    }
}

fn bind(volume: &View<'_>, source: &str) -> String {
    let mut options = vec![match volume.given_truth("read_only") {
        Some(true) => "ro",
        _ => "rw",
    }];
    if let Some(bind) = volume.below("bind") {
        options.extend([bind.str("selinux"), bind.str("propagation")]);
    }
    options.retain(|option| !option.is_empty());
    format!("{source}:{}:{}", volume.str("target"), options.join(","))
}

fn mount(volume: &View<'_>, source: &str) -> J {
    let mut body = Json::new();
    let mut put = |key: &str, value: J| {
        if !is_nothing(&value) {
            body.insert(key.to_owned(), value);
        }
    };
    put("Type", volume.text("type"));
    put("Source", source.into());
    put("Target", volume.text("target"));
    put("ReadOnly", volume.truth("read_only"));
    put("Consistency", volume.text("consistency"));
    let (key, options) = match volume.str("type") {
        "bind" => (
            "BindOptions",
            volume.below("bind").map(|bind| bind_options(&bind)),
        ),
        "volume" => (
            "VolumeOptions",
            volume.below("volume").map(|detail| {
                json!({
                    "NoCopy": detail.given_truth("nocopy").unwrap_or(false),
                    "Subpath": detail.str("subpath"),
                    "Labels": detail.mapping("labels"),
                })
            }),
        ),
        "tmpfs" => (
            "TmpfsOptions",
            volume.below("tmpfs").map(|detail| {
                json!({
                    "SizeBytes": detail.int("size").unwrap_or(0),
                    "Mode": detail.int("mode").unwrap_or(0),
                })
            }),
        ),
        _ => (
            "ImageOptions",
            volume
                .below("image")
                .map(|detail| json!({ "Subpath": detail.str("subpath") })),
        ),
    };
    if let Some(options) = options {
        put(key, options);
    }
    J::Object(body)
}

fn bind_options(bind: &View<'_>) -> J {
    let mut options = json!({
        "Propagation": bind.str("propagation"),
        "CreateMountpoint": bind.given_truth("create_host_path").unwrap_or(false),
    });
    let recursive = match bind.str("recursive") {
        "disabled" => "NonRecursive",
        "writable" => "ReadOnlyNonRecursive",
        "readonly" => "ReadOnlyForceRecursive",
        _ => return options,
    };
    options[recursive] = true.into();
    options
}

/// A secret or config that is a file of the host, mounted where it was granted. Those of
/// other origin are put into the container before it starts ([`contents`]).
fn granted(
    project: &Project,
    name: &str,
    kind: &str,
    directory: &str,
    grant: &View<'_>,
) -> Result<Option<(String, J)>, ComposeError> {
    let key = grant.str("source");
    let section = if kind == "secrets" {
        project.secrets()
    } else {
        project.configs()
    };
    let Some(defined) = section.get(key) else {
        return Ok(None);
    };
    let unsupported =
        |message: String| ComposeError::attribute(&defined.place, format!("{kind}.{key}"), message);
    let singular = kind.trim_end_matches('s');
    let view = View(defined);
    if view.given_truth("external") == Some(true) {
        return Err(unsupported(format!(
            "unsupported external {singular} {}, which service {name:?} uses",
            view.str("name")
        )));
    }
    for attribute in ["driver", "template_driver"] {
        if !view.str(attribute).is_empty() {
            return Err(unsupported(format!(
                "Compose does not support {kind}.*.{attribute}"
            )));
        }
    }
    if view.str("file").is_empty() {
        return Ok(None);
    }
    let target = target(directory, grant);
    let mut mount = json!({
        "Type": "bind",
        "Source": view.str("file"),
        "Target": target,
        "ReadOnly": true,
    });
    if kind == "secrets" {
        mount["BindOptions"] = json!({});
    }
    Ok(Some((target, mount)))
}

/// What a service asks for and does not get: files of the host keep their owner and mode.
pub(crate) fn ignored(project: &Project, service: &Node) -> Vec<&'static str> {
    let kinds = [
        (
            "secrets",
            project.secrets(),
            "secrets `uid`, `gid` and `mode` are not supported, they will be ignored",
        ),
        (
            "configs",
            project.configs(),
            "config `uid`, `gid` and `mode` are not supported, they will be ignored",
        ),
    ];
    let view = View(service);
    let mut sentences = Vec::new();
    for (kind, section, sentence) in kinds {
        let wants = |grant: &View<'_>| {
            let is_file = section
                .get(grant.str("source"))
                .is_some_and(|defined| !View(defined).str("file").is_empty());
            is_file
                && ["uid", "gid", "mode"]
                    .iter()
                    .any(|key| grant.0.get(key).is_some())
        };
        let wanting = view.objects(kind).filter(|grant| wants(grant));
        sentences.extend(wanting.map(|_| sentence));
    }
    sentences
}

fn target(directory: &str, grant: &View<'_>) -> String {
    match grant.str("target") {
        "" => format!("{directory}{}", grant.str("source")),
        target if target.starts_with('/') => target.to_owned(),
        target => format!("{directory}{target}"),
    }
}

/// A file to be put into a container before it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Its absolute path in the container.
    pub target: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
}

/// Secrets and configs whose text is in the project or its environment.
pub fn contents(project: &Project, service: &Node) -> Result<Vec<Content>, ComposeError> {
    let view = View(service);
    let mut contents = Vec::new();
    for (kind, directory) in [("secrets", "/run/secrets/"), ("configs", "/")] {
        let section = if kind == "secrets" {
            project.secrets()
        } else {
            project.configs()
        };
        for grant in view.objects(kind) {
            let key = grant.str("source");
            let Some(defined) = section.get(key) else {
                continue;
            };
            let definition = View(defined);
            let variable = definition.str("environment");
            let text = if !variable.is_empty() {
                project.env.get(variable).cloned().ok_or_else(|| {
                    let message =
                        format!("environment variable {variable:?} required by it is not set");
                    ComposeError::attribute(&defined.place, format!("{kind}.{key}"), message)
                })?
            } else if let Some(Value::Text(text)) = defined.get("content").map(|node| &node.value) {
                text.clone()
            } else {
                continue;
            };
            contents.push(Content {
                target: target(directory, &grant),
                bytes: text.into_bytes(),
                mode: grant
                    .int("mode")
                    .and_then(|mode| u32::try_from(mode).ok())
                    .unwrap_or(0o444),
                uid: grant.str("uid").parse().unwrap_or(0),
                gid: grant.str("gid").parse().unwrap_or(0),
            });
        }
    }
    Ok(contents)
}
