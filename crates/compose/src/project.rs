//! A project: what all its files together say, canonical and complete.

use crate::dotenv::Env;
use crate::load::{Request, Source};
use crate::node::{Map, Node};
use std::path::PathBuf;

/// A loaded project.
#[derive(Debug, Clone)]
pub struct Project {
    /// Its name: lowercase letters, digits, `_` and `-`.
    pub name: String,
    /// The directory that its relative paths stand below.
    pub directory: PathBuf,
    /// Its files, as the label `com.docker.compose.project.config_files` names them.
    pub files: Vec<String>,
    /// What its variables were filled in from.
    pub env: Env,
    /// The profiles that are on.
    pub profiles: Vec<String>,
    /// Everything, without the services that are off.
    pub tree: Node,
    /// What stands between the words of containers' and images' names: `-`, or `_` as of the
    /// first Compose (`--compatibility`).
    pub separator: char,
    /// The services that are off, as none of their profiles is on.
    pub disabled: Map,
}

static NOTHING: Map = Map::new();

impl Project {
    pub(crate) fn new(name: String, request: &Request, env: Env, tree: Node) -> Self {
        let file = |source: &Source| match source {
            Source::File(path) => path.to_string_lossy().into_owned(),
            Source::Text { name, .. } => name.clone(),
        };
        Self {
            name,
            directory: request.directory.clone(),
            files: request.files.iter().map(file).collect(),
            env,
            profiles: request.profiles.clone(),
            tree,
            separator: '-',
            disabled: Map::new(),
        }
    }

    fn section(&self, name: &str) -> &Map {
        self.tree.get(name).and_then(Node::map).unwrap_or(&NOTHING)
    }

    /// The services that are on, by name.
    pub fn services(&self) -> &Map {
        self.section("services")
    }

    /// The networks, by key.
    pub fn networks(&self) -> &Map {
        self.section("networks")
    }

    /// The volumes, by key.
    pub fn volumes(&self) -> &Map {
        self.section("volumes")
    }

    /// The secrets, by key.
    pub fn secrets(&self) -> &Map {
        self.section("secrets")
    }

    /// The configs, by key.
    pub fn configs(&self) -> &Map {
        self.section("configs")
    }

    /// The models, by key.
    pub fn models(&self) -> &Map {
        self.section("models")
    }

    /// Drops networks, volumes, secrets, configs and models that no service uses.
    pub fn drop_unused(&mut self) {
        let mut used: [Vec<String>; 5] = Default::default();
        for service in self.services().values() {
            let keys = |key: &str| {
                let entries = service.get(key).and_then(Node::map).unwrap_or(&NOTHING);
                entries.keys().cloned()
            };
            let sources = |path: &[&str]| {
                let items = service.find(path).and_then(Node::list).unwrap_or_default();
                items
                    .iter()
                    .filter_map(|item| item.text_at(&["source"]).map(str::to_owned))
                    .collect::<Vec<_>>()
            };
            used[0].extend(keys("networks"));
            used[1].extend(sources(&["volumes"]));
            used[2].extend(sources(&["secrets"]));
            used[2].extend(sources(&["build", "secrets"]));
            used[3].extend(sources(&["configs"]));
            used[4].extend(keys("models"));
        }
        let kinds = ["networks", "volumes", "secrets", "configs", "models"];
        for (kind, used) in kinds.into_iter().zip(used) {
            let section = self.tree.map_mut().and_then(|map| map.get_mut(kind));
            if let Some(entries) = section.and_then(Node::map_mut) {
                entries.retain(|key, _| used.contains(key));
            }
        }
    }
}
