//! `compose build --print`: what is to be built as a file for `docker buildx bake`, its
//! attributes in bake's order. A target's name is its service's.

use super::{
    Compose,
    build::{self, Options, list, pairs, truth},
    images,
};
use crate::error::CliError;
use corten_compose::{Node, Project, json, labels, output::Out};
use std::path::Path;

/// What bake calls the group that is built when nothing is named.
const DEFAULT: &str = "default";

/// The file's text; `names` in the order in which they are to stand.
pub fn file(
    compose: &Compose<'_>,
    project: &Project,
    names: &[String],
    options: &Options,
) -> Result<String, CliError> {
    let mut targets = Vec::new();
    let mut sorted = names.to_vec();
    sorted.sort();
    for name in &sorted {
        let target = target(compose, project, name, options)?;
        targets.push((target_name(name), target));
    }
    let all = names.iter().map(|name| Out::Text(target_name(name)));
    let group = map([("targets", Out::List(all.collect()))]);
    let group = map([(DEFAULT, group)]);
    let file = map([("group", group), ("target", Out::Map(targets))]);
    Ok(json::pretty(&file))
}

/// A dot is no letter of a target's name.
fn target_name(service: &str) -> String {
    service.replace('.', "_")
}

fn target(
    compose: &Compose<'_>,
    project: &Project,
    name: &str,
    options: &Options,
) -> Result<Out, CliError> {
    let service = &project.services()[name];
    let build = &service
        .get("build")
        .cloned()
        .unwrap_or_else(|| service.clone());
    let mut all = Vec::new();
    let mut put = |key: &str, value: Out| {
        let is_empty = match &value {
            Out::Text(text) => text.is_empty(),
            Out::List(items) => items.is_empty(),
            Out::Map(entries) => entries.is_empty(),
            Out::Bool(value) => !value,
            _ => false,
        };
        if !is_empty {
            all.push((key.to_owned(), value));
        }
    };
    let text = |key: &str| {
        let value = build.get(key).and_then(|node| node.value.scalar_text());
        Out::Text(value.unwrap_or_default())
    };
    let context = build.text_at(&["context"]).unwrap_or(".");
    put("context", Out::Text(context.to_owned()));
    let contexts = pairs(build, "additional_contexts").into_iter();
    put(
        "contexts",
        sorted(contexts.map(|(key, value)| {
            let other = value.strip_prefix("service:").map(target_name);
            (key, other.map_or(value, |other| format!("target:{other}")))
        })),
    );
    match build.text_at(&["dockerfile_inline"]) {
        Some(inline) => put("dockerfile-inline", Out::Text(escaped(inline))),
        None => put("dockerfile", Out::Text(dockerfile(context, build))),
    }
    let arguments = build::arguments(compose, project, build, options).into_iter();
    put(
        "args",
        sorted(arguments.map(|(key, value)| (key, escaped(&value)))),
    );
    let own = [
        (labels::PROJECT, project.name.as_str()),
        (labels::SERVICE, name),
        (labels::VERSION, env!("CARGO_PKG_VERSION")),
    ];
    let own = own.map(|(key, value)| (key.to_owned(), value.to_owned()));
    put(
        "labels",
        sorted(pairs(build, "labels").into_iter().chain(own)),
    );
    let mut tags = images::tags(project, name, service);
    // The image's own name stands last.
    tags.rotate_left(1);
    put("tags", texts(tags));
    put("cache-from", texts(list(build, "cache_from")));
    put("cache-to", texts(list(build, "cache_to")));
    put("target", text("target"));
    put("secret", texts(secrets(project, build)));
    let ssh = pairs(build, "ssh").into_iter();
    let ssh = ssh.chain(options.ssh.iter().map(|word| {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        (key.to_owned(), value.to_owned())
    }));
    put(
        "ssh",
        texts(ssh.map(|(key, value)| format!("{key}={value}"))),
    );
    put("platforms", texts(list(build, "platforms")));
    put("pull", Out::Bool(options.pull || truth(build, "pull")));
    put(
        "no-cache",
        Out::Bool(options.no_cache || truth(build, "no_cache")),
    );
    put("network", text("network"));
    put("shm-size", text("shm_size"));
    let ulimits = build::ulimits(build).into_iter();
    put(
        "ulimits",
        texts(ulimits.map(|(key, soft, hard)| match soft == hard {
            true => format!("{key}={soft}"),
            false => format!("{key}={soft}:{hard}"),
        })),
    );
    if options.check {
        put("call", Out::Text("lint".into()));
    }
    let mut allowed = list(build, "entitlements");
    if truth(build, "privileged") {
        allowed.push("security.insecure".into());
    }
    put("entitlements", texts(allowed));
    let hosts = build.get("extra_hosts").and_then(Node::map);
    let hosts = hosts.into_iter().flatten().map(|(host, addresses)| {
        let addresses = addresses.list().unwrap_or_default().iter();
        let addresses: Vec<&str> = addresses.filter_map(Node::text).collect();
        (host.clone(), addresses.join(","))
    });
    put("extra-hosts", sorted(hosts));
    if !options.check {
        let pushed = build::is_pushed(service, options);
        let output = match pushed {
            _ if list(build, "platforms").len() > 1 => format!("type=image,push={pushed}"),
            true => "type=registry".into(),
            false => "type=docker".into(),
        };
        put("output", texts([output]));
    }
    put("attest", texts(attestations(build)));
    Ok(Out::Map(all))
}

fn dockerfile(context: &str, build: &Node) -> String {
    let file = build.text_at(&["dockerfile"]).filter(|it| !it.is_empty());
    let file = file.unwrap_or("Dockerfile");
    match Path::new(context).is_absolute() {
        true => Path::new(context).join(file).display().to_string(),
        // In a repository elsewhere, the path is one of the repository.
        false => file.to_owned(),
    }
}

/// The file is filled in by bake: what looks like a variable of its own must not be one.
fn escaped(text: &str) -> String {
    text.replace("${", "$${")
}

fn secrets(project: &Project, build: &Node) -> Vec<String> {
    let grants = build.get("secrets").and_then(Node::list);
    let grants = grants.unwrap_or_default().iter();
    grants
        .filter_map(|grant| {
            let source = grant.text_at(&["source"]).unwrap_or_default();
            let id = grant.text_at(&["target"]).unwrap_or(source);
            let defined = project.secrets().get(source)?;
            match defined.text_at(&["file"]) {
                Some(path) => Some(format!("id={id},type=file,src={path}")),
                None => {
                    let variable = defined.text_at(&["environment"])?;
                    Some(format!("id={id},type=env,env={variable}"))
                }
            }
        })
        .collect()
}

/// A value of `provenance` and `sbom` is a truth or the attestation's own words.
fn attestations(build: &Node) -> Vec<String> {
    let kinds = ["provenance", "sbom"].into_iter();
    kinds
        .filter_map(|kind| {
            let value = build.get(kind)?.value.scalar_text()?;
            match value.as_str() {
                "" => None,
                "true" => Some(format!("type={kind}")),
                "false" => Some(format!("type={kind},disabled=true")),
                words => Some(format!("type={kind},{words}")),
            }
        })
        .collect()
}

fn map<const N: usize>(entries: [(&str, Out); N]) -> Out {
    Out::Map(entries.map(|(key, value)| (key.to_owned(), value)).into())
}

fn texts(items: impl IntoIterator<Item = String>) -> Out {
    Out::List(items.into_iter().map(Out::Text).collect())
}

/// Later entries go over earlier ones.
fn sorted(entries: impl Iterator<Item = (String, String)>) -> Out {
    let entries: std::collections::BTreeMap<_, _> = entries.collect();
    let entries = entries.into_iter();
    Out::Map(
        entries
            .map(|(key, value)| (key, Out::Text(value)))
            .collect(),
    )
}
