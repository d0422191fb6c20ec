//! Version 1: one directory in each hierarchy.
//!
//! Documentation: the kernel's admin-guide/cgroup-v1/.

mod block_io;
mod cpu;
mod device;
mod memory;
mod other;
mod stats;

pub(crate) use other::{pids_limit, rdma_line};
pub(crate) use stats::stats;

use crate::host::Hierarchy;
use crate::{CgroupError, file, v2};
use corten_oci::runtime::LinuxResources;
use rustix::fs::Mode;
use rustix::io::Errno;
use std::path::{Path, PathBuf};

/// The directory of a group in one hierarchy.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    /// The hierarchy's root.
    pub(crate) root: PathBuf,
    /// The group.
    pub(crate) directory: PathBuf,
    /// The hierarchy's controllers.
    pub(crate) controllers: Vec<String>,
}

impl Group {
    pub(crate) fn at(hierarchy: &Hierarchy, relative: &Path) -> Self {
        Self {
            root: hierarchy.mount_point.clone(),
            directory: hierarchy.mount_point.join(relative),
            controllers: hierarchy.controllers.clone(),
        }
    }

    /// Makes the directory and its parents.
    pub(crate) fn make(&self) -> Result<(), CgroupError> {
        make_directory(&self.directory)?;
        if self.controllers.iter().any(|name| name == "cpuset") {
            cpu::inherit_cpuset(&self.root, &self.directory)?;
        }
        Ok(())
    }
}

/// Makes a group and the groups above it that are missing.
pub(crate) fn make_directory(directory: &Path) -> Result<(), CgroupError> {
    match rustix::fs::mkdir(directory, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => return Ok(()),
        Err(Errno::NOENT) => {}
        Err(errno) => return Err(create_failed(directory, errno)),
    }
    match directory.parent() {
        Some(parent) if parent != directory => make_directory(parent)?,
        _ => return Err(create_failed(directory, Errno::NOENT)),
    }
    match rustix::fs::mkdir(directory, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(create_failed(directory, errno)),
    }
}

fn create_failed(directory: &Path, errno: Errno) -> CgroupError {
    CgroupError::Create {
        path: directory.to_owned(),
        source: errno.into(),
    }
}

/// The group in the hierarchy of `controller`.
pub(crate) fn find<'a>(groups: &'a [Group], controller: &str) -> Option<&'a Path> {
    groups
        .iter()
        .find(|group| group.controllers.iter().any(|known| known == controller))
        .map(|group| group.directory.as_path())
}

/// One controller's directory, for limits that were asked for.
#[derive(Clone, Copy)]
pub(crate) struct Controller<'a> {
    name: &'static str,
    directory: Option<&'a Path>,
}

impl<'a> Controller<'a> {
    fn find(groups: &'a [Group], name: &'static str) -> Self {
        Self {
            name,
            directory: find(groups, name),
        }
    }

    /// The directory, or the error that says which limit cannot be set without it.
    fn require(&self, limit: &'static str) -> Result<&'a Path, CgroupError> {
        let missing = CgroupError::MissingController {
            controller: self.name,
            limit,
        };
        self.directory.ok_or(missing)
    }

    fn write(
        &self,
        limit: &'static str,
        name: &str,
        value: impl ToString,
    ) -> Result<(), CgroupError> {
        file::write(self.require(limit)?, name, &value.to_string())
    }

    fn write_some(
        &self,
        limit: &'static str,
        name: &str,
        value: Option<impl ToString>,
    ) -> Result<(), CgroupError> {
        value.map_or(Ok(()), |value| self.write(limit, name, value))
    }
}

/// Sets what `resources` mentions. `fresh`: nobody is in the group yet.
pub(crate) fn apply(
    groups: &[Group],
    beside: Option<&v2::Group>,
    resources: &LinuxResources,
    fresh: bool,
) -> Result<(), CgroupError> {
    device::apply(
        Controller::find(groups, "devices"),
        &resources.devices,
        fresh,
    )?;
    if let Some(memory) = &resources.memory {
        memory::apply(Controller::find(groups, "memory"), memory)?;
    }
    if let Some(cpu) = &resources.cpu {
        cpu::apply(Controller::find(groups, "cpu"), cpu)?;
        cpu::apply_cpuset(Controller::find(groups, "cpuset"), cpu)?;
    }
    if let Some(pids) = resources.pids {
        other::pids(Controller::find(groups, "pids"), pids)?;
    }
    if let Some(block_io) = &resources.block_io {
        block_io::apply(Controller::find(groups, "blkio"), block_io)?;
    }
    if let Some(network) = &resources.network {
        other::network(groups, network)?;
    }
    let hugetlb = Controller::find(groups, "hugetlb");
    let rdma = Controller::find(groups, "rdma");
    // On a hybrid host these may stand in the version 2 hierarchy.
    match beside {
        Some(group) => v2::apply_beside_v1(group, resources, hugetlb.directory, rdma.directory)?,
        None if resources.unified.is_empty() => {}
        None => {
            let (controller, limit) = ("unified (version 2)", "unified");
            return Err(CgroupError::MissingController { controller, limit });
        }
    }
    if beside.is_none() || hugetlb.directory.is_some() {
        other::hugepages(hugetlb, &resources.hugepage_limits)?;
    }
    if beside.is_none() || rdma.directory.is_some() {
        other::rdma(rdma, &resources.rdma)?;
    }
    Ok(())
}
