//! What a request leaves open is filled in when a container is created.

use crate::{Engine, EngineError, Result, messages, spec::security};
use corten_logs::options;
use corten_model::{ContainerId, HostConfig};

impl Engine {
    /// Containers whose namespaces shall be joined are there (a network's is looked for at
    /// the start only, as dockerd does).
    pub(super) fn check_joined(&self, host_config: &HostConfig) -> Result<()> {
        for mode in [&host_config.pid_mode, &host_config.ipc_mode] {
            if let Some(name) = mode.strip_prefix("container:")
                && self.table.find(name).is_err()
            {
                return Err(EngineError::Invalid(messages::no_such_container(name)));
            }
        }
        Ok(())
    }

    /// Docker's defaults, which `inspect` shows from the creation on.
    pub(super) fn fill_in(&self, host_config: &mut HostConfig) -> Result<()> {
        let text = |list: &[&str]| Some(list.iter().map(|it| (*it).to_owned()).collect());
        if matches!(host_config.network_mode.as_str(), "" | "default") {
            // `--bridge none` turns container networking off, where nothing else is asked.
            let has_bridge = self.config.network.bridge != "none";
            host_config.network_mode = if has_bridge { "bridge" } else { "none" }.into();
        }
        if host_config.ipc_mode.is_empty() {
            host_config.ipc_mode = self.config.default_ipc_mode.clone();
        }
        if host_config.cgroupns_mode.is_empty() {
            // moby: with version 2 privileged containers have a namespace of their own, too.
            let private = match self.config.default_cgroupns_mode.as_str() {
                _ if host_config.privileged && !self.host.cgroup_v2 => false,
                "" => self.host.cgroup_v2,
                mode => mode == "private",
            };
            host_config.cgroupns_mode = if private { "private" } else { "host" }.into();
        }
        if host_config.shm_size == 0 {
            host_config.shm_size = self.config.default_shm_size;
        }
        if host_config.runtime.is_empty() {
            host_config.runtime = self.live.get().default_runtime.clone();
        }
        if host_config.privileged {
            host_config.masked_paths = None;
            host_config.readonly_paths = None;
        } else {
            host_config.masked_paths = host_config
                .masked_paths
                .take()
                .or_else(|| text(&security::MASKED_PATHS));
            host_config.readonly_paths = host_config
                .readonly_paths
                .take()
                .or_else(|| text(&security::READONLY_PATHS));
        }
        let unconfined = host_config.privileged
            || host_config.pid_mode == "host"
            || host_config.ipc_mode == "host";
        if unconfined && host_config.security_opt.is_none() {
            host_config.security_opt = text(&["label=disable"]);
        }
        let resources = &mut host_config.resources;
        if resources.memory > 0 && resources.memory_swap == 0 {
            resources.memory_swap = resources.memory.saturating_mul(2);
        }
        if resources.pids_limit.is_some_and(|limit| limit <= 0) {
            resources.pids_limit = None;
        }
        if resources.oom_kill_disable.is_none() && self.host.oom_kill_disable {
            resources.oom_kill_disable = Some(false);
        }
        self.fill_in_log(host_config)
    }

    fn fill_in_log(&self, host_config: &mut HostConfig) -> Result<()> {
        let log = &mut host_config.log_config;
        if log.driver.is_empty() {
            log.driver = self.config.log_driver.clone();
        }
        if log.driver == self.config.log_driver {
            for (name, value) in &self.config.log_options {
                log.options
                    .entry(name.clone())
                    .or_insert_with(|| value.clone());
            }
        }
        match options::parse(&log.driver, &log.options) {
            Ok(_) => Ok(()),
            // Docker finds these at the start only.
            Err(error) if !error.at_create() => Ok(()),
            Err(error) => Err(EngineError::LogOptions(error)),
        }
    }

    /// The host's name in the host's namespace, else the short ID.
    pub(super) fn default_hostname(&self, host_config: &HostConfig, id: ContainerId) -> String {
        if host_config.network_mode == "host" {
            return rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned();
        }
        if let Some(other) = host_config.network_mode.strip_prefix("container:")
            && let Ok(other) = self.table.find(other)
        {
            return other.record().config.hostname.clone();
        }
        id.short()
    }
}
