//! What a container uses.

use crate::ContainerId;
use corten_base::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One sample; each carries the one before.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ContainerStats {
    /// With a leading slash.
    pub name: String,
    /// ID.
    pub id: ContainerId,
    /// When; Go's zero time when the container does not run.
    pub read: Timestamp,
    /// When the previous sample was taken.
    pub previous_read: Timestamp,
    /// Processes.
    pub pids: PidsStats,
    /// Block devices.
    pub block: Vec<BlockStat>,
    /// Number of operations, same keys.
    pub block_operations: Vec<BlockStat>,
    /// CPU now.
    pub cpu: CpuStats,
    /// CPU at the previous sample.
    pub previous_cpu: CpuStats,
    /// Memory; `None` when the container does not run.
    pub memory: Option<MemoryStats>,
    /// By interface name.
    pub networks: BTreeMap<String, NetworkStats>,
    /// The host's control groups are version 2: field shapes differ in Docker's JSON.
    pub cgroup_v2: bool,
}

/// Processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PidsStats {
    /// Now.
    pub current: u64,
    /// At most; `None`: no limit.
    pub limit: Option<u64>,
}

/// A counter of a block device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockStat {
    /// Device.
    pub major: u64,
    /// Device.
    pub minor: u64,
    /// `Read`, `Write`, `Sync`, …
    pub operation: String,
    /// Bytes or operations.
    pub value: u64,
}

/// CPU time. Nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CpuStats {
    /// In all.
    pub total_usage: u64,
    /// A CPU each; version 1 only.
    pub per_cpu_usage: Option<Vec<u64>>,
    /// In the kernel.
    pub kernel_usage: u64,
    /// In user mode.
    pub user_usage: u64,
    /// The whole host, all CPUs; `None` when the container does not run.
    pub system_usage: Option<u64>,
    /// CPUs in use; `None` when the container does not run.
    pub online_cpus: Option<u32>,
    /// CFS periods.
    pub throttling_periods: u64,
    /// CFS periods in which it was held back.
    pub throttled_periods: u64,
    /// For how long it was held back.
    pub throttled_time: u64,
}

/// Memory. Bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MemoryStats {
    /// Now.
    pub usage: u64,
    /// The most so far; version 1 only.
    pub max_usage: Option<u64>,
    /// The kernel's own keys.
    pub stats: BTreeMap<String, u64>,
    /// How often the limit was hit; version 1 only.
    pub fail_count: Option<u64>,
    /// The limit, or the host's memory.
    pub limit: u64,
}

/// An interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NetworkStats {
    /// Received.
    pub rx_bytes: u64,
    /// Received.
    pub rx_packets: u64,
    /// Received.
    pub rx_errors: u64,
    /// Received.
    pub rx_dropped: u64,
    /// Sent.
    pub tx_bytes: u64,
    /// Sent.
    pub tx_packets: u64,
    /// Sent.
    pub tx_errors: u64,
    /// Sent.
    pub tx_dropped: u64,
}
