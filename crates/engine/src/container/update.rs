//! `POST /containers/{id}/update`.

use super::{
    verify::verify_restart_policy,
    verify_resources::{discard_unsupported, verify_changes, verify_resources},
};
use crate::{
    Engine, EngineError, Result, UpdateRequest, messages,
    spec::{devices, resources},
};
use corten_model::{Container, Resources, RestartPolicyName, Status};
use std::sync::Arc;

impl Engine {
    /// `POST /containers/{id}/update`; answers warnings.
    pub async fn container_update(
        self: &Arc<Self>,
        name: &str,
        mut request: UpdateRequest,
    ) -> Result<Vec<String>> {
        let warnings = discard_unsupported(&mut request.resources, &self.host);
        verify_changes(&request.resources, &self.host)?;
        if let Some(policy) = &request.restart_policy {
            verify_restart_policy(policy)?;
        }
        refuse_the_fixed(&request.resources)?;
        let handle = self.table.find(name)?;
        let _owner = handle.lock.lock().await;
        let record = handle.record();
        if matches!(record.state.status, Status::Removing | Status::Dead) {
            return Err(EngineError::Conflict(messages::update_removing(record.id)));
        }
        let mut next = Container::clone(&record);
        if let Some(policy) = request.restart_policy {
            if record.host_config.auto_remove && policy.name != RestartPolicyName::No {
                let reason = messages::update_restart_of_auto_remove();
                return Err(EngineError::Conflict(messages::update_conflict(
                    record.id, reason,
                )));
            }
            next.host_config.restart_policy = policy;
        }
        let old = &record.host_config.resources;
        let asked = &request.resources;
        if asked.memory != 0
            && asked.memory_swap == 0
            && old.memory_swap >= 0
            && asked.memory > old.memory_swap
        {
            return Err(EngineError::Conflict(messages::swap_limit_first(record.id)));
        }
        check_cpus(old, asked).map_err(|reason| {
            EngineError::Conflict(messages::update_conflict(record.id, reason))
        })?;
        next.host_config.resources = merged(old, asked);
        let mut changes = asked.clone();
        if asked.memory_swap != 0 {
            let both = Resources {
                memory: next.host_config.resources.memory,
                memory_swap: asked.memory_swap,
                ..Resources::default()
            };
            verify_resources(&both, &self.host)?;
            // Both or none: of cgroup v2 swap is what lies between them.
            changes.memory = both.memory;
        }
        if let Some(shim) = handle.shim() {
            shim.update(resources::limits(&changes, &devices::block_device)?)
                .await?;
        }
        let next = handle.replace(next);
        self.save_later(next.clone()).await?;
        self.container_event(&next, "update", []);
        Ok(warnings)
    }
}

/// Docker's `update` cannot change these; asking for it is an error here.
fn refuse_the_fixed(asked: &Resources) -> Result<()> {
    if asked.io_maximum_iops != 0 || asked.io_maximum_bandwidth != 0 {
        return Err(EngineError::Invalid(messages::maximum_io()));
    }
    let given = |list: bool, field: &str| match list {
        true => Err(EngineError::Unsupported(messages::unsupported(field, "…"))),
        false => Ok(()),
    };
    let some = |list: &Option<Vec<_>>| list.as_ref().is_some_and(|it| !it.is_empty());
    given(
        asked.devices.as_ref().is_some_and(|it| !it.is_empty()),
        "Devices",
    )?;
    given(
        asked.ulimits.as_ref().is_some_and(|it| !it.is_empty()),
        "Ulimits",
    )?;
    given(some(&asked.device_cgroup_rules), "DeviceCgroupRules")?;
    given(!asked.cgroup_parent.is_empty(), "CgroupParent")
}

/// What is given replaces what was; zero and empty mean unchanged.
fn merged(old: &Resources, asked: &Resources) -> Resources {
    let number = |old: i64, asked: i64| if asked == 0 { old } else { asked };
    let text = |old: &String, asked: &String| {
        if asked.is_empty() {
            old.clone()
        } else {
            asked.clone()
        }
    };
    let mut next = old.clone();
    next.cpu_shares = number(old.cpu_shares, asked.cpu_shares);
    next.memory = number(old.memory, asked.memory);
    next.memory_swap = number(old.memory_swap, asked.memory_swap);
    next.memory_reservation = number(old.memory_reservation, asked.memory_reservation);
    next.nano_cpus = number(old.nano_cpus, asked.nano_cpus);
    next.cpu_period = number(old.cpu_period, asked.cpu_period);
    next.cpu_quota = number(old.cpu_quota, asked.cpu_quota);
    next.cpu_realtime_period = number(old.cpu_realtime_period, asked.cpu_realtime_period);
    next.cpu_realtime_runtime = number(old.cpu_realtime_runtime, asked.cpu_realtime_runtime);
    next.cpuset_cpus = text(&old.cpuset_cpus, &asked.cpuset_cpus);
    next.cpuset_mems = text(&old.cpuset_mems, &asked.cpuset_mems);
    if asked.blkio_weight != 0 {
        next.blkio_weight = asked.blkio_weight;
    }
    if let Some(limit) = asked.pids_limit {
        next.pids_limit = Some(limit.max(0));
    }
    next
}

/// A number of CPUs, or a quota in a period: moby, `UpdateContainer`.
fn check_cpus(old: &Resources, asked: &Resources) -> std::result::Result<(), messages::Sentence> {
    if asked.nano_cpus > 0 {
        for (name, value) in [("CPU Period", old.cpu_period), ("CPU Quota", old.cpu_quota)] {
            if value > 0 {
                return Err(messages::update_nano_cpus(name));
            }
        }
    }
    if old.nano_cpus > 0 {
        for (name, value) in [
            ("CPU Period", asked.cpu_period),
            ("CPU Quota", asked.cpu_quota),
        ] {
            if value > 0 {
                return Err(messages::update_after_nano_cpus(name));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_given_changes() {
        let old = Resources {
            memory: 7 << 20,
            cpu_shares: 5,
            ..Resources::default()
        };
        let asked = Resources {
            cpu_shares: 9,
            pids_limit: Some(-1),
            ..Resources::default()
        };
        let next = merged(&old, &asked);
        assert_eq!(
            (next.memory, next.cpu_shares, next.pids_limit),
            (7 << 20, 9, Some(0))
        );
    }
}
