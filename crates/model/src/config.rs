//! What a container runs: Docker's `Config`, every field of it.

use crate::Port;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The portable half of a container's configuration. `None` and an empty value differ
/// where Docker's JSON shows `null` and `[]` apart, and where the image's value applies
/// only when nothing was asked for.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerConfig {
    /// Host name inside; empty: the short ID.
    pub hostname: String,
    /// NIS domain name.
    pub domainname: String,
    /// `name|uid[:group|gid]`; empty: root.
    pub user: String,
    /// The client wants to attach to standard input.
    pub attach_stdin: bool,
    /// The client wants to attach to standard output.
    pub attach_stdout: bool,
    /// The client wants to attach to standard error.
    pub attach_stderr: bool,
    /// Ports that `--publish-all` publishes and that lists show.
    pub exposed_ports: BTreeSet<Port>,
    /// Standard streams are a terminal.
    pub tty: bool,
    /// Standard input stays open without a client.
    pub open_stdin: bool,
    /// Standard input is closed when the first client leaves.
    pub stdin_once: bool,
    /// `NAME=value`; a bare `NAME` removes the image's value.
    pub env: Option<Vec<String>>,
    /// Arguments, or the command when there is no entry point.
    pub cmd: Option<Vec<String>>,
    /// How to tell whether the container is healthy.
    pub healthcheck: Option<HealthConfig>,
    /// Windows only: the command is escaped already.
    pub args_escaped: bool,
    /// The image as the user named it.
    pub image: String,
    /// Destinations that get an anonymous volume.
    pub volumes: Option<BTreeSet<String>>,
    /// Working directory; created when missing.
    pub working_dir: String,
    /// The command that `cmd` are arguments of.
    pub entrypoint: Option<Vec<String>>,
    /// No network but loopback.
    pub network_disabled: bool,
    /// Deprecated since API 1.44: hardware address on the first network.
    pub mac_address: Option<String>,
    /// Build triggers of the image.
    pub on_build: Option<Vec<String>>,
    /// User's labels.
    pub labels: BTreeMap<String, String>,
    /// Name or number of the signal that stops the container.
    pub stop_signal: Option<String>,
    /// Seconds between the stop signal and SIGKILL; -1: no limit.
    pub stop_timeout: Option<i64>,
    /// Shell of the shell form of commands.
    pub shell: Option<Vec<String>>,
}

/// How a container's health is tested. Durations in nanoseconds; 0: inherit or default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HealthConfig {
    /// Empty: inherit; `NONE`; `CMD`, arguments…; `CMD-SHELL`, command.
    pub test: Vec<String>,
    /// Between two probes.
    pub interval: i64,
    /// A probe that takes longer has failed.
    pub timeout: i64,
    /// Failures in this time after the start do not count.
    pub start_period: i64,
    /// Between two probes during the start period.
    pub start_interval: i64,
    /// So many failures in a row make the container unhealthy.
    pub retries: i64,
}
