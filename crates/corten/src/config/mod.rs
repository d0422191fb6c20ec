//! Settings made into values: checked, typed, with defaults.

mod builder;
mod cleanup;
mod engine;
mod registries;
mod runtimes;

use crate::{
    flags::Line,
    hosts::{self, Host},
    settings::{Settings, SettingsError},
};
use corten_engine::EngineConfig;
use corten_server::TlsFiles;
use serde_json::Value;
use std::path::{Path, PathBuf};
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
    /// `host:port` where metrics are read.
    pub metrics: Option<String>,
    /// What is logged.
    pub log_level: Level,
    /// One JSON object a line.
    pub log_json: bool,
    /// To be logged once there is a log: settings that are followed otherwise than written.
    pub warnings: Vec<String>,
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
        let engine = engine::engine(settings)?;
        let mut warnings = Vec::new();
        let remap = settings.text("userns-remap").unwrap_or_default();
        if !remap.is_empty() && engine.userns_remap.is_none() {
            warnings.push(corten_engine::remapped_to_itself());
        }
        Ok(Self {
            engine,
            hosts,
            warnings,
            group: settings.text("group").map(str::to_owned),
            pid_file: (!pid_file.is_empty()).then(|| pid_file.into()),
            tls,
            metrics: settings
                .text("metrics-addr")
                .filter(|address| !address.is_empty())
                .map(str::to_owned),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::{Command, parse};
    use corten_model::Ulimit;

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
