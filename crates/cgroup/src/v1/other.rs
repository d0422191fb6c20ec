//! The small controllers: pids, hugetlb, net_cls, net_prio, rdma.

use super::{Controller, Group};
use crate::CgroupError;
use corten_oci::runtime::{HugepageLimit, Network, Pids, Rdma};
use std::collections::BTreeMap;

/// 0 means "not given", as with runc; less is "unlimited".
pub(crate) fn pids_limit(pids: Pids) -> Option<String> {
    match pids.limit {
        0 => None,
        limit => Some(crate::convert::limit(limit)),
    }
}

pub(super) fn pids(controller: Controller<'_>, pids: Pids) -> Result<(), CgroupError> {
    controller.write_some("pids.limit", "pids.max", pids_limit(pids))
}

pub(super) fn hugepages(
    controller: Controller<'_>,
    limits: &[HugepageLimit],
) -> Result<(), CgroupError> {
    for HugepageLimit { page_size, limit } in limits {
        let name = format!("hugetlb.{page_size}.limit_in_bytes");
        controller.write("hugepageLimits", &name, limit)?;
        // Reservations are limited as well where the kernel can (Linux 5.7).
        let name = format!("hugetlb.{page_size}.rsvd.limit_in_bytes");
        if controller.require("hugepageLimits")?.join(&name).exists() {
            controller.write("hugepageLimits", &name, limit)?;
        }
    }
    Ok(())
}

pub(super) fn network(groups: &[Group], network: &Network) -> Result<(), CgroupError> {
    let class = network.class_id.filter(|&id| id != 0);
    Controller::find(groups, "net_cls").write_some("network.classID", "net_cls.classid", class)?;
    let priorities = Controller::find(groups, "net_prio");
    network.priorities.iter().try_for_each(|entry| {
        let line = format!("{} {}", entry.name, entry.priority);
        priorities.write("network.priorities", "net_prio.ifpriomap", line)
    })
}

/// A line of `rdma.max`, the same in both versions.
pub(crate) fn rdma_line(device: &str, limit: &Rdma) -> String {
    let mut line = device.to_owned();
    if let Some(handles) = limit.hca_handles {
        line.push_str(&format!(" hca_handle={handles}"));
    }
    if let Some(objects) = limit.hca_objects {
        line.push_str(&format!(" hca_object={objects}"));
    }
    line
}

pub(super) fn rdma(
    controller: Controller<'_>,
    limits: &BTreeMap<String, Rdma>,
) -> Result<(), CgroupError> {
    limits.iter().try_for_each(|(device, limit)| {
        controller.write("rdma", "rdma.max", rdma_line(device, limit))
    })
}
