//! A project whose main file is somebody else's, from a git repository or a registry, is
//! shown to the user before anything of it runs.

use super::{Compose, ask, display, remote};
use crate::{error::CliError, output::tabs::align};
use corten_compose::{Project, Steps, variables};

/// Says where the project's files lie and asks, unless `--yes` is given, whether further
/// sources and the values of variables are right.
pub fn check(compose: &Compose<'_>, project: &Project) -> Result<(), CliError> {
    let files = compose.group.list("file");
    let Some(main) = files.first().filter(|file| remote::is_reference(file)) else {
        return Ok(());
    };
    let app = compose.call.app;
    let yes = compose.call.parsed.is_on("yes");
    if !yes && compose.includes_foreign.get() {
        let sources = files.iter().filter(|file| remote::is_reference(file));
        let sources: String = sources.map(|file| format!("  - {file}\n")).collect();
        app.out(&format!(
            "\nWarning: This Compose project includes files from remote sources:\n{sources}\n\
             Remote includes could potentially be malicious. Make sure you trust the source.\n"
        ))?;
        agreed(compose, "Do you want to continue? [y/N]: ", false)?;
    }
    if !matches!(display::wanted(compose).as_str(), "quiet" | "none" | "json") {
        let directory = project.directory.display().to_string();
        app.line(&format!(
            "Your compose stack {main:?} is stored in {directory:?}"
        ))?;
    }
    if yes {
        return Ok(());
    }
    let table = values(compose)?;
    if table.is_empty() {
        return Ok(());
    }
    let heading = "VARIABLE\tVALUE\tSOURCE\tREQUIRED\tDEFAULT\n";
    let table = align(&format!("{heading}{table}"), 0, 3);
    app.out(&format!(
        "\nFound the following variables in configuration:\n{table}"
    ))?;
    let question = "\nDo you want to proceed with these variables? [Y/n]: ";
    agreed(compose, question, true)
}

fn agreed(compose: &Compose<'_>, question: &str, default: bool) -> Result<(), CliError> {
    match ask::confirmed(compose.call.app, question, default)? {
        true => Ok(()),
        false => Err(CliError::Text("operation cancelled by user".into())),
    }
}

/// A line for each variable that the files name: what it is filled in with, and from where.
fn values(compose: &Compose<'_>) -> Result<String, CliError> {
    let steps = Steps {
        interpolate: false,
        environment: false,
        project: false,
        ..Steps::default()
    };
    let project = compose.project(steps)?;
    let all = variables::variables(&project.tree);
    let lines = all.iter().map(|(name, variable)| {
        let (value, source) = match compose.env.get(name) {
            Some(value) => (value.as_str(), "environment"),
            None if variable.default.is_empty() => ("<unset>", "none"),
            None => (variable.default.as_str(), "compose file"),
        };
        let required = if variable.required { "yes" } else { "no" };
        let default = &variable.default;
        format!("{name}\t{value}\t{source}\t{required}\t{default}\n")
    });
    Ok(lines.collect())
}
