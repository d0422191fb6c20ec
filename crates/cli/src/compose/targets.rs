//! The containers that a command is about.

use super::Compose;
use crate::error::CliError;
use corten_compose::{labels, plan::Found};
use serde_json::Value as J;

/// Which containers of a project are looked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Choice {
    /// Those that do not run, too.
    pub stopped: bool,
    /// Those of `run`, too.
    pub one_off: bool,
}

/// Those that run, those of `run` among them.
pub const RUNNING: Choice = Choice {
    stopped: false,
    one_off: true,
};

/// All that `up` made.
pub const MADE: Choice = Choice {
    stopped: true,
    one_off: false,
};

/// A container and the engine's own words about it.
pub struct Target {
    /// What it is of the project.
    pub found: Found,
    /// The item of `GET /containers/json`.
    pub summary: J,
}

/// The containers of the project `name` by name, of `services` alone unless these are none.
pub async fn containers(
    compose: &Compose<'_>,
    name: &str,
    services: &[String],
    choice: Choice,
) -> Result<Vec<Target>, CliError> {
    let mut targets = as_listed(compose, name, services, choice).await?;
    targets.sort_by(|a, b| a.found.name.cmp(&b.found.name));
    Ok(targets)
}

/// The same in the engine's order: the newest first.
pub async fn as_listed(
    compose: &Compose<'_>,
    name: &str,
    services: &[String],
    choice: Choice,
) -> Result<Vec<Target>, CliError> {
    let filters = serde_json::json!({ "label": [format!("{}={name}", labels::PROJECT)] });
    let answer: Vec<J> = compose
        .call
        .client()
        .await?
        .get("/containers/json")
        .flag("all", choice.stopped)
        .query("filters", filters.to_string())
        .send()
        .await?
        .json()
        .await?;
    Ok(answer
        .into_iter()
        .map(|summary| Target {
            found: Found::from_summary(&summary),
            summary,
        })
        .filter(|target| choice.one_off || !target.found.one_off)
        .filter(|target| services.is_empty() || services.contains(&target.found.service))
        .collect())
}

/// The one container of a service that a command is about: the first, or that of `--index`.
pub async fn one(
    compose: &Compose<'_>,
    name: &str,
    service: &str,
    choice: Choice,
) -> Result<Target, CliError> {
    let index = compose.call.parsed.int("index").unwrap_or(0);
    let mut targets = containers(compose, name, &[service.to_owned()], choice).await?;
    if index > 0 {
        targets.retain(|target| i64::from(target.found.number) == index);
    }
    targets.sort_by_key(|target| (target.found.one_off, target.found.number));
    match targets.into_iter().next() {
        Some(target) => Ok(target),
        None if index > 0 => Err(CliError::Text(format!(
            "service {service:?} is not running container #{index}"
        ))),
        None => Err(CliError::Text(format!(
            "service {service:?} is not running"
        ))),
    }
}

/// A container's name as logs show it: without the project, if it is the usual one, also
/// while it still has the ID of the one before it that it will get its name from.
pub fn short_name(project: &str, found: &Found) -> String {
    let usual = |separator| {
        let (service, number) = (&found.service, found.number);
        format!("{project}{separator}{service}{separator}{number}")
    };
    let name = match found.name.split_once('_') {
        Some((id, name)) if id.len() == 12 && id.bytes().all(|it| it.is_ascii_hexdigit()) => name,
        _ => &found.name,
    };
    if name == usual('-') || name == usual('_') {
        format!("{}-{}", found.service, found.number)
    } else {
        found.name.clone()
    }
}
