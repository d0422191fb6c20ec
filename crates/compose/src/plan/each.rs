//! The plans of the verbs on containers that are there: start, stop, restart, kill, pause,
//! unpause and remove.

use super::order::{dependencies, needs, rounds};
use super::{Action, Found, Plan, State};
use crate::project::Project;
use std::collections::BTreeMap;

/// Containers of `services`; those of `run` are left alone.
fn chosen<'a>(state: &'a State, services: &[String]) -> Vec<&'a Found> {
    state
        .containers
        .iter()
        .filter(|found| !found.one_off && services.contains(&found.service))
        .collect()
}

/// Stops `services`, each container after those that need it.
pub fn stop(project: Option<&Project>, state: &State, services: &[String]) -> Plan {
    let mut plan = Plan::default();
    let containers = chosen(state, services);
    let mut stopped: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for round in rounds(project, containers.clone()) {
        for found in round {
            let after: Vec<usize> = containers
                .iter()
                .filter(|other| needs(project, other, &found.service))
                .filter_map(|other| stopped.get(other.service.as_str()))
                .flatten()
                .copied()
                .collect();
            let stop = Action::Stop {
                container: found.clone(),
            };
            let step = plan.add(stop, after);
            stopped.entry(&found.service).or_default().push(step);
        }
    }
    plan
}

/// Starts what does not run of `services`, each container when those that it depends on
/// are as it needs them.
pub fn start(project: Option<&Project>, state: &State, services: &[String]) -> Plan {
    in_order(project, chosen(state, services), false, |found| {
        (found.state != "running").then(|| Action::Start {
            service: found.service.clone(),
            number: found.number,
            name: found.name.clone(),
        })
    })
}

/// Restarts `services` and, unless `alone`, those whose dependency on them says so.
pub fn restart(project: Option<&Project>, state: &State, services: &[String], alone: bool) -> Plan {
    let mut all: Vec<String> = services.to_vec();
    let mut seen = 0;
    while !alone && seen < all.len() {
        for found in &state.containers {
            let follows = dependencies(project, found)
                .iter()
                .any(|dependency| dependency.restart && dependency.service == all[seen]);
            if follows && !all.contains(&found.service) {
                all.push(found.service.clone());
            }
        }
        seen += 1;
    }
    in_order(project, chosen(state, &all), true, |found| {
        Some(Action::Restart {
            container: found.clone(),
        })
    })
}

/// Adds an action for each container, those that others depend on first; with
/// `only_restarting`, dependencies count that are restarted with their dependents.
fn in_order(
    project: Option<&Project>,
    containers: Vec<&Found>,
    only_restarting: bool,
    action: impl Fn(&Found) -> Option<Action>,
) -> Plan {
    let mut plan = Plan::default();
    let mut done: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let mut waits: BTreeMap<(String, String), usize> = BTreeMap::new();
    for round in rounds(project, containers.clone()).into_iter().rev() {
        for found in round {
            let mut after = Vec::new();
            for dependency in dependencies(project, found) {
                let here = containers
                    .iter()
                    .any(|other| other.service == dependency.service);
                if !here || (only_restarting && !dependency.restart) {
                    continue;
                }
                let started = done.get(dependency.service.as_str());
                let started: Vec<usize> = started.into_iter().flatten().copied().collect();
                if dependency.condition == "service_started" {
                    after.extend(started);
                    continue;
                }
                let key = (dependency.service.clone(), dependency.condition.clone());
                let wait = Action::Wait {
                    service: dependency.service,
                    condition: dependency.condition,
                    required: dependency.required,
                };
                let step = *waits.entry(key).or_insert_with(|| plan.add(wait, started));
                after.push(step);
            }
            let steps = match action(found) {
                Some(action) => vec![plan.add(action, after)],
                None => after,
            };
            done.entry(&found.service).or_default().extend(steps);
        }
    }
    plan
}

/// The same for each container, all at the same time.
pub fn each(containers: &[Found], action: impl Fn(Found) -> Action) -> Plan {
    let mut plan = Plan::default();
    for found in containers {
        plan.add(action(found.clone()), []);
    }
    plan
}

/// Waits until the services run, are healthy where they have a check, or have ended well
/// where another of these services waits for that.
pub fn wait_all(project: &Project, services: &[String]) -> Plan {
    let mut plan = Plan::default();
    for name in services {
        let Some(service) = project.services().get(name) else {
            continue;
        };
        if service.get("provider").is_some() {
            continue;
        }
        let ends = services.iter().any(|other| {
            super::order::of_service(project, other)
                .iter()
                .any(|dependency| {
                    dependency.service == *name
                        && dependency.condition == "service_completed_successfully"
                })
        });
        let condition = if ends {
            "service_completed_successfully"
        } else {
            "running_or_healthy"
        };
        let wait = Action::Wait {
            service: name.clone(),
            condition: condition.to_owned(),
            required: true,
        };
        plan.add(wait, []);
    }
    plan
}

/// Waits until what a service depends on is as it needs it.
pub fn wait_for_dependencies(project: &Project, service: &str) -> Plan {
    let mut plan = Plan::default();
    for dependency in super::order::of_service(project, service) {
        if dependency.condition != "service_started" {
            let wait = Action::Wait {
                service: dependency.service,
                condition: dependency.condition,
                required: dependency.required,
            };
            plan.add(wait, []);
        }
    }
    plan
}
