//! `compose config`: what the files say, in canonical form; `compose version`.

use super::{Compose, digests, selection};
use crate::{error::CliError, output::tabs::align};
use corten_compose::{
    Map, Node, Project, Steps, body, hash, json,
    output::{self, Out},
    variables, yaml,
};
use std::collections::BTreeSet;

/// `compose config`.
pub async fn run(compose: &Compose<'_>) -> Result<u8, CliError> {
    let parsed = &compose.call.parsed;
    let steps = Steps {
        interpolate: !parsed.is_on("no-interpolate"),
        normalize: !parsed.is_on("no-normalize"),
        resolve_paths: !parsed.is_on("no-path-resolution"),
        check: !parsed.is_on("no-consistency"),
        environment: !parsed.is_on("no-env-resolution") && !parsed.given("hash"),
        ..Steps::default()
    };
    if parsed.is_on("variables") {
        return variables(compose);
    }
    let mut project = compose.project(steps)?;
    if parsed.is_on("quiet") {
        selection::select(&mut project, &parsed.args, false)?;
        return Ok(0);
    }
    if let Some(text) = names(compose, &project) {
        compose.call.app.out(&text)?;
        return Ok(0);
    }
    let selected = selection::select(&mut project, &parsed.args, false)?;
    if !parsed.args.is_empty() {
        let services = project
            .tree
            .map_mut()
            .and_then(|map| map.get_mut("services"));
        if let Some(services) = services.and_then(Node::map_mut) {
            services.retain(|name, _| selected.contains(name));
        }
    }
    if !compose.group.is_on("all-resources") && steps.interpolate {
        project.drop_unused();
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
        (true, true) => json::pretty(&output::project_json(tree)),
        (true, false) => json::pretty(&output::plain_json(tree)),
        (false, true) => yaml::write(&output::project_yaml(tree)),
        (false, false) => yaml::write(&output::plain_yaml(tree)),
    };
    // What is printed may be read again: a dollar sign must not become a variable.
    let text = if steps.interpolate {
        text.replace('$', "$$")
    } else {
        text
    };
    match parsed.get("output") {
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

/// The lists of names that `config` prints instead of the project.
fn names(compose: &Compose<'_>, project: &Project) -> Option<String> {
    let parsed = &compose.call.parsed;
    let lines = |lines: BTreeSet<String>| lines.into_iter().map(|line| line + "\n").collect();
    let keys = |map: &Map| lines(map.keys().cloned().collect());
    if let Some(asked) = parsed.get("hash") {
        let all = project.services().iter();
        return Some(lines(
            all.filter(|(name, _)| asked == "*" || asked.split(',').any(|asked| asked == *name))
                .map(|(name, service)| format!("{name} {}", hash::service(service)))
                .collect(),
        ));
    }
    if parsed.is_on("services") {
        return Some(keys(project.services()));
    }
    if parsed.is_on("volumes") {
        return Some(keys(project.volumes()));
    }
    if parsed.is_on("networks") {
        return Some(keys(project.networks()));
    }
    if parsed.is_on("models") {
        return Some(keys(project.models()));
    }
    if parsed.is_on("images") {
        let services = project.services().iter();
        let image = |(name, service): (&String, &Node)| body::image_name(project, name, service);
        return Some(services.map(|service| image(service) + "\n").collect());
    }
    if parsed.is_on("profiles") {
        let services = project.services().values().chain(project.disabled.values());
        let profiles = services
            .filter_map(|service| service.get("profiles")?.list())
            .flatten();
        return Some(lines(
            profiles
                .filter_map(|profile| profile.text().map(str::to_owned))
                .collect(),
        ));
    }
    if parsed.is_on("environment") {
        let all = project.env.iter();
        return Some(
            all.map(|(name, value)| format!("{name}={value}\n"))
                .collect(),
        );
    }
    None
}

/// `compose version`.
pub fn version(compose: &Compose<'_>) -> Result<u8, CliError> {
    let parsed = &compose.call.parsed;
    let own = env!("CARGO_PKG_VERSION");
    let app = compose.call.app;
    match parsed.text("format") {
        "json" => app.line(&format!("{{\"version\":\"{own}\"}}"))?,
        _ if parsed.is_on("short") => app.line(own)?,
        _ => app.line(&format!("Corten Compose version {own}"))?,
    }
    Ok(0)
}
