//! `compose config`: what the files say, in canonical form; `compose version`.

use super::{Compose, digests, selection};
use crate::{error::CliError, flags::Parsed, output::tabs::align};
use corten_compose::{
    Disk, Map, Node, Project, Steps, Target, Value, body, hash, json,
    output::{self, Out},
    variables, yaml,
};
use std::collections::BTreeSet;

/// The version of stock Compose whose commands these are.
const COMPOSE_VERSION: &str = "2.40.3";

/// `compose config`.
pub async fn run(compose: &Compose<'_>) -> Result<u8, CliError> {
    let parsed = &compose.call.parsed;
    let list = list(parsed);
    // Compose's own form of the model stays as the files have it.
    let is_model = parsed.is_on("no-interpolate") && matches!(list, None | Some("services"));
    let steps = Steps {
        interpolate: !parsed.is_on("no-interpolate"),
        normalize: !parsed.is_on("no-normalize") && !compose.group.is_on("compatibility"),
        resolve_paths: !parsed.is_on("no-path-resolution"),
        check: !parsed.is_on("no-consistency"),
        environment: !parsed.is_on("no-env-resolution") && list.is_none(),
        project: !is_model,
        ..Steps::default()
    };
    if list == Some("variables") {
        return variables(compose);
    }
    let mut project = compose.project(steps)?;
    let some = matches!(list, None | Some("images" | "environment"));
    if !is_model && some && !parsed.args.is_empty() {
        let selected = selection::select(&mut project, &parsed.args, false)?;
        selection::only(&mut project, &selected);
        if steps.environment {
            // Services that were off until they were named.
            project.resolve_environment(&selected, &Disk)?;
        }
    }
    if !compose.group.is_on("all-resources") && !is_model {
        project.drop_unused();
    }
    if let Some(list) = list {
        return names(compose, &mut project, list);
    }
    let locked = parsed.is_on("lock-image-digests");
    if locked || parsed.is_on("resolve-image-digests") {
        digests::resolve(compose, &mut project).await?;
    }
    if locked {
        project.tree = digests::images_only(&project);
    }
    let is_json = match parsed.text("format") {
        "json" => true,
        "" | "yaml" => false,
        other => return Err(CliError::Text(format!("unsupported format {other:?}"))),
    };
    let tree = &project.tree;
    let text = match (is_json, steps.interpolate) {
        (true, true) => json::pretty(&output::project_json(&named(&project, locked))),
        (true, false) => json::pretty(&output::plain_json(tree)),
        (false, true) => yaml::write(&output::project_yaml(&named(&project, locked))),
        (false, false) => yaml::write(&output::plain_yaml(tree)),
    };
    // What is printed may be read again: a dollar sign must not become a variable.
    let text = if steps.interpolate {
        text.replace('$', "$$")
    } else {
        text
    };
    match parsed.get("output").filter(|path| !path.is_empty()) {
        _ if parsed.is_on("quiet") => {}
        Some(path) => std::fs::write(path, text).map_err(|error| CliError::open(path, &error))?,
        None => compose.call.app.out(&text)?,
    }
    Ok(0)
}

/// `--variables`: what the files say of the variables they name; nothing is filled in.
fn variables(compose: &Compose<'_>) -> Result<u8, CliError> {
    let steps = Steps {
        interpolate: false,
        normalize: false,
        resolve_paths: false,
        check: false,
        environment: false,
        ..Steps::default()
    };
    let project = compose.project(steps)?;
    let all = variables::variables(&project.tree);
    let app = compose.call.app;
    let written = |keys: [&str; 4]| {
        let entries = all.iter().map(|(name, it)| {
            let values = [
                Out::Text(name.clone()),
                Out::Text(it.default.clone()),
                Out::Text(it.presence.clone()),
                Out::Bool(it.required),
            ];
            let entries = keys.into_iter().zip(values);
            let entries = entries.map(|(key, value)| (key.to_owned(), value));
            (name.clone(), Out::Map(entries.collect()))
        });
        Out::Map(entries.collect())
    };
    match compose.call.parsed.text("format") {
        "json" => {
            let keys = ["Name", "DefaultValue", "PresenceValue", "Required"];
            // Stock Compose ends it with an empty line.
            app.out(&(indented_by_four(&json::pretty(&written(keys))) + "\n"))?;
        }
        "yaml" => {
            let keys = ["name", "defaultvalue", "presencevalue", "required"];
            app.out(&indented_by_four(&yaml::write(&written(keys))))?;
        }
        "" | "table" | "pretty" => {
            let mut text = String::from("NAME\tREQUIRED\tDEFAULT VALUE\tALTERNATE VALUE\n");
            for (name, it) in &all {
                let (default, presence) = (&it.default, &it.presence);
                text += &format!("{name}\t{}\t{default}\t{presence}\n", it.required);
            }
            app.out(&align(&text, 20, 3))?;
        }
        other => {
            return Err(CliError::Text(format!(
                "format value {other:?} could not be parsed: parsing failed"
            )));
        }
    }
    Ok(0)
}

/// The same with twice the indentation, as stock Compose has it here alone.
fn indented_by_four(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let text = line.trim_start();
        format!("{}{text}\n", " ".repeat(2 * (line.len() - text.len())))
    });
    lines.collect()
}

/// The tree with the project's name, which belongs to what is printed also where nothing
/// else was completed.
fn named(project: &Project, locked: bool) -> Node {
    let mut tree = project.tree.clone();
    let name = Node::at(&tree.place, Value::Text(project.name.clone()));
    if let Some(map) = tree.map_mut().filter(|_| !locked) {
        map.insert("name".into(), name);
    }
    tree
}

/// What is printed instead of the project. Of several the first counts, in this order.
fn list(parsed: &Parsed) -> Option<&'static str> {
    let hash = !parsed.text("hash").is_empty();
    let lists = [
        ("services", parsed.is_on("services")),
        ("volumes", parsed.is_on("volumes")),
        ("networks", parsed.is_on("networks")),
        ("models", parsed.is_on("models")),
        ("hash", hash),
        ("profiles", parsed.is_on("profiles")),
        ("images", parsed.is_on("images")),
        ("variables", parsed.is_on("variables")),
        ("environment", parsed.is_on("environment")),
    ];
    let list = lists.into_iter().find(|(_, on)| *on);
    list.map(|(name, _)| name)
}

/// The lists of names that `config` prints instead of the project.
fn names(compose: &Compose<'_>, project: &mut Project, list: &str) -> Result<u8, CliError> {
    let keys = |map: &Map| map.keys().cloned().collect::<Vec<_>>();
    let texts = |node: Option<&Node>| node.and_then(Node::text).map(str::to_owned);
    let lines: Vec<String> = match list {
        "services" => selection::in_order(project),
        "volumes" => keys(project.volumes()),
        "networks" => keys(project.networks()),
        "models" => {
            let models = project.models().values();
            let models = models.filter_map(|model| texts(model.get("model")));
            models.filter(|model| !model.is_empty()).collect()
        }
        "hash" => return hashes(compose, project),
        "profiles" => {
            let services = project.services().values().chain(project.disabled.values());
            let profiles = services.filter_map(|service| service.get("profiles")?.list());
            let profiles = profiles.flatten().filter_map(|it| texts(Some(it)));
            let sorted: BTreeSet<String> = profiles.collect();
            sorted.into_iter().collect()
        }
        "images" => {
            let services = project.services().iter();
            services
                .map(|(name, service)| body::image_name(project, name, service))
                .collect()
        }
        // Stock Compose, too, says nothing here when it is to be quiet.
        _ if compose.call.parsed.is_on("quiet") => Vec::new(),
        _ => {
            let all = project.env.iter();
            all.map(|(name, value)| format!("{name}={value}")).collect()
        }
    };
    let text: String = lines.into_iter().map(|line| line + "\n").collect();
    compose.call.app.out(&text)?;
    Ok(0)
}

/// `--hash`: of the services named, or all.
fn hashes(compose: &Compose<'_>, project: &mut Project) -> Result<u8, CliError> {
    let asked = compose.call.parsed.text("hash");
    let all: Vec<String> = project.services().keys().cloned().collect();
    project.choose_platforms(&all, Target::Here)?;
    let mut names: Vec<String> = match asked {
        "*" => all,
        asked => asked.split(',').map(str::to_owned).collect(),
    };
    names.sort();
    for name in names {
        let Some(service) = project.services().get(&name) else {
            let why = match project.disabled.contains_key(&name) {
                true => "disabled",
                false => "not found",
            };
            return Err(CliError::Text(format!("no such service: {name}: {why}")));
        };
        let line = format!("{name} {}", hash::service(service));
        compose.call.app.line(&line)?;
    }
    Ok(0)
}

/// `compose version`.
pub fn version(compose: &Compose<'_>) -> Result<u8, CliError> {
    let parsed = &compose.call.parsed;
    let app = compose.call.app;
    let (name, version) = match app.is_docker() {
        // Scripts ask for it to see what they may use.
        true => ("Docker", format!("v{COMPOSE_VERSION}")),
        false => ("Corten", env!("CARGO_PKG_VERSION").to_owned()),
    };
    match parsed.text("format") {
        _ if parsed.is_on("short") => app.line(version.trim_start_matches('v'))?,
        "json" => app.line(&format!("{{\"version\":\"{version}\"}}"))?,
        _ => app.line(&format!("{name} Compose version {version}"))?,
    }
    Ok(0)
}
