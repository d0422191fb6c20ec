//! Devices of the host in a container.

use crate::{EngineError, Result, messages};
use corten_model::DeviceMapping;
use corten_oci::runtime::{DeviceRule, LinuxDevice};
use rustix::fs::{FileType, major, minor, stat};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Directories below /dev that a privileged container gets from its own mounts.
const OWN: [&str; 9] = [
    "pts",
    "shm",
    "fd",
    "mqueue",
    "console",
    ".lxc",
    ".lxd-mounts",
    ".udev",
    "ptmx",
];

/// /dev is shallow; a link that leads upwards shall not be followed for ever.
const MAX_DEPTH: usize = 8;

/// A device node and what may be done with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostDevice {
    node: LinuxDevice,
    access: String,
    /// Where the host has it.
    source: PathBuf,
}

impl HostDevice {
    pub(super) fn node(&self) -> LinuxDevice {
        self.node.clone()
    }

    pub(super) fn path(&self) -> &Path {
        &self.node.path
    }

    pub(super) fn source(&self) -> &Path {
        &self.source
    }

    /// The container has it by another name than the host.
    pub(super) fn is_renamed(&self) -> bool {
        self.source != self.node.path
    }

    pub(super) fn rule(&self) -> DeviceRule {
        DeviceRule {
            allow: true,
            kind: self.node.kind.clone(),
            major: Some(self.node.major),
            minor: Some(self.node.minor),
            access: self.access.clone(),
        }
    }
}

/// What runc allows every container, before the rules of the container itself
/// (runc: `AllowedDevices`, docker: `DefaultLinuxSpec`).
pub(super) fn default_rules() -> Vec<DeviceRule> {
    let rule = |kind: &str, major, minor, access: &str| DeviceRule {
        allow: true,
        kind: kind.into(),
        major,
        minor,
        access: access.into(),
    };
    let mut rules = vec![DeviceRule {
        allow: false,
        access: "rwm".into(),
        ..DeviceRule::default()
    }];
    rules.push(rule("c", None, None, "m"));
    rules.push(rule("b", None, None, "m"));
    // null, zero, full, tty, urandom, random.
    for (major, minor) in [(1, 3), (1, 5), (1, 7), (5, 0), (1, 9), (1, 8)] {
        rules.push(rule("c", Some(major), Some(minor), "rwm"));
    }
    // console, every pts, ptmx.
    rules.push(rule("c", Some(5), Some(1), "rwm"));
    rules.push(rule("c", Some(136), None, "rwm"));
    rules.push(rule("c", Some(5), Some(2), "rwm"));
    rules
}

/// Looks at the devices that were asked for. A directory stands for all devices in it.
pub(crate) fn gather(mappings: &[DeviceMapping]) -> Result<Vec<HostDevice>> {
    let mut list = Vec::new();
    for mapping in mappings {
        let source = Path::new(&mapping.path_on_host);
        let target = match mapping.path_in_container.as_str() {
            "" => source,
            path => Path::new(path),
        };
        let access = match mapping.cgroup_permissions.as_str() {
            "" => "rwm",
            access => access,
        };
        let missing = |reason: &str| {
            EngineError::Failed(messages::device_missing(&mapping.path_on_host, reason))
        };
        match device(source, target, access) {
            Ok(Some(device)) => list.push(device),
            Ok(None) if source.is_dir() => {
                let before = list.len();
                walk(source, target, access, 0, &mut list);
                if list.len() == before {
                    return Err(missing("not a device node"));
                }
            }
            Ok(None) => return Err(missing("not a device node")),
            Err(rustix::io::Errno::NOENT) => return Err(missing("no such file or directory")),
            Err(errno) => return Err(missing(&errno.to_string())),
        }
    }
    Ok(list)
}

/// Every device of the host, for privileged containers.
pub(crate) fn gather_all() -> Vec<HostDevice> {
    let mut list = Vec::new();
    walk(Path::new("/dev"), Path::new("/dev"), "rwm", 0, &mut list);
    list
}

/// Major and minor number of a block device.
pub(crate) fn block_device(path: &str) -> Result<(i64, i64)> {
    let found = stat(path).map_err(|errno| {
        let reason = corten_base::errno_text(&errno.into());
        EngineError::Invalid(messages::stat_failed(path, reason))
    })?;
    Ok((major(found.st_rdev).into(), minor(found.st_rdev).into()))
}

fn walk(source: &Path, target: &Path, access: &str, depth: usize, list: &mut Vec<HostDevice>) {
    let Ok(entries) = fs::read_dir(source) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        if depth == 0 && OWN.iter().any(|own| name == *own) {
            continue;
        }
        let (source, target) = (entry.path(), target.join(&name));
        if kind.is_dir() && depth < MAX_DEPTH {
            walk(&source, &target, access, depth + 1, list);
        } else if !kind.is_symlink()
            && let Ok(Some(device)) = device(&source, &target, access)
        {
            list.push(device);
        }
    }
}

fn device(source: &Path, target: &Path, access: &str) -> rustix::io::Result<Option<HostDevice>> {
    let found = stat(source)?;
    let kind = match FileType::from_raw_mode(found.st_mode) {
        FileType::CharacterDevice => "c",
        FileType::BlockDevice => "b",
        _ => return Ok(None),
    };
    let node = LinuxDevice {
        path: PathBuf::from(target),
        kind: kind.into(),
        major: major(found.st_rdev).into(),
        minor: minor(found.st_rdev).into(),
        file_mode: Some(found.st_mode & 0o7777),
        uid: Some(found.st_uid),
        gid: Some(found.st_gid),
    };
    Ok(Some(HostDevice {
        node,
        access: access.to_owned(),
        source: source.to_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_device_is_named() {
        let mapping = DeviceMapping {
            path_on_host: "/dev/nono".into(),
            ..DeviceMapping::default()
        };
        assert_eq!(
            gather(&[mapping]).expect_err("is missing").to_string(),
            "error gathering device information while adding custom device \"/dev/nono\": no such file or directory"
        );
    }

    #[test]
    fn a_device_keeps_its_numbers_under_another_name() {
        let mapping = DeviceMapping {
            path_on_host: "/dev/null".into(),
            path_in_container: "/dev/nothing".into(),
            cgroup_permissions: "r".into(),
        };
        let list = gather(&[mapping]).expect("is there");
        let rule = list[0].rule();
        assert_eq!(
            (rule.major, rule.minor, rule.access.as_str()),
            (Some(1), Some(3), "r")
        );
        assert_eq!(list[0].node().path, Path::new("/dev/nothing"));
    }
}
