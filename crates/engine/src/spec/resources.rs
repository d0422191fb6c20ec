//! Limits and device rules.

use super::devices::{HostDevice, default_rules};
use crate::{EngineError, Result, messages};
use corten_model::{BlockRate, Resources};
use corten_oci::runtime::{
    BlockIo, Cpu, DeviceRule, LinuxResources, Memory, Pids, ThrottleDevice, WeightDevice,
};

/// The period that `--cpus` is reckoned in, microseconds.
const NANO_CPU_PERIOD: u64 = 100_000;

/// What the container's control group is set to at start. `block_devices` answers the
/// major and minor number of a device of the host.
pub(super) fn resources(
    resources: &Resources,
    privileged: bool,
    devices: &[HostDevice],
    block_device: &dyn Fn(&str) -> Result<(i64, i64)>,
) -> Result<LinuxResources> {
    let mut linux = limits(resources, block_device)?;
    linux.devices = if privileged {
        vec![DeviceRule {
            allow: true,
            access: "rwm".into(),
            ..DeviceRule::default()
        }]
    } else {
        let mut rules = default_rules();
        rules.extend(devices.iter().map(HostDevice::rule));
        for rule in resources.device_cgroup_rules.iter().flatten() {
            rules.push(parse_rule(rule)?);
        }
        rules
    };
    Ok(linux)
}

/// The limits alone, as `update` sends them too.
pub(crate) fn limits(
    resources: &Resources,
    block_device: &dyn Fn(&str) -> Result<(i64, i64)>,
) -> Result<LinuxResources> {
    let set = |value: i64| (value != 0).then_some(value);
    let memory = Memory {
        limit: set(resources.memory),
        reservation: set(resources.memory_reservation),
        swap: set(resources.memory_swap),
        kernel_tcp: set(resources.kernel_memory_tcp),
        swappiness: resources
            .memory_swappiness
            .filter(|it| *it >= 0)
            .map(|it| it as u64),
        disable_oom_killer: resources.oom_kill_disable.filter(|it| *it),
        ..Memory::default()
    };
    let mut cpu = Cpu {
        shares: set(resources.cpu_shares).map(|it| it as u64),
        quota: set(resources.cpu_quota),
        period: set(resources.cpu_period).map(|it| it as u64),
        realtime_runtime: set(resources.cpu_realtime_runtime),
        realtime_period: set(resources.cpu_realtime_period).map(|it| it as u64),
        cpus: resources.cpuset_cpus.clone(),
        mems: resources.cpuset_mems.clone(),
        ..Cpu::default()
    };
    if resources.nano_cpus > 0 {
        cpu.period = Some(NANO_CPU_PERIOD);
        cpu.quota = Some(resources.nano_cpus * NANO_CPU_PERIOD as i64 / 1_000_000_000);
    }
    let throttle = |list: &Option<Vec<BlockRate>>| {
        list.iter()
            .flatten()
            .map(|it| {
                let (major, minor) = block_device(&it.path)?;
                Ok(ThrottleDevice {
                    major,
                    minor,
                    rate: it.rate,
                })
            })
            .collect::<Result<Vec<_>>>()
    };
    let weights = resources.blkio_weight_device.iter().flatten().map(|it| {
        let (major, minor) = block_device(&it.path)?;
        Ok(WeightDevice {
            major,
            minor,
            weight: Some(it.weight),
            leaf_weight: None,
        })
    });
    let block_io = BlockIo {
        weight: (resources.blkio_weight != 0).then_some(resources.blkio_weight),
        weight_device: weights.collect::<Result<_>>()?,
        throttle_read_bps_device: throttle(&resources.blkio_device_read_bps)?,
        throttle_write_bps_device: throttle(&resources.blkio_device_write_bps)?,
        throttle_read_iops_device: throttle(&resources.blkio_device_read_iops)?,
        throttle_write_iops_device: throttle(&resources.blkio_device_write_iops)?,
        ..BlockIo::default()
    };
    Ok(LinuxResources {
        memory: (memory != Memory::default()).then_some(memory),
        cpu: (cpu != Cpu::default()).then_some(cpu),
        pids: resources.pids_limit.map(|limit| Pids { limit }),
        block_io: (block_io != BlockIo::default()).then_some(block_io),
        ..LinuxResources::default()
    })
}

/// `c 1:3 mr`, `b *:* rwm`, `a *:* rwm`.
pub(crate) fn parse_rule(text: &str) -> Result<DeviceRule> {
    let invalid =
        || EngineError::Invalid(messages::unsupported("HostConfig.DeviceCgroupRules", text));
    let mut words = text.split_whitespace();
    let (Some(kind), Some(numbers), Some(access), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(invalid());
    };
    let (major, minor) = numbers.split_once(':').ok_or_else(invalid)?;
    let number = |text: &str| match text {
        "*" => Ok(None),
        digits => digits
            .parse::<u32>()
            .map(|it| Some(it.into()))
            .map_err(|_| invalid()),
    };
    let known = matches!(kind, "a" | "b" | "c") && access.chars().all(|it| "rwm".contains(it));
    if !known {
        return Err(invalid());
    }
    Ok(DeviceRule {
        allow: true,
        kind: kind.to_owned(),
        major: number(major)?,
        minor: number(minor)?,
        access: access.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none(_: &str) -> Result<(i64, i64)> {
        Ok((8, 0))
    }

    #[test]
    fn half_a_cpu_is_half_of_the_period() {
        let asked = Resources {
            nano_cpus: 500_000_000,
            ..Resources::default()
        };
        let cpu = limits(&asked, &none).expect("limits").cpu.expect("cpu");
        assert_eq!((cpu.quota, cpu.period), (Some(50_000), Some(100_000)));
        assert_eq!(
            limits(&Resources::default(), &none).expect("limits"),
            LinuxResources::default()
        );
    }

    #[test]
    fn device_rules_are_read_as_the_kernel_writes_them() {
        let rule = parse_rule("c 1:* mr").expect("a rule");
        assert_eq!(
            (rule.major, rule.minor, rule.access.as_str()),
            (Some(1), None, "mr")
        );
        for text in ["x", "c 1 r", "q 1:1 r", "c 1:1 x", "c 1:1 r r"] {
            assert!(parse_rule(text).is_err(), "{text}");
        }
    }
}
