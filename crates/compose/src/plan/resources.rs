//! Networks and volumes in the plan of `up`: made where they are missing, and looked at
//! whether they are the project's own.

use super::up::{Builder, missing};
use super::{Action, FoundVolume, Rolls, State};
use crate::body;
use crate::error::ComposeError;
use crate::hash;
use crate::labels;
use crate::node::{Node, Value};
use crate::project::Project;
use std::collections::BTreeSet;

impl Builder<'_> {
    pub(super) fn networks(&mut self) -> Result<(), ComposeError> {
        let used = body::used_networks(self.project, self.concerned());
        let all = self.options.all_resources;
        let networks = self.project.networks().iter();
        for (key, network) in networks.filter(|(key, _)| all || used.contains_key(key)) {
            let name = body::network_name(self.project, key);
            let found = self.state.networks.iter().find(|found| found.name == name);
            if external(network) {
                if found.is_none() {
                    return Err(missing(
                        network,
                        format!("network {name} declared as external, but could not be found"),
                    ));
                }
                continue;
            }
            let Some(found) = found else {
                let body = body::network(self.project, key, network);
                let step = self.plan.add(Action::CreateNetwork { name, body }, []);
                self.networks.insert(key.clone(), step);
                continue;
            };
            self.check_network(key, network, found)?;
        }
        Ok(())
    }

    fn check_network(
        &mut self,
        key: &str,
        network: &Node,
        found: &super::FoundNetwork,
    ) -> Result<(), ComposeError> {
        let label = |key: &str| found.labels.get(key).map(String::as_str);
        let name = &found.name;
        match label(labels::PROJECT) {
            None => self.plan.warnings.push(format!(
                "a network with name {name} exists but was not created by compose.\n\
                 Set `external: true` to use an existing network"
            )),
            Some(other) if other != self.project.name => self.plan.warnings.push(format!(
                "a network with name {name} exists but was not created for project {:?}.\n\
                 Set `external: true` to use an existing network",
                self.project.name
            )),
            Some(_) => {}
        }
        let labelled = label(labels::NETWORK).unwrap_or_default();
        if labelled != key {
            return Err(missing(
                network,
                format!(
                    "network {name} was found but has incorrect label {} set to {labelled:?} \
                     (expected: {key:?})",
                    labels::NETWORK
                ),
            ));
        }
        let made_from = label(labels::CONFIG_HASH).unwrap_or_default();
        if made_from.is_empty() || made_from == hash::resource("networks", network) {
            return Ok(());
        }
        // Changed: its containers leave it, and it is made anew before they come back.
        let mut removed = Vec::new();
        for container in &self.state.containers {
            if container.networks.contains(&found.id) {
                self.renewed.insert(container.service.clone());
                if container.is_up() {
                    let stop = Action::Stop {
                        container: container.clone(),
                    };
                    removed.push(self.plan.add(stop, []));
                }
            }
        }
        let remove = Action::RemoveNetwork { name: name.clone() };
        let gone = self.plan.add(remove, removed);
        let create = Action::CreateNetwork {
            name: name.clone(),
            body: body::network(self.project, key, network),
        };
        let step = self.plan.add(create, [gone]);
        self.networks.insert(key.to_owned(), step);
        Ok(())
    }

    pub(super) fn volumes(&mut self) -> Result<(), ComposeError> {
        let mounts = self.concerned().flat_map(mounted);
        let used: BTreeSet<String> = mounts.map(str::to_owned).collect();
        let volumes = self.project.volumes().iter();
        let all = self.options.all_resources;
        for (key, volume) in volumes.filter(|(key, _)| all || used.contains(*key)) {
            let name = volume.text_at(&["name"]).unwrap_or(key).to_owned();
            let found = self.state.volumes.iter().find(|found| found.name == name);
            match found {
                None if external(volume) => {
                    return Err(missing(
                        volume,
                        format!("external volume {name:?} not found"),
                    ));
                }
                None => {
                    let body = body::volume(self.project, key, volume);
                    let step = self.plan.add(Action::CreateVolume { name, body }, []);
                    self.volumes.insert(key.clone(), step);
                }
                Some(_) if external(volume) => {}
                Some(found) => self.check_volume(key, volume, found),
            }
        }
        Ok(())
    }

    /// A volume is never made anew without the user's word: its data would be lost.
    fn check_volume(&mut self, key: &str, volume: &Node, found: &FoundVolume) {
        let name = &found.name;
        let label = |key: &str| found.labels.get(key).map(String::as_str);
        match label(labels::PROJECT) {
            None => self.plan.warnings.push(format!(
                "volume {name:?} already exists but was not created by Docker Compose. \
                 Use `external: true` to use an existing volume"
            )),
            Some(other) if other != self.project.name => self.plan.warnings.push(format!(
                "volume {name:?} already exists but was created for project {other:?} \
                 (expected {:?}). Use `external: true` to use an existing volume",
                self.project.name
            )),
            Some(_) => {}
        }
        match &self.options.renewed_volumes {
            _ if !has_changed(volume, found) => {}
            Some(agreed) if agreed.contains(name) => self.renew_volume(key, volume, name.clone()),
            None if self.options.rolls != Rolls::Only => self.plan.warnings.push(format!(
                "volume {name:?} exists but doesn't match configuration in compose file; it is \
                 kept as it is, remove it (its data will be lost) to have it made anew"
            )),
            _ => {}
        }
    }

    /// The containers that mount it go first, as nothing else lets go of it.
    fn renew_volume(&mut self, key: &str, volume: &Node, name: String) {
        let services = self.project.services().iter();
        let mounting = services.filter(|(_, service)| mounted(service).any(|it| it == key));
        let containers = mounting.flat_map(|(service, _)| self.state.of_service(service));
        let containers: Vec<_> = containers.cloned().collect();
        let mut gone = Vec::new();
        for container in containers {
            let step = match self.removed.get(&container.id) {
                Some(step) => *step,
                None => {
                    let id = container.id.clone();
                    let step = self.remove(container, Vec::new());
                    self.removed.insert(id, step);
                    step
                }
            };
            gone.push(step);
        }
        let body = body::volume(self.project, key, volume);
        let step = self.plan.add(Action::RenewVolume { name, body }, gone);
        self.volumes.insert(key.to_owned(), step);
    }
}

/// The names of volumes that these services mount (none are all) and that the engine has
/// made from something else than what the project says today.
pub fn changed_volumes(project: &Project, state: &State, services: &[String]) -> Vec<String> {
    let wanted = project.services().iter();
    let wanted = wanted.filter(|(name, _)| services.is_empty() || services.contains(name));
    let used: BTreeSet<&str> = wanted.flat_map(|(_, service)| mounted(service)).collect();
    let mut changed = Vec::new();
    for (key, volume) in project.volumes() {
        let name = volume.text_at(&["name"]).unwrap_or(key);
        let found = state.volumes.iter().find(|found| found.name == name);
        if used.contains(key.as_str())
            && !external(volume)
            && found.is_some_and(|found| has_changed(volume, found))
        {
            changed.push(name.to_owned());
        }
    }
    changed
}

fn has_changed(volume: &Node, found: &FoundVolume) -> bool {
    let expected = hash::resource("volumes", volume);
    let made_from = found.labels.get(labels::CONFIG_HASH);
    made_from.is_some_and(|hash| *hash != expected)
}

/// The keys of the project's volumes that a service mounts.
pub(super) fn mounted(service: &Node) -> impl Iterator<Item = &str> {
    let volumes = service.get("volumes").and_then(Node::list);
    let volumes = volumes.unwrap_or_default().iter();
    let volumes = volumes.filter(|volume| volume.text_at(&["type"]) == Some("volume"));
    volumes.filter_map(|volume| volume.text_at(&["source"]))
}

fn external(node: &Node) -> bool {
    node.get("external")
        .is_some_and(|external| external.value == Value::Bool(true))
}
