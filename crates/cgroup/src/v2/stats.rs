//! Reading what is used.

use crate::stats::{
    BlockIoEntry, BlockIoStats, CpuStats, HugepageStats, MemoryStats, PidsStats, RdmaStats, Stats,
};
use crate::{CgroupError, file};
use std::collections::BTreeMap;
use std::path::Path;

const NS_PER_US: u64 = 1000;

pub(crate) fn stats(directory: &Path) -> Result<Stats, CgroupError> {
    Ok(Stats {
        cpu: cpu(directory)?,
        memory: memory(directory)?,
        pids: PidsStats {
            current: file::read_number(directory, "pids.current")?.unwrap_or_default(),
            limit: file::read_number(directory, "pids.max")?.unwrap_or_default(),
        },
        block_io: block_io(&file::read_optional(directory, "io.stat")?.unwrap_or_default()),
        hugepages: hugepages(directory)?,
        rdma: rdma(directory)?,
        unified: true,
    })
}

fn cpu(directory: &Path) -> Result<CpuStats, CgroupError> {
    let text = file::read_optional(directory, "cpu.stat")?.unwrap_or_default();
    let mut cpu = CpuStats::default();
    for (name, value) in file::pairs(&text) {
        match name {
            "usage_usec" => cpu.usage_ns = value * NS_PER_US,
            "user_usec" => cpu.user_ns = value * NS_PER_US,
            "system_usec" => cpu.system_ns = value * NS_PER_US,
            "nr_periods" => cpu.periods = value,
            "nr_throttled" => cpu.throttled_periods = value,
            "throttled_usec" => cpu.throttled_ns = value * NS_PER_US,
            _ => {}
        }
    }
    Ok(cpu)
}

fn memory(directory: &Path) -> Result<MemoryStats, CgroupError> {
    let number = |name| file::read_number(directory, name).map(Option::unwrap_or_default);
    let text = file::read_optional(directory, "memory.stat")?.unwrap_or_default();
    Ok(MemoryStats {
        usage_bytes: number("memory.current")?,
        max_usage_bytes: number("memory.peak")?,
        failcnt: 0,
        limit_bytes: number("memory.max")?,
        stat: file::pairs(&text)
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    })
}

/// `8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0`, a line a device. Docker
/// shows the bytes of reading and writing.
fn block_io(text: &str) -> BlockIoStats {
    let mut stats = BlockIoStats::default();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let device = words.next().and_then(|word| word.split_once(':'));
        let Some((Ok(major), Ok(minor))) = device.map(|(a, b)| (a.parse(), b.parse())) else {
            continue;
        };
        for (key, value) in words.filter_map(|word| word.split_once('=')) {
            let (list, op) = match key {
                "rbytes" => (&mut stats.service_bytes, "read"),
                "wbytes" => (&mut stats.service_bytes, "write"),
                "rios" => (&mut stats.serviced, "read"),
                "wios" => (&mut stats.serviced, "write"),
                _ => continue,
            };
            let (op, value) = (op.to_owned(), file::number(value));
            list.push(BlockIoEntry {
                major,
                minor,
                op,
                value,
            });
        }
    }
    stats
}

/// The page sizes for which `hugetlb.<size><suffix>` exists.
pub(crate) fn hugepage_sizes(directory: &Path, suffix: &str) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let size = |name: &str| {
        let size = name.strip_prefix("hugetlb.")?.strip_suffix(suffix)?;
        (!size.contains('.')).then(|| size.to_owned())
    };
    entries
        .filter_map(|entry| size(entry.file_name().to_str()?))
        .collect()
}

pub(crate) fn hugepages(directory: &Path) -> Result<BTreeMap<String, HugepageStats>, CgroupError> {
    let mut found = BTreeMap::new();
    for size in hugepage_sizes(directory, ".current") {
        let name = format!("hugetlb.{size}.current");
        let usage_bytes = file::read_number(directory, &name)?.unwrap_or_default();
        let name = format!("hugetlb.{size}.events");
        let events = file::read_optional(directory, &name)?.unwrap_or_default();
        let failcnt = file::pairs(&events)
            .find(|(name, _)| *name == "max")
            .map_or(0, |(_, n)| n);
        found.insert(
            size,
            HugepageStats {
                usage_bytes,
                max_usage_bytes: 0,
                failcnt,
            },
        );
    }
    Ok(found)
}

/// `rdma.current` is the same in both versions: `mlx4_0 hca_handle=2 hca_object=2000`.
pub(crate) fn rdma(directory: &Path) -> Result<BTreeMap<String, RdmaStats>, CgroupError> {
    let text = file::read_optional(directory, "rdma.current")?.unwrap_or_default();
    let mut found = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let Some(device) = words.next() else { continue };
        let mut stats = RdmaStats::default();
        for (key, value) in words.filter_map(|word| word.split_once('=')) {
            match key {
                "hca_handle" => stats.hca_handles = file::number(value),
                "hca_object" => stats.hca_objects = file::number(value),
                _ => {}
            }
        }
        found.insert(device.to_owned(), stats);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_figures_are_read_by_device() {
        let stats = block_io("8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\nbad\n");
        assert_eq!(stats.service_bytes.len(), 2);
        assert_eq!(
            (stats.serviced[1].op.as_str(), stats.serviced[1].value),
            ("write", 2)
        );
    }

    #[test]
    fn a_directory_in_the_shape_of_a_group_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| std::fs::write(directory.path().join(name), text);
        put(
            "cpu.stat",
            "usage_usec 5\nuser_usec 3\nsystem_usec 2\nnr_periods 7\n",
        )
        .unwrap();
        put("memory.current", "4096\n").unwrap();
        put("memory.max", "max\n").unwrap();
        put("memory.stat", "anon 1\nfile 2\n").unwrap();
        put("pids.current", "3\n").unwrap();
        put("pids.max", "100\n").unwrap();
        put("hugetlb.2MB.current", "0\n").unwrap();
        put("hugetlb.2MB.events", "max 4\n").unwrap();
        put("hugetlb.2MB.rsvd.current", "0\n").unwrap();
        let stats = stats(directory.path()).unwrap();
        assert_eq!((stats.cpu.usage_ns, stats.cpu.periods), (5000, 7));
        assert_eq!(
            (stats.memory.usage_bytes, stats.memory.limit_bytes),
            (4096, u64::MAX)
        );
        assert_eq!(stats.memory.stat["file"], 2);
        assert_eq!((stats.pids.current, stats.pids.limit), (3, 100));
        assert_eq!(stats.hugepages.len(), 1);
        assert_eq!(stats.hugepages["2MB"].failcnt, 4);
    }
}
