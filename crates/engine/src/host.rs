//! Facts about this host that requests are held against.

use crate::apparmor::AppArmor;
use corten_seccomp::KernelVersion;
use std::{collections::BTreeSet, fs, path::Path, sync::Arc};

/// Read once when the engine opens.
#[derive(Debug, Clone)]
pub(crate) struct HostFacts {
    /// CPUs that are online.
    pub(crate) cpus: u64,
    /// As the kernel writes them: `0-1`.
    pub(crate) cpu_list: String,
    /// Memory nodes: `0`.
    pub(crate) memory_nodes: String,
    /// Bytes.
    pub(crate) memory_total: u64,
    /// For seccomp profiles.
    pub(crate) kernel: KernelVersion,
    /// `uname -r`.
    pub(crate) kernel_release: String,
    /// `uname -m`.
    pub(crate) machine: String,
    /// Pure version 2.
    pub(crate) cgroup_v2: bool,
    /// The block controller knows weights.
    pub(crate) block_weight: bool,
    /// Swap is counted.
    pub(crate) swap_limit: bool,
    /// A group can have a swappiness of its own (version 1).
    pub(crate) memory_swappiness: bool,
    /// The OOM killer can be turned off for a group (version 1).
    pub(crate) oom_kill_disable: bool,
    /// Buffers of TCP can be limited (version 1).
    pub(crate) kernel_memory_tcp: bool,
    /// Seconds since 1970.
    pub(crate) boot_time: i64,
    pub(crate) apparmor: Arc<AppArmor>,
    /// SELinux decides, be it that it only reports (`permissive`).
    pub(crate) selinux: bool,
}

impl HostFacts {
    pub(crate) fn read() -> Self {
        let uname = rustix::system::uname();
        let kernel_release = uname.release().to_string_lossy().into_owned();
        let cpu_list = line("/sys/devices/system/cpu/online").unwrap_or_else(|| "0".into());
        let cgroup_v2 = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
        let exists = |path: &str| Path::new(path).exists();
        Self {
            cpus: list(&cpu_list).map_or(1, |cpus| cpus.len() as u64),
            cpu_list,
            memory_nodes: line("/sys/devices/system/node/online").unwrap_or_else(|| "0".into()),
            memory_total: memory_total(),
            kernel: version(&kernel_release),
            boot_time: crate::ps::boot_time(),
            apparmor: Arc::new(AppArmor::of_host()),
            selinux: exists("/sys/fs/selinux/enforce"),
            kernel_release,
            machine: uname.machine().to_string_lossy().into_owned(),
            cgroup_v2,
            block_weight: cgroup_v2 || exists("/sys/fs/cgroup/blkio/blkio.weight"),
            memory_swappiness: exists("/sys/fs/cgroup/memory/memory.swappiness"),
            oom_kill_disable: exists("/sys/fs/cgroup/memory/memory.oom_control"),
            kernel_memory_tcp: exists("/sys/fs/cgroup/memory/memory.kmem.tcp.limit_in_bytes"),
            swap_limit: cgroup_v2 || exists("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes"),
        }
    }

    /// Go's name of the architecture.
    pub(crate) fn go_architecture(&self) -> &str {
        match self.machine.as_str() {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        }
    }
}

/// Members of a kernel list such as `0-2,4`; `None` when it is none.
pub(crate) fn list(text: &str) -> Option<BTreeSet<u32>> {
    /// More than any machine has; a range shall not fill the memory.
    const HIGHEST: u32 = 1 << 16;
    let mut members = BTreeSet::new();
    for part in text.trim().split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        if first > last || last > HIGHEST {
            return None;
        }
        members.extend(first..=last);
    }
    Some(members)
}

fn line(path: &str) -> Option<String> {
    fs::read_to_string(path)
        .ok()
        .map(|text| text.trim().to_owned())
}

fn memory_total() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kilobytes = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

fn version(release: &str) -> KernelVersion {
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(|it| it.parse().unwrap_or(0));
    KernelVersion {
        major: numbers.next().unwrap_or(0),
        minor: numbers.next().unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_lists_are_read_as_the_kernel_writes_them() {
        assert_eq!(list("0-2,4").expect("a list").len(), 4);
        assert!(list("x").is_none());
        assert!(list("3-1").is_none());
        assert!(list("0-4294967295").is_none());
    }

    #[test]
    fn a_kernel_release_has_two_numbers_that_matter() {
        let found = version("6.18.44-fc-v669");
        assert_eq!((found.major, found.minor), (6, 18));
    }
}
