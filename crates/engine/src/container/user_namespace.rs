//! A container's user namespace: chosen at its creation, made or joined at its start.

use super::process::{Donors, path_of};
use crate::{
    Engine, EngineError, Result, messages,
    spec::security::SecurityOptions,
    users::{self, subordinate::HostIds},
};
use corten_model::{Container, HostConfig, IdMap};
use corten_network::Netns;
use corten_shim_proto::client::{Users, make_namespaces};
use std::{os::fd::OwnedFd, path::PathBuf, sync::Arc};

/// The first kernel on which overlay takes idmapped directories.
const KERNEL: (u32, u32) = (5, 19);

/// A user namespace for a container that is about to start, open until it has.
pub(super) struct UserNamespace {
    file: OwnedFd,
    /// A network namespace that belongs to it; `None`: the container joins another's.
    pub(super) network: Option<Netns>,
}

impl UserNamespace {
    /// Where the shim, another process, finds it.
    pub(super) fn path(&self) -> PathBuf {
        path_of(&self.file)
    }
}

impl Engine {
    /// Refuses what cannot go together with a user namespace, before anything is made.
    pub(super) fn check_users(&self, host_config: &HostConfig) -> Result<()> {
        let auto = match host_config.userns_mode.as_str() {
            "host" => return Ok(()),
            "" if self.config.userns_remap.is_none() => return Ok(()),
            "" => false,
            "auto" => true,
            other => return Err(EngineError::Invalid(messages::invalid_userns_mode(other))),
        };
        let joins = |mode: &str| mode.starts_with("container:");
        let joined = [
            &host_config.network_mode,
            &host_config.pid_mode,
            &host_config.ipc_mode,
        ];
        let sentence = if host_config.privileged {
            messages::users_privileged()
        } else if host_config.network_mode == "host" {
            messages::users_host_network()
        } else if host_config.pid_mode == "host" {
            messages::users_host_pid()
        } else if auto && joined.iter().any(|mode| joins(mode)) {
            messages::users_auto_joins()
        } else if !crate::RuntimeProgram::OWN.contains(&self.runtime_name(host_config).as_str()) {
            messages::users_external_runtime(self.runtime_name(host_config))
        } else if SecurityOptions::parse(host_config)?.writable_cgroups {
            messages::users_writable_cgroups()
        } else if self.kernel_release() < KERNEL {
            messages::users_old_kernel(&self.host.kernel_release)
        } else {
            return Ok(());
        };
        Err(EngineError::Invalid(sentence))
    }

    fn runtime_name(&self, host_config: &HostConfig) -> String {
        match host_config.runtime.as_str() {
            "" => self.live.get().default_runtime.clone(),
            name => name.to_owned(),
        }
    }

    fn kernel_release(&self) -> (u32, u32) {
        let mut numbers = self.host.kernel_release.split(['.', '-']);
        let mut number = || numbers.next().and_then(|it| it.parse().ok()).unwrap_or(0);
        (number(), number())
    }

    /// Which map a new container gets. Blocking.
    pub(super) fn choose_users(&self, record: &Container) -> Result<Option<IdMap>> {
        match record.host_config.userns_mode.as_str() {
            "host" => Ok(None),
            "auto" => {
                let range = self.user_ranges.take(record.id, &HostIds::read());
                let none = || EngineError::Failed(messages::users_no_range());
                range.map(Some).ok_or_else(none)
            }
            _ => Ok(self.config.userns_remap.clone()),
        }
    }

    /// Makes the container's user namespace, or opens the one of the container whose
    /// namespaces it shares: a namespace belongs to the user namespace it was made in.
    /// `None`: it has the host's. Blocking.
    pub(super) fn enter_users(
        &self,
        next: &mut Container,
        donors: &Donors,
    ) -> Result<Option<UserNamespace>> {
        let Some(map) = &next.id_map else {
            return Ok(None);
        };
        let Some((donor, file)) = self.donor(&next.host_config, donors)? else {
            return self.make_users(map).map(Some);
        };
        next.id_map.clone_from(&donor.id_map);
        if next.host_config.network_mode.starts_with("container:") {
            let network = None;
            return Ok(Some(UserNamespace { file, network }));
        }
        self.make_in(Users::Of(&path_of(&file))).map(Some)
    }

    /// A new user namespace with a network namespace of its own. Blocking.
    pub(super) fn make_users(&self, map: &IdMap) -> Result<UserNamespace> {
        let (uids, gids) = (users::mappings(&map.uids), users::mappings(&map.gids));
        self.make_in(Users::New {
            uids: &uids,
            gids: &gids,
        })
    }

    fn make_in(&self, users: Users<'_>) -> Result<UserNamespace> {
        let made = make_namespaces(&self.shim, users)?;
        let failed = |error: &dyn std::error::Error| {
            EngineError::Failed(messages::network_setup(corten_base::chain(error)))
        };
        let network = Netns::from_fd(made.network).map_err(|error| failed(&error))?;
        let up = network.route().loopback_up();
        up.map_err(|error| failed(&error))?;
        Ok(UserNamespace {
            file: made.users,
            network: Some(network),
        })
    }

    /// The running container whose namespaces are shared. Of several, all must be in one
    /// user namespace. One that is missing or does not run is told of where it is joined.
    fn donor(
        &self,
        host_config: &HostConfig,
        donors: &Donors,
    ) -> Result<Option<(Arc<Container>, OwnedFd)>> {
        let modes = [
            &host_config.network_mode,
            &host_config.pid_mode,
            &host_config.ipc_mode,
        ];
        let mut donor = None;
        for name in modes.iter().filter_map(|it| it.strip_prefix("container:")) {
            let Ok(found) = self.table.find(name) else {
                continue;
            };
            let found = found.record();
            let Some(process) = donors.get(&found.id) else {
                continue;
            };
            if found.id_map.is_none() {
                return Err(EngineError::Conflict(messages::users_of_host(name)));
            }
            let users = process.namespace("user").map_err(failed)?;
            match &donor {
                Some((_, first)) if !is_same(first, &users)? => {
                    return Err(EngineError::Conflict(messages::users_differ()));
                }
                Some(_) => {}
                None => donor = Some((found, users)),
            }
        }
        Ok(donor)
    }
}

fn is_same(one: &OwnedFd, other: &OwnedFd) -> Result<bool> {
    let inode = |namespace: &OwnedFd| {
        let found = rustix::fs::fstat(namespace).map_err(|errno| failed(errno.into()))?;
        Ok::<_, EngineError>((found.st_dev, found.st_ino))
    };
    Ok(inode(one)? == inode(other)?)
}

fn failed(source: std::io::Error) -> EngineError {
    EngineError::File {
        operation: "opening",
        path: "a user namespace".into(),
        source,
    }
}
