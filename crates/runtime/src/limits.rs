//! Resource limits and priorities of a process.

use crate::plan::failed;
use crate::{Stage, StartError};
use corten_oci::runtime::{Process, Scheduler};
use corten_sys::task;
use rustix::process::{Pid, Resource, Rlimit, prlimit};

const RESOURCES: &[(&str, Resource)] = &[
    ("RLIMIT_AS", Resource::As),
    ("RLIMIT_CORE", Resource::Core),
    ("RLIMIT_CPU", Resource::Cpu),
    ("RLIMIT_DATA", Resource::Data),
    ("RLIMIT_FSIZE", Resource::Fsize),
    ("RLIMIT_LOCKS", Resource::Locks),
    ("RLIMIT_MEMLOCK", Resource::Memlock),
    ("RLIMIT_MSGQUEUE", Resource::Msgqueue),
    ("RLIMIT_NICE", Resource::Nice),
    ("RLIMIT_NOFILE", Resource::Nofile),
    ("RLIMIT_NPROC", Resource::Nproc),
    ("RLIMIT_RSS", Resource::Rss),
    ("RLIMIT_RTPRIO", Resource::Rtprio),
    ("RLIMIT_RTTIME", Resource::Rttime),
    ("RLIMIT_SIGPENDING", Resource::Sigpending),
    ("RLIMIT_STACK", Resource::Stack),
];

fn resource(name: &str) -> Option<Resource> {
    RESOURCES
        .iter()
        .find(|entry| entry.0 == name)
        .map(|entry| entry.1)
}

/// The kernel's number of a limit, as runc names it in its errors.
pub(crate) fn number(name: &str) -> i32 {
    resource(name).map_or(-1, |resource| resource as i32)
}

/// Refuses names that do not exist, doubles and impossible priorities.
pub(crate) fn check(process: &Process) -> Result<(), StartError> {
    for (index, limit) in process.rlimits.iter().enumerate() {
        let refused =
            |sentence: String| Err(StartError::refused(Stage::Rlimit, &limit.kind, sentence));
        if resource(&limit.kind).is_none() {
            return refused(format!("invalid rlimit type: {}", limit.kind));
        }
        if process.rlimits[..index]
            .iter()
            .any(|other| other.kind == limit.kind)
        {
            return refused(format!("duplicated rlimit type: {}", limit.kind));
        }
    }
    if let Some(priority) = &process.io_priority
        && (io_class(&priority.class).is_none() || !(0..8).contains(&priority.priority))
    {
        let sentence = format!(
            "invalid ioPriority {} {}",
            priority.class, priority.priority
        );
        return Err(StartError::refused(Stage::Spec, "", sentence));
    }
    if let Some(scheduler) = &process.scheduler {
        scheduling(scheduler)?;
    }
    Ok(())
}

/// Sets the limits of `pid`, or of the caller.
///
/// # Errors
/// EPERM when one is to be raised without CAP_SYS_RESOURCE.
pub(crate) fn set(process: &Process, pid: Option<Pid>) -> Result<(), StartError> {
    for limit in &process.rlimits {
        let Some(resource) = resource(&limit.kind) else {
            continue;
        };
        let value = |value: u64| (value != u64::MAX).then_some(value);
        let wanted = Rlimit {
            current: value(limit.soft),
            maximum: value(limit.hard),
        };
        prlimit(pid, resource, wanted)
            .map_err(|error| failed(Stage::Rlimit, &error.into(), &limit.kind, ""))?;
    }
    Ok(())
}

/// Sets scheduling and I/O priority of the caller.
pub(crate) fn set_priorities(process: &Process) -> Result<(), StartError> {
    if let Some(priority) = &process.io_priority {
        let class = io_class(&priority.class).unwrap_or(0);
        task::set_io_priority(class, priority.priority)
            .map_err(|error| failed(Stage::Privilege, &error, "", "setting the I/O priority"))?;
    }
    if let Some(scheduler) = &process.scheduler {
        task::set_scheduling(scheduling(scheduler)?)
            .map_err(|error| failed(Stage::Privilege, &error, "", "setting the scheduler"))?;
    }
    Ok(())
}

fn io_class(name: &str) -> Option<i32> {
    match name {
        "IOPRIO_CLASS_RT" => Some(1),
        "IOPRIO_CLASS_BE" => Some(2),
        "IOPRIO_CLASS_IDLE" => Some(3),
        _ => None,
    }
}

fn scheduling(scheduler: &Scheduler) -> Result<task::Scheduling, StartError> {
    let refused =
        |what: &str| StartError::refused(Stage::Spec, "", format!("invalid scheduler: {what}"));
    let policy = match scheduler.policy.as_str() {
        "SCHED_OTHER" => 0,
        "SCHED_FIFO" => 1,
        "SCHED_RR" => 2,
        "SCHED_BATCH" => 3,
        "SCHED_ISO" => 4,
        "SCHED_IDLE" => 5,
        "SCHED_DEADLINE" => 6,
        policy => return Err(refused(&format!("policy {policy:?}"))),
    };
    let mut flags = 0;
    for flag in &scheduler.flags {
        flags |= match flag.as_str() {
            "SCHED_FLAG_RESET_ON_FORK" => 0x01,
            "SCHED_FLAG_RECLAIM" => 0x02,
            "SCHED_FLAG_DL_OVERRUN" => 0x04,
            "SCHED_FLAG_KEEP_POLICY" => 0x08,
            "SCHED_FLAG_KEEP_PARAMS" => 0x10,
            "SCHED_FLAG_UTIL_CLAMP_MIN" => 0x20,
            "SCHED_FLAG_UTIL_CLAMP_MAX" => 0x40,
            flag => return Err(refused(&format!("flag {flag:?}"))),
        };
    }
    Ok(task::Scheduling {
        policy,
        flags,
        nice: scheduler.nice,
        priority: u32::try_from(scheduler.priority).map_err(|_| refused("priority"))?,
        runtime: scheduler.runtime,
        deadline: scheduler.deadline,
        period: scheduler.period,
        ..Default::default()
    })
}
