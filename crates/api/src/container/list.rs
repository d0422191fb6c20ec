use super::{EndpointSettings, MountPoint};
use crate::skip::empty;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One container in `GET /containers/json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename = "container.Summary", rename_all = "PascalCase")]
pub struct Summary {
    /// Full ID.
    pub id: String,
    /// `/name`, and names by links.
    pub names: Vec<String>,
    /// The image's name as given, or its ID when the name has moved.
    pub image: String,
    /// The image's ID.
    #[serde(rename = "ImageID")]
    pub image_id: String,
    /// The image's manifest; from 1.48.
    #[serde(skip_serializing_if = "empty")]
    pub image_manifest_descriptor: Option<serde_json::Value>,
    /// Path and arguments, quoted where needed.
    pub command: String,
    /// Seconds since 1970.
    pub created: i64,
    /// Exposed and published ports.
    pub ports: Vec<SummaryPort>,
    /// Bytes of the writable layer; only with `size=1`.
    #[serde(skip_serializing_if = "empty")]
    pub size_rw: i64,
    /// Bytes of all layers; only with `size=1`.
    #[serde(skip_serializing_if = "empty")]
    pub size_root_fs: i64,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// `running`, `exited`, …
    pub state: String,
    /// `Up 3 minutes`, `Exited (0) 2 hours ago`, …
    pub status: String,
    /// A part of the host configuration.
    pub host_config: SummaryHostConfig,
    /// Endpoints.
    pub network_settings: SummaryNetworkSettings,
    /// Mounts.
    pub mounts: Vec<MountPoint>,
}

/// The part of the host configuration that lists show.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SummaryHostConfig {
    /// As in the host configuration.
    #[serde(skip_serializing_if = "empty")]
    pub network_mode: String,
    /// From 1.46.
    #[serde(skip_serializing_if = "empty")]
    pub annotations: BTreeMap<String, String>,
}

/// The endpoints that lists show.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    default,
    rename = "container.NetworkSettingsSummary",
    rename_all = "PascalCase"
)]
pub struct SummaryNetworkSettings {
    /// Endpoints by network name.
    pub networks: BTreeMap<String, EndpointSettings>,
}

/// One port in a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default, rename = "container.Port", rename_all = "PascalCase")]
pub struct SummaryPort {
    /// Address on the host; omitted when not published.
    #[serde(rename = "IP", skip_serializing_if = "empty")]
    pub ip: String,
    /// Port of the container.
    pub private_port: u16,
    /// Port of the host; 0 and omitted when not published.
    #[serde(skip_serializing_if = "empty")]
    pub public_port: u16,
    /// `tcp`, `udp`, `sctp`.
    pub r#type: String,
}
