//! `compose start`, `stop`, `restart`, `kill`, `pause`, `unpause` and `rm`.

use super::{
    Compose, ask, selection,
    targets::{self, Choice, MADE},
    up,
};
use crate::error::CliError;
use corten_compose::{
    ComposeError, Project,
    apply::{Settings, read_state},
    plan::{self, Action, Found, Plan, State},
};

/// A project's name, its files where there are any, what the engine has of it, and the
/// services asked for.
struct Subject {
    project: Option<Project>,
    state: State,
    services: Vec<String>,
}

/// `alone` leaves out what the named services depend on.
async fn subject(compose: &Compose<'_>, alone: bool) -> Result<Subject, CliError> {
    let named = &compose.call.parsed.args;
    let (name, mut project) = compose.project_or_name()?;
    let state = read_state(compose.call.client().await?, &name, project.as_ref()).await?;
    let services = match &mut project {
        Some(project) => selection::select(project, named, alone)?,
        None if named.is_empty() => {
            let all = state.containers.iter().map(|found| found.service.clone());
            let mut all: Vec<String> = all.collect();
            all.sort();
            all.dedup();
            all
        }
        None => named.clone(),
    };
    Ok(Subject {
        project,
        state,
        services,
    })
}

impl Subject {
    async fn carry_out(&self, compose: &Compose<'_>, plan: &Plan) -> Result<u8, CliError> {
        let settings = Settings {
            stop_timeout: compose.call.parsed.int("timeout"),
            ..up::settings(compose)
        };
        up::carry_out(compose, self.project.as_ref(), &self.state, plan, &settings).await?;
        Ok(0)
    }
}

/// `compose stop`.
pub async fn stop(compose: &Compose<'_>) -> Result<u8, CliError> {
    let subject = subject(compose, true).await?;
    let plan = plan::stop(subject.project.as_ref(), &subject.state, &subject.services);
    subject.carry_out(compose, &plan).await
}

/// `compose start`.
pub async fn start(compose: &Compose<'_>) -> Result<u8, CliError> {
    let subject = subject(compose, false).await?;
    if subject.project.is_none() && subject.state.containers.iter().all(|it| it.one_off) {
        let name = compose.name()?;
        let refused = format!("no container found for project {name:?}: not found");
        return Err(CliError::Text(refused));
    }
    for name in &subject.services {
        let wanted = match &subject.project {
            Some(project) => {
                let service = &project.services()[name];
                service.get("provider").is_none() && plan::scale(service) > 0
            }
            None => true,
        };
        if wanted && subject.state.of_service(name).is_empty() {
            return Err(CliError::Text(format!(
                "service {name:?} has no container to start"
            )));
        }
    }
    let plan = plan::start(subject.project.as_ref(), &subject.state, &subject.services);
    subject.carry_out(compose, &plan).await
}

/// `compose restart`.
pub async fn restart(compose: &Compose<'_>) -> Result<u8, CliError> {
    let subject = subject(compose, true).await?;
    let alone = compose.call.parsed.is_on("no-deps");
    let project = subject.project.as_ref();
    let plan = plan::restart(project, &subject.state, &subject.services, alone);
    subject.carry_out(compose, &plan).await
}

/// Containers that run of the services named.
async fn running(compose: &Compose<'_>, choice: Choice) -> Result<(String, Vec<Found>), CliError> {
    let named = &compose.call.parsed.args;
    let (name, project) = compose.project_or_name()?;
    if let Some(project) = &project {
        check_names(project, named)?;
    }
    let targets = targets::containers(compose, &name, named, choice).await?;
    let found = targets.into_iter().map(|target| target.found);
    let known = |found: &Found| {
        project.as_ref().is_none_or(|project| {
            project.services().contains_key(&found.service)
                || project.disabled.contains_key(&found.service)
        })
    };
    let by_variable =
        compose.call.command.path == "compose kill" && compose.says_yes("COMPOSE_REMOVE_ORPHANS");
    let orphans = compose.call.parsed.flag_or("remove-orphans", by_variable);
    Ok((
        name,
        found.filter(|found| orphans || known(found)).collect(),
    ))
}

fn check_names(project: &Project, named: &[String]) -> Result<(), CliError> {
    for name in named {
        if !project.services().contains_key(name) && !project.disabled.contains_key(name) {
            return Err(ComposeError::NoSuchService(name.clone()).into());
        }
    }
    Ok(())
}

async fn do_to_each(
    compose: &Compose<'_>,
    containers: &[Found],
    action: impl Fn(Found) -> Action,
) -> Result<u8, CliError> {
    let plan = plan::each(containers, action);
    let settings = up::settings(compose);
    up::carry_out(compose, None, &State::default(), &plan, &settings).await?;
    Ok(0)
}

/// `compose kill`.
pub async fn kill(compose: &Compose<'_>) -> Result<u8, CliError> {
    let (_, containers) = running(compose, targets::RUNNING).await?;
    if containers.is_empty() {
        compose.call.app.warn("no container to kill");
        return Ok(0);
    }
    let signal = compose.call.parsed.get("signal").unwrap_or("SIGKILL");
    do_to_each(compose, &containers, |container| Action::Kill {
        container,
        signal: signal.to_owned(),
    })
    .await
}

/// `compose pause`.
pub async fn pause(compose: &Compose<'_>) -> Result<u8, CliError> {
    let (_, containers) = running(compose, Choice::default()).await?;
    do_to_each(compose, &containers, |container| Action::Pause {
        container,
    })
    .await
}

/// `compose unpause`.
pub async fn unpause(compose: &Compose<'_>) -> Result<u8, CliError> {
    let (_, containers) = running(compose, Choice::default()).await?;
    do_to_each(compose, &containers, |container| Action::Unpause {
        container,
    })
    .await
}

/// `compose rm`.
pub async fn remove(compose: &Compose<'_>) -> Result<u8, CliError> {
    let parsed = &compose.call.parsed;
    if parsed.is_on("stop") {
        stop(compose).await?;
    }
    let (name, project) = compose.project_or_name()?;
    let named = &parsed.args;
    let services = match project {
        // Services that are off keep their containers, unless they are named.
        Some(mut project) => selection::expand(&mut project, named)?,
        None => named.clone(),
    };
    let found = targets::as_listed(compose, &name, &services, MADE).await?;
    let mut containers: Vec<Found> = found.into_iter().map(|target| target.found).collect();
    // The plan of a dry run stops nothing: what it would have stopped counts as stopped.
    if !(parsed.is_on("stop") && compose.is_dry()) {
        containers.retain(|found| !found.is_up());
    }
    if containers.is_empty() {
        compose.call.app.warn("No stopped containers");
        return Ok(0);
    }
    let names: Vec<&str> = containers.iter().map(|found| found.name.as_str()).collect();
    let question = format!("Going to remove {}", names.join(", "));
    if parsed.is_on("force") {
        compose.call.app.line(&question)?;
    } else if !ask::confirmed(compose.call.app, &question, false)? {
        return Ok(0);
    }
    let volumes = parsed.is_on("volumes");
    do_to_each(compose, &containers, |container| Action::Remove {
        container,
        volumes,
    })
    .await
}
