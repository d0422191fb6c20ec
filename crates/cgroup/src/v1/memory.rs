//! cgroup-v1/memory.rst.

use super::Controller;
use crate::{CgroupError, file};
use corten_oci::runtime::Memory;
use std::path::Path;

const LIMIT: &str = "memory.limit_in_bytes";
const BOTH: &str = "memory.memsw.limit_in_bytes";

pub(super) fn apply(controller: Controller<'_>, memory: &Memory) -> Result<(), CgroupError> {
    limits(controller, memory)?;
    let soft = memory.reservation.filter(|&bytes| bytes != 0);
    controller.write_some("memory.reservation", "memory.soft_limit_in_bytes", soft)?;
    // `kernel` has had no effect since Linux 5.16 and is passed over, as runc does.
    let tcp = memory.kernel_tcp.filter(|&bytes| bytes != 0);
    controller.write_some("memory.kernelTCP", "memory.kmem.tcp.limit_in_bytes", tcp)?;
    if memory.disable_oom_killer == Some(true) {
        controller.write("memory.disableOOMKiller", "memory.oom_control", 1)?;
    }
    match memory.swappiness {
        // Docker and runc write "not given" as -1 as well.
        None | Some(u64::MAX) => Ok(()),
        Some(value @ 0..=100) => controller.write("memory.swappiness", "memory.swappiness", value),
        Some(value) => Err(CgroupError::InvalidValue {
            limit: "memory.swappiness",
            value: value.to_string(),
        }),
    }
}

/// The kernel wants `memory <= memory and swap` at every moment, so the order of the
/// two writes depends on which way the limits move.
fn limits(controller: Controller<'_>, memory: &Memory) -> Result<(), CgroupError> {
    let limit = memory.limit.filter(|&bytes| bytes != 0);
    let mut both = memory.swap.filter(|&bytes| bytes != 0);
    if limit.is_none() && both.is_none() {
        return Ok(());
    }
    let directory = controller.require("memory.limit")?;
    let counts_swap = directory.join(BOTH).exists();
    if limit == Some(-1) && both.is_none() && counts_swap {
        both = Some(-1);
    }
    if let (Some(bytes @ 1..), Some(true)) = (limit, memory.check_before_update) {
        let used = file::read_number(directory, "memory.usage_in_bytes")?.unwrap_or_default();
        if used > bytes as u64 {
            return Err(CgroupError::BelowUsage {
                limit_bytes: bytes,
                used_bytes: used,
            });
        }
    }
    match (limit, both) {
        (Some(limit), Some(both)) => {
            let present = file::read_number(directory, LIMIT)?.unwrap_or(u64::MAX);
            if both < 0 || present < both as u64 {
                write_both(directory, counts_swap, both)?;
                file::write(directory, LIMIT, &limit.to_string())
            } else {
                file::write(directory, LIMIT, &limit.to_string())?;
                write_both(directory, counts_swap, both)
            }
        }
        (Some(limit), None) => file::write(directory, LIMIT, &limit.to_string()),
        (None, Some(both)) => write_both(directory, counts_swap, both),
        (None, None) => Ok(()),
    }
}

fn write_both(directory: &Path, counts_swap: bool, bytes: i64) -> Result<(), CgroupError> {
    if !counts_swap {
        let controller = "memory (swap accounting)";
        return Err(CgroupError::MissingController {
            controller,
            limit: "memory.swap",
        });
    }
    file::write(directory, BOTH, &bytes.to_string())
}
