//! The engine itself: version, information, disk usage.

use crate::skip::empty;
use crate::{container, image, volume};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The answer of `GET /version`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename = "types.Version", rename_all = "PascalCase")]
pub struct Version {
    /// The product.
    pub platform: VersionPlatform,
    /// Parts: `Engine` first.
    #[serde(skip_serializing_if = "empty")]
    pub components: Vec<ComponentVersion>,
    /// Of the engine.
    pub version: String,
    /// Newest API version.
    pub api_version: String,
    /// Oldest API version.
    #[serde(rename = "MinAPIVersion", skip_serializing_if = "empty")]
    pub min_api_version: String,
    /// Commit it was built from.
    pub git_commit: String,
    /// The compiler's version.
    pub go_version: String,
    /// `linux`.
    pub os: String,
    /// GOARCH.
    pub arch: String,
    /// The kernel's release.
    #[serde(skip_serializing_if = "empty")]
    pub kernel_version: String,
    /// Whether experimental features are on.
    #[serde(skip_serializing_if = "empty")]
    pub experimental: bool,
    /// RFC 3339.
    #[serde(skip_serializing_if = "empty")]
    pub build_time: String,
}

/// The product.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct VersionPlatform {
    /// Its name.
    pub name: String,
}

/// One part of the engine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename = "types.ComponentVersion", rename_all = "PascalCase")]
pub struct ComponentVersion {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// More, for people.
    #[serde(skip_serializing_if = "empty")]
    pub details: BTreeMap<String, String>,
}

/// The answer of `GET /info`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename = "system.Info", rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct Info {
    #[serde(rename = "ID")]
    pub id: String,
    pub containers: i64,
    pub containers_running: i64,
    pub containers_paused: i64,
    pub containers_stopped: i64,
    pub images: i64,
    pub driver: String,
    pub driver_status: Vec<[String; 2]>,
    /// Deprecated, never set.
    #[serde(skip_serializing_if = "empty")]
    pub system_status: Vec<[String; 2]>,
    pub plugins: PluginsInfo,
    pub memory_limit: bool,
    pub swap_limit: bool,
    #[serde(skip_serializing_if = "empty")]
    pub kernel_memory: bool,
    #[serde(rename = "KernelMemoryTCP", skip_serializing_if = "empty")]
    pub kernel_memory_tcp: bool,
    pub cpu_cfs_period: bool,
    pub cpu_cfs_quota: bool,
    #[serde(rename = "CPUShares")]
    pub cpu_shares: bool,
    #[serde(rename = "CPUSet")]
    pub cpu_set: bool,
    pub pids_limit: bool,
    #[serde(rename = "IPv4Forwarding")]
    pub ipv4_forwarding: bool,
    /// Only below 1.50.
    #[serde(rename = "BridgeNfIptables", skip_serializing_if = "empty")]
    pub bridge_nf_iptables: Option<bool>,
    /// Only below 1.50.
    #[serde(rename = "BridgeNfIp6tables", skip_serializing_if = "empty")]
    pub bridge_nf_ip6tables: Option<bool>,
    pub debug: bool,
    pub n_fd: i64,
    pub oom_kill_disable: bool,
    pub n_goroutines: i64,
    pub system_time: String,
    pub logging_driver: String,
    pub cgroup_driver: String,
    #[serde(skip_serializing_if = "empty")]
    pub cgroup_version: String,
    pub n_events_listener: i64,
    pub kernel_version: String,
    pub operating_system: String,
    #[serde(rename = "OSVersion")]
    pub os_version: String,
    #[serde(rename = "OSType")]
    pub os_type: String,
    pub architecture: String,
    pub index_server_address: String,
    pub registry_config: Option<RegistryServiceConfig>,
    #[serde(rename = "NCPU")]
    pub ncpu: i64,
    pub mem_total: i64,
    pub generic_resources: Option<Vec<serde_json::Value>>,
    pub docker_root_dir: String,
    pub http_proxy: String,
    pub https_proxy: String,
    pub no_proxy: String,
    pub name: String,
    pub labels: Vec<String>,
    pub experimental_build: bool,
    pub server_version: String,
    pub runtimes: BTreeMap<String, Runtime>,
    pub default_runtime: String,
    pub swarm: SwarmInfo,
    pub live_restore_enabled: bool,
    pub isolation: String,
    pub init_binary: String,
    pub containerd_commit: Commit,
    pub runc_commit: Commit,
    pub init_commit: Commit,
    pub security_options: Vec<String>,
    #[serde(skip_serializing_if = "empty")]
    pub product_license: String,
    #[serde(skip_serializing_if = "empty")]
    pub default_address_pools: Vec<AddressPool>,
    #[serde(skip_serializing_if = "empty")]
    pub firewall_backend: Option<FirewallInfo>,
    #[serde(rename = "DiscoveredDevices", skip_serializing_if = "empty")]
    pub discovered_devices: Vec<serde_json::Value>,
    #[serde(rename = "CDISpecDirs")]
    pub cdi_spec_dirs: Option<Vec<String>>,
    #[serde(skip_serializing_if = "empty")]
    pub containerd: Option<serde_json::Value>,
    pub warnings: Option<Vec<String>>,
}

/// Kinds of drivers and their names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename = "system.PluginsInfo", rename_all = "PascalCase")]
pub struct PluginsInfo {
    /// Volume drivers.
    pub volume: Option<Vec<String>>,
    /// Network drivers.
    pub network: Option<Vec<String>>,
    /// Authorization plugins.
    pub authorization: Option<Vec<String>>,
    /// Log drivers.
    pub log: Option<Vec<String>>,
}

/// What the daemon knows about registries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename = "registry.ServiceConfig", rename_all = "PascalCase")]
pub struct RegistryServiceConfig {
    /// Only below 1.47, always null.
    #[serde(
        rename = "AllowNondistributableArtifactsCIDRs",
        skip_serializing_if = "empty"
    )]
    pub allow_nondistributable_artifacts_cidrs: Option<serde_json::Value>,
    /// Only below 1.47, always null.
    #[serde(skip_serializing_if = "empty")]
    pub allow_nondistributable_artifacts_hostnames: Option<serde_json::Value>,
    /// By registry.
    pub index_configs: BTreeMap<String, IndexInfo>,
    /// Networks reached without TLS.
    #[serde(rename = "InsecureRegistryCIDRs")]
    pub insecure_registry_cidrs: Vec<String>,
    /// Mirrors of Docker Hub.
    pub mirrors: Option<Vec<String>>,
}

/// What the daemon knows about one registry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename = "registry.IndexInfo", rename_all = "PascalCase")]
pub struct IndexInfo {
    /// Mirrors.
    pub mirrors: Vec<String>,
    /// Name.
    pub name: String,
    /// Whether it is Docker Hub.
    pub official: bool,
    /// Whether TLS is checked.
    pub secure: bool,
}

/// A runtime.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename = "system.RuntimeWithStatus")]
pub struct Runtime {
    /// Program.
    #[serde(skip_serializing_if = "empty")]
    pub path: String,
    /// Its arguments.
    #[serde(rename = "runtimeArgs", skip_serializing_if = "empty")]
    pub runtime_args: Vec<String>,
    /// Facts, such as its OCI features as JSON text.
    #[serde(skip_serializing_if = "empty")]
    pub status: BTreeMap<String, String>,
}

/// The state of the swarm.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename = "swarm.Info", rename_all = "PascalCase")]
pub struct SwarmInfo {
    /// This node.
    #[serde(rename = "NodeID")]
    pub node_id: String,
    /// Its address.
    pub node_addr: String,
    /// `inactive`, `active`, …
    pub local_node_state: String,
    /// Whether it is a manager.
    pub control_available: bool,
    /// Why not.
    pub error: String,
    /// Managers.
    pub remote_managers: Option<Vec<serde_json::Value>>,
}

/// The commit a part was built from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename = "system.Commit")]
pub struct Commit {
    /// The commit.
    #[serde(rename = "ID")]
    pub id: String,
    /// Deprecated: only below 1.49.
    #[serde(rename = "Expected", skip_serializing_if = "empty")]
    pub expected: String,
}

/// A pool for new networks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    default,
    rename = "system.NetworkAddressPool",
    rename_all = "PascalCase"
)]
pub struct AddressPool {
    /// CIDR.
    pub base: String,
    /// Prefix length of each network.
    pub size: i64,
}

/// How packets are filtered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename = "system.FirewallInfo", rename_all = "PascalCase")]
pub struct FirewallInfo {
    /// `nftables`.
    pub driver: String,
    /// Facts.
    #[serde(skip_serializing_if = "empty")]
    pub info: Vec<[String; 2]>,
}

/// The answer of `GET /system/df`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename = "types.DiskUsage", rename_all = "PascalCase")]
pub struct DiskUsage {
    /// Bytes of all layers.
    pub layers_size: i64,
    /// Images.
    pub images: Option<Vec<image::Summary>>,
    /// Containers.
    pub containers: Option<Vec<container::Summary>>,
    /// Volumes.
    pub volumes: Option<Vec<volume::Volume>>,
    /// Records of the builder.
    pub build_cache: Option<Vec<BuildCacheRecord>>,
    /// Bytes of those records; up to API 1.41.
    #[serde(skip_serializing_if = "is_zero")]
    pub builder_size: i64,
}

fn is_zero(bytes: &i64) -> bool {
    *bytes == 0
}

/// A cache mount of the builder, beyond Docker.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct CacheMount {
    /// Its name, as Dockerfiles give it.
    pub id: String,
    /// Where it was made.
    pub description: String,
    /// Bytes.
    pub size: i64,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    pub last_used_at: String,
    /// Steps that had it.
    pub usage_count: i64,
    /// A step has it now.
    pub in_use: bool,
}

/// One record of the builder's cache.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename = "build.CacheRecord", rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct BuildCacheRecord {
    #[serde(rename = "ID")]
    pub id: String,
    #[serde(skip_serializing_if = "empty")]
    pub parents: Vec<String>,
    pub r#type: String,
    pub description: String,
    pub in_use: bool,
    pub shared: bool,
    /// Bytes.
    pub size: i64,
    pub created_at: String,
    pub last_used_at: Option<String>,
    pub usage_count: i64,
}
