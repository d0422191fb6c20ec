//! From the flags of `run` and `create` to the engine's request, as Docker's client
//! makes it: the same lists empty, the same lists absent.

pub mod checks;
pub mod devices;
pub mod environment;
mod id_map;
pub mod mounts;
pub mod network;
pub mod ports;
pub mod security;

use crate::{error::CliError, flags::Parsed};
use corten_api::container::{
    Config, CreateRequest, Empty, HealthConfig, HostConfig, LogConfig, RestartPolicy, StrSlice,
};
use mounts::Volume;
use std::collections::BTreeMap;

fn refused(text: impl Into<String>) -> CliError {
    CliError::Text(text.into())
}

/// The request that a line asks for; the first positional argument is the image.
pub fn request(parsed: &Parsed) -> Result<CreateRequest, CliError> {
    if let Some(swappiness) = parsed.int("memory-swappiness")
        && swappiness != -1
        && !(0..=100).contains(&swappiness)
    {
        return Err(refused(format!(
            "invalid value: {swappiness}. Valid memory swappiness range is 0-100"
        )));
    }
    let networks = network::networks(parsed)?;
    let network_mode = networks[0].name.clone();
    let links = parsed.list("link");
    let user_defined = network::is_user_defined(&network_mode);
    let (volumes, binds) = volumes(parsed)?;
    let ports = ports::parse(parsed.all("publish"), parsed.all("expose")).map_err(refused)?;
    let config = config(parsed, volumes, ports.exposed)?;
    let mut host = host_config(parsed, config.tty)?;
    host.binds = (!binds.is_empty()).then_some(binds);
    host.port_bindings = Some(ports.bindings);
    host.network_mode = network_mode;
    // On networks of the user's own, links belong to the endpoint.
    host.links = (!links.is_empty()).then(|| links.clone());
    let networking_config = network::config(networks, if user_defined { &links } else { &[] })?;
    if host.auto_remove && !matches!(host.restart_policy.name.as_str(), "" | "no") {
        return Err(refused(
            "conflicting options: cannot specify both --restart and --rm",
        ));
    }
    Ok(CreateRequest {
        config,
        host_config: host,
        networking_config,
        ..CreateRequest::default()
    })
}

type Volumes = (BTreeMap<String, Empty>, Vec<String>);

fn volumes(parsed: &Parsed) -> Result<Volumes, CliError> {
    let mut anonymous = BTreeMap::new();
    let mut binds = Vec::new();
    for value in parsed.all("volume") {
        match mounts::short(value).map_err(refused)? {
            Volume::Anonymous(path) => drop(anonymous.insert(path, Empty {})),
            Volume::Bind(bind) => binds.push(bind),
        }
    }
    Ok((anonymous, binds))
}

fn config(
    parsed: &Parsed,
    volumes: BTreeMap<String, Empty>,
    exposed: BTreeMap<String, Empty>,
) -> Result<Config, CliError> {
    let attached = |stream: &str| parsed.all("attach").any(|a| a.eq_ignore_ascii_case(stream));
    let all = !parsed.given("attach");
    let interactive = parsed.is_on("interactive");
    let entrypoint = parsed
        .get("entrypoint")
        .map(|e| StrSlice(vec![e.to_owned()]));
    let command: Vec<String> = parsed.args.iter().skip(1).cloned().collect();
    let env = environment::variables(parsed.all("env-file"), parsed.all("env"))?;
    let mut config = Config {
        hostname: parsed.text("hostname").to_owned(),
        domainname: parsed.text("domainname").to_owned(),
        user: parsed.text("user").to_owned(),
        attach_stdin: attached("stdin") || interactive,
        attach_stdout: attached("stdout") || all,
        attach_stderr: attached("stderr") || all,
        exposed_ports: (!exposed.is_empty()).then_some(exposed),
        tty: parsed.is_on("tty"),
        open_stdin: interactive,
        env: (!env.is_empty()).then_some(env),
        cmd: (!command.is_empty()).then_some(StrSlice(command)),
        healthcheck: health(parsed)?,
        image: parsed.args.first().cloned().unwrap_or_default(),
        volumes: Some(volumes),
        working_dir: parsed.text("workdir").to_owned(),
        entrypoint,
        labels: Some(environment::labels(
            parsed.all("label-file"),
            parsed.all("label"),
        )?),
        stop_signal: parsed.text("stop-signal").to_owned(),
        stop_timeout: parsed.int("stop-timeout"),
        ..Config::default()
    };
    // With `-i` alone and attached, the first client's end of input is the container's.
    config.stdin_once = config.open_stdin && config.attach_stdin;
    Ok(config)
}

fn health(parsed: &Parsed) -> Result<Option<HealthConfig>, CliError> {
    let flags = [
        "health-cmd",
        "health-interval",
        "health-timeout",
        "health-start-period",
        "health-start-interval",
        "health-retries",
    ];
    let given = flags.iter().any(|f| parsed.given(f));
    if parsed.is_on("no-healthcheck") {
        if given {
            return Err(refused(
                "--no-healthcheck conflicts with --health-* options",
            ));
        }
        return Ok(Some(HealthConfig {
            test: vec!["NONE".into()],
            ..HealthConfig::default()
        }));
    }
    if !given {
        return Ok(None);
    }
    let duration = |name: &str| match parsed.nanoseconds(name).unwrap_or(0) {
        negative if negative < 0 => Err(refused(format!("--{name} cannot be negative"))),
        nanoseconds => Ok(nanoseconds),
    };
    let retries = parsed.int("health-retries").unwrap_or(0);
    if retries < 0 {
        return Err(refused("--health-retries cannot be negative"));
    }
    let command = parsed.text("health-cmd");
    Ok(Some(HealthConfig {
        test: if command.is_empty() {
            Vec::new()
        } else {
            vec!["CMD-SHELL".into(), command.to_owned()]
        },
        interval: duration("health-interval")?,
        timeout: duration("health-timeout")?,
        start_period: duration("health-start-period")?,
        start_interval: duration("health-start-interval")?,
        retries,
    }))
}

fn host_config(parsed: &Parsed, _tty: bool) -> Result<HostConfig, CliError> {
    let optional = |name: &str| {
        let list = parsed.list(name);
        (!list.is_empty()).then_some(list)
    };
    let text = |name: &str| parsed.text(name).to_owned();
    let int = |name: &str| parsed.int(name).unwrap_or(0);
    let bytes = |name: &str| parsed.bytes(name).unwrap_or(0);
    let each = |name: &str, bps: bool| -> Result<_, CliError> {
        let list: Result<Vec<_>, String> = parsed
            .all(name)
            .map(|v| devices::throttle(v, bps))
            .collect();
        list.map(Some).map_err(refused)
    };
    modes(parsed)?;
    let security = security::parse(parsed.all("security-opt"))?;
    let (mapped, requests) = all_devices(parsed)?;
    let dns_options: Vec<String> = parsed
        .in_order()
        .filter(|(n, _)| matches!(*n, "dns-option" | "dns-opt"))
        .map(|(_, v)| v.to_owned())
        .collect();
    let hosts: Result<Vec<String>, String> =
        parsed.all("add-host").map(checks::extra_host).collect();
    let hosts = hosts.map_err(refused)?;
    let (cap_add, cap_drop) = capabilities(parsed);
    let memory = bytes("memory");
    Ok(HostConfig {
        container_id_file: text("cidfile"),
        log_config: log_config(parsed)?,
        restart_policy: restart_policy(parsed.get("restart").unwrap_or("no"))?,
        auto_remove: parsed.is_on("rm"),
        volume_driver: text("volume-driver"),
        volumes_from: optional("volumes-from"),
        annotations: environment::labels([].into_iter(), parsed.all("annotation"))?,
        cap_add: (!cap_add.is_empty()).then_some(StrSlice(cap_add)),
        cap_drop: (!cap_drop.is_empty()).then_some(StrSlice(cap_drop)),
        cgroupns_mode: text("cgroupns"),
        dns: Some(parsed.all("dns").map(|d| d.trim().to_owned()).collect()),
        dns_options: Some(dns_options),
        dns_search: Some(parsed.list("dns-search")),
        extra_hosts: (!hosts.is_empty()).then_some(hosts),
        group_add: optional("group-add"),
        ipc_mode: text("ipc"),
        oom_score_adj: int("oom-score-adj"),
        pid_mode: text("pid"),
        privileged: parsed.is_on("privileged"),
        publish_all_ports: parsed.is_on("publish-all"),
        readonly_rootfs: parsed.is_on("read-only"),
        security_opt: (!security.options.is_empty()).then_some(security.options),
        storage_opt: storage(parsed)?,
        tmpfs: tmpfs(parsed),
        uts_mode: text("uts"),
        userns_mode: text("userns"),
        shm_size: bytes("shm-size"),
        sysctls: environment::labels([].into_iter(), parsed.all("sysctl"))?,
        runtime: text("runtime"),
        isolation: text("isolation"),
        cpu_shares: int("cpu-shares"),
        memory,
        nano_cpus: parsed
            .get("cpus")
            .and_then(|c| crate::flags::parse_nano_cpus(c).ok())
            .unwrap_or(0),
        cgroup_parent: text("cgroup-parent"),
        blkio_weight: u16::try_from(int("blkio-weight")).unwrap_or(0),
        blkio_weight_device: Some(
            parsed
                .all("blkio-weight-device")
                .map(devices::weight)
                .collect::<Result<_, _>>()
                .map_err(refused)?,
        ),
        blkio_device_read_bps: each("device-read-bps", true)?,
        blkio_device_write_bps: each("device-write-bps", true)?,
        blkio_device_read_iops: each("device-read-iops", false)?,
        blkio_device_write_iops: each("device-write-iops", false)?,
        cpu_period: int("cpu-period"),
        cpu_quota: int("cpu-quota"),
        cpu_realtime_period: int("cpu-rt-period"),
        cpu_realtime_runtime: int("cpu-rt-runtime"),
        cpuset_cpus: text("cpuset-cpus"),
        cpuset_mems: text("cpuset-mems"),
        devices: Some(mapped),
        device_cgroup_rules: optional("device-cgroup-rule"),
        device_requests: (!requests.is_empty()).then_some(requests),
        // `--kernel-memory` is read and not sent: engines from API 1.42 on have no such limit.
        memory_reservation: bytes("memory-reservation"),
        memory_swap: bytes("memory-swap"),
        memory_swappiness: Some(parsed.int("memory-swappiness").unwrap_or(-1)),
        oom_kill_disable: Some(parsed.is_on("oom-kill-disable")),
        pids_limit: Some(int("pids-limit")),
        ulimits: Some(ulimits(parsed)?),
        cpu_count: int("cpu-count"),
        cpu_percent: int("cpu-percent"),
        io_maximum_iops: u64::try_from(int("io-maxiops")).unwrap_or(0),
        io_maximum_bandwidth: u64::try_from(bytes("io-maxbandwidth")).unwrap_or(0),
        mounts: parsed
            .all("mount")
            .map(mounts::parse)
            .collect::<Result<_, _>>()
            .map_err(refused)?,
        masked_paths: security.unmask_paths.then(Vec::new),
        readonly_paths: security.unmask_paths.then(Vec::new),
        init: parsed.given("init").then(|| parsed.is_on("init")),
        ..HostConfig::default()
    })
}

fn modes(parsed: &Parsed) -> Result<(), CliError> {
    let container = |mode: &str| {
        mode.strip_prefix("container:")
            .is_some_and(|n| !n.is_empty())
    };
    let pid = parsed.text("pid");
    if !(pid.is_empty() || pid == "host" || container(pid)) {
        return Err(refused("--pid: invalid PID mode"));
    }
    if !matches!(parsed.text("uts"), "" | "host") {
        return Err(refused("--uts: invalid UTS mode"));
    }
    if !matches!(parsed.text("userns"), "" | "host" | "auto") {
        return Err(refused("--userns: invalid USER mode"));
    }
    if !matches!(parsed.text("cgroupns"), "" | "host" | "private") {
        return Err(refused("--cgroupns: invalid CGROUP mode"));
    }
    Ok(())
}

type Devices = (
    Vec<corten_api::container::DeviceMapping>,
    Vec<corten_api::container::DeviceRequest>,
);

fn all_devices(parsed: &Parsed) -> Result<Devices, CliError> {
    let mut mapped = Vec::new();
    let mut named = Vec::new();
    for value in parsed.all("device") {
        match devices::device(value).map_err(refused)? {
            Some(device) => mapped.push(device),
            None => named.push(value.to_owned()),
        }
    }
    let mut requests: Vec<_> = parsed
        .all("gpus")
        .map(devices::gpus)
        .collect::<Result<_, _>>()
        .map_err(refused)?;
    if !named.is_empty() {
        requests.push(devices::cdi(named));
    }
    Ok((mapped, requests))
}

fn log_config(parsed: &Parsed) -> Result<LogConfig, CliError> {
    let driver = parsed.text("log-driver");
    let options: BTreeMap<String, String> = parsed.all("log-opt").map(environment::pair).collect();
    if driver == "none" && !options.is_empty() {
        return Err(refused("invalid logging opts for driver none"));
    }
    Ok(LogConfig {
        r#type: driver.to_owned(),
        config: Some(options),
    })
}

/// Names with `CAP_` in front, sorted, each once; `ALL` stands for every other; one that
/// is both added and dropped is added.
fn capabilities(parsed: &Parsed) -> (Vec<String>, Vec<String>) {
    let normalized = |name: &str| -> Vec<String> {
        let mut list: Vec<String> = parsed
            .all(name)
            .map(|c| c.to_ascii_uppercase())
            .map(|c| {
                if c == "ALL" || c.starts_with("CAP_") {
                    c
                } else {
                    format!("CAP_{c}")
                }
            })
            .collect();
        if list.iter().any(|c| c == "ALL") {
            return vec!["ALL".into()];
        }
        list.sort();
        list.dedup();
        list
    };
    let add = normalized("cap-add");
    let mut drop = normalized("cap-drop");
    drop.retain(|c| !add.contains(c));
    (add, drop)
}

/// By name; the last of a name counts.
fn ulimits(parsed: &Parsed) -> Result<Vec<corten_api::container::Ulimit>, CliError> {
    let mut by_name = BTreeMap::new();
    for value in parsed.all("ulimit") {
        let limit = devices::ulimit(value).map_err(refused)?;
        by_name.insert(limit.name.clone(), limit);
    }
    Ok(by_name.into_values().collect())
}

fn storage(parsed: &Parsed) -> Result<BTreeMap<String, String>, CliError> {
    parsed
        .all("storage-opt")
        .map(|option| match option.split_once('=') {
            Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
            None => Err(refused("invalid storage option")),
        })
        .collect()
}

fn tmpfs(parsed: &Parsed) -> BTreeMap<String, String> {
    parsed
        .all("tmpfs")
        .map(|value| {
            let (path, options) = value.split_once(':').unwrap_or((value, ""));
            (path.to_owned(), options.to_owned())
        })
        .collect()
}

/// `no`, `always`, `unless-stopped`, `on-failure[:times]`; names are checked by the engine.
pub fn restart_policy(value: &str) -> Result<RestartPolicy, CliError> {
    let (name, count) = match value.split_once(':') {
        Some((name, count)) => (name.to_owned(), Some(count)),
        None => (value.to_owned(), None),
    };
    if name.is_empty() && count.is_some() {
        return Err(refused(
            "invalid restart policy format: no policy provided before colon",
        ));
    }
    let maximum_retry_count = match count {
        None => 0,
        Some(text) => text.parse().map_err(|_| {
            refused("invalid restart policy format: maximum retry count must be an integer")
        })?,
    };
    Ok(RestartPolicy {
        name,
        maximum_retry_count,
    })
}
