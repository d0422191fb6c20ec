//! Reading what is used.

use super::{Group, find};
use crate::stats::{
    BlockIoEntry, BlockIoStats, CpuStats, HugepageStats, MemoryStats, PidsStats, Stats,
};
use crate::{CgroupError, file, v2};
use std::collections::BTreeMap;
use std::path::Path;

/// Nanoseconds of one tick of `cpuacct.stat` (USER_HZ is 100 for every program).
const TICK_NS: u64 = 10_000_000;

pub(crate) fn stats(groups: &[Group], beside: Option<&v2::Group>) -> Result<Stats, CgroupError> {
    let mut stats = Stats::default();
    if let Some(directory) = find(groups, "cpuacct") {
        account(directory, &mut stats.cpu)?;
    }
    if let Some(directory) = find(groups, "cpu") {
        throttling(directory, &mut stats.cpu)?;
    }
    if let Some(directory) = find(groups, "memory") {
        stats.memory = memory(directory)?;
    }
    if let Some(directory) = find(groups, "pids") {
        stats.pids = PidsStats {
            current: file::read_number(directory, "pids.current")?.unwrap_or_default(),
            limit: file::read_number(directory, "pids.max")?.unwrap_or_default(),
        };
    }
    if let Some(directory) = find(groups, "blkio") {
        stats.block_io = block_io(directory)?;
    }
    match (find(groups, "hugetlb"), beside) {
        (Some(directory), _) => stats.hugepages = hugepages(directory)?,
        (None, Some(group)) => stats.hugepages = v2::hugepages(&group.directory)?,
        (None, None) => {}
    }
    if let Some(directory) = find(groups, "rdma") {
        stats.rdma = v2::rdma(directory)?;
    }
    Ok(stats)
}

fn account(directory: &Path, cpu: &mut CpuStats) -> Result<(), CgroupError> {
    cpu.usage_ns = file::read_number(directory, "cpuacct.usage")?.unwrap_or_default();
    let by_cpu = file::read_optional(directory, "cpuacct.usage_percpu")?.unwrap_or_default();
    cpu.per_cpu_ns = by_cpu.split_whitespace().map(file::number).collect();
    let text = file::read_optional(directory, "cpuacct.stat")?.unwrap_or_default();
    for (name, ticks) in file::pairs(&text) {
        match name {
            "user" => cpu.user_ns = ticks * TICK_NS,
            "system" => cpu.system_ns = ticks * TICK_NS,
            _ => {}
        }
    }
    Ok(())
}

fn throttling(directory: &Path, cpu: &mut CpuStats) -> Result<(), CgroupError> {
    let text = file::read_optional(directory, "cpu.stat")?.unwrap_or_default();
    for (name, value) in file::pairs(&text) {
        match name {
            "nr_periods" => cpu.periods = value,
            "nr_throttled" => cpu.throttled_periods = value,
            "throttled_time" => cpu.throttled_ns = value,
            _ => {}
        }
    }
    Ok(())
}

fn memory(directory: &Path) -> Result<MemoryStats, CgroupError> {
    let number = |name| file::read_number(directory, name).map(Option::unwrap_or_default);
    let text = file::read_optional(directory, "memory.stat")?.unwrap_or_default();
    Ok(MemoryStats {
        usage_bytes: number("memory.usage_in_bytes")?,
        max_usage_bytes: number("memory.max_usage_in_bytes")?,
        failcnt: number("memory.failcnt")?,
        limit_bytes: number("memory.limit_in_bytes")?,
        stat: file::pairs(&text)
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    })
}

/// BFQ's figures where that scheduler has counted, else those of the throttling layer,
/// which sees every request.
fn block_io(directory: &Path) -> Result<BlockIoStats, CgroupError> {
    let first = |names: [&str; 2]| -> Result<Vec<BlockIoEntry>, CgroupError> {
        for name in names {
            let entries = parse(&file::read_optional(directory, name)?.unwrap_or_default());
            if !entries.is_empty() {
                return Ok(entries);
            }
        }
        Ok(Vec::new())
    };
    Ok(BlockIoStats {
        service_bytes: first([
            "blkio.bfq.io_service_bytes_recursive",
            "blkio.throttle.io_service_bytes_recursive",
        ])?,
        serviced: first([
            "blkio.bfq.io_serviced_recursive",
            "blkio.throttle.io_serviced_recursive",
        ])?,
    })
}

/// `8:0 Read 4096` lines; the last one, `Total 4096`, belongs to no device.
fn parse(text: &str) -> Vec<BlockIoEntry> {
    let entry = |line: &str| {
        let mut words = line.split_whitespace();
        let (major, minor) = words.next()?.split_once(':')?;
        Some(BlockIoEntry {
            major: major.parse().ok()?,
            minor: minor.parse().ok()?,
            op: words.next()?.to_owned(),
            value: words.next()?.parse().ok()?,
        })
    };
    text.lines().filter_map(entry).collect()
}

fn hugepages(directory: &Path) -> Result<BTreeMap<String, HugepageStats>, CgroupError> {
    let mut found = BTreeMap::new();
    for size in v2::hugepage_sizes(directory, ".usage_in_bytes") {
        let number = |what: &str| -> Result<u64, CgroupError> {
            let name = format!("hugetlb.{size}.{what}");
            Ok(file::read_number(directory, &name)?.unwrap_or_default())
        };
        let stats = HugepageStats {
            usage_bytes: number("usage_in_bytes")?,
            max_usage_bytes: number("max_usage_in_bytes")?,
            failcnt: number("failcnt")?,
        };
        found.insert(size, stats);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_figures_are_read_by_device() {
        let entries = parse("254:0 Read 4096\n254:0 Total 4096\nTotal 4096\n");
        let seen: Vec<_> = entries
            .iter()
            .map(|e| (e.major, e.op.as_str(), e.value))
            .collect();
        assert_eq!(seen, [(254, "Read", 4096), (254, "Total", 4096)]);
    }
}
