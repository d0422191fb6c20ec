//! `compose up -d` and `compose create`: the engine is made to have what the files say.

use super::{Compose, display::Lines, selection};
use crate::{error::CliError, image::pull};
use corten_compose::{
    Node, Project, Steps,
    apply::{Apply, Settings, read_state},
    body,
    plan::{self, Recreate, State, Up},
};
use std::collections::{BTreeMap, BTreeSet};

/// `compose up`.
pub async fn run(compose: &Compose<'_>) -> Result<u8, CliError> {
    let parsed = &compose.call.parsed;
    if !parsed.is_on("detach") && !parsed.is_on("wait") && !parsed.is_on("no-start") {
        return Err(CliError::Text(
            "compose up without --detach is not supported yet; use 'up -d' and 'logs'".into(),
        ));
    }
    bring_up(compose, parsed.is_on("no-start")).await
}

/// `compose create`.
pub async fn create(compose: &Compose<'_>) -> Result<u8, CliError> {
    bring_up(compose, true).await
}

async fn bring_up(compose: &Compose<'_>, no_start: bool) -> Result<u8, CliError> {
    let parsed = &compose.call.parsed;
    let mut project = compose.project(Steps::default())?;
    let alone = parsed.is_on("no-deps");
    let services = selection::select(&mut project, &parsed.args, alone)?;
    let client = compose.call.client().await?;
    let state = read_state(client, &project.name, Some(&project)).await?;
    let state = images(compose, &project, &services, state).await?;
    let options = Up {
        services,
        selected: parsed.args.clone(),
        recreate: recreate(compose)?,
        recreate_dependencies: if parsed.is_on("always-recreate-deps") {
            Recreate::Always
        } else {
            Recreate::Changed
        },
        remove_orphans: parsed.is_on("remove-orphans"),
        ignore_orphans: crate::app::environment("COMPOSE_IGNORE_ORPHANS")
            .is_some_and(|value| matches!(value.as_str(), "1" | "true")),
        no_start,
        scale: scales(parsed.all("scale"))?,
    };
    let plan = plan::up(&project, &state, &options)?;
    carry_out(compose, Some(&project), &state, &plan).await?;
    Ok(0)
}

/// Carries a plan out, or prints it.
pub async fn carry_out(
    compose: &Compose<'_>,
    project: Option<&Project>,
    state: &State,
    plan: &plan::Plan,
) -> Result<(), CliError> {
    let parallel = match compose.group.int("parallel") {
        Some(count) if count > 0 => usize::try_from(count).unwrap_or(usize::MAX),
        _ => usize::MAX,
    };
    let settings = Settings {
        parallel,
        stop_timeout: compose.call.parsed.int("timeout"),
        renew_anonymous_volumes: compose.call.parsed.is_on("renew-anon-volumes"),
        ..Settings::default()
    };
    let lines = Lines::new(compose);
    let apply = Apply {
        client: compose.call.client().await?,
        project,
        state,
        settings: &settings,
        progress: &lines,
    };
    if compose.is_dry() {
        apply.show(plan);
        return Ok(());
    }
    Ok(apply.run(plan).await?)
}

fn recreate(compose: &Compose<'_>) -> Result<Recreate, CliError> {
    let parsed = &compose.call.parsed;
    match (parsed.is_on("force-recreate"), parsed.is_on("no-recreate")) {
        (true, true) => Err(CliError::Text(
            "--force-recreate and --no-recreate are incompatible".into(),
        )),
        (true, false) => Ok(Recreate::Always),
        (false, true) => Ok(Recreate::Never),
        (false, false) => Ok(Recreate::Changed),
    }
}

/// `SERVICE=NUM` values.
fn scales<'a>(values: impl Iterator<Item = &'a str>) -> Result<BTreeMap<String, u32>, CliError> {
    values
        .map(|value| {
            let invalid = || {
                CliError::Text(format!(
                    "invalid --scale option {value:?}. Should be SERVICE=NUM"
                ))
            };
            let (service, count) = value.split_once('=').ok_or_else(invalid)?;
            Ok((service.to_owned(), count.parse().map_err(|_| invalid())?))
        })
        .collect()
}

/// Pulls what is missing or, by its policy, must be new; the state with the images' IDs.
async fn images(
    compose: &Compose<'_>,
    project: &Project,
    services: &[String],
    state: State,
) -> Result<State, CliError> {
    let mut wanted: BTreeSet<String> = BTreeSet::new();
    for (name, service) in project.services() {
        if !services.contains(name) || service.get("provider").is_some() {
            continue;
        }
        let image = body::image_name(&project.name, name, service);
        let here = state.images.contains_key(name);
        if must_pull(compose, service, here, &image)? {
            wanted.insert(image);
        }
    }
    if wanted.is_empty() || compose.is_dry() {
        return Ok(state);
    }
    for image in &wanted {
        let reference = pull::reference(image)?;
        let options = pull::Options {
            quiet: compose.call.parsed.is_on("quiet-pull"),
            ..pull::Options::default()
        };
        pull::pull(compose.call.app, &reference, &options, std::io::stderr()).await?;
    }
    let client = compose.call.client().await?;
    Ok(read_state(client, &project.name, Some(project)).await?)
}

fn must_pull(
    compose: &Compose<'_>,
    service: &Node,
    here: bool,
    image: &str,
) -> Result<bool, CliError> {
    let flag = compose.call.parsed.text("pull");
    let own = service.text_at(&["pull_policy"]).unwrap_or_default();
    let policy = if matches!(flag, "" | "policy") {
        own
    } else {
        flag
    };
    match policy {
        "always" => Ok(true),
        "never" if !here => Err(CliError::Text(format!(
            "Error response from daemon: No such image: {image}"
        ))),
        "never" => Ok(false),
        "build" => Err(not_built(image)),
        _ if here => Ok(false),
        _ if service.get("build").is_some() => Err(not_built(image)),
        _ => Ok(true),
    }
}

fn not_built(image: &str) -> CliError {
    CliError::Text(format!(
        "image {image} must be built first: 'compose build' is not supported yet"
    ))
}
