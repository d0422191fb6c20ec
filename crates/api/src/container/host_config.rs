use super::{Mount, StrSlice};
use crate::skip::empty;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Published ports: `80/tcp` to addresses of the host. `null` for an exposed port.
pub type PortMap = BTreeMap<String, Option<Vec<PortBinding>>>;

/// The part of a container's configuration that depends on this host.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename = "container.HostConfig", rename_all = "PascalCase")]
pub struct HostConfig {
    /// `source:target[:options]`.
    pub binds: Option<Vec<String>>,
    /// Where the client wrote the ID; only recorded.
    #[serde(rename = "ContainerIDFile")]
    pub container_id_file: String,
    /// Where output goes.
    pub log_config: LogConfig,
    /// `default`, `bridge`, `host`, `none`, `container:NAME` or a network.
    pub network_mode: String,
    /// Published ports.
    pub port_bindings: Option<PortMap>,
    /// What happens after an exit.
    pub restart_policy: RestartPolicy,
    /// Remove after the exit.
    pub auto_remove: bool,
    /// Driver of volumes named in `binds`.
    pub volume_driver: String,
    /// `container[:ro|rw]` whose volumes are taken over.
    pub volumes_from: Option<Vec<String>>,
    /// First size of the terminal: height, width.
    pub console_size: [u64; 2],
    /// Annotations of the runtime's specification.
    #[serde(skip_serializing_if = "empty")]
    pub annotations: BTreeMap<String, String>,
    /// Capabilities to add.
    pub cap_add: Option<StrSlice>,
    /// Capabilities to drop.
    pub cap_drop: Option<StrSlice>,
    /// `host` or `private`; empty: the daemon's default.
    pub cgroupns_mode: String,
    /// Name servers.
    pub dns: Option<Vec<String>>,
    /// Resolver options.
    pub dns_options: Option<Vec<String>>,
    /// Search domains.
    pub dns_search: Option<Vec<String>>,
    /// `name:address` lines for the hosts file.
    pub extra_hosts: Option<Vec<String>>,
    /// Additional groups of the process.
    pub group_add: Option<Vec<String>>,
    /// `none`, `private`, `shareable`, `host`, `container:NAME`.
    pub ipc_mode: String,
    /// Not used on Linux.
    pub cgroup: String,
    /// Legacy links: `container:alias`.
    pub links: Option<Vec<String>>,
    /// -1000 to 1000.
    pub oom_score_adj: i64,
    /// Empty, `host` or `container:NAME`.
    pub pid_mode: String,
    /// All capabilities and devices.
    pub privileged: bool,
    /// Publish each exposed port at a free port.
    pub publish_all_ports: bool,
    /// Whether the root file system is read-only.
    pub readonly_rootfs: bool,
    /// `no-new-privileges`, `seccomp=…`, `apparmor=…`, `label=…`, `systempaths=…`.
    pub security_opt: Option<Vec<String>>,
    /// Options of the storage driver.
    #[serde(skip_serializing_if = "empty")]
    pub storage_opt: BTreeMap<String, String>,
    /// tmpfs mounts: target to options.
    #[serde(skip_serializing_if = "empty")]
    pub tmpfs: BTreeMap<String, String>,
    /// Empty or `host`.
    #[serde(rename = "UTSMode")]
    pub uts_mode: String,
    /// Empty or `host`.
    pub userns_mode: String,
    /// Size of /dev/shm in bytes; 0: 64 MiB.
    pub shm_size: i64,
    /// Kernel parameters of the container's namespaces.
    #[serde(skip_serializing_if = "empty")]
    pub sysctls: BTreeMap<String, String>,
    /// Name of the runtime.
    #[serde(skip_serializing_if = "empty")]
    pub runtime: String,
    /// Windows only; `default` is accepted.
    pub isolation: String,

    /// Relative weight of the processor.
    pub cpu_shares: i64,
    /// Memory limit in bytes.
    pub memory: i64,
    /// Processor quota in 10⁻⁹ processors.
    pub nano_cpus: i64,
    /// Parent control group.
    pub cgroup_parent: String,
    /// 10 to 1000, or 0.
    pub blkio_weight: u16,
    /// Weights by device.
    pub blkio_weight_device: Option<Vec<WeightDevice>>,
    /// Bytes a second by device.
    pub blkio_device_read_bps: Option<Vec<ThrottleDevice>>,
    /// Bytes a second by device.
    pub blkio_device_write_bps: Option<Vec<ThrottleDevice>>,
    /// Operations a second by device.
    #[serde(rename = "BlkioDeviceReadIOps")]
    pub blkio_device_read_iops: Option<Vec<ThrottleDevice>>,
    /// Operations a second by device.
    #[serde(rename = "BlkioDeviceWriteIOps")]
    pub blkio_device_write_iops: Option<Vec<ThrottleDevice>>,
    /// Period of the quota in microseconds.
    pub cpu_period: i64,
    /// Quota in microseconds a period.
    pub cpu_quota: i64,
    /// Period of the real-time scheduler in microseconds.
    pub cpu_realtime_period: i64,
    /// Real-time microseconds a period.
    pub cpu_realtime_runtime: i64,
    /// Processors: `0-2,4`.
    pub cpuset_cpus: String,
    /// Memory nodes.
    pub cpuset_mems: String,
    /// Devices of the host.
    pub devices: Option<Vec<DeviceMapping>>,
    /// Rules for the device control group: `c 1:3 rwm`.
    pub device_cgroup_rules: Option<Vec<String>>,
    /// Requests to device drivers.
    pub device_requests: Option<Vec<DeviceRequest>>,
    /// Deprecated: kernel memory limit in bytes.
    #[serde(skip_serializing_if = "empty")]
    pub kernel_memory: i64,
    /// Deprecated: kernel TCP memory limit in bytes.
    #[serde(rename = "KernelMemoryTCP", skip_serializing_if = "empty")]
    pub kernel_memory_tcp: i64,
    /// Soft memory limit in bytes.
    pub memory_reservation: i64,
    /// Memory and swap in bytes; -1: no limit.
    pub memory_swap: i64,
    /// 0 to 100; -1 or null: the kernel's.
    pub memory_swappiness: Option<i64>,
    /// Never kill for lack of memory (cgroup v1).
    pub oom_kill_disable: Option<bool>,
    /// Limit of processes; 0, -1 or null: none.
    pub pids_limit: Option<i64>,
    /// Resource limits of the process.
    pub ulimits: Option<Vec<Ulimit>>,
    /// Windows only.
    pub cpu_count: i64,
    /// Windows only.
    pub cpu_percent: i64,
    /// Windows only.
    #[serde(rename = "IOMaximumIOps")]
    pub io_maximum_iops: u64,
    /// Windows only.
    #[serde(rename = "IOMaximumBandwidth")]
    pub io_maximum_bandwidth: u64,

    /// Mounts in the long form.
    #[serde(skip_serializing_if = "empty")]
    pub mounts: Vec<Mount>,
    /// Paths hidden from the container; null: Docker's list.
    pub masked_paths: Option<Vec<String>>,
    /// Read-only paths; null: Docker's list.
    pub readonly_paths: Option<Vec<String>>,
    /// Run an init process as PID 1; null: the daemon's default.
    #[serde(skip_serializing_if = "empty")]
    pub init: Option<bool>,
}

/// A log driver and its options.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename = "container.LogConfig", rename_all = "PascalCase")]
pub struct LogConfig {
    /// Name of the driver; empty: the daemon's default.
    pub r#type: String,
    /// Options.
    pub config: Option<BTreeMap<String, String>>,
}

/// What happens after an exit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename = "container.RestartPolicy", rename_all = "PascalCase")]
pub struct RestartPolicy {
    /// Empty, `no`, `always`, `unless-stopped`, `on-failure`.
    pub name: String,
    /// With `on-failure`: 0 for no bound.
    pub maximum_retry_count: i64,
}

/// One address and port of the host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename = "nat.PortBinding", rename_all = "PascalCase")]
pub struct PortBinding {
    /// Address; empty: every address.
    pub host_ip: String,
    /// Port or range `8000-8010`; empty or `0`: a free one.
    pub host_port: String,
}

/// A weight for one block device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename = "blkiodev.WeightDevice", rename_all = "PascalCase")]
pub struct WeightDevice {
    /// Path on the host.
    pub path: String,
    /// 10 to 1000.
    pub weight: u16,
}

/// A rate for one block device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename = "blkiodev.ThrottleDevice", rename_all = "PascalCase")]
pub struct ThrottleDevice {
    /// Path on the host.
    pub path: String,
    /// Bytes or operations a second.
    pub rate: u64,
}

/// A device of the host made visible in the container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename = "container.DeviceMapping", rename_all = "PascalCase")]
pub struct DeviceMapping {
    /// Path on the host.
    pub path_on_host: String,
    /// Path in the container.
    pub path_in_container: String,
    /// Any of `r`, `w`, `m`.
    pub cgroup_permissions: String,
}

/// A request to a device driver, such as `--gpus`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename = "container.DeviceRequest", rename_all = "PascalCase")]
pub struct DeviceRequest {
    /// Name of the driver.
    pub driver: String,
    /// Number of devices; -1: all.
    pub count: i64,
    /// IDs of devices.
    #[serde(rename = "DeviceIDs")]
    pub device_ids: Option<Vec<String>>,
    /// Alternatives of capabilities that go together.
    pub capabilities: Option<Vec<Vec<String>>>,
    /// Options of the driver.
    pub options: Option<BTreeMap<String, String>>,
}

/// One resource limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename = "units.Ulimit", rename_all = "PascalCase")]
pub struct Ulimit {
    /// `nofile`, `nproc`, …
    pub name: String,
    /// Hard limit; -1: none.
    pub hard: i64,
    /// Soft limit; -1: none.
    pub soft: i64,
}
