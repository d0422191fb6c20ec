//! Whether a configuration can be, before anything is made (moby:
//! `daemon/container.go`, `daemon/daemon_unix.go`).

use super::verify_resources::verify_resources;
use crate::{
    EngineError, Result,
    host::HostFacts,
    messages::{self, Sentence},
    signal,
    spec::{capabilities, security::SecurityOptions},
};
use corten_model::{ContainerConfig, HostConfig, RestartPolicy, RestartPolicyName};

/// A millisecond, in nanoseconds: the shortest time in a health check.
const HEALTH_MIN_NANOSECONDS: i64 = 1_000_000;

pub(super) fn invalid<T>(sentence: Sentence) -> Result<T> {
    Err(EngineError::Invalid(sentence))
}

/// The portable half.
pub(super) fn verify_config(config: &ContainerConfig) -> Result<()> {
    if !config.working_dir.is_empty() && !config.working_dir.starts_with('/') {
        return invalid(messages::relative_working_directory(&config.working_dir));
    }
    if let Some(stop_signal) = config.stop_signal.as_deref().filter(|it| !it.is_empty())
        && signal::number(stop_signal).is_none()
    {
        return invalid(messages::invalid_signal(stop_signal));
    }
    for variable in config.env.iter().flatten() {
        if variable.split('=').next().is_none_or(str::is_empty) {
            return invalid(messages::invalid_environment(variable));
        }
    }
    let Some(health) = &config.healthcheck else {
        return Ok(());
    };
    for (field, value) in [
        ("Interval", health.interval),
        ("Timeout", health.timeout),
        ("StartPeriod", health.start_period),
        ("StartInterval", health.start_interval),
    ] {
        if value != 0 && value < HEALTH_MIN_NANOSECONDS {
            return invalid(messages::health_too_short(field));
        }
    }
    if health.retries < 0 {
        return invalid(messages::health_negative_retries());
    }
    Ok(())
}

/// The host's half.
pub(super) fn verify_host_config(
    host_config: &HostConfig,
    config: &ContainerConfig,
    host: &HostFacts,
) -> Result<()> {
    verify_restart_policy(&host_config.restart_policy)?;
    if host_config.auto_remove && host_config.restart_policy.name != RestartPolicyName::No {
        return invalid(messages::auto_remove_with_restart());
    }
    for entry in host_config.extra_hosts.iter().flatten() {
        verify_extra_host(entry)?;
    }
    for key in host_config.annotations.iter().flatten().map(|(key, _)| key) {
        if key.is_empty() {
            return invalid(messages::empty_annotation());
        }
    }
    super::ports::verify_firewall(&host_config.annotations)?;
    super::successor::verify_successor(host_config)?;
    capabilities::normalise("CapAdd", &host_config.cap_add)?;
    capabilities::normalise("CapDrop", &host_config.cap_drop)?;
    SecurityOptions::parse(host_config)?.check_label(host.selinux)?;
    verify_modes(host_config, config)?;
    verify_ports(host_config)?;
    if !["", "default"].contains(&host_config.isolation.as_str()) {
        return invalid(messages::invalid_isolation(&host_config.isolation));
    }
    if !(-1000..=1000).contains(&host_config.oom_score_adj) {
        return invalid(messages::oom_score_out_of_range(host_config.oom_score_adj));
    }
    if host_config.shm_size < 0 {
        return invalid(messages::negative_shm_size());
    }
    for (what, value) in [
        ("bandwidth", host_config.resources.io_maximum_bandwidth),
        ("IOPs", host_config.resources.io_maximum_iops),
    ] {
        if value != 0 {
            return invalid(messages::quality_of_service(what));
        }
    }
    verify_resources(&host_config.resources, host)?;
    refuse_what_is_not_honoured(host_config)
}

/// moby: `validateRestartPolicy`.
pub(crate) fn verify_restart_policy(policy: &RestartPolicy) -> Result<()> {
    let counts = [RestartPolicyName::OnFailure, RestartPolicyName::OnUnhealthy];
    if policy.maximum_retry_count != 0 && !counts.contains(&policy.name) {
        return invalid(match policy.maximum_retry_count {
            ..0 => messages::restart_count_neither(),
            _ => messages::restart_count_needs_on_failure(),
        });
    }
    if policy.maximum_retry_count < 0 {
        return invalid(messages::restart_count_negative());
    }
    Ok(())
}

/// dockerd: `opts.ValidateExtraHost`.
fn verify_extra_host(entry: &str) -> Result<()> {
    let Some((name, address)) = entry.split_once(':').filter(|it| !it.0.is_empty()) else {
        return invalid(messages::invalid_add_host(entry));
    };
    let _ = name;
    if address != "host-gateway" && address.parse::<std::net::IpAddr>().is_err() {
        return invalid(messages::invalid_add_host_address(address));
    }
    Ok(())
}

fn verify_modes(host_config: &HostConfig, config: &ContainerConfig) -> Result<()> {
    let of_container = |mode: &str| mode.strip_prefix("container:").map(str::to_owned);
    let network = host_config.network_mode.as_str();
    if let Some(name) = of_container(network) {
        if name.is_empty() {
            return invalid(messages::invalid_container_mode());
        }
        let conflict = |what: &str| invalid(messages::container_network_conflict(what));
        if !config.hostname.is_empty() {
            return invalid(messages::network_mode_conflict("hostname"));
        }
        let some = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|it| !it.is_empty());
        if some(&host_config.links) {
            return invalid(messages::links_and_container_network());
        }
        if some(&host_config.dns) {
            return invalid(messages::network_mode_conflict("dns"));
        }
        if some(&host_config.extra_hosts) {
            let what = "custom host-to-IP mapping";
            return invalid(messages::network_mode_conflict(what));
        }
        for (what, given) in [
            (
                "port publishing",
                host_config.publish_all_ports
                    || host_config
                        .port_bindings
                        .as_ref()
                        .is_some_and(|it| !it.is_empty()),
            ),
            ("port exposing", !config.exposed_ports.is_empty()),
        ] {
            if given {
                return conflict(what);
            }
        }
    }
    if !["", "host"].contains(&host_config.uts_mode.as_str()) {
        return invalid(messages::invalid_uts_mode(&host_config.uts_mode));
    }
    if host_config.uts_mode == "host" && !config.hostname.is_empty() {
        return invalid(messages::hostname_and_uts_mode());
    }
    let pid = host_config.pid_mode.as_str();
    if !["", "host"].contains(&pid) && of_container(pid).is_none_or(|name| name.is_empty()) {
        return invalid(messages::invalid_pid_mode(pid));
    }
    let ipc = host_config.ipc_mode.as_str();
    if !["", "none", "private", "shareable", "host"].contains(&ipc)
        && of_container(ipc).is_none_or(|name| name.is_empty())
    {
        return invalid(messages::invalid_ipc_mode(ipc));
    }
    if !["", "private", "host"].contains(&host_config.cgroupns_mode.as_str()) {
        return invalid(messages::invalid_cgroupns_mode(&host_config.cgroupns_mode));
    }
    Ok(())
}

fn verify_ports(host_config: &HostConfig) -> Result<()> {
    for binding in host_config
        .port_bindings
        .iter()
        .flatten()
        .flat_map(|(_, list)| list)
        .flatten()
    {
        let wrong = || EngineError::Invalid(messages::invalid_port(&binding.host_port));
        let (first, last) = binding
            .host_port
            .split_once('-')
            .unwrap_or((&binding.host_port, &binding.host_port));
        if binding.host_port.is_empty() {
            continue;
        }
        let first: u16 = first.parse().map_err(|_| wrong())?;
        let last: u16 = last.parse().map_err(|_| wrong())?;
        if last < first {
            return Err(wrong());
        }
        if !binding.host_ip.is_empty() && binding.host_ip.parse::<std::net::IpAddr>().is_err() {
            return invalid(messages::invalid_port(&binding.host_ip));
        }
    }
    Ok(())
}

/// Fields that Corten cannot honour yet are refused by name, never dropped.
fn refuse_what_is_not_honoured(host_config: &HostConfig) -> Result<()> {
    let refuse = |field: &str, value: &dyn std::fmt::Display| {
        Err(EngineError::Unsupported(messages::unsupported(
            field, value,
        )))
    };
    let resources = &host_config.resources;
    if !["", "host", "auto"].contains(&host_config.userns_mode.as_str()) {
        let mode = &host_config.userns_mode;
        return Err(EngineError::Invalid(messages::invalid_userns_mode(mode)));
    }
    if !host_config.cgroup.is_empty() {
        return refuse("HostConfig.Cgroup", &host_config.cgroup);
    }
    // Windows' limits: dockerd on Linux takes these two in silence, we do not.
    for (field, value) in [
        ("HostConfig.CpuCount", resources.cpu_count),
        ("HostConfig.CpuPercent", resources.cpu_percent),
    ] {
        if value != 0 {
            return refuse(field, &value);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_model::Resources;

    fn host() -> HostFacts {
        HostFacts {
            cpus: 2,
            cpu_list: "0-1".into(),
            memory_nodes: "0".into(),
            block_weight: false,
            ..HostFacts::read()
        }
    }

    #[test]
    fn limits_are_refused_in_dockers_words() {
        let sentence = |resources: Resources| {
            verify_resources(&resources, &host())
                .expect_err("refused")
                .to_string()
        };
        assert_eq!(
            sentence(Resources {
                memory: 1000,
                ..Resources::default()
            }),
            "Minimum memory limit allowed is 6MB"
        );
        assert_eq!(
            sentence(Resources {
                nano_cpus: 100_000_000_000,
                ..Resources::default()
            }),
            "range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available"
        );
        assert_eq!(
            sentence(Resources {
                cpuset_cpus: "99".into(),
                ..Resources::default()
            }),
            "Requested CPUs are not available - requested 99, available: 0-1"
        );
        assert_eq!(
            sentence(Resources {
                cpuset_cpus: "x".into(),
                ..Resources::default()
            }),
            "Invalid value x for cpuset cpus: invalid format: x"
        );
    }

    #[test]
    fn a_field_that_is_not_honoured_is_named() {
        let asked = HostConfig {
            cgroup: "x".into(),
            ..HostConfig::default()
        };
        let error = verify_host_config(&asked, &ContainerConfig::default(), &host())
            .expect_err("not honoured");
        assert_eq!(
            error.to_string(),
            "HostConfig.Cgroup=x is not supported by Corten yet: leave it out"
        );
    }

    #[test]
    fn modes_are_checked_by_name() {
        let error = |host_config: HostConfig| {
            verify_host_config(&host_config, &ContainerConfig::default(), &host())
                .expect_err("refused")
                .to_string()
        };
        let default = HostConfig::default;
        assert_eq!(
            error(HostConfig {
                pid_mode: "foo".into(),
                ..default()
            }),
            "invalid PID mode: foo"
        );
        assert_eq!(
            error(HostConfig {
                network_mode: "container:".into(),
                ..default()
            }),
            "invalid network mode: invalid container format container:<name|id>"
        );
    }
}
