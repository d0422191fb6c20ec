//! Limits and devices.

use crate::error::ApiError;
use corten_api::container as wire;
use corten_engine::UpdateRequest;
use corten_model::{
    BlockRate, BlockWeight, DeviceMapping, DeviceRequest, Resources, RestartPolicy,
};

fn each<A, B>(list: Option<Vec<A>>, convert: impl FnMut(A) -> B) -> Option<Vec<B>> {
    list.map(|list| list.into_iter().map(convert).collect())
}

pub(super) fn weights(list: Option<Vec<wire::WeightDevice>>) -> Option<Vec<BlockWeight>> {
    each(list, |wire::WeightDevice { path, weight }| BlockWeight {
        path,
        weight,
    })
}

pub(super) fn rates(list: Option<Vec<wire::ThrottleDevice>>) -> Option<Vec<BlockRate>> {
    each(list, |wire::ThrottleDevice { path, rate }| BlockRate {
        path,
        rate,
    })
}

pub(super) fn devices(list: Option<Vec<wire::DeviceMapping>>) -> Option<Vec<DeviceMapping>> {
    each(
        list,
        |wire::DeviceMapping {
             path_on_host,
             path_in_container,
             cgroup_permissions,
         }| {
            DeviceMapping {
                path_on_host,
                path_in_container,
                cgroup_permissions,
            }
        },
    )
}

pub(super) fn device_requests(
    list: Option<Vec<wire::DeviceRequest>>,
) -> Option<Vec<DeviceRequest>> {
    each(
        list,
        |wire::DeviceRequest {
             driver,
             count,
             device_ids,
             capabilities,
             options,
         }| {
            DeviceRequest {
                driver,
                count,
                device_ids,
                capabilities,
                options,
            }
        },
    )
}

pub(super) fn ulimits(list: Option<Vec<wire::Ulimit>>) -> Option<Vec<corten_model::Ulimit>> {
    each(list, |wire::Ulimit { name, hard, soft }| {
        corten_model::Ulimit { name, soft, hard }
    })
}

pub(super) fn weights_to_wire(list: Option<Vec<BlockWeight>>) -> Option<Vec<wire::WeightDevice>> {
    each(list, |BlockWeight { path, weight }| wire::WeightDevice {
        path,
        weight,
    })
}

pub(super) fn rates_to_wire(list: Option<Vec<BlockRate>>) -> Option<Vec<wire::ThrottleDevice>> {
    each(list, |BlockRate { path, rate }| wire::ThrottleDevice {
        path,
        rate,
    })
}

pub(super) fn devices_to_wire(
    list: Option<Vec<DeviceMapping>>,
) -> Option<Vec<wire::DeviceMapping>> {
    each(
        list,
        |DeviceMapping {
             path_on_host,
             path_in_container,
             cgroup_permissions,
         }| {
            wire::DeviceMapping {
                path_on_host,
                path_in_container,
                cgroup_permissions,
            }
        },
    )
}

pub(super) fn device_requests_to_wire(
    list: Option<Vec<DeviceRequest>>,
) -> Option<Vec<wire::DeviceRequest>> {
    each(
        list,
        |DeviceRequest {
             driver,
             count,
             device_ids,
             capabilities,
             options,
         }| {
            wire::DeviceRequest {
                driver,
                count,
                device_ids,
                capabilities,
                options,
            }
        },
    )
}

pub(super) fn ulimits_to_wire(
    list: Option<Vec<corten_model::Ulimit>>,
) -> Option<Vec<wire::Ulimit>> {
    each(list, |corten_model::Ulimit { name, soft, hard }| {
        wire::Ulimit { name, hard, soft }
    })
}

pub(super) fn restart_policy(policy: wire::RestartPolicy) -> Result<RestartPolicy, ApiError> {
    let wire::RestartPolicy {
        name,
        maximum_retry_count,
    } = policy;
    let name = name
        .parse()
        .map_err(|unknown: corten_model::UnknownRestartPolicy| {
            ApiError::invalid(unknown.to_string())
        })?;
    Ok(RestartPolicy {
        name,
        maximum_retry_count,
    })
}

/// Kernel memory limits went away with Linux 5.4: a value is refused, as the kernel would.
pub(super) fn refuse_kernel_memory(bytes: i64) -> Result<(), ApiError> {
    match bytes {
        0 => Ok(()),
        _ => Err(ApiError::invalid(
            "kernel memory limits (KernelMemory) are no longer supported by the kernel",
        )),
    }
}

pub(crate) fn update_request(request: wire::UpdateRequest) -> Result<UpdateRequest, ApiError> {
    let wire::UpdateRequest {
        cpu_shares,
        memory,
        nano_cpus,
        cgroup_parent,
        blkio_weight,
        blkio_weight_device,
        blkio_device_read_bps,
        blkio_device_write_bps,
        blkio_device_read_iops,
        blkio_device_write_iops,
        cpu_period,
        cpu_quota,
        cpu_realtime_period,
        cpu_realtime_runtime,
        cpuset_cpus,
        cpuset_mems,
        devices: device_list,
        device_cgroup_rules,
        device_requests: device_request_list,
        kernel_memory,
        kernel_memory_tcp,
        memory_reservation,
        memory_swap,
        memory_swappiness,
        oom_kill_disable,
        pids_limit,
        ulimits: ulimit_list,
        cpu_count,
        cpu_percent,
        io_maximum_iops,
        io_maximum_bandwidth,
        restart_policy: policy,
    } = request;
    refuse_kernel_memory(kernel_memory)?;
    let resources = Resources {
        cpu_shares,
        memory,
        nano_cpus,
        cgroup_parent,
        blkio_weight,
        blkio_weight_device: weights(blkio_weight_device),
        blkio_device_read_bps: rates(blkio_device_read_bps),
        blkio_device_write_bps: rates(blkio_device_write_bps),
        blkio_device_read_iops: rates(blkio_device_read_iops),
        blkio_device_write_iops: rates(blkio_device_write_iops),
        cpu_period,
        cpu_quota,
        cpu_realtime_period,
        cpu_realtime_runtime,
        cpuset_cpus,
        cpuset_mems,
        devices: devices(device_list),
        device_cgroup_rules,
        device_requests: device_requests(device_request_list),
        kernel_memory_tcp,
        memory_reservation,
        memory_swap,
        // -1 is what clients send where nobody asked.
        memory_swappiness: memory_swappiness.filter(|percent| *percent != -1),
        oom_kill_disable,
        pids_limit,
        ulimits: ulimits(ulimit_list),
        cpu_count,
        cpu_percent,
        io_maximum_iops,
        io_maximum_bandwidth,
    };
    let unchanged = policy == wire::RestartPolicy::default();
    let restart_policy = if unchanged {
        None
    } else {
        Some(restart_policy(policy)?)
    };
    Ok(UpdateRequest {
        resources,
        restart_policy,
    })
}
