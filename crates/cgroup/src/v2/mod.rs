//! Version 2: one directory, in one hierarchy.
//!
//! Documentation: the kernel's admin-guide/cgroup-v2.rst.

mod apply;
mod device;
mod stats;

pub(crate) use apply::{apply, apply_beside_v1};
pub(crate) use stats::{hugepage_sizes, hugepages, rdma, stats};

use crate::host::Host;
use crate::{CgroupError, file, v1};
use corten_oci::runtime::LinuxResources;
use rustix::io::Errno;
use std::io;
use std::path::{Path, PathBuf};

/// The group's directory.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    root: PathBuf,
    pub(crate) directory: PathBuf,
}

impl Group {
    pub(crate) fn at(root: &Path, relative: &Path) -> Self {
        Self {
            root: root.to_owned(),
            directory: root.join(relative),
        }
    }

    /// Makes the directory and its parents, and has every parent hand its controllers
    /// down: cgroup-v2.rst § Controlling Controllers.
    pub(crate) fn make(&self, _resources: &LinuxResources) -> Result<(), CgroupError> {
        v1::make_directory(&self.directory)?;
        let mut parents: Vec<&Path> = self.directory.ancestors().skip(1).collect();
        parents.retain(|parent| parent.starts_with(&self.root));
        for parent in parents.into_iter().rev() {
            hand_down(parent)?;
        }
        Ok(())
    }

    /// Whether the kernel has put the controller into this directory.
    fn has(&self, controller: &str) -> bool {
        std::fs::read_to_string(self.directory.join("cgroup.controllers"))
            .is_ok_and(|text| text.split_whitespace().any(|known| known == controller))
    }
}

/// Enables what `parent` has for its children. A controller that cannot be enabled (a
/// real-time process for cpu, a parent with processes in it) is left out: it is an error
/// only when a limit needs it, and then at that limit.
fn hand_down(parent: &Path) -> Result<(), CgroupError> {
    let has = file::read(parent, "cgroup.controllers")?;
    let given = file::read(parent, "cgroup.subtree_control")?;
    let given: Vec<&str> = given.split_whitespace().collect();
    let missing: Vec<String> = has
        .split_whitespace()
        .filter(|name| !given.contains(name))
        .map(|name| format!("+{name}"))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let path = parent.join("cgroup.subtree_control");
    if file::write_raw(&path, &missing.join(" ")).is_ok() {
        return Ok(());
    }
    let forbidden = |error: &io::Error| {
        let errno = Errno::from_io_error(error);
        matches!(errno, Some(Errno::ROFS | Errno::ACCESS | Errno::PERM))
    };
    for name in missing {
        match file::write_raw(&path, &name) {
            Err(source) if forbidden(&source) => {
                return Err(CgroupError::Write {
                    path,
                    value: name,
                    source,
                });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether, on a hybrid host, a limit needs a controller that stands in version 2.
pub(crate) fn is_needed_beside_v1(host: &Host, resources: &LinuxResources) -> bool {
    let here = |name: &str| {
        host.controller(name).is_none() && host.unified_controllers().iter().any(|n| n == name)
    };
    !resources.unified.is_empty()
        || (!resources.hugepage_limits.is_empty() && here("hugetlb"))
        || (!resources.rdma.is_empty() && here("rdma"))
}
