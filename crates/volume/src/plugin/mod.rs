//! Volume drivers that are programs of their own: Docker's legacy plugins.
//!
//! How they are found, see [`corten_plugin`].
//!
//! Source: docs.docker.com, "Docker volume plugins", "Docker Plugin API".

use crate::VolumeError;
use corten_plugin::{Address, DIRECTORIES};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fs, path::PathBuf, time::Duration};

/// A plugin may mount something far away.
const CALL_PATIENCE: Duration = Duration::from_secs(30);

/// A list of volumes waits less for one plugin among several.
const LIST_PATIENCE: Duration = Duration::from_secs(5);

/// What `Plugin.Activate` must name.
const CAPABILITY: &str = "VolumeDriver";

/// A volume as a plugin tells of it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct PluginVolume {
    /// Name.
    pub name: String,
    /// Where it is on the host; empty while not mounted.
    pub mountpoint: String,
    /// RFC 3339, or empty.
    pub created_at: String,
    /// Anything.
    pub status: BTreeMap<String, serde_json::Value>,
}

/// A volume driver found on this host.
#[derive(Debug, Clone)]
pub(crate) struct Plugin {
    pub(crate) name: String,
    address: Address,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Asked<'a> {
    name: &'a str,
    #[serde(rename = "ID", skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    opts: Option<&'a BTreeMap<String, String>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Answer {
    err: Option<String>,
    implements: Vec<String>,
    mountpoint: String,
    volume: Option<PluginVolume>,
    volumes: Option<Vec<PluginVolume>>,
    capabilities: Capabilities,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Capabilities {
    scope: String,
}

/// Finds plugins by name.
#[derive(Debug, Clone)]
pub(crate) struct Plugins {
    directories: Vec<PathBuf>,
}

impl Default for Plugins {
    fn default() -> Self {
        Self {
            directories: DIRECTORIES.iter().map(PathBuf::from).collect(),
        }
    }
}

impl Plugins {
    pub(crate) fn in_directories(directories: Vec<PathBuf>) -> Self {
        Self { directories }
    }

    /// The volume driver of this name; `None`: there is none, or it is another kind of plugin.
    pub(crate) fn find(&self, name: &str) -> Option<Plugin> {
        let plugin = Plugin {
            address: corten_plugin::find(&self.directories, name)?,
            name: name.to_owned(),
        };
        let answer = plugin.call("Plugin.Activate", &(), CALL_PATIENCE);
        match answer {
            Ok(answer) if answer.implements.iter().any(|it| it == CAPABILITY) => Some(plugin),
            Ok(_) => None,
            Err(reason) => {
                tracing::warn!(plugin = plugin.name, reason, "a plugin does not answer");
                None
            }
        }
    }

    /// Every volume of every volume driver here, by driver.
    pub(crate) fn volumes(&self) -> Vec<(String, PluginVolume)> {
        let plugins = self.names().into_iter().filter_map(|name| self.find(&name));
        plugins
            .flat_map(|plugin| {
                let volumes = match plugin.call("VolumeDriver.List", &(), LIST_PATIENCE) {
                    Ok(answer) => answer.volumes.unwrap_or_default(),
                    Err(reason) => {
                        tracing::warn!(plugin = plugin.name, reason, "a plugin lists no volumes");
                        Vec::new()
                    }
                };
                volumes
                    .into_iter()
                    .map(move |volume| (plugin.name.clone(), volume))
            })
            .collect()
    }

    /// The volume drivers that are there, by name.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .directories
            .iter()
            .filter_map(|directory| fs::read_dir(directory).ok())
            .flatten()
            .flatten()
            .filter_map(|entry| Some(entry.path().file_stem()?.to_str()?.to_owned()))
            .collect();
        names.sort();
        names.dedup();
        names
    }
}

impl Plugin {
    pub(crate) fn create(
        &self,
        name: &str,
        options: Option<&BTreeMap<String, String>>,
    ) -> Result<(), VolumeError> {
        let none = BTreeMap::new();
        let opts = Some(options.unwrap_or(&none));
        self.ask("create", "Create", name, None, opts).map(drop)
    }

    pub(crate) fn remove(&self, name: &str) -> Result<(), VolumeError> {
        self.ask("remove", "Remove", name, None, None).map(drop)
    }

    /// Answers where the volume is now; `id` tells one use of it from another.
    pub(crate) fn mount(&self, name: &str, id: &str) -> Result<PathBuf, VolumeError> {
        let answer = self.ask("mount", "Mount", name, Some(id), None)?;
        Ok(answer.mountpoint.into())
    }

    pub(crate) fn unmount(&self, name: &str, id: &str) -> Result<(), VolumeError> {
        self.ask("unmount", "Unmount", name, Some(id), None)
            .map(drop)
    }

    pub(crate) fn get(&self, name: &str) -> Result<PluginVolume, VolumeError> {
        let answer = self.ask("get", "Get", name, None, None)?;
        Ok(answer.volume.unwrap_or_default())
    }

    /// `local` or `global`.
    pub(crate) fn scope(&self) -> String {
        let answer = self.call("VolumeDriver.Capabilities", &(), CALL_PATIENCE);
        match answer.map(|it| it.capabilities.scope.to_ascii_lowercase()) {
            Ok(scope) if scope == "global" => scope,
            _ => "local".to_owned(),
        }
    }

    fn ask(
        &self,
        operation: &'static str,
        method: &str,
        name: &str,
        id: Option<&str>,
        opts: Option<&BTreeMap<String, String>>,
    ) -> Result<Answer, VolumeError> {
        let method = format!("VolumeDriver.{method}");
        self.call(&method, &Asked { name, id, opts }, CALL_PATIENCE)
            .map_err(|reason| VolumeError::Plugin {
                operation,
                name: name.to_owned(),
                reason,
            })
    }

    /// The answer, or the plugin's own words.
    fn call<T: Serialize>(
        &self,
        method: &str,
        body: &T,
        patience: Duration,
    ) -> Result<Answer, String> {
        let body = serde_json::to_vec(body).map_err(|error| error.to_string())?;
        let (status, text) =
            corten_plugin::post(&self.address, &format!("/{method}"), &body, patience)
                .map_err(|error| format!("{method}: {}", corten_base::errno_text(&error)))?;
        let parsed = serde_json::from_slice::<Answer>(&text);
        let said = parsed
            .as_ref()
            .ok()
            .and_then(|answer| answer.err.clone())
            .filter(|it| !it.is_empty());
        match (said, parsed) {
            (Some(said), _) if status == 200 => Err(said),
            (Some(said), _) => Err(format!("{method}: {said}")),
            (None, Ok(answer)) if status == 200 => Ok(answer),
            _ => {
                let text = String::from_utf8_lossy(&text);
                Err(format!("{method}: {}", text.trim()))
            }
        }
    }
}
