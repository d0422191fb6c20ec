//! The record of a container, and the two views of it.

use crate::{
    ContainerConfig, ContainerId, ExecId, HostConfig, IdMap, ImageId, MountPoint, NetworkSettings,
    PublishedPort, State, Status,
};
use corten_base::Timestamp;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf};

/// What is kept of a container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Container {
    /// ID.
    pub id: ContainerId,
    /// Name without a slash.
    pub name: String,
    /// Creation.
    pub created: Timestamp,
    /// The executable: first word of entry point and command together.
    pub path: String,
    /// The other words.
    pub args: Vec<String>,
    /// The image's ID.
    pub image: ImageId,
    /// `linux`.
    #[serde(default = "linux")]
    pub platform: String,
    /// `linux/amd64`, as `create` was asked; empty: the host's.
    #[serde(default)]
    pub platform_request: String,
    /// Configuration, merged with the image's.
    pub config: ContainerConfig,
    /// The host's half.
    pub host_config: HostConfig,
    /// Networks.
    #[serde(default)]
    pub network_settings: NetworkSettings,
    /// Mounts.
    #[serde(default)]
    pub mounts: Vec<MountPoint>,
    /// Diff IDs of the image, bottom first.
    #[serde(default)]
    pub layers: Vec<String>,
    /// Where it stands.
    #[serde(default)]
    pub state: State,
    /// Restarts by the policy since the last start by hand.
    #[serde(default)]
    pub restart_count: i64,
    /// The last stop was asked for by a user.
    #[serde(default)]
    pub stopped_by_user: bool,
    /// Files of the host were made for it (`resolv.conf`, `hostname`, `hosts`): their
    /// directory. Empty before the first start.
    #[serde(default)]
    pub files_directory: PathBuf,
    /// The log file; empty before the first start and for drivers without one.
    #[serde(default)]
    pub log_path: PathBuf,
    /// Descriptor of the image manifest it was created from, as JSON, where known.
    #[serde(default)]
    pub image_manifest_descriptor: Option<serde_json::Value>,
    /// Who its users are on the host, in its user namespace; `None`: it has the host's.
    #[serde(default)]
    pub id_map: Option<IdMap>,
    /// The AppArmor profile that confines it, `unconfined` if none does; before the first
    /// start the one that was asked for. Empty on a host without AppArmor.
    #[serde(default)]
    pub app_armor_profile: String,
}

fn linux() -> String {
    "linux".into()
}

/// Everything `inspect` shows: 27 facts at the top level.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ContainerInspect {
    /// The record: ID, creation, path, args, state, image, name, restart count,
    /// platform, configuration, mounts, networks, log path.
    pub container: Container,
    /// Path on the host; empty before the first start.
    pub resolv_conf_path: PathBuf,
    /// Path on the host; empty before the first start.
    pub hostname_path: PathBuf,
    /// Path on the host; empty before the first start.
    pub hosts_path: PathBuf,
    /// Storage driver: `overlay2`.
    pub driver: String,
    /// SELinux label; always empty.
    pub mount_label: String,
    /// SELinux label; always empty.
    pub process_label: String,
    /// Running exec processes; `None` where Docker shows `null`.
    pub exec_ids: Option<Vec<ExecId>>,
    /// Where the root file system lies.
    pub graph_driver: GraphDriver,
    /// Bytes in the writable layer, when asked for.
    pub size_rw: Option<u64>,
    /// Bytes of the whole root file system, when asked for.
    pub size_root_fs: Option<u64>,
}

/// Where a root file system lies.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct GraphDriver {
    /// `overlay2`.
    pub name: String,
    /// `LowerDir`, `MergedDir`, `UpperDir`, `WorkDir`, `ID`.
    pub data: BTreeMap<String, String>,
}

/// A line of a container list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ContainerSummary {
    /// ID.
    pub id: ContainerId,
    /// Names, each with a leading slash; links to it as `/other/alias`.
    pub names: Vec<String>,
    /// The image as the user named it; its ID when the name means another image by now.
    pub image: String,
    /// The image's ID.
    pub image_id: ImageId,
    /// Path and arguments as one line, quoted as Docker does.
    pub command: String,
    /// Creation.
    pub created: Timestamp,
    /// Ports.
    pub ports: Vec<PublishedPort>,
    /// Bytes in the writable layer, when asked for.
    pub size_rw: Option<u64>,
    /// Bytes of the whole root file system, when asked for.
    pub size_root_fs: Option<u64>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Docker's status word.
    pub status: Status,
    /// `Up 3 minutes (healthy)`, `Exited (0) 2 hours ago`.
    pub status_text: String,
    /// Network mode.
    pub network_mode: String,
    /// Annotations.
    pub annotations: Option<BTreeMap<String, String>>,
    /// Networks.
    pub network_settings: NetworkSettings,
    /// Mounts.
    pub mounts: Vec<MountPoint>,
    /// Descriptor of the image manifest, where known.
    pub image_manifest_descriptor: Option<serde_json::Value>,
}
