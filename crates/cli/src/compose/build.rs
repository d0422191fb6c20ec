//! `compose build`: the images of services that have a `build` section. Each becomes a line
//! of the client's own `build`.

use super::{
    Compose, bake,
    delegate::{Line, words},
    display::{self, Lines},
    images, selection, up,
};
use crate::{
    build::{progress::Stream, run_telling},
    error::CliError,
    files,
};
use corten_compose::{
    Node, Project, Target, Value,
    apply::{Event, Phase, Progress},
    body, labels,
};
use sha1::{Digest, Sha1};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// How images are built.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The builder's output is not shown.
    pub quiet: bool,
    /// Nothing is taken from the cache.
    pub no_cache: bool,
    /// Base images are looked for anew.
    pub pull: bool,
    /// Only the Dockerfile is looked at.
    pub check: bool,
    /// The images are pushed when they are built.
    pub push: bool,
    /// Over the files' own, `KEY=VALUE` or `KEY`.
    pub arguments: Vec<String>,
    /// Agents and keys, as the client's `build` takes them.
    pub ssh: Vec<String>,
    /// Attestations and the builder, passed on as they are.
    pub others: Vec<String>,
}

impl Options {
    fn from_flags(compose: &Compose<'_>) -> Result<Self, CliError> {
        let parsed = &compose.call.parsed;
        if parsed.bytes("memory").unwrap_or(0) != 0 {
            let ignored = "WARNING: --memory is not supported by BuildKit and will be ignored";
            compose.call.app.warn(ignored);
        }
        // The last one counts; without a value it is the user's agent.
        let ssh = match parsed.get("ssh") {
            Some("") => Some("default"),
            Some(word) if word != "default" && !word.contains('=') => {
                return Err(CliError::Text(format!("invalid ssh key {word:?}")));
            }
            given => given,
        };
        let given = |flag: &str| Some(format!("--{flag}={}", parsed.get(flag)?));
        Ok(Self {
            quiet: parsed.is_on("quiet"),
            no_cache: parsed.is_on("no-cache"),
            pull: parsed.is_on("pull"),
            check: parsed.is_on("check"),
            push: parsed.is_on("push"),
            arguments: parsed.list("build-arg"),
            ssh: ssh.into_iter().map(str::to_owned).collect(),
            others: ["builder", "provenance", "sbom"]
                .into_iter()
                .filter_map(given)
                .collect(),
        })
    }
}

/// `compose build`.
pub async fn run(compose: &Compose<'_>) -> Result<u8, CliError> {
    let parsed = &compose.call.parsed;
    let options = Options::from_flags(compose)?;
    let mut project = compose.lazy_project()?;
    let alone = !parsed.is_on("with-dependencies");
    let mut names = selection::select(&mut project, &parsed.args, alone)?;
    names.retain(|name| project.services()[name].get("build").is_some());
    if names.is_empty() {
        return Ok(0);
    }
    names.sort();
    let order = order(&project, &names)?;
    project.choose_platforms(&order, Target::Everywhere)?;
    if parsed.is_on("print") {
        compose
            .call
            .app
            .out(&(bake::file(compose, &project, &order, &options)? + "\n"))?;
        return Ok(0);
    }
    services(compose, &project, &names, &options).await?;
    Ok(0)
}

/// Builds the images of services, those that others build upon first.
pub async fn services(
    compose: &Compose<'_>,
    project: &Project,
    names: &[String],
    options: &Options,
) -> Result<(), CliError> {
    let order = order(project, names)?;
    let is_silent = options.quiet && compose.call.command.path == "compose build";
    if compose.is_dry() {
        let lines = Lines::new(compose);
        for name in order.into_iter().filter(|_| !is_silent) {
            would_build(&lines, project, &name);
        }
        return Ok(());
    }
    for name in &order {
        one(compose, project, name, options).await?;
    }
    if options.check || is_silent {
        return Ok(());
    }
    // The builder had the screen until now.
    let lines = Lines::new(compose);
    for name in order {
        let image = body::image_name(project, &name, &project.services()[&name]);
        lines.event(Event::of(image, Phase::Done).status("Built"));
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a dry run tells of a build: the image has an ID that only its service decides.
fn would_build(lines: &Lines<'_>, project: &Project, name: &str) {
    let image = body::image_name(project, name, &project.services()[name]);
    for (id, text) in [
        (
            format!("{name} ==>"),
            format!("==> writing image dryRun-{}", hex(&Sha1::digest(name))),
        ),
        (format!("{name} ==> ==>"), format!("naming to {image}")),
    ] {
        lines.event(Event::of(id, Phase::Done).text(text));
    }
    lines.event(Event::of(name, Phase::Done).status("Built"));
}

/// The services, each after those that it builds upon.
fn order(project: &Project, names: &[String]) -> Result<Vec<String>, CliError> {
    let mut order = Vec::new();
    for name in names {
        visit(project, name, &mut order, &mut Vec::new())?;
    }
    Ok(order)
}

fn visit(
    project: &Project,
    name: &str,
    order: &mut Vec<String>,
    above: &mut Vec<String>,
) -> Result<(), CliError> {
    if order.iter().any(|seen| seen == name) {
        return Ok(());
    }
    if above.iter().any(|seen| seen == name) {
        let circle = above.join(" -> ");
        return Err(CliError::Text(format!(
            "the builds of services need each other: {circle} -> {name}"
        )));
    }
    above.push(name.to_owned());
    let build = project.services().get(name).and_then(|it| it.get("build"));
    for (_, value) in build
        .map(|it| pairs(it, "additional_contexts"))
        .unwrap_or_default()
    {
        if let Some(other) = value.strip_prefix("service:") {
            visit(project, other, order, above)?;
        }
    }
    above.pop();
    order.push(name.to_owned());
    Ok(())
}

async fn one(
    compose: &Compose<'_>,
    project: &Project,
    name: &str,
    options: &Options,
) -> Result<(), CliError> {
    // What is only written for this build goes with it.
    let scratch = files::private_directory()?;
    let line = line(compose, project, name, options, &scratch)?;
    let line = Line::new(line)?;
    let call = line.call(compose.call.app)?;
    // On standard output, as stock Compose has it.
    match Box::pin(run_telling(&call, Stream::Output)).await? {
        0 => Ok(()),
        code => Err(CliError::Exit(code)),
    }
}

/// The words of the client's `build` for a service.
fn line(
    compose: &Compose<'_>,
    project: &Project,
    name: &str,
    options: &Options,
    scratch: &TempDir,
) -> Result<Vec<String>, CliError> {
    let service = &project.services()[name];
    let build = &service
        .get("build")
        .cloned()
        .unwrap_or_else(|| service.clone());
    let mut line = words(["build"]);
    let mut add = |flag: &str, value: &str| line.push(format!("--{flag}={value}"));
    for tag in images::tags(project, name, service) {
        add("tag", &tag);
    }
    for (key, value) in [
        (labels::PROJECT, project.name.as_str()),
        (labels::SERVICE, name),
        (labels::VERSION, env!("CARGO_PKG_VERSION")),
    ] {
        add("label", &format!("{key}={value}"));
    }
    for (key, value) in pairs(build, "labels") {
        add("label", &format!("{key}={value}"));
    }
    for (key, value) in arguments(compose, project, build, options) {
        add("build-arg", &format!("{key}={value}"));
    }
    for (flag, key) in [
        ("target", "target"),
        ("network", "network"),
        ("shm-size", "shm_size"),
    ] {
        let value = build.get(key).and_then(|node| node.value.scalar_text());
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            add(flag, &value);
        }
    }
    for (flag, key) in [
        ("cache-from", "cache_from"),
        ("cache-to", "cache_to"),
        ("allow", "entitlements"),
    ] {
        list(build, key).iter().for_each(|value| add(flag, value));
    }
    if truth(build, "privileged") {
        add("allow", "security.insecure");
    }
    for platform in list(build, "platforms") {
        add("platform", &platform);
    }
    if is_pushed(service, options) {
        add("push", "true");
    }
    let hosts = build.get("extra_hosts").and_then(Node::map);
    for (host, addresses) in hosts.into_iter().flatten() {
        for address in addresses.list().unwrap_or_default() {
            add(
                "add-host",
                &format!("{host}={}", address.text().unwrap_or_default()),
            );
        }
    }
    for (key, soft, hard) in ulimits(build) {
        add("ulimit", &format!("{key}={soft}:{hard}"));
    }
    for (key, value) in pairs(build, "additional_contexts") {
        let value = match value.strip_prefix("service:") {
            Some(other) => match project.services().get(other) {
                Some(node) => format!("docker-image://{}", body::image_name(project, other, node)),
                None => return Err(no_service(name, other)),
            },
            None => value,
        };
        add("build-context", &format!("{key}={value}"));
    }
    for (key, value) in pairs(build, "ssh") {
        let word = if value.is_empty() {
            key
        } else {
            format!("{key}={value}")
        };
        add("ssh", &word);
    }
    options.ssh.iter().for_each(|word| add("ssh", word));
    for secret in secrets(project, build, scratch)? {
        add("secret", &secret);
    }
    for flag in ["provenance", "sbom"] {
        let value = build.get(flag).and_then(|node| node.value.scalar_text());
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            add(flag, &value);
        }
    }
    for (flag, on) in [
        ("no-cache", options.no_cache || truth(build, "no_cache")),
        ("pull", options.pull || truth(build, "pull")),
        ("check", options.check),
    ] {
        if on {
            add(flag, "true");
        }
    }
    match display::wanted(compose).as_str() {
        _ if options.quiet => add("progress", "none"),
        "quiet" | "none" => add("progress", "none"),
        "json" => add("progress", "rawjson"),
        "" => {}
        mode => add("progress", mode),
    }
    let context = build.text_at(&["context"]).unwrap_or(".");
    if let Some(file) = dockerfile(context, build, scratch)? {
        add("file", &file);
    }
    line.extend(options.others.iter().cloned());
    line.push("--".into());
    line.push(context.to_owned());
    Ok(line)
}

/// Whether a service's image goes to its registry: one that has no name of its own never does.
pub fn is_pushed(service: &Node, options: &Options) -> bool {
    let image = service.text_at(&["image"]).unwrap_or_default();
    options.push && !options.check && !image.is_empty()
}

fn no_service(name: &str, other: &str) -> CliError {
    CliError::Text(format!(
        "services.{name}.build.additional_contexts: no such service: {other}"
    ))
}

/// The Dockerfile's path, where it is not the context's own.
fn dockerfile(context: &str, build: &Node, scratch: &TempDir) -> Result<Option<String>, CliError> {
    if let Some(text) = build.text_at(&["dockerfile_inline"]) {
        return written(scratch, "Dockerfile", text).map(|path| Some(path.display().to_string()));
    }
    let given = build.text_at(&["dockerfile"]).filter(|it| !it.is_empty());
    Ok(given.map(|given| {
        let path = Path::new(context).join(given);
        match Path::new(context).is_dir() {
            true => path.display().to_string(),
            // In a repository elsewhere, the path is one of the repository.
            false => given.to_owned(),
        }
    }))
}

fn written(scratch: &TempDir, name: &str, text: &str) -> Result<PathBuf, CliError> {
    let path = scratch.path().join(name);
    std::fs::write(&path, text)
        .map_err(|error| CliError::path("write", &path.display().to_string(), &error))?;
    Ok(path)
}

/// `id=…,src=…` for each secret that the build may read.
fn secrets(project: &Project, build: &Node, scratch: &TempDir) -> Result<Vec<String>, CliError> {
    let mut found = Vec::new();
    for grant in build
        .get("secrets")
        .and_then(Node::list)
        .unwrap_or_default()
    {
        let source = grant.text_at(&["source"]).unwrap_or_default();
        let id = grant.text_at(&["target"]).unwrap_or(source);
        let Some(defined) = project.secrets().get(source) else {
            continue;
        };
        let path = if let Some(file) = defined.text_at(&["file"]) {
            file.to_owned()
        } else if let Some(variable) = defined.text_at(&["environment"]) {
            let value = project.env.get(variable).ok_or_else(|| {
                CliError::Text(format!(
                    "environment variable {variable:?} required by secret {source:?} is not set"
                ))
            })?;
            let name = format!("secret-{}", found.len());
            written(scratch, &name, value)?.display().to_string()
        } else {
            return Err(CliError::Text(format!(
                "secret {source:?} is external: a build cannot read it"
            )));
        };
        found.push(format!("id={id},\"src={path}\""));
    }
    Ok(found)
}

/// Limits by name, soft and hard.
pub fn ulimits(build: &Node) -> Vec<(String, String, String)> {
    let ulimits = build.get("ulimits").and_then(Node::map);
    let ulimits = ulimits.into_iter().flatten().map(|(key, node)| {
        let number = |node: Option<&Node>| node.and_then(|it| it.value.scalar_text());
        let both = number(Some(node)).unwrap_or_default();
        let soft = number(node.get("soft")).unwrap_or_else(|| both.clone());
        (key.clone(), soft, number(node.get("hard")).unwrap_or(both))
    });
    ulimits.collect()
}

/// The arguments of the client's proxies, of the files and of the flags; those without a
/// value have that of the project's environment, if it has one.
pub fn arguments(
    compose: &Compose<'_>,
    project: &Project,
    build: &Node,
    options: &Options,
) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, Option<String>> = BTreeMap::new();
    let proxies = up::settings(compose).proxy.into_iter();
    all.extend(proxies.map(|(key, value)| (key, Some(value))));
    for (key, node) in build.get("args").and_then(Node::map).into_iter().flatten() {
        all.insert(key.clone(), node.value.scalar_text());
    }
    for word in &options.arguments {
        let (key, value) = match word.split_once('=') {
            Some((key, value)) => (key, Some(value.to_owned())),
            None => (word.as_str(), None),
        };
        all.insert(key.to_owned(), value);
    }
    all.into_iter()
        .filter_map(|(key, value)| {
            let value = value.or_else(|| project.env.get(&key).cloned())?;
            Some((key, value))
        })
        .collect()
}

pub fn list(build: &Node, key: &str) -> Vec<String> {
    let items = build.get(key).and_then(Node::list).unwrap_or_default();
    let texts = items.iter().filter_map(Node::text);
    texts.map(str::to_owned).collect()
}

/// A mapping, or a list of `key=value`, as pairs.
pub fn pairs(build: &Node, key: &str) -> Vec<(String, String)> {
    match build.get(key).map(|node| &node.value) {
        Some(Value::Map(entries)) => entries
            .iter()
            .map(|(key, node)| (key.clone(), node.value.scalar_text().unwrap_or_default()))
            .collect(),
        Some(Value::List(items)) => items
            .iter()
            .filter_map(Node::text)
            .map(|text| text.split_once('=').unwrap_or((text, "")))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect(),
        _ => Vec::new(),
    }
}

pub fn truth(build: &Node, key: &str) -> bool {
    build
        .get(key)
        .is_some_and(|node| node.value == Value::Bool(true))
}
