//! `GET /containers/{id}/stats`.

use super::process::FirstProcess;
use crate::{Engine, Result, StatsOptions, handle::Handle, spec::cgroup_path};
use corten_base::Timestamp;
use corten_model::{
    BlockStat, Container, ContainerStats, CpuStats, MemoryStats, NetworkStats, PidsStats,
};
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use std::{collections::BTreeMap, fs, path::Path, sync::Arc, time::Duration};

const INTERVAL: Duration = Duration::from_secs(1);

/// USER_HZ: what the kernel counts /proc/stat in, per second. 100 on every architecture
/// that Corten supports.
const TICKS: u64 = 100;

impl Engine {
    /// `GET /containers/{id}/stats`.
    pub async fn container_stats(
        self: &Arc<Self>,
        name: &str,
        options: StatsOptions,
    ) -> Result<BoxStream<'static, ContainerStats>> {
        let handle = self.table.find(name)?;
        let engine = self.clone();
        let first = match options.one_shot {
            true => None,
            false => Some(self.sample(&handle).await?),
        };
        if !options.stream {
            if first.as_ref().is_some_and(|sample| sample.memory.is_some()) {
                tokio::time::sleep(INTERVAL).await;
            }
            let sample = self.sample(&handle).await?;
            return Ok(stream::iter([after(sample, first.as_ref())]).boxed());
        }
        let state = (engine, handle, first, false);
        Ok(
            stream::unfold(state, |(engine, handle, previous, told)| async move {
                if told || previous.is_some() {
                    tokio::time::sleep(INTERVAL).await;
                }
                if handle.life.borrow().removed {
                    return None;
                }
                let sample = engine.sample(&handle).await.ok()?;
                let told = after(sample.clone(), previous.as_ref());
                Some((told, (engine, handle, Some(sample), true)))
            })
            .boxed(),
        )
    }

    async fn sample(self: &Arc<Self>, handle: &Arc<Handle>) -> Result<ContainerStats> {
        let record = handle.record();
        let own = record.host_config.network_mode != "host"
            && !record.host_config.network_mode.starts_with("container:");
        let process = match own {
            true => handle.first_process().await?,
            false => None,
        };
        let engine = self.clone();
        self.pool
            .run(move || engine.measure(&record, process.as_ref()))
            .await
    }

    /// `process`: whose network is counted.
    fn measure(
        &self,
        record: &Container,
        process: Option<&FirstProcess>,
    ) -> Result<ContainerStats> {
        let mut stats = ContainerStats {
            name: format!("/{}", record.name),
            id: record.id,
            read: Timestamp::ZERO,
            previous_read: Timestamp::ZERO,
            pids: PidsStats::default(),
            block: Vec::new(),
            block_operations: Vec::new(),
            cpu: CpuStats::default(),
            previous_cpu: CpuStats::default(),
            memory: None,
            networks: BTreeMap::new(),
            cgroup_v2: self.host.cgroup_v2,
        };
        if !record.state.has_process() {
            return Ok(stats);
        }
        let path = cgroup_path(record, &self.config);
        let found =
            match corten_cgroup::Cgroup::open(Path::new(&path)).and_then(|group| group.stats()) {
                Ok(found) => found,
                // It ended this moment.
                Err(_) if !Path::new(&format!("/proc/{}", record.state.pid)).exists() => {
                    return Ok(stats);
                }
                Err(error) => return Err(error.into()),
            };
        let block = |list: &[corten_cgroup::BlockIoEntry]| {
            list.iter()
                .map(|entry| BlockStat {
                    major: entry.major,
                    minor: entry.minor,
                    operation: entry.op.clone(),
                    value: entry.value,
                })
                .collect()
        };
        stats.read = Timestamp::now();
        stats.pids = PidsStats {
            current: found.pids.current,
            limit: Some(found.pids.limit).filter(|limit| *limit != 0 && *limit != u64::MAX),
        };
        stats.block = block(&found.block_io.service_bytes);
        stats.block_operations = block(&found.block_io.serviced);
        stats.cpu = CpuStats {
            total_usage: found.cpu.usage_ns,
            per_cpu_usage: (!found.unified).then_some(found.cpu.per_cpu_ns),
            kernel_usage: found.cpu.system_ns,
            user_usage: found.cpu.user_ns,
            system_usage: Some(system_usage()),
            online_cpus: Some(self.host.cpus as u32),
            throttling_periods: found.cpu.periods,
            throttled_periods: found.cpu.throttled_periods,
            throttled_time: found.cpu.throttled_ns,
        };
        stats.memory = Some(MemoryStats {
            usage: found.memory.usage_bytes,
            max_usage: (!found.unified).then_some(found.memory.max_usage_bytes),
            stats: found.memory.stat,
            fail_count: Some(found.memory.failcnt).filter(|_| !found.unified),
            // No limit is the host's memory.
            limit: found.memory.limit_bytes.min(self.host.memory_total),
        });
        if let Some(process) = process {
            // It has none any more once it has ended.
            let table = process.network_table("dev").unwrap_or_default();
            stats.networks = interfaces(&table);
        }
        Ok(stats)
    }
}

fn after(mut sample: ContainerStats, previous: Option<&ContainerStats>) -> ContainerStats {
    if let Some(previous) = previous {
        sample.previous_read = previous.read;
        sample.previous_cpu = previous.cpu.clone();
    }
    sample
}

/// CPU time of the whole host in nanoseconds: the first seven figures of /proc/stat,
/// proc_stat(5).
fn system_usage() -> u64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    let ticks: u64 = line
        .split_whitespace()
        .skip(1)
        .take(7)
        .filter_map(number)
        .sum();
    ticks * (1_000_000_000 / TICKS)
}

/// /proc/PID/net/dev, without the loopback interface.
fn interfaces(table: &str) -> BTreeMap<String, NetworkStats> {
    let lines = table.lines().filter_map(|line| line.split_once(':'));
    lines
        .filter(|(name, _)| name.trim() != "lo")
        .filter_map(|(name, figures)| {
            let figures: Vec<u64> = figures.split_whitespace().filter_map(number).collect();
            let [
                rx_bytes,
                rx_packets,
                rx_errors,
                rx_dropped,
                _,
                _,
                _,
                _,
                tx_bytes,
                tx_packets,
                tx_errors,
                tx_dropped,
                ..,
            ] = figures[..]
            else {
                return None;
            };
            let stats = NetworkStats {
                rx_bytes,
                rx_packets,
                rx_errors,
                rx_dropped,
                tx_bytes,
                tx_packets,
                tx_errors,
                tx_dropped,
            };
            Some((name.trim().to_owned(), stats))
        })
        .collect()
}

fn number(text: &str) -> Option<u64> {
    text.parse().ok()
}
