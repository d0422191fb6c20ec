//! The engine's part of the settings.

use super::{builder, cleanup, registries, runtimes};
use crate::settings::Settings;
use corten_base::text::parse_ram_bytes;
use corten_engine::{AddressPool, EngineConfig, LayerForm, NetworkOptions};
use corten_model::Ulimit;
use serde_json::Value;
use std::{collections::BTreeMap, net::IpAddr, path::PathBuf};

pub(super) fn engine(settings: &Settings) -> Result<EngineConfig, String> {
    let defaults = EngineConfig::default();
    let text = |key: &str, default: &str| settings.text(key).unwrap_or(default).to_owned();
    let one_of = |key: &str, default: &str, allowed: &[&str], complaint: fn(&str) -> String| {
        let value = text(key, default);
        let known = value == default || allowed.contains(&value.as_str());
        if known {
            Ok(value.clone())
        } else {
            Err(complaint(&value))
        }
    };
    let limit = |key: &str, what: &str, default: usize| match settings.number(key) {
        None | Some(0) => Ok(default),
        Some(number) => {
            usize::try_from(number).map_err(|_| format!("invalid max concurrent {what}: {number}"))
        }
    };
    let log_driver = text("log-driver", &defaults.log_driver);
    let log_options = settings
        .get("log-opts")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
        .collect();
    match corten_logs::options::parse(&log_driver, &log_options) {
        // What a container's start would find, its start says.
        Err(error) if error.at_create() => return Err(format!("failed to set log opts: {error}")),
        _ => {}
    }
    let runtimes = runtimes::registered(settings)?;
    Ok(EngineConfig {
        data_root: absolute(text("data-root", &defaults.data_root.to_string_lossy()))?,
        layer_form: match settings.text("storage-driver") {
            Some("erofs") => LayerForm::Indexed,
            _ => LayerForm::Unpacked,
        },
        exec_root: absolute(text("exec-root", &defaults.exec_root.to_string_lossy()))?,
        network: network(settings)?,
        registry: registries::registries(settings)?,
        cleanup: cleanup::cleanup(settings)?,
        build_cache_bytes_max: builder::cache_bytes_max(settings)?,
        log_driver,
        log_options,
        default_ulimits: ulimits(settings)?,
        default_shm_size: match settings.text("default-shm-size") {
            None => defaults.default_shm_size,
            Some(size) => parse_ram_bytes(size).ok_or_else(|| format!("invalid size: '{size}'"))?,
        },
        default_cgroupns_mode: one_of(
            "default-cgroupns-mode",
            &defaults.default_cgroupns_mode,
            &["host", "private"],
            |mode| {
                format!("invalid default cgroup namespace ({mode}): use \"host\" or \"private\"")
            },
        )?,
        default_ipc_mode: one_of(
            "default-ipc-mode",
            &defaults.default_ipc_mode,
            &["shareable", "private"],
            |mode| {
                format!(
                    "default IPC mode setting ({mode}) is invalid; use \"shareable\" or \"private\""
                )
            },
        )?,
        cgroup_parent: text("cgroup-parent", &defaults.cgroup_parent),
        seccomp_profile: text("seccomp-profile", &defaults.seccomp_profile),
        userns_remap: corten_engine::remapped(settings.text("userns-remap").unwrap_or_default())?,
        no_new_privileges: settings.flag("no-new-privileges", false),
        dns: addresses(settings, "dns")?
            .iter()
            .map(IpAddr::to_string)
            .collect(),
        dns_options: settings.list("dns-opts"),
        dns_search: settings.list("dns-search"),
        host_gateway: match addresses(settings, "host-gateway-ips")?.as_slice() {
            [] => None,
            [address] => Some(*address),
            [_, ..] => return Err("more than one host-gateway-ip is not supported yet".to_owned()),
        },
        debug: settings.flag("debug", false),
        labels: labels(settings)?,
        max_concurrent_downloads: limit(
            "max-concurrent-downloads",
            "downloads",
            defaults.max_concurrent_downloads,
        )?,
        max_concurrent_uploads: limit(
            "max-concurrent-uploads",
            "uploads",
            defaults.max_concurrent_uploads,
        )?,
        init_path: settings
            .text("init-path")
            .filter(|path| !path.is_empty())
            .map(PathBuf::from),
        keep_layer_blobs: settings.flag("keep-layer-blobs", false),
        init: settings.flag("init", false),
        cdi_directories: match settings.list("cdi-spec-dirs") {
            none if none.is_empty() => defaults.cdi_directories.clone(),
            list => list.iter().map(PathBuf::from).collect(),
        },
        default_runtime: runtimes::default(settings, &runtimes)?,
        runtimes,
        shim: defaults.shim,
        shim_descriptors: defaults.shim_descriptors,
        stop_timeout_seconds: defaults.stop_timeout_seconds,
    })
}

fn network(settings: &Settings) -> Result<NetworkOptions, String> {
    let host_binding = match settings.text("ip") {
        None | Some("" | "0.0.0.0" | "::") => None,
        Some(text) => Some(
            text.parse()
                .map_err(|_| format!("failed to parse IP: {text:?}"))?,
        ),
    };
    let mtu = settings.number("mtu").unwrap_or(0);
    Ok(NetworkOptions {
        bridge: settings.text("bridge").unwrap_or_default().to_owned(),
        bip: settings.text("bip").unwrap_or_default().to_owned(),
        address_pools: address_pools(settings)?,
        mtu: u32::try_from(mtu).map_err(|_| format!("invalid default MTU: {mtu}"))?,
        host_binding,
        no_firewall: !settings.flag("iptables", true),
        no_inter_container: !settings.flag("icc", true),
        no_masquerade: !settings.flag("ip-masq", true),
        fixed_cidr: settings.text("fixed-cidr").unwrap_or_default().to_owned(),
        default_gateway: settings
            .text("default-gateway")
            .unwrap_or_default()
            .to_owned(),
        ipv6: settings.flag("ipv6", false),
        bip6: settings.text("bip6").unwrap_or_default().to_owned(),
        fixed_cidr_6: settings
            .text("fixed-cidr-v6")
            .unwrap_or_default()
            .to_owned(),
        default_gateway_6: settings
            .text("default-gateway-v6")
            .unwrap_or_default()
            .to_owned(),
        default_options: default_network_options(settings),
        direct_routing: settings.flag("allow-direct-routing", false),
        no_forwarding: !settings.flag("ip-forward", true),
        no_userland_proxy: !settings.flag("userland-proxy", true),
        host_decides_ports: match settings.text("port-firewall") {
            None | Some("" | "open") => false,
            Some("host") => true,
            Some(other) => {
                return Err(format!(
                    "invalid port-firewall {other:?}: must be \"open\" or \"host\""
                ));
            }
        },
    })
}

/// `bridge=com.docker.network.driver.mtu=1400`, or the object of objects of daemon.json.
fn default_network_options(settings: &Settings) -> BTreeMap<String, BTreeMap<String, String>> {
    let given = settings
        .get("default-network-opts")
        .and_then(Value::as_object);
    let text = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
    let options = |(driver, value): (&String, &Value)| {
        let options = value.as_object().into_iter().flatten().filter_map(text);
        (driver.clone(), options.collect())
    };
    given.into_iter().flatten().map(options).collect()
}

fn absolute(path: String) -> Result<PathBuf, String> {
    let path = PathBuf::from(path);
    match path.is_absolute() {
        true => Ok(path),
        false => std::path::absolute(&path)
            .map_err(|error| format!("the directory {}: {error}", path.display())),
    }
}

fn addresses(settings: &Settings, key: &str) -> Result<Vec<IpAddr>, String> {
    let parse = |text: String| {
        text.trim()
            .parse()
            .map_err(|_| format!("invalid IP address: {text}"))
    };
    settings.list(key).into_iter().map(parse).collect()
}

fn labels(settings: &Settings) -> Result<Vec<String>, String> {
    let labels = settings.list("labels");
    match labels.iter().find(|label| !label.contains('=')) {
        Some(label) => Err(format!("bad attribute format: {label}")),
        None => Ok(labels),
    }
}

/// `base=10.0.0.0/8,size=24`, or the object of daemon.json.
fn address_pools(settings: &Settings) -> Result<Vec<AddressPool>, String> {
    let pools = settings
        .get("default-address-pools")
        .and_then(Value::as_array);
    let mut parsed = Vec::new();
    for pool in pools.into_iter().flatten() {
        let (base, size) = match pool {
            Value::String(text) => {
                let mut fields = BTreeMap::new();
                for field in text.split(',') {
                    let pair = field.split_once('=');
                    let (key, value) = pair.ok_or_else(|| {
                        format!("invalid field '{field}' must be a key=value pair")
                    })?;
                    fields.insert(key, value.to_owned());
                }
                (
                    fields.remove("base"),
                    fields.remove("size").and_then(|size| size.parse().ok()),
                )
            }
            other => (
                other.get("base").and_then(Value::as_str).map(str::to_owned),
                other.get("size").and_then(Value::as_u64),
            ),
        };
        let sized = base.zip(size.and_then(|size| u8::try_from(size).ok()));
        let (base, size) = sized.ok_or_else(|| {
            format!("invalid default address pool {pool:?}: base and size are needed")
        })?;
        parsed.push(AddressPool { base, size });
    }
    Ok(parsed)
}

/// `nofile=1024:2048`, or the object of daemon.json.
fn ulimits(settings: &Settings) -> Result<Vec<Ulimit>, String> {
    let map = settings.get("default-ulimits").and_then(Value::as_object);
    let ulimit = |(name, value): (&String, &Value)| {
        let (soft, hard) = match value {
            Value::String(text) => {
                let (soft, hard) = text.split_once(':').unwrap_or((text, text));
                (soft.parse().ok(), hard.parse().ok())
            }
            other => {
                let side = |key: &str| other.get(key).and_then(Value::as_i64);
                (side("Soft"), side("Hard"))
            }
        };
        match soft.zip(hard) {
            Some((soft, hard)) => Ok(Ulimit {
                name: name.clone(),
                soft,
                hard,
            }),
            None => Err(format!("invalid ulimit argument: {name}")),
        }
    };
    map.into_iter().flatten().map(ulimit).collect()
}
