//! What the engine has of a project, from the bodies of its lists.

use crate::body::OldMount;
use crate::contents;
use crate::labels;
use serde_json::Value as J;
use std::collections::BTreeMap;

/// A container of the project.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Without the leading slash.
    pub name: String,
    /// The service it was made from.
    pub service: String,
    /// Which of the service's containers; 0 where its label is missing.
    pub number: u32,
    /// `created`, `running`, `paused`, `restarting`, `exited` or `dead`.
    pub state: String,
    /// Made by `run`.
    pub one_off: bool,
    /// All of them.
    pub labels: BTreeMap<String, String>,
    /// The IDs of its networks.
    pub networks: Vec<String>,
    /// Its mounts.
    pub mounts: Vec<OldMount>,
    /// The mark of what its configs and secrets held when it was made.
    pub contents: Option<String>,
}

/// A network of the engine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FoundNetwork {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// A volume of the engine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FoundVolume {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// What the engine has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// The containers that bear the project's label.
    pub containers: Vec<Found>,
    /// Networks: those with the project's label, and those the project names.
    pub networks: Vec<FoundNetwork>,
    /// Volumes: those with the project's label, and those the project names.
    pub volumes: Vec<FoundVolume>,
    /// The ID of each service's image, where the engine has it.
    pub images: BTreeMap<String, String>,
    /// The mark of what each service's configs and secrets hold, where that can be said.
    pub contents: BTreeMap<String, String>,
    /// Whether the engine passes names and published ports from one container to another
    /// while both run; asked for only where a service wants it.
    pub hands_over: bool,
}

fn text(value: &J, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

fn text_map(value: &J) -> BTreeMap<String, String> {
    let entries = value.as_object().into_iter().flatten();
    entries
        .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
        .collect()
}

impl Found {
    /// From an item of `GET /containers/json`.
    pub fn from_summary(summary: &J) -> Self {
        let labels = text_map(&summary["Labels"]);
        let label = |key: &str| labels.get(key).cloned().unwrap_or_default();
        let name = summary["Names"][0].as_str().unwrap_or_default();
        let networks = summary["NetworkSettings"]["Networks"].as_object();
        let mounts = summary["Mounts"].as_array();
        Self {
            id: text(summary, "Id"),
            name: name.trim_start_matches('/').to_owned(),
            service: label(labels::SERVICE),
            number: label(labels::NUMBER).parse().unwrap_or(0),
            state: text(summary, "State"),
            one_off: label(labels::ONE_OFF) == "True",
            networks: networks
                .into_iter()
                .flatten()
                .map(|(_, endpoint)| text(endpoint, "NetworkID"))
                .collect(),
            mounts: mounts
                .into_iter()
                .flatten()
                .map(|mount| {
                    let kind = text(mount, "Type");
                    OldMount {
                        source: text(mount, if kind == "volume" { "Name" } else { "Source" }),
                        target: text(mount, "Destination"),
                        writable: mount["RW"].as_bool().unwrap_or(true),
                        kind,
                    }
                })
                .collect(),
            contents: summary["HostConfig"]["Annotations"][contents::ANNOTATION]
                .as_str()
                .map(str::to_owned),
            labels,
        }
    }

    /// Whether its first process runs (it may be paused).
    pub fn is_up(&self) -> bool {
        matches!(self.state.as_str(), "running" | "paused" | "restarting")
    }
}

impl FoundNetwork {
    /// From an item of `GET /networks`.
    pub fn from_summary(summary: &J) -> Self {
        Self {
            id: text(summary, "Id"),
            name: text(summary, "Name"),
            labels: text_map(&summary["Labels"]),
        }
    }
}

impl FoundVolume {
    /// From an item of `GET /volumes`.
    pub fn from_summary(summary: &J) -> Self {
        Self {
            name: text(summary, "Name"),
            labels: text_map(&summary["Labels"]),
        }
    }
}

impl State {
    /// The containers of a service in the order of their numbers, without those of `run`.
    pub fn of_service(&self, service: &str) -> Vec<&Found> {
        let mut found: Vec<&Found> = self
            .containers
            .iter()
            .filter(|container| container.service == service && !container.one_off)
            .collect();
        found.sort_by_key(|container| container.number);
        found
    }

    /// The ID of the first container of each service.
    pub fn first_containers(&self) -> BTreeMap<String, String> {
        let mut first: BTreeMap<String, &Found> = BTreeMap::new();
        for container in self
            .containers
            .iter()
            .filter(|container| !container.one_off)
        {
            let known = first.entry(container.service.clone()).or_insert(container);
            if container.number < known.number {
                *known = container;
            }
        }
        first
            .into_iter()
            .map(|(service, container)| (service, container.id.clone()))
            .collect()
    }
}
