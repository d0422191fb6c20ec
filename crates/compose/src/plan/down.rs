//! The plan of `down`: containers stop in the opposite order of their start, then all that
//! was made for the project goes.

use super::order::{needs, rounds};
use super::{Action, Found, Plan, State};
use crate::labels;
use crate::project::Project;
use std::collections::BTreeMap;

/// What `down` was asked for.
#[derive(Debug, Clone, Default)]
pub struct Down {
    /// The services; none are all, and only then networks and volumes go, too.
    pub services: Vec<String>,
    /// Named volumes of the project go, and anonymous ones of its containers.
    pub volumes: bool,
    /// Containers of services that are no longer there go.
    pub remove_orphans: bool,
    /// Images that go when the containers are gone.
    pub images: Vec<String>,
}

/// The steps that leave nothing of a project. Without its files (`project` is `None`) the
/// labels of the containers tell their order.
pub fn down(project: Option<&Project>, state: &State, options: &Down) -> Plan {
    let mut plan = Plan::default();
    let is_known = |found: &&Found| match project {
        Some(project) => {
            project.services().contains_key(&found.service)
                || project.disabled.contains_key(&found.service)
        }
        None => true,
    };
    let asked =
        |found: &&Found| options.services.is_empty() || options.services.contains(&found.service);
    let containers: Vec<&Found> = state
        .containers
        .iter()
        .filter(asked)
        .filter(|found| options.remove_orphans || is_known(found))
        .collect();
    let mut removed: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for ready in rounds(project, containers.clone()) {
        for found in ready {
            let dependents: Vec<usize> = containers
                .iter()
                .filter(|other| needs(project, other, &found.service))
                .filter_map(|other| removed.get(other.service.as_str()))
                .flatten()
                .copied()
                .collect();
            let mut after = dependents;
            if found.is_up() {
                let stop = Action::Stop {
                    container: found.clone(),
                };
                after = vec![plan.add(stop, after)];
            }
            let remove = Action::Remove {
                container: found.clone(),
                volumes: options.volumes,
            };
            let step = plan.add(remove, after);
            removed.entry(&found.service).or_default().push(step);
        }
    }
    if options.services.is_empty() {
        resources(&mut plan, project, state, options, removed);
    }
    plan
}

fn resources(
    plan: &mut Plan,
    project: Option<&Project>,
    state: &State,
    options: &Down,
    removed: BTreeMap<&str, Vec<usize>>,
) {
    let gone: Vec<usize> = removed.into_values().flatten().collect();
    let name = project.map(|project| &project.name);
    let ours = |of: &BTreeMap<String, String>| match (of.get(labels::PROJECT), name) {
        (Some(label), Some(name)) => label == name,
        (label, _) => label.is_some(),
    };
    for network in state
        .networks
        .iter()
        .filter(|network| ours(&network.labels))
    {
        let remove = Action::RemoveNetwork {
            name: network.name.clone(),
        };
        plan.add(remove, gone.iter().copied());
    }
    for name in &options.images {
        let remove = Action::RemoveImage { name: name.clone() };
        plan.add(remove, gone.iter().copied());
    }
    if options.volumes {
        for volume in state.volumes.iter().filter(|volume| ours(&volume.labels)) {
            let remove = Action::RemoveVolume {
                name: volume.name.clone(),
            };
            plan.add(remove, gone.iter().copied());
        }
    }
}
