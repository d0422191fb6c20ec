//! Statistics; the shape of block figures depends on the version of control groups.

use corten_api::container as wire;
use corten_model::{BlockStat, ContainerStats, CpuStats, MemoryStats, NetworkStats, PidsStats};

pub(crate) fn stats(stats: ContainerStats) -> wire::Stats {
    let ContainerStats {
        name,
        id,
        read,
        previous_read,
        pids: PidsStats { current, limit },
        block,
        block_operations,
        cpu,
        previous_cpu,
        memory,
        networks,
        cgroup_v2,
    } = stats;
    // Version 1 has further lists, empty on today's kernels; version 2 does not know them.
    let no_figure = || if cgroup_v2 { None } else { Some(Vec::new()) };
    let figures = |list: Vec<BlockStat>| -> Option<Vec<wire::BlkioStatEntry>> {
        match list.is_empty() {
            true => no_figure(),
            false => Some(list.into_iter().map(block_stat).collect()),
        }
    };
    wire::Stats {
        name,
        id: id.to_string(),
        read: read.to_string(),
        preread: previous_read.to_string(),
        pids_stats: wire::PidsStats {
            current,
            limit: limit.unwrap_or_default(),
        },
        blkio_stats: wire::BlkioStats {
            io_service_bytes_recursive: figures(block),
            io_serviced_recursive: figures(block_operations),
            io_queue_recursive: no_figure(),
            io_service_time_recursive: no_figure(),
            io_wait_time_recursive: no_figure(),
            io_merged_recursive: no_figure(),
            io_time_recursive: no_figure(),
            sectors_recursive: no_figure(),
        },
        num_procs: 0,
        storage_stats: wire::StorageStats {},
        cpu_stats: cpu_stats(cpu),
        precpu_stats: cpu_stats(previous_cpu),
        memory_stats: memory.map(memory_stats).unwrap_or_default(),
        networks: networks
            .into_iter()
            .map(|(name, one)| (name, network_stats(one)))
            .collect(),
    }
}

fn block_stat(stat: BlockStat) -> wire::BlkioStatEntry {
    let BlockStat {
        major,
        minor,
        operation,
        value,
    } = stat;
    wire::BlkioStatEntry {
        major,
        minor,
        op: operation,
        value,
    }
}

fn cpu_stats(cpu: CpuStats) -> wire::CpuStats {
    let CpuStats {
        total_usage,
        per_cpu_usage,
        kernel_usage,
        user_usage,
        system_usage,
        online_cpus,
        throttling_periods,
        throttled_periods,
        throttled_time,
    } = cpu;
    wire::CpuStats {
        cpu_usage: wire::CpuUsage {
            total_usage,
            percpu_usage: per_cpu_usage.unwrap_or_default(),
            usage_in_kernelmode: kernel_usage,
            usage_in_usermode: user_usage,
        },
        system_cpu_usage: system_usage.unwrap_or_default(),
        online_cpus: online_cpus.unwrap_or_default(),
        throttling_data: wire::ThrottlingData {
            periods: throttling_periods,
            throttled_periods,
            throttled_time,
        },
    }
}

fn memory_stats(memory: MemoryStats) -> wire::MemoryStats {
    let MemoryStats {
        usage,
        max_usage,
        stats,
        fail_count,
        limit,
    } = memory;
    wire::MemoryStats {
        usage,
        max_usage: max_usage.unwrap_or_default(),
        stats,
        failcnt: fail_count.unwrap_or_default(),
        limit,
    }
}

fn network_stats(stats: NetworkStats) -> wire::NetworkStats {
    let NetworkStats {
        rx_bytes,
        rx_packets,
        rx_errors,
        rx_dropped,
        tx_bytes,
        tx_packets,
        tx_errors,
        tx_dropped,
    } = stats;
    wire::NetworkStats {
        rx_bytes,
        rx_packets,
        rx_errors,
        rx_dropped,
        tx_bytes,
        tx_packets,
        tx_errors,
        tx_dropped,
    }
}
