//! Ports: `80/tcp`.

use crate::error::ApiError;
use corten_api::container as wire;
use corten_model::{ParsePortError, Port, PortBinding, PortMap};
use std::collections::{BTreeMap, BTreeSet};

fn port(text: &str) -> Result<Port, ApiError> {
    text.parse().map_err(|error: ParsePortError| {
        ApiError::invalid(match error {
            ParsePortError::Number(number) => {
                format!("invalid port specification: \"{number}\"")
            }
            error => error.to_string(),
        })
    })
}

pub(super) fn port_set(
    ports: Option<BTreeMap<String, wire::Empty>>,
) -> Result<BTreeSet<Port>, ApiError> {
    ports
        .unwrap_or_default()
        .keys()
        .map(|text| port(text))
        .collect()
}

pub(super) fn port_set_to_wire(ports: BTreeSet<Port>) -> Option<BTreeMap<String, wire::Empty>> {
    (!ports.is_empty()).then(|| {
        ports
            .into_iter()
            .map(|port| (port.to_string(), wire::Empty {}))
            .collect()
    })
}

pub(super) fn port_map(ports: wire::PortMap) -> Result<PortMap, ApiError> {
    let binding = |binding| {
        let wire::PortBinding { host_ip, host_port } = binding;
        PortBinding { host_ip, host_port }
    };
    ports
        .into_iter()
        .map(|(text, bindings)| {
            let bindings = bindings.map(|bindings| bindings.into_iter().map(binding).collect());
            Ok((port(&text)?, bindings))
        })
        .collect()
}

pub(super) fn port_map_to_wire(ports: PortMap) -> wire::PortMap {
    let binding = |binding| {
        let PortBinding { host_ip, host_port } = binding;
        wire::PortBinding { host_ip, host_port }
    };
    ports
        .into_iter()
        .map(|(port, bindings)| {
            let bindings = bindings.map(|bindings| bindings.into_iter().map(binding).collect());
            (port.to_string(), bindings)
        })
        .collect()
}
