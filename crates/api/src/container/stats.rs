//! `GET /containers/{id}/stats`. Names are lower case with underscores.

use crate::skip::empty;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One sample, with the processor's part of the one before.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename = "container.StatsResponse")]
pub struct Stats {
    /// `/` and the container's name.
    #[serde(skip_serializing_if = "empty")]
    pub name: String,
    /// Full ID.
    #[serde(skip_serializing_if = "empty")]
    pub id: String,
    /// RFC 3339; Go's zero time when the container does not run.
    pub read: String,
    /// When the sample before was read.
    pub preread: String,
    /// Processes.
    pub pids_stats: PidsStats,
    /// Block devices.
    pub blkio_stats: BlkioStats,
    /// Windows only.
    pub num_procs: u32,
    /// Windows only.
    pub storage_stats: StorageStats,
    /// Processors.
    pub cpu_stats: CpuStats,
    /// Processors at the sample before.
    pub precpu_stats: CpuStats,
    /// Memory.
    pub memory_stats: MemoryStats,
    /// By interface.
    #[serde(skip_serializing_if = "empty")]
    pub networks: BTreeMap<String, NetworkStats>,
}

/// Processes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PidsStats {
    /// Running now.
    #[serde(skip_serializing_if = "empty")]
    pub current: u64,
    /// At most; 0: no limit.
    #[serde(skip_serializing_if = "empty")]
    pub limit: u64,
}

/// Block devices; `null` lists on cgroup v2 where the kernel has no such figure.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct BlkioStats {
    pub io_service_bytes_recursive: Option<Vec<BlkioStatEntry>>,
    pub io_serviced_recursive: Option<Vec<BlkioStatEntry>>,
    pub io_queue_recursive: Option<Vec<BlkioStatEntry>>,
    pub io_service_time_recursive: Option<Vec<BlkioStatEntry>>,
    pub io_wait_time_recursive: Option<Vec<BlkioStatEntry>>,
    pub io_merged_recursive: Option<Vec<BlkioStatEntry>>,
    pub io_time_recursive: Option<Vec<BlkioStatEntry>>,
    pub sectors_recursive: Option<Vec<BlkioStatEntry>>,
}

/// One figure of one block device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BlkioStatEntry {
    /// Device number.
    pub major: u64,
    /// Device number.
    pub minor: u64,
    /// `Read`, `Write`, …
    pub op: String,
    /// The figure.
    pub value: u64,
}

/// Windows only; empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StorageStats {}

/// Processors.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CpuStats {
    /// Time used.
    pub cpu_usage: CpuUsage,
    /// Time of the whole host in nanoseconds.
    #[serde(skip_serializing_if = "empty")]
    pub system_cpu_usage: u64,
    /// Processors of the host.
    #[serde(skip_serializing_if = "empty")]
    pub online_cpus: u32,
    /// Throttling.
    pub throttling_data: ThrottlingData,
}

/// Time used, in nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CpuUsage {
    /// In all.
    pub total_usage: u64,
    /// By processor (cgroup v1).
    #[serde(skip_serializing_if = "empty")]
    pub percpu_usage: Vec<u64>,
    /// In the kernel.
    pub usage_in_kernelmode: u64,
    /// In user mode.
    pub usage_in_usermode: u64,
}

/// Throttling by the processor quota.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ThrottlingData {
    /// Periods seen.
    pub periods: u64,
    /// Periods throttled.
    pub throttled_periods: u64,
    /// Nanoseconds throttled.
    pub throttled_time: u64,
}

/// Memory, in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MemoryStats {
    /// Used now, page cache included.
    #[serde(skip_serializing_if = "empty")]
    pub usage: u64,
    /// Used at most (cgroup v1).
    #[serde(skip_serializing_if = "empty")]
    pub max_usage: u64,
    /// The kernel's figures.
    #[serde(skip_serializing_if = "empty")]
    pub stats: BTreeMap<String, u64>,
    /// Times the limit was hit.
    #[serde(skip_serializing_if = "empty")]
    pub failcnt: u64,
    /// The limit.
    #[serde(skip_serializing_if = "empty")]
    pub limit: u64,
}

/// One network interface.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct NetworkStats {
    pub rx_bytes: u64,
    pub rx_packets: u64,
    pub rx_errors: u64,
    pub rx_dropped: u64,
    pub tx_bytes: u64,
    pub tx_packets: u64,
    pub tx_errors: u64,
    pub tx_dropped: u64,
}
