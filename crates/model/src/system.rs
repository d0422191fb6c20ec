//! The engine and its host.

use crate::{ContainerSummary, ImageSummary, VolumeInfo};
use corten_base::Timestamp;
use serde::Serialize;
use std::{collections::BTreeMap, path::PathBuf};

/// Facts of `GET /version` that the engine knows (the server adds API versions).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SystemVersion {
    /// Corten's version.
    pub version: String,
    /// Commit it was built from; may be empty.
    pub git_commit: String,
    /// `linux`.
    pub os: String,
    /// Go's name of the architecture: `amd64`.
    pub architecture: String,
    /// uname(2).
    pub kernel_version: String,
    /// RFC 3339; may be empty.
    pub build_time: String,
    /// Further components with a version: shim, runtime.
    pub components: Vec<(String, String)>,
}

/// Facts of `GET /info`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SystemInfo {
    /// A UUID that stays with the data root.
    pub id: String,
    /// In all.
    pub containers: u64,
    /// Running.
    pub containers_running: u64,
    /// Paused.
    pub containers_paused: u64,
    /// Neither.
    pub containers_stopped: u64,
    /// Images.
    pub images: u64,
    /// `overlay2`.
    pub driver: String,
    /// Facts of the storage driver.
    pub driver_status: Vec<(String, String)>,
    /// Kernel features: `memory_limit`, `swap_limit`, `cpu_cfs_quota`, … as Docker names
    /// them in `/info`, in snake_case.
    pub features: BTreeMap<String, bool>,
    /// net.ipv4.ip_forward.
    pub ipv4_forwarding: bool,
    /// Open file descriptors of the daemon.
    pub file_descriptors: u64,
    /// Threads of the daemon.
    pub threads: u64,
    /// Now.
    pub system_time: Timestamp,
    /// Default log driver.
    pub logging_driver: String,
    /// `cgroupfs`.
    pub cgroup_driver: String,
    /// `1` or `2`.
    pub cgroup_version: String,
    /// Readers of the event stream.
    pub event_listeners: u64,
    /// uname(2).
    pub kernel_version: String,
    /// PRETTY_NAME of os-release(5).
    pub operating_system: String,
    /// VERSION_ID of os-release(5).
    pub os_version: String,
    /// `linux`.
    pub os_type: String,
    /// `x86_64`.
    pub architecture: String,
    /// CPUs.
    pub cpus: u64,
    /// Bytes.
    pub memory_total: u64,
    /// Data root.
    pub data_root: PathBuf,
    /// Where vendors describe devices.
    pub cdi_directories: Vec<PathBuf>,
    /// Host name.
    pub name: String,
    /// Labels of the daemon.
    pub labels: Vec<String>,
    /// Corten's version.
    pub server_version: String,
    /// OCI runtimes by name.
    pub runtimes: BTreeMap<String, RuntimeInfo>,
    /// The default one.
    pub default_runtime: String,
    /// `name=seccomp,profile=builtin`, …
    pub security_options: Vec<String>,
    /// `nftables`.
    pub firewall_backend: String,
    /// Network, volume and log drivers.
    pub network_drivers: Vec<String>,
    /// Volume drivers.
    pub volume_drivers: Vec<String>,
    /// Log drivers.
    pub log_drivers: Vec<String>,
    /// Whether the daemon says every step.
    pub debug: bool,
    /// Mirrors of docker.io.
    pub registry_mirrors: Vec<String>,
    /// Registries (CIDR or host) that may be spoken to without TLS.
    pub insecure_registries: Vec<String>,
    /// `base`, `size`.
    pub default_address_pools: Vec<(String, u8)>,
    /// Proxies of the daemon: http, https, no-proxy.
    pub proxies: [String; 3],
    /// What the operator should know.
    pub warnings: Vec<String>,
}

/// An OCI runtime, as `info` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct RuntimeInfo {
    /// The program.
    pub path: PathBuf,
    /// Words before its verb.
    pub arguments: Vec<String>,
}

/// Facts of `GET /system/df`.
#[derive(Debug, Clone, PartialEq, Serialize, Default)]
pub struct DiskUsage {
    /// Bytes of all layers.
    pub layers_size: i64,
    /// Images, with shared sizes.
    pub images: Vec<ImageSummary>,
    /// Containers, with sizes.
    pub containers: Vec<ContainerSummary>,
    /// Volumes, with usage.
    pub volumes: Vec<VolumeInfo>,
}
