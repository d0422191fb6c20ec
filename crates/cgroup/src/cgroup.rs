//! A container's control group: one directory in each hierarchy.

use crate::host::{Host, Mode};
use crate::{CgroupError, FreezerState, OomWatch, Stats};
use crate::{delete, file, freeze, oom, v1, v2};
use corten_oci::runtime::LinuxResources;
use rustix::fs::{Mode as FileMode, OFlags};
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

/// A control group. Dropping it leaves the kernel's groups as they are.
#[derive(Debug, Clone)]
pub struct Cgroup {
    /// Version 1: the directory in each hierarchy, with its controllers.
    pub(crate) v1: Vec<v1::Group>,
    /// Version 2: the mount point and the directory. On a hybrid host only where a
    /// limit was asked for whose controller stands there.
    pub(crate) v2: Option<v2::Group>,
}

/// How a new process comes into the group.
#[derive(Debug)]
pub enum JoinHandles {
    /// The child writes `0` to each of them before it does anything else, while it has
    /// one thread. They are `tasks` files, which move the writer without waiting for
    /// others, and on a hybrid host perhaps one `cgroup.procs`.
    Write(Vec<OwnedFd>),
    /// The child is cloned into this directory (clone3(2), `CLONE_INTO_CGROUP`).
    CloneInto(OwnedFd),
}

impl Cgroup {
    /// Makes the group `path` (absolute, from each hierarchy's root, like
    /// `/corten/<id>`) with its limits. Groups that exist already are taken over.
    pub fn create(path: &Path, resources: &LinuxResources) -> Result<Self, CgroupError> {
        Self::create_on(&Host::detect()?, path, resources)
    }

    /// As [`Cgroup::create`] for a host that was looked at before.
    pub fn create_on(
        host: &Host,
        path: &Path,
        resources: &LinuxResources,
    ) -> Result<Self, CgroupError> {
        let relative = relative(path)?;
        let with_v2 = match host.mode() {
            Mode::V1 => false,
            Mode::V2 => true,
            Mode::Hybrid => v2::is_needed_beside_v1(host, resources),
        };
        let group = Self::at(host, &relative, with_v2);
        let made = group
            .make(resources)
            .and_then(|()| group.apply(resources, true));
        if let Err(error) = made {
            // The failure that matters is the first; what stays is empty and harmless.
            let _removed = group.delete().is_ok();
            return Err(error);
        }
        Ok(group)
    }

    /// The group `path`, made before. Nothing is checked: a directory that is gone has
    /// no processes and no statistics.
    pub fn open(path: &Path) -> Result<Self, CgroupError> {
        let host = Host::detect()?;
        let relative = relative(path)?;
        let with_v2 = host
            .unified
            .as_ref()
            .is_some_and(|root| root.join(&relative).is_dir());
        Ok(Self::at(&host, &relative, with_v2))
    }

    fn at(host: &Host, relative: &Path, with_v2: bool) -> Self {
        let v1 = host
            .hierarchies
            .iter()
            .map(|hierarchy| v1::Group::at(hierarchy, relative));
        let v2 = host.unified.as_ref().filter(|_| with_v2);
        Self {
            v1: v1.collect(),
            v2: v2.map(|root| v2::Group::at(root, relative)),
        }
    }

    fn make(&self, resources: &LinuxResources) -> Result<(), CgroupError> {
        for group in &self.v1 {
            group.make()?;
        }
        self.v2
            .as_ref()
            .map_or(Ok(()), |group| group.make(resources))
    }

    /// Changes the limits; what `resources` does not mention stays as it is.
    pub fn update(&self, resources: &LinuxResources) -> Result<(), CgroupError> {
        self.apply(resources, false)
    }

    fn apply(&self, resources: &LinuxResources, fresh: bool) -> Result<(), CgroupError> {
        match &self.v2 {
            Some(group) if self.v1.is_empty() => v2::apply(group, resources),
            beside => v1::apply(&self.v1, beside.as_ref(), resources, fresh),
        }
    }

    /// What a child needs to join.
    pub fn join_handles(&self) -> Result<JoinHandles, CgroupError> {
        let open = |path: PathBuf, flags: OFlags| {
            rustix::fs::open(&path, flags | OFlags::CLOEXEC, FileMode::empty()).map_err(|errno| {
                CgroupError::Open {
                    path,
                    source: errno.into(),
                }
            })
        };
        if let (true, Some(group)) = (self.v1.is_empty(), &self.v2) {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY;
            return Ok(JoinHandles::CloneInto(open(
                group.directory.clone(),
                flags,
            )?));
        }
        let tasks = self.v1.iter().map(|group| group.directory.join("tasks"));
        let processes = self
            .v2
            .iter()
            .map(|group| group.directory.join("cgroup.procs"));
        let files = tasks
            .chain(processes)
            .map(|path| open(path, OFlags::WRONLY));
        Ok(JoinHandles::Write(files.collect::<Result<_, _>>()?))
    }

    /// What the group and all groups below it use.
    pub fn stats(&self) -> Result<Stats, CgroupError> {
        match &self.v2 {
            Some(group) if self.v1.is_empty() => v2::stats(&group.directory),
            beside => v1::stats(&self.v1, beside.as_ref()),
        }
    }

    /// Every process of the group and of all groups below it, in the caller's process
    /// ID namespace, ascending.
    pub fn pids(&self) -> Result<Vec<u32>, CgroupError> {
        let mut found = Vec::new();
        if let Some(directory) = self.process_directory() {
            for group in file::tree(directory) {
                found.extend(file::processes(&group)?);
            }
        }
        found.retain(|&pid| pid != 0);
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// Stops every process and waits until all stand still.
    pub fn freeze(&self) -> Result<(), CgroupError> {
        freeze::freeze(self)
    }

    /// Lets frozen processes go on.
    pub fn thaw(&self) -> Result<(), CgroupError> {
        freeze::thaw(self)
    }

    /// Whether the processes stand still.
    pub fn freezer_state(&self) -> Result<FreezerState, CgroupError> {
        freeze::state(self)
    }

    /// Sends `signal` to every process, also to those being forked meanwhile.
    pub fn kill_all(&self, signal: i32) -> Result<(), CgroupError> {
        delete::kill_all(self, signal)
    }

    /// Something to wait on for the kernel killing a process for lack of memory. `None`
    /// where the host has no memory controller.
    pub fn oom_watch(&self) -> Result<Option<OomWatch>, CgroupError> {
        oom::watch(self)
    }

    /// How many processes the kernel has killed for lack of memory so far.
    pub fn oom_kills(&self) -> Result<u64, CgroupError> {
        oom::kills(self)
    }

    /// Removes the group and all groups below it. Waits up to a second for processes
    /// that are just ending. Groups that are gone already are no failure; every
    /// hierarchy is tried, and the first failure told.
    pub fn delete(&self) -> Result<(), CgroupError> {
        delete::delete(self)
    }

    /// The directories of this group, one for each hierarchy.
    pub fn directories(&self) -> impl Iterator<Item = &Path> {
        let v1 = self.v1.iter().map(|group| group.directory.as_path());
        v1.chain(self.v2.iter().map(|group| group.directory.as_path()))
    }

    /// The directory in the hierarchy of a version 1 controller.
    pub(crate) fn v1_directory(&self, controller: &str) -> Option<&Path> {
        v1::find(&self.v1, controller)
    }

    /// A hierarchy in which all processes of the group are listed.
    fn process_directory(&self) -> Option<&Path> {
        let preferred = ["freezer", "pids", "name=systemd"];
        let v1 = preferred.iter().find_map(|name| self.v1_directory(name));
        v1.or_else(|| self.v1.first().map(|group| group.directory.as_path()))
            .or_else(|| self.v2.as_ref().map(|group| group.directory.as_path()))
    }
}

/// The path below a hierarchy's root.
fn relative(path: &Path) -> Result<PathBuf, CgroupError> {
    let invalid = || CgroupError::InvalidPath(path.to_owned());
    let rest = path.strip_prefix("/").map_err(|_| invalid())?;
    let plain = rest
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    if plain && !rest.as_os_str().is_empty() {
        Ok(rest.to_owned())
    } else {
        Err(invalid())
    }
}
