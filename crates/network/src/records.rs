//! What is kept in files: networks across reboots, endpoints while the machine runs.
//!
//! An endpoint's record is written before its effects and deleted after them. It stands
//! below the exec root, on a file system that a reboot empties, as it empties the kernel;
//! hence it is not synced.

use crate::remote_ipam::RemotePool;
use crate::{Endpoint, IpamConfig, NamesRequest, NetworkError, NetworkInfo, PublishRequest};
use corten_store::{StoreError, clear_unfinished, read_json, replace_json};
use serde::{Deserialize, Serialize};
use std::{
    cmp::Reverse,
    io::ErrorKind,
    path::{Path, PathBuf},
};

/// Version of both formats.
const FORMAT: u32 = 1;
const NETWORKS_FILE: &str = "networks.json";
const ENDPOINTS_DIRECTORY: &str = "endpoints";

/// A network as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct NetworkRecord {
    /// What the API shows, without endpoints.
    pub info: NetworkInfo,
    /// The bridge, empty for host and none.
    pub bridge: String,
    /// Whether the bridge is ours to change and to delete.
    pub owned: bool,
    /// Whether the user chose the subnets, so that addresses may be chosen, too.
    pub subnet_chosen: bool,
    /// Those that the user did not choose although others are.
    #[serde(default)]
    pub subnets_given: Vec<String>,
    /// The link of the host that a macvlan or ipvlan hangs on.
    #[serde(default)]
    pub parent: String,
    /// Subnets that a plugin gave.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remote_pools: Vec<RemotePool>,
}

impl NetworkRecord {
    /// Whether the user chose a subnet.
    pub fn is_chosen(&self, config: &IpamConfig) -> bool {
        self.subnet_chosen && !self.subnets_given.contains(&config.subnet)
    }
}

#[derive(Serialize, Deserialize)]
struct NetworksFile {
    format: u32,
    networks: Vec<NetworkRecord>,
}

#[derive(Serialize, Deserialize)]
struct EndpointsFile {
    format: u32,
    endpoints: Vec<Endpoint>,
    /// How names are served to the container, if they are.
    #[serde(default)]
    names: Option<NamesRequest>,
    /// What it publishes, for when its ports move to another network.
    #[serde(default)]
    publish: Vec<PublishRequest>,
}

/// What is kept of one container.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kept {
    pub endpoints: Vec<Endpoint>,
    pub names: Option<NamesRequest>,
    pub publish: Vec<PublishRequest>,
}

/// Where records are.
#[derive(Debug)]
pub(crate) struct Records {
    networks: PathBuf,
    endpoints: PathBuf,
}

impl Records {
    /// Makes the directories.
    pub fn open(data_dir: &Path, exec_dir: &Path) -> Result<Self, NetworkError> {
        let endpoints = exec_dir.join(ENDPOINTS_DIRECTORY);
        for path in [data_dir, &endpoints] {
            std::fs::create_dir_all(path).map_err(|source| NetworkError::File {
                step: "making",
                path: path.to_owned(),
                source,
            })?;
            clear_unfinished(path).map_err(|error| failed(path, error))?;
        }
        Ok(Self {
            networks: data_dir.join(NETWORKS_FILE),
            endpoints,
        })
    }

    /// All networks; none if there is no file yet.
    pub fn networks(&self) -> Result<Vec<NetworkRecord>, NetworkError> {
        let file: Option<NetworksFile> = read(&self.networks)?;
        match file {
            Some(file) if file.format != FORMAT => Err(self.newer(&self.networks, file.format)),
            Some(file) => Ok(file.networks),
            None => Ok(Vec::new()),
        }
    }

    /// Keeps all networks, durably.
    pub fn keep_networks(&self, networks: Vec<NetworkRecord>) -> Result<(), NetworkError> {
        let file = NetworksFile {
            format: FORMAT,
            networks,
        };
        replace_json(&self.networks, &file, true).map_err(|e| failed(&self.networks, e))
    }

    /// The endpoints of every container, and the files that could not be read. What was
    /// written last comes first: where two have the same port, it has passed to that one.
    pub fn endpoints(&self) -> Result<(Vec<Kept>, Vec<NetworkError>), NetworkError> {
        let list = |source| NetworkError::File {
            step: "listing",
            path: self.endpoints.clone(),
            source,
        };
        let (mut all, mut broken) = (Vec::new(), Vec::new());
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(&self.endpoints).map_err(list)? {
            let entry = entry.map_err(list)?;
            let written = entry
                .metadata()
                .and_then(|it| it.modified())
                .map_err(list)?;
            entries.push((Reverse(written), entry.path()));
        }
        entries.sort();
        for (_, path) in entries {
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            match read::<EndpointsFile>(&path) {
                Ok(Some(file)) if file.format == FORMAT => all.push(Kept {
                    endpoints: file.endpoints,
                    names: file.names,
                    publish: file.publish,
                }),
                Ok(Some(file)) => broken.push(self.newer(&path, file.format)),
                Ok(None) => {}
                Err(error) => broken.push(error),
            }
        }
        Ok((all, broken))
    }

    /// Keeps a container's endpoints; without any, forgets the container.
    pub fn keep_endpoints(&self, container: &str, kept: Kept) -> Result<(), NetworkError> {
        let path = self.endpoints.join(format!("{container}.json"));
        if kept.endpoints.is_empty() {
            return match std::fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => Err(NetworkError::File {
                    step: "removing",
                    path,
                    source: error,
                }),
                _ => Ok(()),
            };
        }
        let file = EndpointsFile {
            format: FORMAT,
            endpoints: kept.endpoints,
            names: kept.names,
            publish: kept.publish,
        };
        replace_json(&path, &file, false).map_err(|e| failed(&path, e))
    }

    fn newer(&self, path: &Path, format: u32) -> NetworkError {
        NetworkError::Newer {
            path: path.to_owned(),
            format,
        }
    }
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>, NetworkError> {
    read_json(path).map_err(|error| failed(path, error))
}

fn failed(path: &Path, source: StoreError) -> NetworkError {
    NetworkError::Record {
        path: path.to_owned(),
        source: Box::new(source),
    }
}
