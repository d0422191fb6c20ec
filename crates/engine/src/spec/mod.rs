//! A container and its image as an OCI runtime specification: a pure function.
//!
//! The defaults are dockerd's (moby: `oci/defaults.go`, `daemon/oci_linux.go`).
//! Specification: <https://github.com/opencontainers/runtime-spec/blob/v1.2.0/config-linux.md>

pub(crate) mod capabilities;
pub(crate) mod devices;
pub(crate) mod mounts;
pub(crate) mod process;
pub(crate) mod resources;
pub(crate) mod security;

use crate::{EngineConfig, EngineError, Result, messages, users};
use corten_model::Container;
use corten_oci::runtime::{Linux, Namespace, SPEC_VERSION, Spec};
use corten_seccomp::KernelVersion;
use devices::HostDevice;
use security::SecurityOptions;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Files that the engine writes for a container; `None`: the image's own is used.
#[derive(Debug, Clone, Default)]
pub(crate) struct ContainerFiles {
    pub(crate) resolv_conf: Option<PathBuf>,
    pub(crate) hostname: Option<PathBuf>,
    pub(crate) hosts: Option<PathBuf>,
}

/// Whose network namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NetworkNamespace {
    /// The host's.
    Host,
    /// One that is handed over as a descriptor: its own, or another container's.
    Given,
}

/// Whose IPC namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum IpcNamespace {
    /// An own one without /dev/shm.
    None,
    /// An own one.
    Own,
    /// The host's.
    Host,
    /// Another container's.
    Of {
        /// The namespace's file.
        path: PathBuf,
        /// What that container has at /dev/shm.
        shared_memory: PathBuf,
    },
}

/// Whose process ID namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PidNamespace {
    /// An own one.
    Own,
    /// The host's.
    Host,
    /// Another container's: the namespace's file.
    Of(PathBuf),
}

/// The directories of mounted images, the uppermost first, by where they are mounted.
pub(crate) type ImageLayers = BTreeMap<PathBuf, Vec<PathBuf>>;

/// Everything that a specification is made of.
pub(crate) struct SpecInput<'a> {
    pub(crate) container: &'a Container,
    /// The file of its user namespace, whose maps its record has; `None`: the host's.
    pub(crate) users: Option<&'a Path>,
    pub(crate) settings: &'a EngineConfig,
    pub(crate) kernel: KernelVersion,
    pub(crate) files: &'a ContainerFiles,
    pub(crate) devices: &'a [HostDevice],
    pub(crate) network: NetworkNamespace,
    /// The namespace is shared with another container: its sysctls are not ours.
    pub(crate) network_is_shared: bool,
    pub(crate) ipc: IpcNamespace,
    pub(crate) pid: PidNamespace,
    /// The program that becomes PID 1 before the container's own.
    pub(crate) init: Option<&'a Path>,
    pub(crate) images: &'a ImageLayers,
    pub(crate) block_device: &'a dyn Fn(&str) -> Result<(i64, i64)>,
}

/// The specification of a container.
pub(crate) fn runtime_spec(input: &SpecInput<'_>) -> Result<Spec> {
    let container = input.container;
    let host_config = &container.host_config;
    let options = SecurityOptions::parse(host_config)?;
    let capabilities = capabilities::of(host_config)?;
    let no_new_privileges = options
        .no_new_privileges
        .unwrap_or(input.settings.no_new_privileges);
    let seccomp = security::seccomp(
        host_config,
        &options,
        input.settings,
        &capabilities,
        input.kernel,
    )?;
    let paths = |list: &Option<Vec<String>>| match (host_config.privileged, list) {
        (false, Some(list)) => list.iter().map(PathBuf::from).collect(),
        _ => Vec::new(),
    };
    let id_map = input.users.and(container.id_map.as_ref());
    let linux = Linux {
        sysctl: sysctls(input)?,
        resources: Some(resources::resources(
            &host_config.resources,
            host_config.privileged,
            input.devices,
            input.block_device,
        )?),
        cgroups_path: cgroup_path(container, input.settings),
        namespaces: namespaces(input),
        uid_mappings: id_map.map_or_else(Vec::new, |map| users::mappings(&map.uids)),
        gid_mappings: id_map.map_or_else(Vec::new, |map| users::mappings(&map.gids)),
        devices: input
            .devices
            .iter()
            .filter(|it| input.users.is_none() || !it.is_renamed())
            .map(HostDevice::node)
            .collect(),
        seccomp,
        rootfs_propagation: String::new(),
        masked_paths: paths(&host_config.masked_paths),
        readonly_paths: paths(&host_config.readonly_paths),
        ..Linux::default()
    };
    let own_names = host_config.uts_mode.is_empty();
    Ok(Spec {
        oci_version: SPEC_VERSION.into(),
        process: Some(process::process(input, &capabilities, no_new_privileges)?),
        root: Some(corten_oci::runtime::Root {
            path: PathBuf::from("rootfs"),
            readonly: host_config.readonly_rootfs,
        }),
        hostname: if own_names {
            container.config.hostname.clone()
        } else {
            String::new()
        },
        domainname: if own_names {
            container.config.domainname.clone()
        } else {
            String::new()
        },
        mounts: mounts::mounts(input, options.writable_cgroups)?,
        annotations: host_config.annotations.clone().unwrap_or_default(),
        linux: Some(linux),
        ..Spec::default()
    })
}

/// `/<parent>/<id>`; a parent is taken below the root of each hierarchy, without `..`.
pub(crate) fn cgroup_path(container: &Container, settings: &EngineConfig) -> String {
    let asked = &container.host_config.resources.cgroup_parent;
    let parent = match (asked.as_str(), settings.cgroup_parent.as_str()) {
        ("", "") => "corten",
        ("", parent) | (parent, _) => parent,
    };
    let mut path = PathBuf::from("/");
    for part in Path::new(parent).components() {
        if let std::path::Component::Normal(part) = part {
            path.push(part);
        }
    }
    path.join(container.id.to_string())
        .to_string_lossy()
        .into_owned()
}

fn namespaces(input: &SpecInput<'_>) -> Vec<Namespace> {
    let own = |kind: &str| Namespace {
        kind: kind.into(),
        path: None,
    };
    let of = |kind: &str, path: &Path| Namespace {
        kind: kind.into(),
        path: Some(path.to_owned()),
    };
    let host_config = &input.container.host_config;
    let mut list = vec![own("mount")];
    if let Some(path) = input.users {
        list.push(of("user", path));
    }
    if input.network == NetworkNamespace::Given {
        list.push(own("network"));
    }
    if host_config.uts_mode.is_empty() {
        list.push(own("uts"));
    }
    match &input.pid {
        PidNamespace::Own => list.push(own("pid")),
        PidNamespace::Of(path) => list.push(of("pid", path)),
        PidNamespace::Host => {}
    }
    match &input.ipc {
        IpcNamespace::Own | IpcNamespace::None => list.push(own("ipc")),
        IpcNamespace::Of { path, .. } => list.push(of("ipc", path)),
        IpcNamespace::Host => {}
    }
    if host_config.cgroupns_mode == "private" {
        list.push(own("cgroup"));
    }
    list
}

/// The user's, and Docker's two defaults for an own network namespace: anybody may listen
/// on ports below 1024 and send pings.
fn sysctls(input: &SpecInput<'_>) -> Result<BTreeMap<String, String>> {
    let own_network = input.network == NetworkNamespace::Given && !input.network_is_shared;
    let own_ipc = matches!(input.ipc, IpcNamespace::Own | IpcNamespace::None);
    let mut list = BTreeMap::new();
    if own_network {
        list.insert("net.ipv4.ip_unprivileged_port_start".into(), "0".into());
        let map = input.users.and(input.container.id_map.as_ref());
        // The groups that there are: a user namespace knows no others.
        let last = map.and_then(|map| map.gids.last());
        let last = last.map_or(2_147_483_647, |it| it.container + (it.size - 1));
        let last = last.min(2_147_483_647);
        list.insert("net.ipv4.ping_group_range".into(), format!("0 {last}"));
    }
    for (name, value) in input.container.host_config.sysctls.iter().flatten() {
        // runc 1.2: libcontainer/configs/validate, sysctl.
        let ipc = [
            "kernel.msgmax",
            "kernel.msgmnb",
            "kernel.msgmni",
            "kernel.sem",
            "kernel.shmall",
            "kernel.shmmax",
            "kernel.shmmni",
            "kernel.shm_rmid_forced",
        ];
        let inside = match name.replace('/', ".") {
            it if it.starts_with("net.") => own_network,
            it if it.starts_with("fs.mqueue.") || ipc.contains(&it.as_str()) => own_ipc,
            it if it == "kernel.domainname" => input.container.host_config.uts_mode.is_empty(),
            _ => false,
        };
        let of_host = input.network == NetworkNamespace::Host;
        if !inside && of_host && name.replace('/', ".").starts_with("net.") {
            return Err(EngineError::Failed(messages::sysctl_of_host(name)));
        }
        if !inside && ipc.contains(&name.replace('/', ".").as_str()) {
            return Err(EngineError::Failed(messages::sysctl_of_host_ipc(name)));
        }
        if !inside {
            return Err(EngineError::Failed(messages::sysctl_outside(name)));
        }
        list.insert(name.clone(), value.clone());
    }
    Ok(list)
}

#[cfg(test)]
mod tests;
