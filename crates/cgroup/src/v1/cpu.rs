//! Processor shares, quota and sets: scheduler/sched-bwc.rst and cgroup-v1/cpusets.rst.

use super::Controller;
use crate::{CgroupError, file};
use corten_oci::runtime::Cpu;
use std::path::Path;

pub(super) fn apply(controller: Controller<'_>, cpu: &Cpu) -> Result<(), CgroupError> {
    let directory = controller.directory;
    if let Some(shares) = cpu.shares.filter(|&shares| shares != 0) {
        // The kernel clamps to 2..=262144 without a word; runc refuses.
        if !(2..=262_144).contains(&shares) {
            let value = shares.to_string();
            return Err(CgroupError::InvalidValue {
                limit: "cpu.shares",
                value,
            });
        }
        controller.write("cpu.shares", "cpu.shares", shares)?;
    }
    // A runtime above the period's is refused, so the larger of both changes first.
    let (period, runtime) = (cpu.realtime_period, cpu.realtime_runtime);
    let (period, runtime) = (period.filter(|&us| us != 0), runtime.filter(|&us| us != 0));
    controller.write_some("cpu.realtimePeriod", "cpu.rt_period_us", period)?;
    controller.write_some("cpu.realtimeRuntime", "cpu.rt_runtime_us", runtime)?;
    let quota = cpu.quota.filter(|&us| us != 0);
    match (cpu.period.filter(|&us| us != 0), directory) {
        (Some(period), Some(directory)) => {
            // Lowering the period below the quota that stands can be refused; then the
            // new quota goes first (sched-bwc.rst § Hierarchical considerations).
            let path = directory.join("cpu.cfs_period_us");
            if file::write_raw(&path, &period.to_string()).is_err() {
                controller.write_some("cpu.quota", "cpu.cfs_quota_us", quota)?;
                controller.write("cpu.period", "cpu.cfs_period_us", period)?;
            }
        }
        (period, _) => controller.write_some("cpu.period", "cpu.cfs_period_us", period)?,
    }
    let burst = cpu.burst;
    // A burst may not exceed the quota, whichever of them is larger changes first.
    let early = match (burst, directory) {
        (Some(burst), Some(directory)) => {
            file::write_raw(&directory.join("cpu.cfs_burst_us"), &burst.to_string()).is_ok()
        }
        _ => burst.is_none(),
    };
    controller.write_some("cpu.quota", "cpu.cfs_quota_us", quota)?;
    if !early {
        controller.write_some("cpu.burst", "cpu.cfs_burst_us", burst)?;
    }
    controller.write_some("cpu.idle", "cpu.idle", cpu.idle)
}

pub(super) fn apply_cpuset(controller: Controller<'_>, cpu: &Cpu) -> Result<(), CgroupError> {
    let given = |text: &String| (!text.is_empty()).then(|| text.clone());
    controller.write_some("cpu.cpus", "cpuset.cpus", given(&cpu.cpus))?;
    controller.write_some("cpu.mems", "cpuset.mems", given(&cpu.mems))
}

/// A new set is empty and nobody can join it: it takes over what its parent has, from
/// the hierarchy's root downwards.
pub(super) fn inherit_cpuset(root: &Path, directory: &Path) -> Result<(), CgroupError> {
    let missing = ["cpuset.cpus", "cpuset.mems"].map(|name| -> Result<_, CgroupError> {
        let text = file::read(directory, name)?;
        Ok(text.trim().is_empty().then_some(name))
    });
    let mut parent_is_ready = false;
    for name in missing {
        let Some(name) = name? else { continue };
        let Some(parent) = directory.parent() else {
            continue;
        };
        if !parent_is_ready && parent != root {
            inherit_cpuset(root, parent)?;
        }
        parent_is_ready = true;
        file::write(directory, name, file::read(parent, name)?.trim())?;
    }
    Ok(())
}
