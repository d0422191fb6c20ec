//! The plan of `down`: containers stop in the opposite order of their start, then all that
//! was made for the project goes.

use super::order::{needs, rounds};
use super::{Action, Found, Plan, State};
use crate::body;
use crate::labels;
use crate::project::Project;
use std::collections::{BTreeMap, BTreeSet};

/// What `down` was asked for.
#[derive(Debug, Clone, Default)]
pub struct Down {
    /// The services; none are all. Networks and volumes that others use, too, stay.
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
    let wanted = |found: &&Found| {
        let asked = options.services.is_empty() || options.services.contains(&found.service);
        let counts = !found.one_off || options.remove_orphans;
        let Some(project) = project else {
            return asked && counts;
        };
        let on = project.services().contains_key(&found.service);
        let known = on || project.disabled.contains_key(&found.service);
        let orphan = if found.one_off {
            !found.is_up()
        } else {
            !known
        };
        (asked && on && counts) || (orphan && options.remove_orphans)
    };
    let containers: Vec<&Found> = state.containers.iter().filter(wanted).collect();
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
            let stop = Action::Stop {
                container: found.clone(),
            };
            let after = [plan.add(stop, dependents)];
            let remove = Action::Remove {
                container: found.clone(),
                volumes: options.volumes,
            };
            let step = plan.add(remove, after);
            removed.entry(&found.service).or_default().push(step);
        }
    }
    resources(&mut plan, project, state, options, removed);
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
    let (networks, volumes) = used(project, &options.services);
    let networks = |name: &String| networks.as_ref().is_none_or(|it| it.contains(name));
    let volumes = |name: &String| volumes.as_ref().is_none_or(|it| it.contains(name));
    let found = state.networks.iter();
    for network in found.filter(|it| ours(&it.labels) && networks(&it.name)) {
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
        let found = state.volumes.iter();
        for volume in found.filter(|it| ours(&it.labels) && volumes(&it.name)) {
            let remove = Action::RemoveVolume {
                name: volume.name.clone(),
            };
            plan.add(remove, gone.iter().copied());
        }
    }
}

type Names = Option<BTreeSet<String>>;

/// The networks and volumes that services and those they depend on use; none: all.
fn used(project: Option<&Project>, services: &[String]) -> (Names, Names) {
    let Some(project) = project.filter(|_| !services.is_empty()) else {
        return (None, None);
    };
    let mut names = services.to_vec();
    let mut seen = 0;
    while let Some(name) = names.get(seen) {
        seen += 1;
        let dependencies = super::order::of_service(project, name).into_iter();
        let new = dependencies.map(|it| it.service);
        let new: Vec<String> = new.filter(|it| !names.contains(it)).collect();
        names.extend(new);
    }
    let nodes = || names.iter().filter_map(|name| project.services().get(name));
    let networks = body::used_networks(project, nodes()).into_keys();
    let networks = networks.map(|key| body::network_name(project, key));
    let volumes = nodes().flat_map(super::resources::mounted);
    let volumes = volumes.map(|key| {
        let name = project
            .volumes()
            .get(key)
            .and_then(|it| it.text_at(&["name"]));
        name.unwrap_or(key).to_owned()
    });
    (Some(networks.collect()), Some(volumes.collect()))
}
