use super::{Config, EndpointSettings, HostConfig, MountPoint, PortMap};
use crate::skip::empty;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The answer of `GET /containers/{id}/json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(
    default,
    rename = "container.InspectResponse",
    rename_all = "PascalCase"
)]
pub struct Inspect {
    /// Full ID.
    pub id: String,
    /// RFC 3339.
    pub created: String,
    /// The first word of the process.
    pub path: String,
    /// The other words.
    pub args: Vec<String>,
    /// What it is doing.
    pub state: State,
    /// The image's ID.
    pub image: String,
    /// The container's resolv.conf on the host.
    pub resolv_conf_path: String,
    /// The container's hostname file on the host.
    pub hostname_path: String,
    /// The container's hosts file on the host.
    pub hosts_path: String,
    /// The log file on the host.
    pub log_path: String,
    /// `/` and the name.
    pub name: String,
    /// Restarts by the restart policy.
    pub restart_count: i64,
    /// Storage driver.
    pub driver: String,
    /// `linux`.
    pub platform: String,
    /// The image's manifest.
    #[serde(skip_serializing_if = "empty")]
    pub image_manifest_descriptor: Option<serde_json::Value>,
    /// SELinux label of mounts.
    pub mount_label: String,
    /// SELinux label of the process.
    pub process_label: String,
    /// AppArmor profile.
    pub app_armor_profile: String,
    /// Running exec processes.
    #[serde(rename = "ExecIDs")]
    pub exec_ids: Option<Vec<String>>,
    /// The part that depends on the host.
    pub host_config: HostConfig,
    /// Where the layers lie.
    pub graph_driver: GraphDriver,
    /// Bytes of the writable layer; only with `size=1`.
    #[serde(skip_serializing_if = "empty")]
    pub size_rw: Option<i64>,
    /// Bytes of all layers; only with `size=1`.
    #[serde(skip_serializing_if = "empty")]
    pub size_root_fs: Option<i64>,
    /// Mounts.
    pub mounts: Vec<MountPoint>,
    /// The portable part.
    pub config: Config,
    /// Networks and ports.
    pub network_settings: NetworkSettings,
}

/// What a container is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename = "container.State", rename_all = "PascalCase")]
pub struct State {
    /// `created`, `running`, `paused`, `restarting`, `removing`, `exited`, `dead`.
    pub status: String,
    /// Also true while paused or restarting.
    pub running: bool,
    /// Frozen.
    pub paused: bool,
    /// Waiting for the next try.
    pub restarting: bool,
    /// Whether the kernel killed it for lack of memory.
    #[serde(rename = "OOMKilled")]
    pub oom_killed: bool,
    /// Removal failed half-way.
    pub dead: bool,
    /// Process ID on the host; 0 unless running.
    pub pid: i64,
    /// Exit code, 128 + signal when killed.
    pub exit_code: i64,
    /// Why the last start failed.
    pub error: String,
    /// RFC 3339.
    pub started_at: String,
    /// RFC 3339.
    pub finished_at: String,
    /// Only with a health check.
    #[serde(skip_serializing_if = "empty")]
    pub health: Option<Health>,
}

/// What the health check says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename = "container.Health", rename_all = "PascalCase")]
pub struct Health {
    /// `starting`, `healthy`, `unhealthy`, `none`.
    pub status: String,
    /// Failures in a row.
    pub failing_streak: i64,
    /// The last results.
    pub log: Option<Vec<HealthcheckResult>>,
}

/// One run of a health check.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    default,
    rename = "container.HealthcheckResult",
    rename_all = "PascalCase"
)]
pub struct HealthcheckResult {
    /// RFC 3339.
    pub start: String,
    /// RFC 3339.
    pub end: String,
    /// 0 is well.
    pub exit_code: i64,
    /// Its output, cut at 4 KiB.
    pub output: String,
}

/// Where the layers lie; the keys are the driver's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename = "storage.DriverData", rename_all = "PascalCase")]
pub struct GraphDriver {
    /// `LowerDir`, `UpperDir`, … to paths.
    pub data: Option<BTreeMap<String, String>>,
    /// Name of the driver.
    pub name: String,
}

/// Networks and ports of a container. The fields from `EndpointID` to `MacAddress` are
/// those of the default bridge.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    default,
    rename = "container.NetworkSettings",
    rename_all = "PascalCase"
)]
pub struct NetworkSettings {
    /// Deprecated, empty.
    pub bridge: String,
    /// ID of the network namespace.
    #[serde(rename = "SandboxID")]
    pub sandbox_id: String,
    /// Path of the network namespace.
    pub sandbox_key: String,
    /// Published ports as they are bound; `null` for an exposed one.
    pub ports: Option<PortMap>,
    /// Deprecated, false.
    pub hairpin_mode: bool,
    /// Deprecated, empty.
    #[serde(rename = "LinkLocalIPv6Address")]
    pub link_local_ipv6_address: String,
    /// Deprecated, 0.
    #[serde(rename = "LinkLocalIPv6PrefixLen")]
    pub link_local_ipv6_prefix_len: i64,
    /// Deprecated, null.
    #[serde(rename = "SecondaryIPAddresses")]
    pub secondary_ip_addresses: Option<Vec<Address>>,
    /// Deprecated, null.
    #[serde(rename = "SecondaryIPv6Addresses")]
    pub secondary_ipv6_addresses: Option<Vec<Address>>,
    /// The endpoint's ID.
    #[serde(rename = "EndpointID")]
    pub endpoint_id: String,
    /// IPv4 gateway.
    pub gateway: String,
    /// IPv6 address.
    #[serde(rename = "GlobalIPv6Address")]
    pub global_ipv6_address: String,
    /// Length of the IPv6 prefix.
    #[serde(rename = "GlobalIPv6PrefixLen")]
    pub global_ipv6_prefix_len: i64,
    /// IPv4 address.
    #[serde(rename = "IPAddress")]
    pub ip_address: String,
    /// Length of the IPv4 prefix.
    #[serde(rename = "IPPrefixLen")]
    pub ip_prefix_len: i64,
    /// IPv6 gateway.
    #[serde(rename = "IPv6Gateway")]
    pub ipv6_gateway: String,
    /// Hardware address.
    pub mac_address: String,
    /// Endpoints by network name.
    pub networks: BTreeMap<String, EndpointSettings>,
}

/// An address with its prefix.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename = "network.Address", rename_all = "PascalCase")]
pub struct Address {
    /// The address.
    pub addr: String,
    /// Length of its prefix.
    pub prefix_len: i64,
}
