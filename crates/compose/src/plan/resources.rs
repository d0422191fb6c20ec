//! Networks and volumes in the plan of `up`: made where they are missing, and looked at
//! whether they are the project's own.

use super::Action;
use super::up::{Builder, missing};
use crate::body;
use crate::error::ComposeError;
use crate::hash;
use crate::labels;
use crate::node::{Node, Value};

impl Builder<'_> {
    pub(super) fn networks(&mut self) -> Result<(), ComposeError> {
        let used = body::used_networks(self.project);
        for (key, network) in used {
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
        for (key, volume) in self.project.volumes() {
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
                Some(found) => self.check_volume(volume, found),
            }
        }
        Ok(())
    }

    /// A volume is never made anew by itself: its data would be lost.
    fn check_volume(&mut self, volume: &Node, found: &super::FoundVolume) {
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
        let expected = hash::resource("volumes", volume);
        if label(labels::CONFIG_HASH).is_some_and(|hash| hash != expected) {
            self.plan.warnings.push(format!(
                "volume {name:?} exists but doesn't match configuration in compose file; it is \
                 kept as it is, remove it (its data will be lost) to have it made anew"
            ));
        }
    }
}

fn external(node: &Node) -> bool {
    node.get("external")
        .is_some_and(|external| external.value == Value::Bool(true))
}
