//! Which hierarchies this machine has mounted, and where.

use crate::CgroupError;
use std::path::{Path, PathBuf};

/// How control groups are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Version 1 hierarchies only.
    V1,
    /// Version 2 only.
    V2,
    /// Version 1 with a version 2 hierarchy beside it.
    Hybrid,
}

/// One version 1 hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    /// Where it is mounted.
    pub mount_point: PathBuf,
    /// Its controllers, such as `cpu` and `cpuacct`; `name=systemd` for a named one.
    pub controllers: Vec<String>,
}

/// The machine's hierarchies.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Host {
    /// Version 1, in the order in which they were mounted.
    pub hierarchies: Vec<Hierarchy>,
    /// Where version 2 is mounted.
    pub unified: Option<PathBuf>,
}

impl Host {
    /// Reads the mount table of the calling process.
    pub fn detect() -> Result<Self, CgroupError> {
        let table =
            std::fs::read_to_string("/proc/self/mountinfo").map_err(CgroupError::MountTable)?;
        let host = Self::parse(&table);
        if host.hierarchies.is_empty() && host.unified.is_none() {
            return Err(CgroupError::NotMounted);
        }
        Ok(host)
    }

    /// The layout.
    pub fn mode(&self) -> Mode {
        match (self.hierarchies.is_empty(), &self.unified) {
            (true, _) => Mode::V2,
            (false, None) => Mode::V1,
            (false, Some(_)) => Mode::Hybrid,
        }
    }

    /// The mount point of a version 1 controller.
    pub fn controller(&self, name: &str) -> Option<&Path> {
        self.hierarchies
            .iter()
            .find(|hierarchy| hierarchy.controllers.iter().any(|known| known == name))
            .map(|hierarchy| hierarchy.mount_point.as_path())
    }

    /// The controllers that the version 2 hierarchy offers at its root.
    pub fn unified_controllers(&self) -> Vec<String> {
        let Some(root) = &self.unified else {
            return Vec::new();
        };
        let text = std::fs::read_to_string(root.join("cgroup.controllers")).unwrap_or_default();
        text.split_whitespace().map(str::to_owned).collect()
    }

    // proc_pid_mountinfo(5): fields before " - " (the fifth is the mount point), then
    // type, source and the super block's options, which name the controllers.
    fn parse(table: &str) -> Self {
        let mut host = Self::default();
        for line in table.lines() {
            let Some((mount, super_block)) = line.split_once(" - ") else {
                continue;
            };
            let Some(mount_point) = mount.split(' ').nth(4) else {
                continue;
            };
            let mut fields = super_block.split(' ');
            let (kind, options) = (fields.next(), fields.nth(1).unwrap_or_default());
            let mount_point = PathBuf::from(unescape(mount_point));
            match kind {
                Some("cgroup2") if host.unified.is_none() => host.unified = Some(mount_point),
                Some("cgroup") => {
                    let controllers: Vec<String> = options
                        .split(',')
                        .filter(|option| is_controller(option))
                        .map(str::to_owned)
                        .collect();
                    // A hierarchy may be mounted twice; one place is enough.
                    if host
                        .hierarchies
                        .iter()
                        .all(|known| known.controllers != controllers)
                    {
                        host.hierarchies.push(Hierarchy {
                            mount_point,
                            controllers,
                        });
                    }
                }
                _ => {}
            }
        }
        host
    }
}

/// Options of a cgroup super block that are no controllers (cgroups(7) and
/// kernel/cgroup/cgroup-v1.c).
fn is_controller(option: &str) -> bool {
    let others = [
        "rw",
        "ro",
        "noprefix",
        "xattr",
        "clone_children",
        "cpuset_v2_mode",
        "none",
    ];
    !others.contains(&option) && !option.starts_with("release_agent=") && !option.is_empty()
}

/// Octal escapes of the mount table: space, tab, newline, backslash.
fn unescape(text: &str) -> String {
    text.replace("\\040", " ")
        .replace("\\011", "\t")
        .replace("\\012", "\n")
        .replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hybrid_host_is_recognised() {
        let host = Host::parse(
            "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n\
             32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
             40 31 0:37 / /sys/fs/cgroup/systemd rw shared:9 - cgroup cgroup rw,xattr,name=systemd\n\
             41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n",
        );
        assert_eq!(host.mode(), Mode::Hybrid);
        assert_eq!(
            host.controller("cpuacct"),
            Some(Path::new("/sys/fs/cgroup/cpu,cpuacct"))
        );
        assert_eq!(
            host.controller("name=systemd"),
            Some(Path::new("/sys/fs/cgroup/systemd"))
        );
        assert_eq!(host.controller("memory"), None);
    }

    #[test]
    fn a_host_with_version_two_only_is_recognised() {
        let host = Host::parse(
            "25 22 0:23 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n",
        );
        assert_eq!(host.mode(), Mode::V2);
        assert_eq!(host.unified.as_deref(), Some(Path::new("/sys/fs/cgroup")));
    }
}
