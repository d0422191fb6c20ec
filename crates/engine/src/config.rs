//! How the engine is set up: what dockerd's flags and daemon.json say, already parsed.

use corten_images::{CleanupPolicy, ProxyConfig, RegistryRules};
use corten_model::Ulimit;
use std::{collections::BTreeMap, net::IpAddr, path::PathBuf};

/// Settings of the engine. [`EngineConfig::default`] is a daemon without any flag.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Everything that lasts; `/var/lib/corten`.
    pub data_root: PathBuf,
    /// How layers are kept: unpacked, which is the storage driver `overlay2`, or indexed,
    /// which is `erofs`.
    pub layer_form: corten_snapshot::Form,
    /// Sockets and pid files; `/run/corten`, made 0700.
    pub exec_root: PathBuf,
    /// The shim's executable; `None`: `corten-shim` beside this program's own file.
    pub shim: Option<PathBuf>,
    /// Descriptors that a shim and its container may have open; `None`: as many as this
    /// process.
    pub shim_descriptors: Option<rustix::process::Rlimit>,
    /// Networks.
    pub network: NetworkOptions,
    /// Registries.
    pub registry: RegistryOptions,
    /// The clean-up of images.
    pub cleanup: CleanupOptions,
    /// The compressed blobs of layers are kept beside their files.
    pub keep_layer_blobs: bool,
    /// Bytes that the build cache may have; 0: there is no bound.
    pub build_cache_bytes_max: u64,
    /// Log driver of containers that name none: `json-file`.
    pub log_driver: String,
    /// Its options.
    pub log_options: BTreeMap<String, String>,
    /// Resource limits of containers that do not set them.
    pub default_ulimits: Vec<Ulimit>,
    /// Bytes of /dev/shm of containers that do not say; 64 MiB.
    pub default_shm_size: i64,
    /// `host` or `private`; empty: Docker's choice (host on cgroup v1, private on v2).
    pub default_cgroupns_mode: String,
    /// `private` or `shareable`.
    pub default_ipc_mode: String,
    /// Parent of containers' control groups; empty: `/corten`.
    pub cgroup_parent: String,
    /// `builtin`, `unconfined` or the path of a profile.
    pub seccomp_profile: String,
    /// Who the users of containers are on the host, where a container does not say
    /// otherwise (see [`crate::remapped`]); `None`: the host's own.
    pub userns_remap: Option<corten_model::IdMap>,
    /// Set no_new_privs in every container.
    pub no_new_privileges: bool,
    /// Name servers of containers that set none.
    pub dns: Vec<String>,
    /// Resolver options of containers that set none.
    pub dns_options: Vec<String>,
    /// Search domains of containers that set none.
    pub dns_search: Vec<String>,
    /// Address that `host-gateway` stands for; `None`: the default bridge's.
    pub host_gateway: Option<IpAddr>,
    /// Seconds a container gets to stop, where it does not say; 10.
    pub stop_timeout_seconds: i64,
    /// Whether the daemon says every step, for `info`.
    pub debug: bool,
    /// The daemon's labels.
    pub labels: Vec<String>,
    /// Downloads of layers at a time.
    pub max_concurrent_downloads: usize,
    /// Uploads of layers at a time.
    pub max_concurrent_uploads: usize,
    /// The program that is PID 1 of containers with `--init`; `None`: `corten-init` beside
    /// this program's own file.
    pub init_path: Option<PathBuf>,
    /// Containers that do not say run with an init process.
    pub init: bool,
    /// Where vendors describe devices; of two descriptions the later directory's counts.
    pub cdi_directories: Vec<PathBuf>,
    /// OCI runtimes beside our own, by name.
    pub runtimes: BTreeMap<String, RuntimeProgram>,
    /// That of containers which name none: one of them, or a name of our own.
    pub default_runtime: String,
}

/// An OCI runtime's command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuntimeProgram {
    /// Absolute, or a name that is looked up in `PATH` at each start.
    pub path: PathBuf,
    /// Words before the verb.
    pub arguments: Vec<String>,
}

impl RuntimeProgram {
    /// Names of our own runtime: those that Docker's clients know, and its own.
    pub const OWN: [&'static str; 3] = ["runc", "io.containerd.runc.v2", "corten"];
}

/// The clean-up of images.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CleanupOptions {
    /// What goes; `None`: no clean-up.
    pub policy: Option<CleanupPolicy>,
    /// Seconds between two; 0: only when it is asked for.
    pub period_seconds: u64,
}

/// Settings of networks.
#[derive(Debug, Clone, Default)]
pub struct NetworkOptions {
    /// Name of the default bridge; empty: `docker0`; `none`: no default bridge.
    pub bridge: String,
    /// Address and prefix of the default bridge; empty: from the pools.
    pub bip: String,
    /// Pools for networks.
    pub address_pools: Vec<AddressPool>,
    /// 0: 1500.
    pub mtu: u32,
    /// Address that published ports are bound to; `None`: all.
    pub host_binding: Option<IpAddr>,
    /// Firewall rules are left alone.
    pub no_firewall: bool,
    /// Containers on the default bridge cannot speak to each other.
    pub no_inter_container: bool,
    /// No masquerade.
    pub no_masquerade: bool,
    /// Part of the default bridge's subnet that containers get, CIDR; empty: all of it.
    pub fixed_cidr: String,
    /// Gateway of containers on the default bridge; empty: the bridge.
    pub default_gateway: String,
    /// Forwarding in the kernel is left as it is.
    pub no_forwarding: bool,
    /// Ports of networks without IPv6 are not published on the host's IPv6 addresses.
    pub no_userland_proxy: bool,
    /// The host's INPUT rules decide what reaches published ports.
    pub host_decides_ports: bool,
    /// The default bridge has IPv6, too.
    pub ipv6: bool,
    /// IPv6 address and prefix of the default bridge; empty: from the pools.
    pub bip6: String,
    /// Part of its IPv6 subnet that containers get, CIDR; empty: all of it.
    pub fixed_cidr_6: String,
    /// IPv6 gateway of containers on it; empty: the bridge.
    pub default_gateway_6: String,
    /// By driver, options of networks that do not have them.
    pub default_options: BTreeMap<String, BTreeMap<String, String>>,
    /// Published ports are reached at the containers' own addresses, too.
    pub direct_routing: bool,
}

/// A pool: networks of `size` are cut from `base`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressPool {
    /// `172.17.0.0/12`.
    pub base: String,
    /// Prefix length of each network.
    pub size: u8,
}

/// Settings of registries.
#[derive(Debug, Clone)]
pub struct RegistryOptions {
    /// Mirrors of docker.io.
    pub mirrors: Vec<String>,
    /// Registries (`host[:port]` or CIDR) that may be spoken to without verified TLS.
    pub insecure: Vec<String>,
    /// What holds for single registries, by their domain.
    pub rules: BTreeMap<String, RegistryRules>,
    /// Directories with a directory of certificates for each registry.
    pub certificates: Vec<PathBuf>,
    /// The daemon's proxies.
    pub proxies: ProxyConfig,
    /// How often a layer is tried.
    pub download_attempts: u32,
}

impl Default for RegistryOptions {
    fn default() -> Self {
        Self {
            mirrors: Vec::new(),
            insecure: Vec::new(),
            rules: BTreeMap::new(),
            certificates: ["/etc/docker/certs.d", "/etc/corten/certs.d"]
                .map(PathBuf::from)
                .to_vec(),
            proxies: ProxyConfig::from_environment(),
            download_attempts: corten_images::Config::ATTEMPTS,
        }
    }
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            cdi_directories: vec!["/etc/cdi".into(), "/var/run/cdi".into()],
            data_root: "/var/lib/corten".into(),
            layer_form: corten_snapshot::Form::Unpacked,
            exec_root: "/run/corten".into(),
            shim: None,
            shim_descriptors: None,
            network: NetworkOptions::default(),
            registry: RegistryOptions::default(),
            cleanup: CleanupOptions::default(),
            keep_layer_blobs: false,
            build_cache_bytes_max: corten_build::BuilderConfig::CACHE_BYTES_MAX,
            log_driver: "json-file".into(),
            log_options: BTreeMap::new(),
            default_ulimits: Vec::new(),
            default_shm_size: 64 << 20,
            default_cgroupns_mode: String::new(),
            default_ipc_mode: "private".into(),
            cgroup_parent: String::new(),
            seccomp_profile: "builtin".into(),
            userns_remap: None,
            no_new_privileges: false,
            dns: Vec::new(),
            dns_options: Vec::new(),
            dns_search: Vec::new(),
            host_gateway: None,
            stop_timeout_seconds: 10,
            debug: false,
            labels: Vec::new(),
            max_concurrent_downloads: corten_images::Config::DOWNLOADS,
            max_concurrent_uploads: corten_images::Config::UPLOADS,
            init_path: None,
            init: false,
            runtimes: BTreeMap::new(),
            default_runtime: RuntimeProgram::OWN[0].to_owned(),
        }
    }
}
