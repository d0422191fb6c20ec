//! How a container runs on this host: Docker's `HostConfig`, every field of it.

use crate::{MountRequest, PortMap, RestartPolicy};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The host's half of a container's configuration. Where Docker's JSON shows `null` and
/// `[]` apart, the field is an `Option`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HostConfig {
    /// `source:target[:options]`.
    pub binds: Option<Vec<String>>,
    /// A file of the client's host; kept for `inspect`.
    pub container_id_file: String,
    /// Where output goes.
    pub log_config: LogConfig,
    /// `bridge`, `host`, `none`, `container:<name|id>`, a network's name; `default`.
    pub network_mode: String,
    /// Published ports.
    pub port_bindings: Option<PortMap>,
    /// What happens after an exit.
    pub restart_policy: RestartPolicy,
    /// Remove the container and its anonymous volumes when it exits.
    pub auto_remove: bool,
    /// Driver of volumes created through `binds`.
    pub volume_driver: String,
    /// `container[:ro|rw]`: take its mounts.
    pub volumes_from: Option<Vec<String>>,
    /// Height and width of the terminal at start.
    pub console_size: [u32; 2],
    /// Annotations of the OCI runtime specification.
    pub annotations: Option<BTreeMap<String, String>>,
    /// Capabilities added.
    pub cap_add: Option<Vec<String>>,
    /// Capabilities dropped.
    pub cap_drop: Option<Vec<String>>,
    /// `private`, `host`, or empty: the daemon's default.
    pub cgroupns_mode: String,
    /// Name servers.
    pub dns: Option<Vec<String>>,
    /// Resolver options.
    pub dns_options: Option<Vec<String>>,
    /// Search domains.
    pub dns_search: Option<Vec<String>>,
    /// `host:address` lines of /etc/hosts.
    pub extra_hosts: Option<Vec<String>>,
    /// Additional groups of the first process.
    pub group_add: Option<Vec<String>>,
    /// `none`, `private`, `shareable`, `container:<name|id>`, `host`; empty: default.
    pub ipc_mode: String,
    /// Windows and legacy: the control group's specification.
    pub cgroup: String,
    /// `name:alias`.
    pub links: Option<Vec<String>>,
    /// -1000 to 1000.
    pub oom_score_adj: i64,
    /// `host`, `container:<name|id>`, empty: own.
    pub pid_mode: String,
    /// All capabilities, all devices, nothing masked.
    pub privileged: bool,
    /// Publish every exposed port.
    pub publish_all_ports: bool,
    /// The root file system is read-only.
    pub readonly_rootfs: bool,
    /// `seccomp=…`, `no-new-privileges`, `label=…`, `apparmor=…`, `systempaths=unconfined`.
    pub security_opt: Option<Vec<String>>,
    /// Options of the storage driver.
    pub storage_opt: Option<BTreeMap<String, String>>,
    /// Destination to mount options.
    pub tmpfs: Option<BTreeMap<String, String>>,
    /// `host`, empty: own.
    pub uts_mode: String,
    /// `host`, empty: as the daemon.
    pub userns_mode: String,
    /// Bytes of /dev/shm; 0: 64 MiB.
    pub shm_size: i64,
    /// Kernel parameters.
    pub sysctls: Option<BTreeMap<String, String>>,
    /// Name of the OCI runtime; empty: default.
    pub runtime: String,
    /// Windows only; `default` or empty.
    pub isolation: String,
    /// Limits and devices.
    pub resources: Resources,
    /// Mounts in the long form.
    pub mounts: Option<Vec<MountRequest>>,
    /// Paths hidden; `None`: the default list.
    pub masked_paths: Option<Vec<String>>,
    /// Paths made read-only; `None`: the default list.
    pub readonly_paths: Option<Vec<String>>,
    /// Run an init process as PID 1; `None`: as the daemon.
    pub init: Option<bool>,
}

/// Limits and devices; Docker's `Resources`, which `update` can change in part.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// Relative CPU weight; 0: 1024.
    pub cpu_shares: i64,
    /// Memory limit in bytes; 0: none.
    pub memory: i64,
    /// CPU time in 1e-9 CPUs.
    pub nano_cpus: i64,
    /// Parent of the container's control group.
    pub cgroup_parent: String,
    /// Block weight, 10 to 1000; 0: off.
    pub blkio_weight: u16,
    /// Weights a device.
    pub blkio_weight_device: Option<Vec<BlockWeight>>,
    /// Bytes read a second.
    pub blkio_device_read_bps: Option<Vec<BlockRate>>,
    /// Bytes written a second.
    pub blkio_device_write_bps: Option<Vec<BlockRate>>,
    /// Reads a second.
    pub blkio_device_read_iops: Option<Vec<BlockRate>>,
    /// Writes a second.
    pub blkio_device_write_iops: Option<Vec<BlockRate>>,
    /// CFS period in microseconds.
    pub cpu_period: i64,
    /// CFS quota in microseconds.
    pub cpu_quota: i64,
    /// Real-time period in microseconds.
    pub cpu_realtime_period: i64,
    /// Real-time budget in microseconds.
    pub cpu_realtime_runtime: i64,
    /// CPUs, `0-2,4`.
    pub cpuset_cpus: String,
    /// Memory nodes, `0`.
    pub cpuset_mems: String,
    /// Devices of the host.
    pub devices: Option<Vec<DeviceMapping>>,
    /// `c 1:3 mr`.
    pub device_cgroup_rules: Option<Vec<String>>,
    /// Devices asked for by driver or capability.
    pub device_requests: Option<Vec<DeviceRequest>>,
    /// Kernel memory for TCP buffers, bytes.
    pub kernel_memory_tcp: i64,
    /// Soft limit in bytes.
    pub memory_reservation: i64,
    /// Memory and swap together, bytes; -1: no limit.
    pub memory_swap: i64,
    /// 0 to 100; `None`: the kernel's.
    pub memory_swappiness: Option<i64>,
    /// Do not kill on out of memory.
    pub oom_kill_disable: Option<bool>,
    /// Number of processes; 0 or -1: no limit; `None`: not asked for.
    pub pids_limit: Option<i64>,
    /// Resource limits of processes.
    pub ulimits: Option<Vec<Ulimit>>,
    /// Windows only.
    pub cpu_count: i64,
    /// Windows only.
    pub cpu_percent: i64,
    /// Windows only.
    pub io_maximum_iops: u64,
    /// Windows only.
    pub io_maximum_bandwidth: u64,
}

/// A log driver and its options.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LogConfig {
    /// `json-file`, `none`; empty: the daemon's default.
    pub driver: String,
    /// The driver's options.
    pub options: BTreeMap<String, String>,
}

/// A weight for one block device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockWeight {
    /// Path of the device.
    pub path: String,
    /// 10 to 1000.
    pub weight: u16,
}

/// A rate for one block device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockRate {
    /// Path of the device.
    pub path: String,
    /// Bytes or operations a second.
    pub rate: u64,
}

/// A device of the host in a container.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DeviceMapping {
    /// Path on the host.
    pub path_on_host: String,
    /// Path in the container; empty: the same.
    pub path_in_container: String,
    /// Some of `r`, `w`, `m`; empty: `rwm`.
    pub cgroup_permissions: String,
}

/// A request for devices by driver or capability (GPUs, CDI).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DeviceRequest {
    /// Driver's name.
    pub driver: String,
    /// How many; -1: all.
    pub count: i64,
    /// Which.
    pub device_ids: Option<Vec<String>>,
    /// OR list of AND lists.
    pub capabilities: Option<Vec<Vec<String>>>,
    /// The driver's options.
    pub options: Option<BTreeMap<String, String>>,
}

/// A resource limit, setrlimit(2).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Ulimit {
    /// `nofile`, `core`, …
    pub name: String,
    /// -1: no limit.
    pub soft: i64,
    /// -1: no limit.
    pub hard: i64,
}
