//! A container's portable configuration.

use super::port::{port_set, port_set_to_wire};
use crate::error::ApiError;
use corten_api::container as wire;
use corten_model::{ContainerConfig, HealthConfig};

pub(crate) fn container_config(config: wire::Config) -> Result<ContainerConfig, ApiError> {
    let wire::Config {
        hostname,
        domainname,
        user,
        attach_stdin,
        attach_stdout,
        attach_stderr,
        exposed_ports,
        tty,
        open_stdin,
        stdin_once,
        env,
        cmd,
        healthcheck,
        args_escaped,
        image,
        volumes,
        working_dir,
        entrypoint,
        network_disabled,
        mac_address,
        on_build,
        labels,
        stop_signal,
        stop_timeout,
        shell,
    } = config;
    Ok(ContainerConfig {
        hostname,
        domainname,
        user,
        attach_stdin,
        attach_stdout,
        attach_stderr,
        exposed_ports: port_set(exposed_ports)?,
        tty,
        open_stdin,
        stdin_once,
        env,
        cmd: cmd.map(|words| words.0),
        healthcheck: healthcheck.map(health_config),
        args_escaped,
        image,
        // Clients send an empty set where they mean none.
        volumes: volumes
            .filter(|volumes| !volumes.is_empty())
            .map(|volumes| volumes.into_keys().collect()),
        working_dir,
        entrypoint: entrypoint.map(|words| words.0),
        network_disabled,
        mac_address: (!mac_address.is_empty()).then_some(mac_address),
        on_build,
        labels: labels.unwrap_or_default(),
        stop_signal: (!stop_signal.is_empty()).then_some(stop_signal),
        stop_timeout,
        shell: shell.map(|words| words.0),
    })
}

pub(super) fn container_config_to_wire(config: ContainerConfig) -> wire::Config {
    let ContainerConfig {
        hostname,
        domainname,
        user,
        attach_stdin,
        attach_stdout,
        attach_stderr,
        exposed_ports,
        tty,
        open_stdin,
        stdin_once,
        env,
        cmd,
        healthcheck,
        args_escaped,
        image,
        volumes,
        working_dir,
        entrypoint,
        network_disabled,
        mac_address,
        on_build,
        labels,
        stop_signal,
        stop_timeout,
        shell,
    } = config;
    let words = |words: Option<Vec<String>>| words.map(wire::StrSlice);
    wire::Config {
        hostname,
        domainname,
        user,
        attach_stdin,
        attach_stdout,
        attach_stderr,
        exposed_ports: port_set_to_wire(exposed_ports),
        tty,
        open_stdin,
        stdin_once,
        env,
        cmd: words(cmd),
        healthcheck: healthcheck.map(health_config_to_wire),
        args_escaped,
        image,
        volumes: volumes.map(|volumes| {
            volumes
                .into_iter()
                .map(|path| (path, wire::Empty {}))
                .collect()
        }),
        working_dir,
        entrypoint: words(entrypoint),
        network_disabled,
        mac_address: mac_address.unwrap_or_default(),
        on_build,
        labels: Some(labels),
        stop_signal: stop_signal.unwrap_or_default(),
        stop_timeout,
        shell: words(shell),
    }
}

fn health_config(health: wire::HealthConfig) -> HealthConfig {
    let wire::HealthConfig {
        test,
        interval,
        timeout,
        start_period,
        start_interval,
        retries,
    } = health;
    HealthConfig {
        test,
        interval,
        timeout,
        start_period,
        start_interval,
        retries,
    }
}

fn health_config_to_wire(health: HealthConfig) -> wire::HealthConfig {
    let HealthConfig {
        test,
        interval,
        timeout,
        start_period,
        start_interval,
        retries,
    } = health;
    wire::HealthConfig {
        test,
        interval,
        timeout,
        start_period,
        start_interval,
        retries,
    }
}
