//! The table of the daemon's settings: dockerd's names, and which of them mean something
//! here. A setting comes from a flag or from daemon.json, never from both.

use serde_json::Value;
use std::{collections::BTreeMap, path::Path};
use thiserror::Error;

/// What a setting's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A boolean.
    Flag,
    /// An integer.
    Number,
    /// A string.
    Text,
    /// Strings; the flag may stand several times.
    List,
    /// Strings by name.
    Map,
    /// `{"nofile": {"Name": …, "Soft": …, "Hard": …}}`; the flag is `nofile=soft:hard`.
    Ulimits,
    /// `[{"base": …, "size": …}]`; the flag is `base=…,size=…`.
    Pools,
    /// An object of another shape.
    Object,
}

impl Shape {
    /// As the usage shows it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Flag => "",
            Self::Number => "int",
            Self::Text => "string",
            Self::List => "list",
            Self::Map => "map",
            Self::Ulimits => "ulimit",
            Self::Pools => "pool-options",
            Self::Object => "map",
        }
    }

    /// Go's name of the type, for its complaints.
    fn go_type(self) -> &'static str {
        match self {
            Self::Flag => "bool",
            Self::Number => "int",
            Self::Text => "string",
            Self::List | Self::Pools => "[]string",
            Self::Map | Self::Ulimits | Self::Object => "map[string]string",
        }
    }

    fn fits(self, value: &Value) -> bool {
        match self {
            Self::Flag => value.is_boolean(),
            Self::Number => value.is_i64(),
            Self::Text => value.is_string(),
            Self::List => value
                .as_array()
                .is_some_and(|list| list.iter().all(Value::is_string)),
            Self::Pools => value.is_array(),
            Self::Map => value
                .as_object()
                .is_some_and(|map| map.values().all(Value::is_string)),
            Self::Ulimits | Self::Object => value.is_object(),
        }
    }
}

/// Whether a setting means something here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It is done.
    Yes,
    /// dockerd knows it; only these values (as JSON) say what Corten does anyway.
    Only(&'static [&'static str]),
}

/// One row of the table.
#[derive(Debug, PartialEq, Eq)]
pub struct Setting {
    /// Without dashes; empty: only in daemon.json.
    pub flag: &'static str,
    /// One letter.
    pub short: Option<char>,
    /// In daemon.json.
    pub key: &'static str,
    /// The value.
    pub shape: Shape,
    /// Whether it means something here.
    pub support: Support,
    /// One line for the usage.
    pub help: &'static str,
}

macro_rules! settings {
    ($($flag:literal $($short:literal)?, $key:literal, $shape:ident, $support:expr, $help:literal;)*) => {
        /// Every setting that dockerd 28 has, by flag.
        pub const SETTINGS: &[Setting] = &[$(Setting {
            flag: $flag,
            short: settings!(@short $($short)?),
            key: $key,
            shape: Shape::$shape,
            support: $support,
            help: $help,
        },)*];
    };
    (@short $short:literal) => { Some($short) };
    (@short) => { None };
}

use Support::{Only, Yes};

/// What dockerd knows and Corten does not do yet.
const NO: Support = Only(&[]);
const NOT_ON: Support = Only(&["false"]);
const NOT_OFF: Support = Only(&["true"]);

settings! {
    "add-runtime", "runtimes", Object, Only(&["{}"]), "Register an additional OCI compatible runtime";
    "allow-direct-routing", "allow-direct-routing", Flag, NOT_ON, "Allow remote access to published ports on container IP addresses";
    "authorization-plugin", "authorization-plugins", List, Only(&["[]"]), "Authorization plugins to load";
    "bip", "bip", Text, Yes, "IPv4 address for the default bridge";
    "bip6", "bip6", Text, Only(&["\"\""]), "IPv6 address for the default bridge";
    "bridge" 'b', "bridge", Text, Yes, "Attach containers to a network bridge";
    "cdi-spec-dir", "cdi-spec-dirs", List, Only(&["[]"]), "CDI specification directories to use";
    "cgroup-parent", "cgroup-parent", Text, Yes, "Set parent cgroup for all containers";
    "containerd", "containerd", Text, NO, "containerd grpc address";
    "containerd-namespace", "containerd-namespace", Text, NO, "Containerd namespace to use";
    "containerd-plugins-namespace", "containerd-plugin-namespace", Text, NO, "Containerd namespace to use for plugins";
    "cpu-rt-period", "cpu-rt-period", Number, Only(&["0"]), "Limit the CPU real-time period of the parent cgroup";
    "cpu-rt-runtime", "cpu-rt-runtime", Number, Only(&["0"]), "Limit the CPU real-time runtime of the parent cgroup";
    "cri-containerd", "cri-containerd", Flag, NOT_ON, "Start containerd with cri";
    "data-root", "data-root", Text, Yes, "Root directory of persistent state (default \"/var/lib/corten\")";
    "debug" 'D', "debug", Flag, Yes, "Enable debug mode";
    "default-address-pool", "default-address-pools", Pools, Yes, "Default address pools for node specific local networks";
    "default-cgroupns-mode", "default-cgroupns-mode", Text, Yes, "Default mode for containers cgroup namespace (\"host\" | \"private\")";
    "default-gateway", "default-gateway", Text, Only(&["\"\""]), "Default gateway IPv4 address for the default bridge network";
    "default-gateway-v6", "default-gateway-v6", Text, Only(&["\"\""]), "Default gateway IPv6 address for the default bridge network";
    "default-ipc-mode", "default-ipc-mode", Text, Yes, "Default mode for containers ipc (\"shareable\" | \"private\")";
    "default-network-opt", "default-network-opts", Object, Only(&["{}"]), "Default network options";
    "default-runtime", "default-runtime", Text, Only(&["\"corten\"", "\"runc\""]), "Default OCI runtime for containers";
    "default-shm-size", "default-shm-size", Text, Yes, "Default shm size for containers (default 64MiB)";
    "default-ulimit", "default-ulimits", Ulimits, Yes, "Default ulimits for containers";
    "dns", "dns", List, Yes, "DNS server to use";
    "dns-opt", "dns-opts", List, Yes, "DNS options to use";
    "dns-search", "dns-search", List, Yes, "DNS search domains to use";
    "exec-opt", "exec-opts", List, Only(&["[]", "[\"native.cgroupdriver=cgroupfs\"]"]), "Runtime execution options";
    "exec-root", "exec-root", Text, Yes, "Root directory for execution state files (default \"/run/corten\")";
    "experimental", "experimental", Flag, NOT_ON, "Enable experimental features";
    "feature", "features", Object, Only(&["{}", "{\"buildkit\":false}"]), "Enable feature in the daemon";
    "fixed-cidr", "fixed-cidr", Text, Only(&["\"\""]), "IPv4 subnet for the default bridge network";
    "fixed-cidr-v6", "fixed-cidr-v6", Text, Only(&["\"\""]), "IPv6 subnet for the default bridge network";
    "group" 'G', "group", Text, Yes, "Group for the unix socket (default \"docker\")";
    "host" 'H', "hosts", List, Yes, "Daemon socket(s) to connect to (default unix:///run/corten.sock)";
    "host-gateway-ip", "host-gateway-ips", List, Yes, "IP address that 'host-gateway' in --add-host resolves to";
    "http-proxy", "http-proxy", Text, Only(&["\"\""]), "HTTP proxy URL to use for outgoing traffic";
    "https-proxy", "https-proxy", Text, Only(&["\"\""]), "HTTPS proxy URL to use for outgoing traffic";
    "icc", "icc", Flag, Yes, "Enable inter-container communication for the default bridge network (default true)";
    "init", "init", Flag, Yes, "Run an init in the container to forward signals and reap processes";
    "init-path", "init-path", Text, Yes, "Path to the init binary";
    "insecure-registry", "insecure-registries", List, Yes, "Enable insecure registry communication";
    "ip", "ip", Text, Yes, "Host IP for port publishing from the default bridge network (default 0.0.0.0)";
    "ip-forward", "ip-forward", Flag, NOT_OFF, "Enable IP forwarding in system configuration (default true)";
    "ip-forward-no-drop", "ip-forward-no-drop", Flag, NOT_OFF, "Do not set the filter-FORWARD policy to DROP (always so)";
    "ip-masq", "ip-masq", Flag, Yes, "Enable IP masquerading for the default bridge network (default true)";
    "ip6tables", "ip6tables", Flag, Only(&["true", "false"]), "Firewall rules for IPv6: Corten has no IPv6 networks yet";
    "iptables", "iptables", Flag, Yes, "Enable addition of firewall rules (default true)";
    "ipv6", "ipv6", Flag, NOT_ON, "Enable IPv6 networking for the default bridge network";
    "label", "labels", List, Yes, "Set key=value labels to the daemon";
    "live-restore", "live-restore", Flag, NOT_OFF, "Containers live on without the daemon (always so)";
    "log-driver", "log-driver", Text, Yes, "Default driver for container logs (default \"json-file\")";
    "log-format", "log-format", Text, Yes, "Set the logging format (\"text\"|\"json\") (default \"text\")";
    "log-level" 'l', "log-level", Text, Yes, "Set the logging level (\"debug\"|\"info\"|\"warn\"|\"error\"|\"fatal\") (default \"info\")";
    "log-opt", "log-opts", Map, Yes, "Default log driver options for containers";
    "max-concurrent-downloads", "max-concurrent-downloads", Number, Yes, "Set the max concurrent downloads (default: a usual image at once)";
    "max-concurrent-uploads", "max-concurrent-uploads", Number, Yes, "Set the max concurrent uploads (default 5)";
    "max-download-attempts", "max-download-attempts", Number, Only(&["5"]), "Set the max download attempts for each pull (5)";
    "metrics-addr", "metrics-addr", Text, Only(&["\"\""]), "Set default address and port to serve the metrics api on";
    "mtu", "mtu", Number, Yes, "Set the MTU for the default \"bridge\" network (default 1500)";
    "network-control-plane-mtu", "network-control-plane-mtu", Number, Only(&["1500"]), "Network Control plane MTU";
    "no-new-privileges", "no-new-privileges", Flag, Yes, "Set no-new-privileges by default for new containers";
    "no-proxy", "no-proxy", Text, Only(&["\"\""]), "Hosts for which the proxy is skipped";
    "node-generic-resource", "node-generic-resources", List, Only(&["[]"]), "Advertise user-defined resource";
    "pidfile" 'p', "pidfile", Text, Yes, "Path to use for daemon PID file (default \"/run/corten.pid\")";
    "raw-logs", "raw-logs", Flag, Only(&["true", "false"]), "Full timestamps without ANSI coloring (always so)";
    "registry-mirror", "registry-mirrors", List, Yes, "Preferred registry mirror";
    "rootless", "rootless", Flag, NOT_ON, "Enable rootless mode";
    "seccomp-profile", "seccomp-profile", Text, Yes, "Path to seccomp profile, or \"unconfined\" (default \"builtin\")";
    "selinux-enabled", "selinux-enabled", Flag, NOT_ON, "Enable selinux support";
    "shutdown-timeout", "shutdown-timeout", Number, Only(&["15"]), "Containers are not stopped with the daemon: of no use";
    "storage-driver" 's', "storage-driver", Text, Only(&["\"\"", "\"overlay2\""]), "Storage driver to use";
    "storage-opt", "storage-opts", List, Only(&["[]"]), "Storage driver options";
    "swarm-default-advertise-addr", "swarm-default-advertise-addr", Text, Only(&["\"\""]), "Set default address for swarm";
    "tls", "tls", Flag, Yes, "Use TLS; implied by --tlsverify";
    "tlscacert", "tlscacert", Text, Yes, "Trust certs signed only by this CA";
    "tlscert", "tlscert", Text, Yes, "Path to TLS certificate file";
    "tlskey", "tlskey", Text, Yes, "Path to TLS key file";
    "tlsverify", "tlsverify", Flag, Yes, "Use TLS and verify the remote";
    "userland-proxy", "userland-proxy", Flag, NOT_ON, "Use userland proxy for loopback traffic (never)";
    "userland-proxy-path", "userland-proxy-path", Text, Only(&["\"\""]), "Path to the userland proxy binary";
    "userns-remap", "userns-remap", Text, Only(&["\"\""]), "User/Group setting for user namespaces";
    "", "builder", Object, Only(&["{}"]), "";
    "", "proxies", Object, Only(&["{}"]), "";
}

/// Values by key of daemon.json.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings(BTreeMap<&'static str, Value>);

/// A daemon.json or a command line that cannot be followed. `Display` is Docker's sentence
/// where it has one.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("open {path}: {reason}")]
    Open {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// The file is not JSON, or a value has another shape.
    #[error("invalid JSON: {0}")]
    Json(String),
    /// dockerd has no such keys either.
    #[error("the following directives don't match any configuration option: {0}")]
    Unknown(String),
    /// Said twice.
    #[error(
        "the following directives are specified both as a flag and in the configuration file: {0}"
    )]
    Twice(String),
    /// dockerd has it, Corten does not do it.
    #[error("{key} = {value} is a setting of dockerd that Corten does not support yet{hint}")]
    Unsupported {
        /// In daemon.json.
        key: &'static str,
        /// As JSON.
        value: String,
        /// Which values it does support.
        hint: String,
    },
}

impl Settings {
    /// The value of `key`, if it was given.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// Sets `key`.
    pub fn set(&mut self, key: &'static str, value: Value) {
        self.0.insert(key, value);
    }

    /// A boolean, or `default`.
    pub fn flag(&self, key: &str, default: bool) -> bool {
        self.get(key).and_then(Value::as_bool).unwrap_or(default)
    }

    /// A text, or nothing.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Value::as_str)
    }

    /// A number, or nothing.
    pub fn number(&self, key: &str) -> Option<i64> {
        self.get(key).and_then(Value::as_i64)
    }

    /// Texts; none when it was not given.
    pub fn list(&self, key: &str) -> Vec<String> {
        let list = self
            .get(key)
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        list.filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// Reads a daemon.json. A file that is not there is no failure unless `required`.
    pub fn read(path: &Path, required: bool) -> Result<Self, SettingsError> {
        match std::fs::read(path) {
            Ok(bytes) => Self::parse(&bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !required => {
                Ok(Self::default())
            }
            Err(error) => Err(SettingsError::Open {
                path: path.display().to_string(),
                reason: match error.kind() {
                    std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
                    _ => error.to_string(),
                },
            }),
        }
    }

    fn parse(bytes: &[u8]) -> Result<Self, SettingsError> {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::default());
        }
        let value: Value = corten_api::json::from_slice(bytes).map_err(|error| {
            SettingsError::Json(match error.to_string().as_str() {
                "unexpected EOF" => "unexpected end of JSON input".to_owned(),
                complaint => complaint.to_owned(),
            })
        })?;
        let Value::Object(file) = value else {
            let found = kind_of(&value);
            return Err(SettingsError::Json(format!(
                "json: cannot unmarshal {found} into Go value of type map[string]interface {{}}"
            )));
        };
        let mut settings = Self::default();
        let mut unknown = Vec::new();
        for (key, value) in file {
            match SETTINGS.iter().find(|setting| setting.key == key) {
                None => unknown.push(key),
                Some(setting) if setting.shape.fits(&value) => settings.set(setting.key, value),
                // dockerd reads the number of bytes too.
                Some(setting) if setting.key == "default-shm-size" && value.is_u64() => {
                    settings.set(setting.key, Value::String(value.to_string()));
                }
                Some(setting) => {
                    let (found, wanted) = (kind_of(&value), setting.shape.go_type());
                    return Err(SettingsError::Json(format!(
                        "json: cannot unmarshal {found} into Go struct field Config.{key} of type {wanted}"
                    )));
                }
            }
        }
        match unknown.is_empty() {
            true => Ok(settings),
            false => Err(SettingsError::Unknown(unknown.join(", "))),
        }
    }

    /// Puts the settings of a file to those of the command line. None may stand in both.
    pub fn merge(mut self, file: Self) -> Result<Self, SettingsError> {
        let twice: Vec<String> = file
            .0
            .iter()
            .filter_map(|(key, from_file)| {
                let from_flag = self.0.get(key)?;
                let (from_flag, from_file) = (go_text(from_flag), go_text(from_file));
                Some(format!(
                    "{key}: (from flag: {from_flag}, from file: {from_file})"
                ))
            })
            .collect();
        if !twice.is_empty() {
            return Err(SettingsError::Twice(twice.join(", ")));
        }
        self.0.extend(file.0);
        Ok(self)
    }

    /// Refuses what dockerd knows and Corten does not do.
    pub fn check_support(&self) -> Result<(), SettingsError> {
        for setting in SETTINGS {
            let (Some(value), Only(same)) = (self.get(setting.key), setting.support) else {
                continue;
            };
            let value = value.to_string();
            if !same.contains(&value.as_str()) {
                let hint = match same {
                    [] => String::new(),
                    same => format!(" (it supports {})", same.join(" and ")),
                };
                return Err(SettingsError::Unsupported {
                    key: setting.key,
                    value,
                    hint,
                });
            }
        }
        Ok(())
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// As Go's `%v` prints it.
fn go_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(list) => {
            format!(
                "[{}]",
                list.iter().map(go_text).collect::<Vec<_>>().join(" ")
            )
        }
        Value::Object(map) => {
            let pairs = map
                .iter()
                .map(|(key, value)| format!("{key}:{}", go_text(value)));
            format!("map[{}]", pairs.collect::<Vec<_>>().join(" "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Settings, String> {
        Settings::parse(text.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_is_judged_as_dockerd_judges_it() {
        for (text, sentence) in [
            (
                r#"{"bogus":1,"foo":2}"#,
                "the following directives don't match any configuration option: bogus, foo",
            ),
            (
                r#"{"debug": "#,
                "invalid JSON: unexpected end of JSON input",
            ),
            (
                r#"{"data-root":3}"#,
                "invalid JSON: json: cannot unmarshal number into Go struct field Config.data-root of type string",
            ),
            (
                r#"{"mtu":"1"}"#,
                "invalid JSON: json: cannot unmarshal string into Go struct field Config.mtu of type int",
            ),
        ] {
            assert_eq!(parsed(text), Err(sentence.to_owned()));
        }
        assert_eq!(parsed(""), Ok(Settings::default()));
    }

    #[test]
    fn a_setting_stands_in_one_place_only() {
        let flags = parsed(r#"{"hosts":["unix:///y"],"debug":true}"#).unwrap();
        let file = parsed(r#"{"hosts":["unix:///x"],"mtu":1}"#).unwrap();
        assert_eq!(
            flags.merge(file).unwrap_err().to_string(),
            "the following directives are specified both as a flag and in the configuration file: hosts: (from flag: [unix:///y], from file: [unix:///x])"
        );
    }

    #[test]
    fn what_corten_does_not_do_is_refused_by_name() {
        let refused = parsed(r#"{"userns-remap":"default"}"#)
            .unwrap()
            .check_support();
        assert_eq!(
            refused.unwrap_err().to_string(),
            "userns-remap = \"default\" is a setting of dockerd that Corten does not support yet (it supports \"\")"
        );
        assert!(
            parsed(r#"{"live-restore":true}"#)
                .unwrap()
                .check_support()
                .is_ok()
        );
        assert!(
            parsed(r#"{"live-restore":false}"#)
                .unwrap()
                .check_support()
                .is_err()
        );
    }

    #[test]
    fn no_flag_or_key_stands_twice_in_the_table() {
        for (at, setting) in SETTINGS.iter().enumerate() {
            let later = &SETTINGS[at + 1..];
            assert!(
                later.iter().all(|other| other.key != setting.key),
                "{}",
                setting.key
            );
            let flag = setting.flag;
            assert!(
                flag.is_empty() || later.iter().all(|other| other.flag != flag),
                "{flag}"
            );
        }
    }
}
