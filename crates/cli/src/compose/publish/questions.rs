//! What may be published: what would not work elsewhere is refused, and what may be private
//! is asked about.

use super::{super::Compose, private::Findings};
use crate::{app::App, error::CliError, terminal};
use corten_compose::{Node, Project, Value};
use std::{collections::BTreeSet, fmt::Write, io::BufRead};

/// What was found in a project, each as lines for the user.
#[derive(Default)]
struct Found {
    only_built: String,
    private: String,
    variables: String,
    binds: String,
    sensitive: Findings,
}

/// Whether the user has nothing against it.
pub fn may_be_published(
    compose: &Compose<'_>,
    checked: &Project,
    project: &Project,
) -> Result<bool, CliError> {
    let parsed = &compose.call.parsed;
    let found = look(checked, project);
    if !found.only_built.is_empty() {
        return Err(CliError::Text(format!(
            "your Compose stack cannot be published as it only contains a build section for \
             service(s):\n{}",
            found.only_built
        )));
    }
    if parsed.is_on("yes") {
        return Ok(true);
    }
    let app = compose.call.app;
    let binds = "you are about to publish bind mounts declaration within your OCI artifact.\n\
        only the bind mount declarations will be added to the OCI artifact (not content)\n\
        please double check that you are not mounting potential user's sensitive \
        directories or data\n";
    let question = "Are you ok to publish these bind mount declarations?";
    if !found.binds.is_empty() && !agreed(app, binds, &found.binds, question)? {
        return Ok(false);
    }
    let sensitive = "you are about to publish sensitive data within your OCI artifact.\n\
        please double check that you are not leaking sensitive data\n";
    let question = "Are you ok to publish these sensitive data?";
    let secrets = &found.sensitive.0;
    if !secrets.is_empty() && !agreed(app, sensitive, secrets, question)? {
        return Ok(false);
    }
    if found.private.is_empty() {
        return Ok(true);
    }
    if !parsed.is_on("with-env") {
        return Err(CliError::Text(format!(
            "{}To avoid leaking sensitive data, you must either explicitly allow the \
             sending of environment variables by using the --with-env flag,\nor remove \
             sensitive data from your Compose configuration",
            found.private
        )));
    }
    let variables = "you are about to publish environment variables within your OCI artifact.\n\
        please double check that you are not leaking sensitive data\n";
    let question = "Are you ok to publish these environment variables?";
    agreed(app, variables, &found.variables, question)
}

fn look(checked: &Project, project: &Project) -> Found {
    let mut found = Found::default();
    // Writing to a text does not fail.
    for (name, service) in project.services() {
        let image = service.text_at(&["image"]).unwrap_or_default();
        if image.is_empty() && service.get("build").is_some() {
            let _ = writeln!(found.only_built, "- {name:?}");
        }
        let env_files = has_entries(service.get("env_file"));
        let variables = has_entries(service.get("environment"));
        if env_files {
            let _ = writeln!(found.private, "service {name:?} has env_file declared.");
        }
        if variables {
            let _ = writeln!(
                found.private,
                "service {name:?} has environment variable(s) declared."
            );
        }
        if env_files || variables {
            let _ = writeln!(found.variables, "Service/Config  {name}");
            // Filled in, and with what the env files say.
            let all = checked.services().get(name);
            let all = all.and_then(|it| it.get("environment")?.map());
            for (key, value) in all.into_iter().flatten() {
                let value = value.value.scalar_text().unwrap_or_default();
                let _ = writeln!(found.variables, "{key}={value}");
            }
        }
        let volumes = service.get("volumes").and_then(Node::list);
        for volume in volumes.unwrap_or_default() {
            let text = |key: &str| volume.text_at(&[key]).unwrap_or_default();
            if text("type") == "bind" {
                let _ = writeln!(found.binds, "{name} {}:{}", text("source"), text("target"));
            }
        }
    }
    for (name, config) in project.configs() {
        if let Some(variable) = config.text_at(&["environment"]) {
            let _ = writeln!(
                found.private,
                "config {name:?} is declare as an environment variable."
            );
            let value = checked.env.get(variable);
            let value = value.map(String::as_str).unwrap_or_default();
            let _ = writeln!(
                found.variables,
                "Service/Config  {name}\n{variable}={value}"
            );
        }
    }
    found.sensitive.tree("", &project.tree);
    for path in files(checked) {
        if let Ok(text) = std::fs::read_to_string(checked.directory.join(&path)) {
            found.sensitive.text(&path, &text);
        }
    }
    found
}

/// The env files, and those that configs and secrets are made of.
fn files(project: &Project) -> BTreeSet<String> {
    let mut files = BTreeSet::new();
    for service in project.services().values() {
        let listed = service.get("env_file").and_then(Node::list);
        for item in listed.unwrap_or_default() {
            let path = item.text_at(&["path"]).or(item.text());
            files.extend(path.map(str::to_owned));
        }
    }
    for made in project.configs().values().chain(project.secrets().values()) {
        files.extend(made.text_at(&["file"]).map(str::to_owned));
    }
    files
}

fn has_entries(node: Option<&Node>) -> bool {
    node.is_some_and(|node| match &node.value {
        Value::List(items) => !items.is_empty(),
        Value::Map(entries) => !entries.is_empty(),
        _ => false,
    })
}

/// Asks; nothing typed is no.
fn agreed(app: &App, about: &str, what: &str, question: &str) -> Result<bool, CliError> {
    app.out(&format!("{about}{what}{question} [y/N] "))?;
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    if !terminal::terminals().input {
        app.line("")?;
    }
    read.map_err(|error| CliError::Text(format!("reading the answer: {error}")))?;
    let answer = answer.trim().to_lowercase();
    Ok(matches!(answer.as_str(), "y" | "yes"))
}
