//! The engine and its host.

use super::{container_summary, image_summary, path_text, volume};
use corten_api::{
    ApiVersion, event as wire_event, system as wire,
    version::{MAXIMUM, MINIMUM},
};
use corten_base::Timestamp;
use corten_buildkit::control::{Timestamp as Time, UsageRecord};
use corten_engine::DiskUsageOptions;
use corten_model::{Actor, DiskUsage, Event, EventKind, RuntimeInfo, SystemInfo, SystemVersion};
use std::collections::BTreeMap;

pub(crate) fn system_version(version: SystemVersion) -> wire::Version {
    let SystemVersion {
        version,
        git_commit,
        os,
        architecture,
        kernel_version,
        build_time,
        components,
    } = version;
    let compiler = "rustc".to_owned();
    let details = [
        ("ApiVersion", MAXIMUM.to_string()),
        ("Arch", architecture.clone()),
        ("BuildTime", build_time.clone()),
        ("Experimental", "false".to_owned()),
        ("GitCommit", git_commit.clone()),
        ("GoVersion", compiler.clone()),
        ("KernelVersion", kernel_version.clone()),
        ("MinAPIVersion", MINIMUM.to_string()),
        ("Os", os.clone()),
    ];
    let engine = wire::ComponentVersion {
        name: "Engine".to_owned(),
        version: version.clone(),
        details: details.map(|(key, value)| (key.to_owned(), value)).into(),
    };
    let others = components
        .into_iter()
        .map(|(name, version)| wire::ComponentVersion {
            name,
            version,
            details: BTreeMap::from([("GitCommit".to_owned(), git_commit.clone())]),
        });
    wire::Version {
        platform: wire::VersionPlatform {
            name: "Corten".to_owned(),
        },
        components: std::iter::once(engine).chain(others).collect(),
        version,
        api_version: MAXIMUM.to_string(),
        min_api_version: MINIMUM.to_string(),
        git_commit: git_commit.clone(),
        go_version: compiler,
        os,
        arch: architecture,
        kernel_version,
        experimental: false,
        build_time,
    }
}

pub(crate) fn system_info(info: SystemInfo, version: ApiVersion) -> wire::Info {
    let SystemInfo {
        id,
        containers,
        containers_running,
        containers_paused,
        containers_stopped,
        images,
        driver,
        driver_status,
        features,
        ipv4_forwarding,
        file_descriptors,
        threads,
        system_time,
        logging_driver,
        cgroup_driver,
        cgroup_version,
        event_listeners,
        kernel_version,
        operating_system,
        os_version,
        os_type,
        architecture,
        cpus,
        memory_total,
        data_root,
        cdi_directories,
        name,
        labels,
        server_version,
        runtimes,
        default_runtime,
        security_options,
        firewall_backend,
        network_drivers,
        volume_drivers,
        log_drivers,
        debug,
        registry_mirrors,
        insecure_registries,
        default_address_pools,
        proxies: [http_proxy, https_proxy, no_proxy],
        warnings,
    } = info;
    let signed = |figure: u64| i64::try_from(figure).unwrap_or(i64::MAX);
    let feature = |name: &str| features.get(name).copied().unwrap_or(false);
    let before_50 = version < ApiVersion::v1(50);
    wire::Info {
        id,
        containers: signed(containers),
        containers_running: signed(containers_running),
        containers_paused: signed(containers_paused),
        containers_stopped: signed(containers_stopped),
        images: signed(images),
        driver,
        driver_status: driver_status
            .into_iter()
            .map(|(key, value)| [key, value])
            .collect(),
        system_status: Vec::new(),
        plugins: wire::PluginsInfo {
            volume: Some(volume_drivers),
            network: Some(network_drivers),
            authorization: None,
            log: Some(log_drivers),
        },
        memory_limit: feature("memory_limit"),
        swap_limit: feature("swap_limit"),
        kernel_memory: version < ApiVersion::v1(42) && feature("kernel_memory_tcp"),
        kernel_memory_tcp: feature("kernel_memory_tcp"),
        cpu_cfs_period: feature("cpu_cfs_period"),
        cpu_cfs_quota: feature("cpu_cfs_quota"),
        cpu_shares: feature("cpu_shares"),
        cpu_set: feature("cpu_set") || feature("cpuset"),
        pids_limit: feature("pids_limit"),
        ipv4_forwarding,
        bridge_nf_iptables: before_50.then_some(false),
        bridge_nf_ip6tables: before_50.then_some(false),
        debug,
        n_fd: signed(file_descriptors),
        oom_kill_disable: feature("oom_kill_disable"),
        n_goroutines: signed(threads),
        system_time: system_time.to_string(),
        logging_driver,
        cgroup_driver,
        cgroup_version,
        n_events_listener: signed(event_listeners),
        kernel_version,
        operating_system,
        os_version,
        os_type,
        architecture,
        index_server_address: "https://index.docker.io/v1/".to_owned(),
        registry_config: Some(registry_config(
            registry_mirrors.iter().map(|it| with_slash(it)).collect(),
            insecure_registries,
            version,
        )),
        ncpu: signed(cpus),
        mem_total: signed(memory_total),
        generic_resources: None,
        docker_root_dir: path_text(&data_root),
        http_proxy,
        https_proxy,
        no_proxy,
        name,
        labels,
        experimental_build: false,
        server_version,
        runtimes: runtimes
            .into_iter()
            .map(|(name, RuntimeInfo { path, arguments })| {
                let runtime = wire::Runtime {
                    path: path_text(&path),
                    runtime_args: arguments,
                    status: BTreeMap::new(),
                };
                (name, runtime)
            })
            .collect(),
        default_runtime,
        swarm: wire::SwarmInfo {
            local_node_state: "inactive".to_owned(),
            ..wire::SwarmInfo::default()
        },
        // Containers always live on: that is the design.
        live_restore_enabled: true,
        isolation: String::new(),
        init_binary: "corten-init".to_owned(),
        // The runtime and its helpers are Corten's own.
        containerd_commit: wire::Commit::default(),
        runc_commit: wire::Commit::default(),
        init_commit: wire::Commit::default(),
        security_options: if version < ApiVersion::v1(25) {
            security_options
                .iter()
                .map(|option| security_name(option))
                .collect()
        } else {
            security_options
        },
        product_license: String::new(),
        default_address_pools: default_address_pools
            .into_iter()
            .map(|(base, size)| wire::AddressPool {
                base,
                size: size.into(),
            })
            .collect(),
        firewall_backend: (version >= ApiVersion::v1(49)).then(|| wire::FirewallInfo {
            driver: firewall_backend,
            info: Vec::new(),
        }),
        discovered_devices: Vec::new(),
        cdi_spec_dirs: Some(cdi_directories.iter().map(|it| path_text(it)).collect()),
        containerd: None,
        warnings: (!warnings.is_empty()).then_some(warnings),
    }
}

/// Docker shows mirrors so.
fn with_slash(mirror: &str) -> String {
    format!("{}/", mirror.trim_end_matches('/'))
}

/// Before 1.25 an option was a name: `name=seccomp,profile=builtin` was `seccomp`.
fn security_name(option: &str) -> String {
    let name = option
        .split(',')
        .find_map(|part| part.strip_prefix("name="));
    name.unwrap_or(option).to_owned()
}

fn registry_config(
    mirrors: Vec<String>,
    insecure: Vec<String>,
    version: ApiVersion,
) -> wire::RegistryServiceConfig {
    let hub = wire::IndexInfo {
        mirrors: mirrors.clone(),
        name: "docker.io".to_owned(),
        official: true,
        secure: true,
    };
    let (networks, hosts): (Vec<_>, Vec<_>) = insecure
        .into_iter()
        .partition(|registry| registry.contains('/'));
    let hosts = hosts.into_iter().map(|name| {
        let index = wire::IndexInfo {
            name: name.clone(),
            ..wire::IndexInfo::default()
        };
        (name, index)
    });
    let null = || (version < ApiVersion::v1(47)).then_some(serde_json::Value::Null);
    wire::RegistryServiceConfig {
        allow_nondistributable_artifacts_cidrs: null(),
        allow_nondistributable_artifacts_hostnames: null(),
        index_configs: hosts.chain([("docker.io".to_owned(), hub)]).collect(),
        // Whatever is on this machine may be spoken to without TLS.
        insecure_registry_cidrs: ["::1/128", "127.0.0.0/8"]
            .map(str::to_owned)
            .into_iter()
            .chain(networks)
            .collect(),
        mirrors: (!mirrors.is_empty()).then_some(mirrors),
    }
}

pub(crate) fn event(event: Event) -> wire_event::Message {
    let Event {
        kind,
        action,
        actor: Actor { id, attributes },
        scope,
        time,
    } = event;
    // The deprecated fields stand in events of containers and images only.
    let old_form = matches!(kind, EventKind::Container | EventKind::Image);
    let from = match kind {
        EventKind::Container => attributes.get("image").cloned().unwrap_or_default(),
        _ => String::new(),
    };
    wire_event::Message {
        status: if old_form {
            action.clone()
        } else {
            String::new()
        },
        id: if old_form { id.clone() } else { String::new() },
        from,
        r#type: kind.as_str().to_owned(),
        action,
        actor: wire_event::Actor { id, attributes },
        scope,
        time: time.unix_seconds(),
        time_nano: time.unix_nanoseconds(),
    }
}

/// What was not asked for is null.
pub(crate) fn disk_usage(
    usage: DiskUsage,
    asked: DiskUsageOptions,
    version: ApiVersion,
) -> wire::DiskUsage {
    let DiskUsage {
        layers_size,
        images,
        containers,
        volumes,
    } = usage;
    let names = |list: &Vec<String>| list.iter().any(|name| !name.starts_with("<none>"));
    wire::DiskUsage {
        layers_size,
        images: asked.images.then(|| {
            images
                .into_iter()
                .map(|one| {
                    let containers = one.containers;
                    let mut image = image_summary(one, version);
                    image.containers = containers;
                    // Here dockerd shows the empty list as null, also in old versions.
                    image.repo_tags = image.repo_tags.filter(names);
                    image.repo_digests = image.repo_digests.filter(names);
                    image
                })
                .collect()
        }),
        containers: asked.containers.then(|| {
            containers
                .into_iter()
                .map(|one| container_summary(one, version))
                .collect()
        }),
        volumes: asked
            .volumes
            .then(|| volumes.into_iter().map(volume).collect()),
        build_cache: None,
        builder_size: 0,
    }
}

/// A record of the build cache, which BuildKit's clients get in another form.
pub(crate) fn cache_record(record: &UsageRecord) -> wire::BuildCacheRecord {
    let time = |at: &Option<Time>| {
        let at = at.as_ref()?;
        let nanoseconds = u32::try_from(at.nanos).ok()?;
        Some(Timestamp::from_unix(at.seconds, nanoseconds).to_string())
    };
    wire::BuildCacheRecord {
        id: record.id.clone(),
        parents: record.parents.clone(),
        r#type: record.record_type.clone(),
        description: record.description.clone(),
        in_use: record.in_use,
        shared: record.shared,
        size: record.size,
        created_at: time(&record.created_at).unwrap_or_default(),
        last_used_at: time(&record.last_used_at),
        usage_count: record.usage_count,
    }
}
