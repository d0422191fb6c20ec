//! Whether limits can be (moby: `verifyPlatformContainerResources`).

use super::verify::invalid;
use crate::{
    EngineError, Result,
    host::{self, HostFacts},
    messages,
};
use corten_model::Resources;

/// dockerd's smallest memory limit.
const MEMORY_MIN_BYTES: i64 = 6 << 20;

/// moby: `verifyPlatformContainerResources`.
pub(crate) fn verify_resources(resources: &Resources, host: &HostFacts) -> Result<()> {
    if resources.memory == 0 && resources.memory_swap > 0 {
        return invalid(messages::swap_without_memory());
    }
    verify_changes(resources, host)
}

/// As [`verify_resources`], of a container that may have a memory limit already.
pub(super) fn verify_changes(resources: &Resources, host: &HostFacts) -> Result<()> {
    verify_memory(resources)?;
    if resources.nano_cpus > 0 {
        if resources.cpu_period > 0 {
            return invalid(messages::nano_cpus_conflict("CPU Period"));
        }
        if resources.cpu_quota > 0 {
            return invalid(messages::nano_cpus_conflict("CPU Quota"));
        }
    }
    if resources.nano_cpus < 0 || resources.nano_cpus > host.cpus as i64 * 1_000_000_000 {
        return invalid(messages::cpus_out_of_range(host.cpus));
    }
    if resources.cpu_realtime_period != 0
        && resources.cpu_realtime_runtime > resources.cpu_realtime_period
    {
        return invalid(messages::realtime_runtime_too_large());
    }
    if resources.cpu_shares < 0 {
        return invalid(messages::invalid_cpu_shares(resources.cpu_shares));
    }
    if resources.cpu_period != 0 && !(1000..=1_000_000).contains(&resources.cpu_period) {
        return invalid(messages::cpu_period_out_of_range());
    }
    if resources.cpu_quota > 0 && resources.cpu_quota < 1000 {
        return invalid(messages::cpu_quota_too_small());
    }
    let cpus = members(&resources.cpuset_cpus, "cpuset cpus")?;
    if !cpus.is_subset(&host::list(&host.cpu_list).unwrap_or_default()) {
        return invalid(messages::cpus_unavailable(
            &resources.cpuset_cpus,
            &host.cpu_list,
        ));
    }
    let nodes = members(&resources.cpuset_mems, "cpuset mems")?;
    if !nodes.is_subset(&host::list(&host.memory_nodes).unwrap_or_default()) {
        return invalid(messages::memory_nodes_unavailable(
            &resources.cpuset_mems,
            &host.memory_nodes,
        ));
    }
    Ok(())
}

fn members(text: &str, field: &str) -> Result<std::collections::BTreeSet<u32>> {
    host::list(text).ok_or_else(|| EngineError::Invalid(messages::invalid_cpuset(text, field)))
}

fn verify_memory(resources: &Resources) -> Result<()> {
    let Resources {
        memory,
        memory_swap,
        memory_reservation,
        ..
    } = *resources;
    if memory != 0 && memory < MEMORY_MIN_BYTES {
        return invalid(messages::memory_too_small());
    }
    if memory > 0 && memory_swap > 0 && memory_swap < memory {
        return invalid(messages::swap_below_memory());
    }
    if let Some(swappiness) = resources.memory_swappiness
        && !(-1..=100).contains(&swappiness)
    {
        return invalid(messages::swappiness_out_of_range(swappiness));
    }
    if memory_reservation != 0 && memory_reservation < MEMORY_MIN_BYTES {
        return invalid(messages::reservation_too_small());
    }
    if memory > 0 && memory_reservation > 0 && memory < memory_reservation {
        return invalid(messages::memory_below_reservation());
    }
    Ok(())
}

/// Takes out of `resources` what this kernel does not have, as dockerd does, and answers
/// what it warns of: that, and what is unwise. The order is dockerd's.
pub(crate) fn discard_unsupported(resources: &mut Resources, host: &HostFacts) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut warn = |sentence: &str| warnings.push(sentence.to_owned());
    if resources.memory > 0 && resources.memory_swap != -1 && !host.swap_limit {
        warn(messages::NO_SWAP_LIMIT);
        resources.memory_swap = -1;
    }
    if resources.memory_swappiness.is_some() && !host.memory_swappiness {
        warn(messages::NO_SWAPPINESS);
        resources.memory_swappiness = None;
    }
    // dockerd says nothing of this one; we do not drop a limit in silence.
    if resources.kernel_memory_tcp != 0 && !host.kernel_memory_tcp {
        warn(messages::NO_KERNEL_MEMORY_TCP);
        resources.kernel_memory_tcp = 0;
    }
    if let Some(disable) = resources
        .oom_kill_disable
        .filter(|_| !host.oom_kill_disable)
    {
        if disable {
            warn(messages::NO_OOM_KILL_DISABLE);
        }
        resources.oom_kill_disable = None;
    }
    if resources.oom_kill_disable == Some(true) && resources.memory == 0 {
        warn(messages::OOM_KILL_DISABLE_WITHOUT_LIMIT);
    }
    if resources.blkio_weight > 0 && !host.block_weight {
        warn(messages::NO_BLOCK_WEIGHT);
        resources.blkio_weight = 0;
    }
    let devices = resources.blkio_weight_device.as_mut();
    if let Some(devices) = devices.filter(|it| !it.is_empty() && !host.block_weight) {
        warn(messages::NO_BLOCK_WEIGHT_DEVICE);
        devices.clear();
    }
    warnings
}
