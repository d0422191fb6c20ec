use super::StrSlice;
use crate::skip::empty;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The portable part of a container's configuration, also an image's default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename = "container.Config", rename_all = "PascalCase")]
pub struct Config {
    /// Host name; empty: the short container ID.
    pub hostname: String,
    /// NIS domain name.
    pub domainname: String,
    /// `user[:group]`, names or numbers.
    pub user: String,
    /// Whether `docker run` attaches standard input.
    pub attach_stdin: bool,
    /// Whether `docker run` attaches standard output.
    pub attach_stdout: bool,
    /// Whether `docker run` attaches standard error.
    pub attach_stderr: bool,
    /// Ports the image listens on: `80/tcp` to `{}`.
    #[serde(skip_serializing_if = "empty")]
    pub exposed_ports: Option<BTreeMap<String, Empty>>,
    /// Whether the process gets a terminal.
    pub tty: bool,
    /// Whether standard input stays open without a client.
    pub open_stdin: bool,
    /// Whether standard input closes after the first client has left.
    pub stdin_once: bool,
    /// `NAME=value`; a bare `NAME` in a create request removes it.
    pub env: Option<Vec<String>>,
    /// Arguments, or the command where there is no entry point.
    pub cmd: Option<StrSlice>,
    /// How to ask whether the service is well.
    #[serde(skip_serializing_if = "empty")]
    pub healthcheck: Option<HealthConfig>,
    /// Windows only.
    #[serde(skip_serializing_if = "empty")]
    pub args_escaped: bool,
    /// The image's name as the user wrote it.
    pub image: String,
    /// Paths that become anonymous volumes, each to `{}`.
    pub volumes: Option<BTreeMap<String, Empty>>,
    /// Working directory.
    pub working_dir: String,
    /// Entry point; an empty list in a create request means the image's.
    pub entrypoint: Option<StrSlice>,
    /// Whether the container has no network at all.
    #[serde(skip_serializing_if = "empty")]
    pub network_disabled: bool,
    /// Deprecated since 1.44: the address belongs to the endpoint.
    #[serde(skip_serializing_if = "empty")]
    pub mac_address: String,
    /// Triggers for a later build.
    pub on_build: Option<Vec<String>>,
    /// Labels.
    pub labels: Option<BTreeMap<String, String>>,
    /// Signal of `stop`.
    #[serde(skip_serializing_if = "empty")]
    pub stop_signal: String,
    /// Seconds between the stop signal and SIGKILL.
    #[serde(skip_serializing_if = "empty")]
    pub stop_timeout: Option<i64>,
    /// The shell of shell-form commands.
    #[serde(skip_serializing_if = "empty")]
    pub shell: Option<StrSlice>,
}

/// Go's `struct{}` as the value of a set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "struct {}")]
pub struct Empty {}

/// A health check. Durations in nanoseconds; 0 means the default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename = "container.HealthConfig", rename_all = "PascalCase")]
pub struct HealthConfig {
    /// `["NONE"]`, `["CMD", …]` or `["CMD-SHELL", command]`; empty: the image's.
    #[serde(skip_serializing_if = "empty")]
    pub test: Vec<String>,
    /// Between two checks.
    #[serde(skip_serializing_if = "empty")]
    pub interval: i64,
    /// For one check.
    #[serde(skip_serializing_if = "empty")]
    pub timeout: i64,
    /// Grace after the start.
    #[serde(skip_serializing_if = "empty")]
    pub start_period: i64,
    /// Between two checks during the grace.
    #[serde(skip_serializing_if = "empty")]
    pub start_interval: i64,
    /// Failures in a row until unhealthy.
    #[serde(skip_serializing_if = "empty")]
    pub retries: i64,
}
