//! `GET /info`, `/version`, `/system/df`, `/events`.

use crate::{DiskUsageOptions, Engine, EventsOptions, ImageListOptions, Result};
use corten_base::{Redacted, Timestamp};
use corten_images::ProxyConfig;
use corten_model::{DiskUsage, Event, Status, SystemInfo, SystemVersion};
use futures_util::stream::BoxStream;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::Arc,
};

/// The name that dockerd gives the file system below `path`, by statfs(2)'s magic numbers.
fn backing_file_system(path: &Path) -> &'static str {
    match rustix::fs::statfs(path).map(|it| it.f_type as u32) {
        Ok(0xef53) => "extfs",
        Ok(0x5846_5342) => "xfs",
        Ok(0x9123_683e) => "btrfs",
        Ok(0x0102_1994) => "tmpfs",
        Ok(0x2fc1_2fc1) => "zfs",
        Ok(0xf2f5_2010) => "f2fs",
        Ok(0x794c_7630) => "overlayfs",
        Ok(0x6969) => "nfs",
        _ => "<unknown>",
    }
}

impl Engine {
    /// `GET /events`.
    pub async fn events(
        self: &Arc<Self>,
        options: EventsOptions,
    ) -> Result<BoxStream<'static, Event>> {
        self.events.read(options)
    }

    /// `GET /version`.
    pub async fn system_version(self: &Arc<Self>) -> Result<SystemVersion> {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Ok(SystemVersion {
            git_commit: option_env!("CORTEN_COMMIT").unwrap_or_default().to_owned(),
            os: "linux".into(),
            architecture: self.host.go_architecture().to_owned(),
            kernel_version: self.host.kernel_release.clone(),
            build_time: option_env!("CORTEN_BUILD_TIME")
                .unwrap_or_default()
                .to_owned(),
            components: vec![
                ("corten-shim".into(), version.clone()),
                ("corten-runtime".into(), version.clone()),
            ],
            version,
        })
    }

    /// `GET /info`.
    pub async fn system_info(self: &Arc<Self>) -> Result<SystemInfo> {
        let states: Vec<Status> = self
            .table
            .all()
            .iter()
            .map(|handle| handle.record().state.status)
            .collect();
        let count = |wanted: &[Status]| {
            states
                .iter()
                .filter(|status| wanted.contains(status))
                .count() as u64
        };
        let running = count(&[Status::Running, Status::Restarting]);
        let paused = count(&[Status::Paused]);
        let images = self
            .images
            .list(&corten_images::ListRequest::default())?
            .len();
        let (operating_system, os_version) = os_release();
        let host = &self.host;
        let live = self.live.get();
        Ok(SystemInfo {
            debug: live.debug,
            id: self.id.clone(),
            containers: states.len() as u64,
            containers_running: running,
            containers_paused: paused,
            containers_stopped: states.len() as u64 - running - paused,
            images: images as u64,
            driver: self.snapshots.name().to_owned(),
            driver_status: self.driver_status(),
            features: self.features(),
            ipv4_forwarding: read("/proc/sys/net/ipv4/ip_forward") == "1",
            file_descriptors: count_entries("/proc/self/fd"),
            threads: count_entries("/proc/self/task"),
            system_time: Timestamp::now(),
            logging_driver: self.config.log_driver.clone(),
            cgroup_driver: "cgroupfs".into(),
            cgroup_version: if host.cgroup_v2 { "2" } else { "1" }.into(),
            event_listeners: self.events.listeners(),
            kernel_version: host.kernel_release.clone(),
            operating_system,
            os_version,
            os_type: "linux".into(),
            architecture: host.machine.clone(),
            cpus: host.cpus,
            memory_total: host.memory_total,
            data_root: self.config.data_root.clone(),
            cdi_directories: self.config.cdi_directories.clone(),
            name: rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned(),
            labels: live.labels.clone(),
            server_version: env!("CARGO_PKG_VERSION").to_owned(),
            runtimes: self.runtime_list(),
            default_runtime: live.default_runtime.clone(),
            security_options: self.security_options(),
            firewall_backend: "nftables".into(),
            network_drivers: ["bridge", "host", "ipvlan", "macvlan", "null"]
                .map(String::from)
                .to_vec(),
            volume_drivers: vec![corten_volume::LOCAL_DRIVER.to_owned()],
            log_drivers: corten_logs::options::DRIVERS.map(String::from).to_vec(),
            registry_mirrors: live.mirrors.clone(),
            insecure_registries: live.insecure.clone(),
            default_address_pools: self
                .config
                .network
                .address_pools
                .iter()
                .map(|pool| (pool.base.clone(), pool.size))
                .collect(),
            proxies: proxies(&self.config.registry.proxies),
            warnings: Vec::new(),
        })
    }

    /// `GET /system/df`.
    pub async fn system_disk_usage(
        self: &Arc<Self>,
        options: DiskUsageOptions,
    ) -> Result<DiskUsage> {
        let mut usage = DiskUsage::default();
        if options.images {
            let list = ImageListOptions {
                shared_size: true,
                ..ImageListOptions::default()
            };
            usage.images = self.image_list(list).await?;
            let kept = i64::try_from(self.images.kept_bytes()).unwrap_or(i64::MAX);
            usage.layers_size = self.layers_size().await?.saturating_add(kept);
        }
        if options.containers {
            let list = crate::ListOptions {
                all: true,
                size: true,
                ..Default::default()
            };
            usage.containers = self.container_list(list).await?;
        }
        if options.volumes {
            usage.volumes = self.volumes_with_usage().await?;
        }
        Ok(usage)
    }

    /// Bytes of all layers, each once.
    async fn layers_size(self: &Arc<Self>) -> Result<i64> {
        let engine = self.clone();
        let summed = self.streams.run(move || {
            let mut seen = BTreeSet::new();
            let layers = engine.snapshots.layers().list()?;
            let first = layers
                .iter()
                .filter(|layer| seen.insert(layer.diff_id.to_string()));
            Ok(first.map(|layer| layer.size_bytes as i64).sum())
        });
        summed.await
    }

    fn driver_status(&self) -> Vec<(String, String)> {
        let mut status = vec![
            (
                "Backing Filesystem",
                backing_file_system(&self.config.data_root),
            ),
            ("Supports d_type", "true"),
            ("Using metacopy", "false"),
            ("Native Overlay Diff", "true"),
            ("userxattr", "false"),
        ];
        if self.config.layer_form == corten_snapshot::Form::Indexed {
            status.push(("Layers", "tar files with an EROFS index"));
        }
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        status.into_iter().map(owned).collect()
    }

    fn security_options(&self) -> Vec<String> {
        let mut list = Vec::new();
        if self.host.apparmor.is_enabled() {
            list.push("name=apparmor".to_owned());
        }
        match self.config.seccomp_profile.as_str() {
            "unconfined" => list.push("name=seccomp,profile=unconfined".to_owned()),
            "" | "builtin" => list.push("name=seccomp,profile=builtin".to_owned()),
            path => list.push(format!("name=seccomp,profile={path}")),
        }
        // Docker's order: apparmor, seccomp, userns, cgroupns.
        if self.config.userns_remap.is_some() {
            list.push("name=userns".to_owned());
        }
        if self.config.default_cgroupns_mode == "private"
            || (self.config.default_cgroupns_mode.is_empty() && self.host.cgroup_v2)
        {
            list.push("name=cgroupns".to_owned());
        }
        if self.config.no_new_privileges {
            list.push("name=no-new-privileges".to_owned());
        }
        list
    }

    /// What Docker's `/info` says of the kernel's control groups.
    fn features(&self) -> BTreeMap<String, bool> {
        let v2 = self.host.cgroup_v2;
        let v1 = |path: &str| !v2 && Path::new("/sys/fs/cgroup").join(path).exists();
        [
            ("memory_limit", v2 || v1("memory/memory.limit_in_bytes")),
            ("swap_limit", self.host.swap_limit),
            ("kernel_memory_tcp", self.host.kernel_memory_tcp),
            ("cpu_cfs_period", v2 || v1("cpu/cpu.cfs_period_us")),
            ("cpu_cfs_quota", v2 || v1("cpu/cpu.cfs_quota_us")),
            ("cpu_shares", v2 || v1("cpu/cpu.shares")),
            ("cpu_set", v2 || v1("cpuset/cpuset.cpus")),
            ("pids_limit", v2 || v1("pids")),
            ("oom_kill_disable", self.host.oom_kill_disable),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

fn count_entries(path: &str) -> u64 {
    fs::read_dir(path).map_or(0, |entries| entries.count() as u64)
}

/// For `http`, for `https`, and where none is used.
fn proxies(config: &ProxyConfig) -> [String; 3] {
    let shown = |proxy: &Option<Redacted<String>>| {
        let url = proxy.as_ref().map(|url| url.expose().as_str());
        masked(url.unwrap_or_default())
    };
    [
        shown(&config.http),
        shown(&config.https),
        config.no_proxy.clone(),
    ]
}

/// A URL whose user and password are hidden, as Docker hides them.
fn masked(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    match rest.split_once('@') {
        Some((_, host)) => format!("{scheme}://xxxxx:xxxxx@{host}"),
        None => url.to_owned(),
    }
}

/// os-release(5): PRETTY_NAME and VERSION_ID.
fn os_release() -> (String, String) {
    let text = fs::read_to_string("/etc/os-release")
        .or_else(|_| fs::read_to_string("/usr/lib/os-release"))
        .unwrap_or_default();
    let value = |key: &str| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_default()
            .trim_matches(['"', '\''])
            .to_owned()
    };
    let name = value("PRETTY_NAME");
    (
        if name.is_empty() {
            "Linux".into()
        } else {
            name
        },
        value("VERSION_ID"),
    )
}
