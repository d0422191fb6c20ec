//! The first process of a container that runs, held so that its number means nobody else.
//!
//! The kernel gives a number anew once the shim has waited for the process that had it, and
//! the daemon hears of that a moment later. So `/proc/PID` is opened first, which stays this
//! process's whatever becomes of the number, and then the shim is asked whether the process
//! was still its own. What is in there is found through the opened directory.

use crate::{Engine, Result, handle::Handle};
use corten_model::{ContainerId, HostConfig};
use corten_shim_proto::client::ShimError;
use rustix::fs::{Mode, OFlags, openat};
use std::{
    collections::BTreeMap,
    fs::File,
    io,
    os::fd::{AsRawFd, OwnedFd},
    path::PathBuf,
};

/// `/proc/PID` of a container's first process.
#[derive(Debug)]
pub(crate) struct FirstProcess(OwnedFd);

/// The containers whose namespaces a start joins, as far as they run.
pub(super) type Donors = BTreeMap<ContainerId, FirstProcess>;

impl FirstProcess {
    /// Its root directory, in its mount namespace.
    ///
    /// # Errors
    /// ENOENT when it has ended.
    pub(super) fn root(&self) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(openat(&self.0, "root", flags, Mode::empty())?)
    }

    /// Where the shim and the runtime, other processes, find what is in its directory.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        path_of(&self.0).join(name)
    }

    /// Its namespace of this kind, as proc_pid_ns(5) names them.
    ///
    /// # Errors
    /// ENOENT when it has ended.
    pub(crate) fn namespace(&self, kind: &str) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        Ok(openat(&self.0, format!("ns/{kind}"), flags, Mode::empty())?)
    }

    /// Links in its network namespace, proc_pid_net(5).
    ///
    /// # Errors
    /// ENOENT or EINVAL when it has ended.
    pub(super) fn links(&self) -> io::Result<Vec<String>> {
        let table = self.network_table("dev")?;
        let names = table.lines().filter_map(|line| line.split_once(':'));
        Ok(names.map(|(name, _)| name.trim().to_owned()).collect())
    }

    /// A table of its network namespace, proc_pid_net(5): `dev`, `tcp`.
    ///
    /// # Errors
    /// ENOENT or EINVAL when it has ended.
    pub(super) fn network_table(&self, name: &str) -> io::Result<String> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let table = openat(&self.0, format!("net/{name}"), flags, Mode::empty())?;
        io::read_to_string(File::from(table))
    }
}

impl Handle {
    /// The container's first process; `None` when it has none, or it has just ended.
    pub(crate) async fn first_process(&self) -> Result<Option<FirstProcess>> {
        let record = self.record();
        let Some(shim) = self.shim().filter(|_| record.state.has_process()) else {
            return Ok(None);
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let path = format!("/proc/{}", record.state.pid);
        let Ok(opened) = rustix::fs::open(path, flags, Mode::empty()) else {
            return Ok(None);
        };
        let state = match shim.state().await {
            Ok(state) => state,
            Err(ShimError::Gone { .. } | ShimError::Broken { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let is_its_own = state.exit.is_none() && state.pid == u32::try_from(record.state.pid).ok();
        Ok(is_its_own.then_some(FirstProcess(opened)))
    }
}

impl Engine {
    /// The containers whose namespaces one of these settings joins.
    pub(super) async fn donors(&self, host_config: &HostConfig) -> Result<Donors> {
        let modes = [
            &host_config.network_mode,
            &host_config.pid_mode,
            &host_config.ipc_mode,
        ];
        let mut donors = Donors::new();
        for name in modes.iter().filter_map(|it| it.strip_prefix("container:")) {
            // One that is not there is told of where it is joined.
            let Ok(handle) = self.table.find(name) else {
                continue;
            };
            if let Some(process) = handle.first_process().await? {
                donors.insert(handle.id, process);
            }
        }
        Ok(donors)
    }
}

/// Where another process, such as a shim, finds what this one has open.
pub(super) fn path_of(open: &OwnedFd) -> PathBuf {
    format!("/proc/{}/fd/{}", std::process::id(), open.as_raw_fd()).into()
}
