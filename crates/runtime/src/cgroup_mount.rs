//! Mounts of type `cgroup`: the container's own groups at `/sys/fs/cgroup`, as the host
//! has them (v1 and hybrid: a directory of hierarchies; v2: the one hierarchy).

use crate::mounts::PlannedMount;
use crate::plan::Plan;
use corten_sys::mount::{self, Attributes, NODEV, NOEXEC, NOSUID, Parameter, RDONLY};
use corten_sys::root::Root;
use rustix::fs::{Mode, OFlags, mkdirat, openat, symlinkat};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

const PROTECTED: u64 = NOSUID | NODEV | NOEXEC;
/// Of /proc/self/cgroup and of /proc/self/mountinfo, bytes.
const READ_LIMIT: u64 = 1 << 20;

/// A line of `/proc/self/cgroup`: `5:devices:/group`.
struct Group {
    /// Controllers, or `name=…`; empty for v2.
    controllers: String,
    path: String,
}

pub(crate) fn make(plan: &Plan<'_>, root: &Root, entry: &PlannedMount) -> io::Result<()> {
    let target = root.create_directories(&entry.destination, Mode::from_raw_mode(0o755))?;
    let attributes = PROTECTED | (entry.options.set & RDONLY);
    let groups = own_groups(plan)?;
    let own = plan.linux.namespace("cgroup").is_some();
    let tree = match groups.as_slice() {
        [only] if only.controllers.is_empty() => unified(plan, only, attributes, own)?,
        _ => hierarchies(plan, &groups, attributes, own)?,
    };
    if let Some((propagation, recursive)) = entry.options.propagation {
        let change = Attributes {
            propagation,
            recursive,
            ..Default::default()
        };
        mount::set_attributes(tree.as_fd(), change)?;
    }
    mount::attach(tree.as_fd(), target.as_fd())?;
    if groups.iter().any(|group| !group.controllers.is_empty()) {
        // Mounting below a tree that is not attached needs Linux 6.15, so now.
        let top = root.open_file(&entry.destination, OFlags::PATH, Mode::empty())?;
        for group in &groups {
            attach_group(plan, &top, group, attributes, own)?;
        }
        let change = Attributes {
            set: attributes,
            ..Default::default()
        };
        mount::set_attributes(tree.as_fd(), change)?;
    }
    Ok(())
}

fn own_groups(plan: &Plan<'_>) -> io::Result<Vec<Group>> {
    let text = plan.procfs.read("self/cgroup", READ_LIMIT)?;
    let text = String::from_utf8_lossy(&text);
    let line = |line: &str| {
        let mut parts = line.splitn(3, ':').skip(1);
        Some(Group {
            controllers: parts.next()?.to_owned(),
            path: parts.next()?.to_owned(),
        })
    };
    Ok(text.lines().filter_map(line).collect())
}

/// cgroup v2 alone.
fn unified(plan: &Plan<'_>, group: &Group, attributes: u64, own: bool) -> io::Result<OwnedFd> {
    if own {
        new("cgroup2", &[], attributes)
    } else {
        bind(plan, group, attributes)
    }
}

/// The directory for the hierarchies of v1.
fn hierarchies(_: &Plan<'_>, groups: &[Group], attributes: u64, _: bool) -> io::Result<OwnedFd> {
    let mode = Parameter::Text("mode".to_owned(), "755".to_owned());
    let tree = mount::new_filesystem(
        "tmpfs",
        Some(Path::new("tmpfs")),
        &[mode],
        attributes & !RDONLY,
    )?;
    for group in groups.iter().filter(|group| !group.controllers.is_empty()) {
        let name = directory_name(group);
        mkdirat(&tree, name, Mode::from_raw_mode(0o755))?;
        // cpu and cpuacct in one hierarchy are also found by each name.
        if name.contains(',') {
            for single in name.split(',') {
                symlinkat(name, &tree, single)?;
            }
        }
    }
    Ok(tree)
}

fn directory_name(group: &Group) -> &str {
    group
        .controllers
        .strip_prefix("name=")
        .unwrap_or(&group.controllers)
}

fn attach_group(
    plan: &Plan<'_>,
    top: &OwnedFd,
    group: &Group,
    attributes: u64,
    own: bool,
) -> io::Result<()> {
    if group.controllers.is_empty() {
        return Ok(());
    }
    let tree = if own {
        let mut parameters = Vec::new();
        for word in group.controllers.split(',') {
            parameters.push(match word.split_once('=') {
                Some((key, value)) => Parameter::Text(key.to_owned(), value.to_owned()),
                None => Parameter::Flag(word.to_owned()),
            });
        }
        if group.controllers.starts_with("name=") {
            parameters.push(Parameter::Flag("none".to_owned()));
        }
        new("cgroup", &parameters, attributes)?
    } else {
        bind(plan, group, attributes)?
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let target = openat(top, directory_name(group), flags, Mode::empty())?;
    mount::attach(tree.as_fd(), target.as_fd())
}

fn new(kind: &str, parameters: &[Parameter], attributes: u64) -> io::Result<OwnedFd> {
    mount::new_filesystem(kind, Some(Path::new("cgroup")), parameters, attributes)
}

/// Without a cgroup namespace: the group's directory where the host has it.
fn bind(plan: &Plan<'_>, group: &Group, attributes: u64) -> io::Result<OwnedFd> {
    let mounted = host_mount_point(plan, &group.controllers)?;
    let tree = mount::clone_tree(&mounted.join(group.path.trim_start_matches('/')), false)?;
    let change = Attributes {
        set: attributes,
        propagation: libc::MS_PRIVATE,
        ..Default::default()
    };
    mount::set_attributes(tree.as_fd(), change)?;
    Ok(tree)
}

/// Where the host has the hierarchy of `controllers`, see proc_pid_mountinfo(5).
fn host_mount_point(plan: &Plan<'_>, controllers: &str) -> io::Result<PathBuf> {
    let text = plan.procfs.read("self/mountinfo", READ_LIMIT)?;
    let text = String::from_utf8_lossy(&text);
    let kind = if controllers.is_empty() {
        "cgroup2"
    } else {
        "cgroup"
    };
    text.lines()
        .find_map(|line| {
            let (mount, filesystem) = line.split_once(" - ")?;
            let mut filesystem = filesystem.split(' ');
            let fits = filesystem.next()? == kind
                && filesystem.nth(1).is_some_and(|options| {
                    controllers.is_empty()
                        || controllers
                            .split(',')
                            .all(|word| options.split(',').any(|option| option == word))
                });
            fits.then(|| mount.split(' ').nth(4).map(PathBuf::from))
                .flatten()
        })
        .ok_or_else(|| io::Error::from_raw_os_error(libc::ENOENT))
}
