//! What a group uses, in one shape for both versions.

use std::collections::BTreeMap;

/// What a group and all groups below it use. A part whose controller is missing has its
/// default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Processor time.
    pub cpu: CpuStats,
    /// Memory.
    pub memory: MemoryStats,
    /// Tasks.
    pub pids: PidsStats,
    /// Block devices.
    pub block_io: BlockIoStats,
    /// Huge pages by size, such as `2MB`.
    pub hugepages: BTreeMap<String, HugepageStats>,
    /// RDMA by device.
    pub rdma: BTreeMap<String, RdmaStats>,
    /// Whether the figures are version 2's: some are missing then (`max_usage_bytes`,
    /// `failcnt`, `per_cpu_ns`), and `memory.stat` has other names.
    pub unified: bool,
}

/// Processor time in nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CpuStats {
    /// All of it.
    pub usage_ns: u64,
    /// In user mode.
    pub user_ns: u64,
    /// In kernel mode.
    pub system_ns: u64,
    /// By processor (version 1 only).
    pub per_cpu_ns: Vec<u64>,
    /// Periods of the quota that have passed.
    pub periods: u64,
    /// Of these, with the group held back.
    pub throttled_periods: u64,
    /// For how long it was held back.
    pub throttled_ns: u64,
}

/// Memory in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryStats {
    /// In use, page cache included.
    pub usage_bytes: u64,
    /// The most that was in use (version 1; version 2 from Linux 5.19).
    pub max_usage_bytes: u64,
    /// How often the limit was hit (version 1).
    pub failcnt: u64,
    /// The limit; the machine's whole memory may be less. `u64::MAX` without one.
    pub limit_bytes: u64,
    /// `memory.stat` by name.
    pub stat: BTreeMap<String, u64>,
}

/// Tasks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PidsStats {
    /// Now.
    pub current: u64,
    /// At most; `u64::MAX` without a limit, 0 where the controller is missing.
    pub limit: u64,
}

/// Block devices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlockIoStats {
    /// Bytes.
    pub service_bytes: Vec<BlockIoEntry>,
    /// Operations.
    pub serviced: Vec<BlockIoEntry>,
}

/// One figure of one device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlockIoEntry {
    /// Major number.
    pub major: u64,
    /// Minor number.
    pub minor: u64,
    /// As the kernel's version names it: `Read`, `Write`, `Sync`, `Async`, `Discard`,
    /// `Total` in version 1, `read` and `write` in version 2.
    pub op: String,
    /// Bytes or operations.
    pub value: u64,
}

/// Huge pages of one size, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HugepageStats {
    /// In use.
    pub usage_bytes: u64,
    /// The most that was in use (version 1).
    pub max_usage_bytes: u64,
    /// How often the limit was hit.
    pub failcnt: u64,
}

/// RDMA of one device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RdmaStats {
    /// Handles in use.
    pub hca_handles: u64,
    /// Objects in use.
    pub hca_objects: u64,
}
