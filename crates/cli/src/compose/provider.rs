//! Services that another program provides: it is told to bring them up or down and says
//! which variables those that depend on them get.
//!
//! The program is a CLI plugin `docker-TYPE`, or `TYPE` on the `PATH`; it is called as
//! `TYPE compose --project-name=NAME up|down --OPTION=VALUE… SERVICE` and writes one JSON
//! message a line.

use super::{Compose, display::Lines};
use crate::{
    config::contexts,
    error::{CliError, errno_text},
    plugins,
};
use corten_compose::{
    Node, Project, Value,
    apply::{Event, Phase, Progress},
};
use serde_json::Value as J;
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
};

/// A message of a provider is not longer than this.
const MESSAGE_BYTES: u64 = 1 << 20;

/// Brings up the provided ones of `services`; their variables go to their dependents.
pub fn up(
    compose: &Compose<'_>,
    project: &mut Project,
    services: &[String],
) -> Result<(), CliError> {
    for name in provided(project, services) {
        let variables = call(compose, project, &name, "up")?;
        hand_on(project, &name, variables);
    }
    Ok(())
}

/// Takes down the provided ones of `services`; none named are all.
pub fn down(compose: &Compose<'_>, project: &Project, services: &[String]) -> Result<(), CliError> {
    for name in provided(project, services) {
        call(compose, project, &name, "down")?;
    }
    Ok(())
}

fn provided(project: &Project, services: &[String]) -> Vec<String> {
    let all = project.services().iter();
    all.filter(|(name, _)| services.is_empty() || services.contains(name))
        .filter(|(_, service)| service.get("provider").is_some())
        .map(|(name, _)| name.clone())
        .collect()
}

/// `NAME_KEY` for each variable of the service `NAME`.
fn hand_on(project: &mut Project, name: &str, variables: BTreeMap<String, String>) {
    let services = project
        .tree
        .map_mut()
        .and_then(|map| map.get_mut("services"));
    let services = services.and_then(Node::map_mut);
    for service in services.into_iter().flat_map(|map| map.values_mut()) {
        if service.find(&["depends_on", name]).is_none() {
            continue;
        }
        let place = service.place.clone();
        let Some(map) = service.map_mut() else {
            continue;
        };
        let environment = map
            .entry("environment".into())
            .or_insert_with(|| Node::at(&place, Value::empty_map()));
        if let Some(environment) = environment.map_mut() {
            for (key, value) in &variables {
                let key = format!("{}_{key}", name.to_uppercase());
                environment.insert(key, Node::at(&place, Value::Text(value.clone())));
            }
        }
    }
}

fn call(
    compose: &Compose<'_>,
    project: &Project,
    name: &str,
    verb: &str,
) -> Result<BTreeMap<String, String>, CliError> {
    let lines = Lines::new(compose);
    let tell = |phase, text: &str| {
        lines.event(Event::of(name, phase).status(text));
    };
    let (doing, done, action) = match verb {
        "up" => ("Creating", "Created", "create"),
        _ => ("Removing", "Removed", "remove"),
    };
    if compose.is_dry() {
        tell(Phase::Done, done);
        return Ok(BTreeMap::new());
    }
    let service = &project.services()[name];
    let kind = service.text_at(&["provider", "type"]).unwrap_or_default();
    let program = program(compose, kind)?;
    let words = words(compose, project, &program, name, verb)?;
    tell(Phase::Working, doing);
    let failed =
        |why: String| CliError::Text(format!("failed to {action} service provider: {why}"));
    let mut child = prepared(compose, project, &program)
        .args(words)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| failed(errno_text(&error)))?;
    let mut variables = BTreeMap::new();
    let mut refused = None;
    if let Some(out) = child.stdout.take() {
        let mut reader = BufReader::new(std::io::Read::take(out, MESSAGE_BYTES));
        let mut line = String::new();
        while reader.read_line(&mut line).is_ok_and(|length| length > 0) {
            let message: J = serde_json::from_str(&line).unwrap_or(J::Null);
            let text = message["message"].as_str().unwrap_or_default();
            match message["type"].as_str().unwrap_or_default() {
                "info" => tell(Phase::Working, text),
                "error" => refused = Some(text.to_owned()),
                "debug" => {}
                "setenv" => match text.split_once('=') {
                    Some((key, value)) => {
                        variables.insert(key.to_owned(), value.to_owned());
                    }
                    None => refused = Some(format!("invalid response from plugin: {text}")),
                },
                _ => {
                    let line = line.trim_end();
                    refused = Some(format!("invalid response from plugin: {line}"));
                }
            }
            line.clear();
        }
    }
    let status = child.wait().map_err(|error| failed(errno_text(&error)))?;
    if let Some(message) = refused {
        tell(Phase::Error, &message);
        return Err(CliError::Text(message));
    }
    if !status.success() {
        let why = status.to_string().replace("exit status: ", "exit status ");
        tell(Phase::Error, &why);
        return Err(failed(why));
    }
    tell(Phase::Done, done);
    Ok(variables)
}

/// The provider's program.
fn program(compose: &Compose<'_>, kind: &str) -> Result<PathBuf, CliError> {
    if kind == "compose" {
        return Err(CliError::Text(
            "'compose' is not a valid provider type".into(),
        ));
    }
    // A name, not a path: what runs is chosen by who set up the machine.
    let is_name = !kind.is_empty() && !kind.contains('/');
    let found = plugins::find(compose.call.app, kind).or_else(|| {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path)
            .map(|directory| directory.join(kind))
            .find(|file| is_name && file.is_file())
    });
    found.ok_or_else(|| {
        CliError::Text(format!(
            "exec: {kind:?}: executable file not found in $PATH; a provider is a CLI plugin \
             docker-{kind} or a program {kind}"
        ))
    })
}

fn prepared(compose: &Compose<'_>, project: &Project, program: &PathBuf) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).envs(&project.env);
    if compose.call.app.context_name() == contexts::DEFAULT {
        command.env("DOCKER_HOST", compose.call.app.default_host());
    }
    command
}

/// The words of the call. A program that describes its parameters gets only these.
fn words(
    compose: &Compose<'_>,
    project: &Project,
    program: &PathBuf,
    name: &str,
    verb: &str,
) -> Result<Vec<String>, CliError> {
    let described = prepared(compose, project, program)
        .args(["compose", "metadata"])
        .stderr(Stdio::null())
        .output();
    let described: J = described
        .ok()
        .filter(|output| output.status.success())
        .and_then(|output| serde_json::from_slice(&output.stdout).ok())
        .unwrap_or(J::Null);
    let parameters = described[verb]["parameters"].as_array();
    let service = &project.services()[name];
    let options = service.find(&["provider", "options"]).and_then(Node::map);
    let given = |key: &str| options.is_some_and(|options| options.contains_key(key));
    let kind = service.text_at(&["provider", "type"]).unwrap_or_default();
    for parameter in parameters.into_iter().flatten() {
        let key = parameter["name"].as_str().unwrap_or_default();
        if parameter["required"] == true && !given(key) {
            return Err(CliError::Text(format!(
                "required parameter {key:?} is missing from provider {kind:?} definition"
            )));
        }
    }
    let known = |key: &str| {
        described.is_null()
            || parameters
                .into_iter()
                .flatten()
                .any(|parameter| parameter["name"] == key)
    };
    let mut words = vec![
        "compose".to_owned(),
        format!("--project-name={}", project.name),
        verb.to_owned(),
    ];
    for (key, values) in options.into_iter().flatten().filter(|(key, _)| known(key)) {
        let values = values.list().unwrap_or_default();
        let values = values.iter().filter_map(|value| value.value.scalar_text());
        words.extend(values.map(|value| format!("--{key}={value}")));
    }
    words.push(name.to_owned());
    Ok(words)
}
