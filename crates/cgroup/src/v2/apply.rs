//! Limits.

use super::{Group, device};
use crate::v1::{pids_limit, rdma_line};
use crate::{CgroupError, convert, file};
use corten_oci::runtime::{BlockIo, Cpu, HugepageLimit, LinuxResources, Memory, Rdma};
use std::collections::BTreeMap;
use std::path::Path;

/// Microseconds of a period where a quota comes without one (the kernel's default).
const DEFAULT_PERIOD_US: u64 = 100_000;

/// Sets what `resources` mentions.
pub(crate) fn apply(group: &Group, resources: &LinuxResources) -> Result<(), CgroupError> {
    device::apply(&group.directory, &resources.devices)?;
    if let Some(memory) = &resources.memory {
        apply_memory(group, memory)?;
    }
    if let Some(cpu) = &resources.cpu {
        apply_cpu(group, cpu)?;
    }
    if let Some(limit) = resources.pids.and_then(pids_limit) {
        write(group, "pids", "pids.limit", "pids.max", &limit)?;
    }
    if let Some(block_io) = &resources.block_io {
        apply_block_io(group, block_io)?;
    }
    hugepages(group, &resources.hugepage_limits)?;
    rdma(group, &resources.rdma)?;
    if let Some(network) = &resources.network {
        let asked = network.class_id.is_some_and(|id| id != 0) || !network.priorities.is_empty();
        only_v1(asked, "net_cls (version 1)", "network.classID")?;
    }
    unified(group, &resources.unified)
}

/// What can stand in version 2 on a hybrid host; the arguments are version 1's
/// directories where it has the controllers itself.
pub(crate) fn apply_beside_v1(
    group: &Group,
    resources: &LinuxResources,
    hugetlb_v1: Option<&Path>,
    rdma_v1: Option<&Path>,
) -> Result<(), CgroupError> {
    if hugetlb_v1.is_none() {
        hugepages(group, &resources.hugepage_limits)?;
    }
    if rdma_v1.is_none() {
        rdma(group, &resources.rdma)?;
    }
    unified(group, &resources.unified)
}

fn write(
    group: &Group,
    controller: &'static str,
    limit: &'static str,
    name: &str,
    value: &str,
) -> Result<(), CgroupError> {
    match file::write(&group.directory, name, value) {
        Err(CgroupError::Write { source, .. })
            if file::is_absent(&source) && !group.has(controller) =>
        {
            Err(CgroupError::MissingController { controller, limit })
        }
        other => other,
    }
}

fn only_v1(asked: bool, controller: &'static str, limit: &'static str) -> Result<(), CgroupError> {
    if asked {
        Err(CgroupError::MissingController { controller, limit })
    } else {
        Ok(())
    }
}

fn apply_memory(group: &Group, memory: &Memory) -> Result<(), CgroupError> {
    let v1 = "memory (version 1)";
    only_v1(
        memory.disable_oom_killer == Some(true),
        v1,
        "memory.disableOOMKiller",
    )?;
    let swappiness = memory.swappiness.filter(|&value| value != u64::MAX);
    only_v1(swappiness.is_some(), v1, "memory.swappiness")?;
    only_v1(
        memory.kernel_tcp.is_some_and(|bytes| bytes != 0),
        v1,
        "memory.kernelTCP",
    )?;
    if let (Some(limit @ 1..), Some(true)) = (memory.limit, memory.check_before_update) {
        let used = file::read_number(&group.directory, "memory.current")?.unwrap_or_default();
        if used > limit as u64 {
            return Err(CgroupError::BelowUsage {
                limit_bytes: limit,
                used_bytes: used,
            });
        }
    }
    if let Some(swap) = convert::swap(memory.limit, memory.swap)? {
        let asked = memory.swap.unwrap_or(0) != 0;
        // Without swap accounting "no limit" is what there is.
        let written = write(
            group,
            "memory",
            "memory.swap",
            "memory.swap.max",
            &convert::limit(swap),
        );
        if asked && swap >= 0 || group.directory.join("memory.swap.max").exists() {
            written?;
        }
    }
    if let Some(limit) = memory.limit.filter(|&bytes| bytes != 0) {
        write(
            group,
            "memory",
            "memory.limit",
            "memory.max",
            &convert::limit(limit),
        )?;
    }
    if let Some(soft) = memory.reservation.filter(|&bytes| bytes != 0) {
        write(
            group,
            "memory",
            "memory.reservation",
            "memory.low",
            &convert::limit(soft),
        )?;
    }
    Ok(())
}

fn apply_cpu(group: &Group, cpu: &Cpu) -> Result<(), CgroupError> {
    let asked = cpu.realtime_period.unwrap_or(0) != 0 || cpu.realtime_runtime.unwrap_or(0) != 0;
    only_v1(asked, "cpu (version 1)", "cpu.realtimeRuntime")?;
    if let Some(weight) = cpu.shares.and_then(convert::cpu_weight) {
        write(
            group,
            "cpu",
            "cpu.shares",
            "cpu.weight",
            &weight.to_string(),
        )?;
    }
    if let Some(idle) = cpu.idle {
        write(group, "cpu", "cpu.idle", "cpu.idle", &idle.to_string())?;
    }
    let (quota, period) = (cpu.quota.unwrap_or(0), cpu.period.unwrap_or(0));
    if quota != 0 || period != 0 {
        let period = if period == 0 {
            present_period(group)?
        } else {
            period
        };
        let quota = match quota {
            // A new period alone keeps the quota that stands.
            0 => present_quota(group)?,
            quota => convert::limit(quota),
        };
        write(
            group,
            "cpu",
            "cpu.quota",
            "cpu.max",
            &format!("{quota} {period}"),
        )?;
    }
    if let Some(burst) = cpu.burst {
        write(
            group,
            "cpu",
            "cpu.burst",
            "cpu.max.burst",
            &burst.to_string(),
        )?;
    }
    if !cpu.cpus.is_empty() {
        write(group, "cpuset", "cpu.cpus", "cpuset.cpus", &cpu.cpus)?;
    }
    if !cpu.mems.is_empty() {
        write(group, "cpuset", "cpu.mems", "cpuset.mems", &cpu.mems)?;
    }
    Ok(())
}

fn present_quota(group: &Group) -> Result<String, CgroupError> {
    let text = file::read_optional(&group.directory, "cpu.max")?.unwrap_or_default();
    Ok(text.split_whitespace().next().unwrap_or("max").to_owned())
}

fn present_period(group: &Group) -> Result<u64, CgroupError> {
    let text = file::read_optional(&group.directory, "cpu.max")?.unwrap_or_default();
    Ok(text
        .split_whitespace()
        .nth(1)
        .map_or(DEFAULT_PERIOD_US, file::number))
}

fn apply_block_io(group: &Group, block_io: &BlockIo) -> Result<(), CgroupError> {
    let leaf = block_io
        .weight_device
        .iter()
        .any(|d| d.leaf_weight.unwrap_or(0) != 0);
    let leaf = leaf || block_io.leaf_weight.unwrap_or(0) != 0;
    only_v1(leaf, "blkio (version 1)", "blockIO.leafWeight")?;
    // BFQ keeps version 1's scale in a file of its own; other schedulers use io.weight.
    let bfq = group.directory.join("io.bfq.weight").exists();
    let scaled = |weight: u16| match bfq {
        true => Some(u64::from(weight)).filter(|&weight| weight != 0),
        false => convert::io_weight(weight),
    };
    let name = if bfq { "io.bfq.weight" } else { "io.weight" };
    if let Some(weight) = block_io.weight.and_then(scaled) {
        write(group, "io", "blockIO.weight", name, &weight.to_string())?;
    }
    for device in &block_io.weight_device {
        if let Some(weight) = device.weight.and_then(scaled) {
            let line = format!("{}:{} {weight}", device.major, device.minor);
            write(group, "io", "blockIO.weightDevice", name, &line)?;
        }
    }
    let throttles = [
        (
            "blockIO.throttleReadBpsDevice",
            "rbps",
            &block_io.throttle_read_bps_device,
        ),
        (
            "blockIO.throttleWriteBpsDevice",
            "wbps",
            &block_io.throttle_write_bps_device,
        ),
        (
            "blockIO.throttleReadIOPSDevice",
            "riops",
            &block_io.throttle_read_iops_device,
        ),
        (
            "blockIO.throttleWriteIOPSDevice",
            "wiops",
            &block_io.throttle_write_iops_device,
        ),
    ];
    for (limit, key, devices) in throttles {
        for device in devices {
            // 0 takes a limit away in version 1; io.max says `max`.
            let rate = if device.rate == 0 {
                "max".to_owned()
            } else {
                device.rate.to_string()
            };
            let line = format!("{}:{} {key}={rate}", device.major, device.minor);
            write(group, "io", limit, "io.max", &line)?;
        }
    }
    Ok(())
}

fn hugepages(group: &Group, limits: &[HugepageLimit]) -> Result<(), CgroupError> {
    for HugepageLimit { page_size, limit } in limits {
        let value = limit.to_string();
        let name = format!("hugetlb.{page_size}.max");
        write(group, "hugetlb", "hugepageLimits", &name, &value)?;
        let name = format!("hugetlb.{page_size}.rsvd.max");
        if group.directory.join(&name).exists() {
            write(group, "hugetlb", "hugepageLimits", &name, &value)?;
        }
    }
    Ok(())
}

fn rdma(group: &Group, limits: &BTreeMap<String, Rdma>) -> Result<(), CgroupError> {
    limits.iter().try_for_each(|(device, limit)| {
        write(group, "rdma", "rdma", "rdma.max", &rdma_line(device, limit))
    })
}

/// OCI runtime-spec 1.2, config-linux § Unified: file names and what is written to them.
fn unified(group: &Group, files: &BTreeMap<String, String>) -> Result<(), CgroupError> {
    for (name, value) in files {
        if name.contains('/') || !name.contains('.') {
            let value = name.clone();
            return Err(CgroupError::InvalidValue {
                limit: "unified",
                value,
            });
        }
        // Files such as io.max take one line at a time.
        for line in value.lines() {
            file::write(&group.directory, name, line)?;
        }
    }
    Ok(())
}
