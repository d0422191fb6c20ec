//! Settings made into values: checked, typed, with defaults.

use crate::{
    flags::Line,
    hosts::{self, Host},
    settings::{Settings, SettingsError},
};
use corten_base::text::parse_ram_bytes;
use corten_engine::{AddressPool, EngineConfig, NetworkOptions, RegistryOptions};
use corten_model::Ulimit;
use corten_server::TlsFiles;
use serde_json::Value;
use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};
use thiserror::Error;
use tracing::Level;

/// The daemon.json that is read when no other is named.
pub const DEFAULT_FILE: &str = "/etc/corten/daemon.json";
const DEFAULT_PID_FILE: &str = "/run/corten.pid";
const DEFAULT_GROUP: &str = "docker";

/// How the daemon runs.
#[derive(Debug, Clone)]
pub struct DaemonConfig {
    /// The engine's part.
    pub engine: EngineConfig,
    /// Where to listen, at least one.
    pub hosts: Vec<Host>,
    /// Group of unix sockets; `None`: the default one, where the system has it.
    pub group: Option<String>,
    /// The pid file; `None`: without.
    pub pid_file: Option<PathBuf>,
    /// TLS of TCP addresses.
    pub tls: Option<TlsFiles>,
    /// What is logged.
    pub log_level: Level,
    /// One JSON object a line.
    pub log_json: bool,
}

/// Settings that cannot be followed.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// In the file, or between file and command line.
    #[error("unable to configure the Corten daemon with file {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: SettingsError,
    },
    /// A value is wrong.
    #[error(
        "unable to configure the Corten daemon with file {path}: merged configuration validation from file and command line flags failed: {message}"
    )]
    Value {
        /// The file.
        path: PathBuf,
        /// Docker's sentence where it has one.
        message: String,
    },
}

impl DaemonConfig {
    /// Reads the file that the command line names, merges both and checks the result.
    pub fn load(line: Line) -> Result<Self, ConfigError> {
        let path = PathBuf::from(line.config_file.as_deref().unwrap_or(DEFAULT_FILE));
        let file_failed = |source| ConfigError::File {
            path: path.clone(),
            source,
        };
        let file = Settings::read(&path, line.config_file.is_some()).map_err(file_failed)?;
        let settings = line.settings.merge(file).map_err(file_failed)?;
        settings.check_support().map_err(file_failed)?;
        Self::from_settings(&settings).map_err(|message| ConfigError::Value {
            path: path.clone(),
            message,
        })
    }

    fn from_settings(settings: &Settings) -> Result<Self, String> {
        let tls = tls_files(settings);
        let mut hosts = Vec::new();
        for host in settings.list("hosts") {
            let parsed = hosts::parse(&host, tls.is_some())
                .map_err(|reason| format!("invalid bind address ({host}): {reason}"))?;
            if hosts.contains(&parsed) {
                continue;
            }
            hosts.push(parsed);
        }
        if hosts.is_empty() {
            hosts.push(Host::Unix(hosts::DEFAULT_SOCKET.into()));
        }
        let plain_asked = settings.get("tls") == Some(&Value::Bool(false));
        if let Some(Host::Tcp(address)) = hosts.iter().find(|host| matches!(host, Host::Tcp(_)))
            && tls
                .as_ref()
                .is_none_or(|tls| tls.client_authority.is_none())
            && !plain_asked
            && tls.is_none()
        {
            return Err(format!(
                "whoever reaches tcp://{address} would be root on this machine: use --tlsverify with certificates, or say --tls=false to allow it"
            ));
        }
        let pid_file = settings.text("pidfile").unwrap_or(DEFAULT_PID_FILE);
        Ok(Self {
            engine: engine(settings)?,
            hosts,
            group: settings.text("group").map(str::to_owned),
            pid_file: (!pid_file.is_empty()).then(|| pid_file.into()),
            tls,
            log_level: log_level(settings)?,
            log_json: match settings.text("log-format") {
                None | Some("" | "text") => false,
                Some("json") => true,
                Some(other) => return Err(format!("invalid log format: {other}")),
            },
        })
    }

    /// The name of the sockets' group, and whether it must exist.
    pub(crate) fn socket_group(&self) -> (&str, bool) {
        match &self.group {
            Some(group) => (group, true),
            None => (DEFAULT_GROUP, false),
        }
    }
}

fn log_level(settings: &Settings) -> Result<Level, String> {
    if settings.flag("debug", false) {
        return Ok(Level::DEBUG);
    }
    match settings.text("log-level") {
        None | Some("" | "info") => Ok(Level::INFO),
        Some("trace") => Ok(Level::TRACE),
        Some("debug") => Ok(Level::DEBUG),
        Some("warn" | "warning") => Ok(Level::WARN),
        Some("error" | "fatal" | "panic") => Ok(Level::ERROR),
        Some(other) => Err(format!("invalid logging level: {other}")),
    }
}

fn tls_files(settings: &Settings) -> Option<TlsFiles> {
    let verify = settings.flag("tlsverify", false);
    if !verify && !settings.flag("tls", false) {
        return None;
    }
    let directory = std::env::var_os("DOCKER_CERT_PATH")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".docker")));
    let directory = directory.unwrap_or_default();
    let file = |key: &str, name: &str| {
        settings
            .text(key)
            .map_or_else(|| directory.join(name), PathBuf::from)
    };
    Some(TlsFiles {
        certificate: file("tlscert", "cert.pem"),
        key: file("tlskey", "key.pem"),
        client_authority: verify.then(|| file("tlscacert", "ca.pem")),
    })
}

fn engine(settings: &Settings) -> Result<EngineConfig, String> {
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
    let log_options = settings
        .get("log-opts")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    Ok(EngineConfig {
        data_root: absolute(text("data-root", &defaults.data_root.to_string_lossy()))?,
        exec_root: absolute(text("exec-root", &defaults.exec_root.to_string_lossy()))?,
        network: network(settings)?,
        registry: RegistryOptions {
            mirrors: mirrors(settings)?,
            insecure: settings.list("insecure-registries"),
        },
        log_driver: text("log-driver", &defaults.log_driver),
        log_options: log_options
            .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
            .collect(),
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
        init: settings.flag("init", false),
        shim: defaults.shim,
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
    })
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

fn mirrors(settings: &Settings) -> Result<Vec<String>, String> {
    let mirrors = settings.list("registry-mirrors");
    for mirror in &mirrors {
        if !mirror.starts_with("https://") && !mirror.starts_with("http://") {
            return Err(format!(
                "invalid mirror: no scheme specified for {mirror:?}: must use either 'https://' or 'http://'"
            ));
        }
    }
    Ok(mirrors)
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
                let mut fields = std::collections::BTreeMap::new();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::{Command, parse};

    fn config(line: &str) -> Result<DaemonConfig, String> {
        match parse(line.split_whitespace().map(str::to_owned)) {
            Ok(Command::Run(line)) => DaemonConfig::from_settings(&line.settings),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn flags_become_the_engines_settings() {
        let config = config(
            "--data-root /d --dns 1.1.1.1 --default-address-pool base=10.0.0.0/8,size=24 \
             --default-ulimit nofile=10:20 --default-shm-size 1g --icc=false --mtu 1400 -D",
        )
        .unwrap();
        assert_eq!(config.engine.data_root, Path::new("/d"));
        assert_eq!(config.engine.dns, ["1.1.1.1"]);
        assert_eq!(config.engine.network.address_pools[0].size, 24);
        let nofile = Ulimit {
            name: "nofile".into(),
            soft: 10,
            hard: 20,
        };
        assert_eq!(config.engine.default_ulimits, [nofile]);
        assert_eq!(config.engine.default_shm_size, 1 << 30);
        assert!(config.engine.network.no_inter_container);
        assert_eq!(config.log_level, Level::DEBUG);
        assert_eq!(config.hosts, [Host::Unix("/run/corten.sock".into())]);
    }

    #[test]
    fn wrong_values_are_named() {
        for (line, sentence) in [
            ("--log-level foo", "invalid logging level: foo"),
            (
                "--max-concurrent-downloads=-1",
                "invalid max concurrent downloads: -1",
            ),
            (
                "-H foo://x",
                "invalid bind address (foo://x): unsupported proto 'foo'",
            ),
            ("--dns x", "invalid IP address: x"),
            ("--label x", "bad attribute format: x"),
        ] {
            assert_eq!(config(line).unwrap_err(), sentence);
        }
    }

    #[test]
    fn a_tcp_address_without_tls_must_be_meant() {
        assert!(
            config("-H tcp://127.0.0.1:1")
                .unwrap_err()
                .contains("--tls=false")
        );
        assert!(config("-H tcp://127.0.0.1:1 --tls=false").is_ok());
        assert!(config("-H tcp://127.0.0.1:1 --tlsverify").is_ok());
    }
}
