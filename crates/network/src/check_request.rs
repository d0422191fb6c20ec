//! What is refused about a new network before anything is done.

use crate::{
    IpamConfig, NetworkError, NetworkRequest,
    messages::{self, Refusal},
    options::{BridgeOptions, GatewayMode},
};
use ipnet::IpNet;
use std::net::IpAddr;

/// Names that belong to the networks that are always there.
pub(crate) const PREDEFINED: [&str; 4] = ["bridge", "host", "none", "default"];

fn invalid(text: impl Into<String>) -> NetworkError {
    NetworkError::Invalid(Refusal(text.into()))
}

fn forbidden(text: impl Into<String>) -> NetworkError {
    NetworkError::Forbidden(Refusal(text.into()))
}

/// What Docker refuses.
pub(crate) fn check(request: &NetworkRequest) -> Result<(), NetworkError> {
    let name = request.name.as_str();
    if name.trim().is_empty() {
        return Err(invalid("invalid name: name is empty"));
    }
    if PREDEFINED.contains(&name) {
        let text = format!("operation is not permitted on predefined {name} network ");
        return Err(forbidden(text));
    }
    if request.config_only {
        let has_operator_fields = request.internal
            || request.attachable
            || request.ingress
            || !matches!(request.scope.as_str(), "" | "local");
        if has_operator_fields {
            return Err(forbidden(
                "configuration network can only contain network specific fields. Network operator fields like [ ingress | internal | attachable | scope ] are not supported.",
            ));
        }
    }
    if request.ingress {
        return Err(forbidden(
            "Ingress network can only be global scope network",
        ));
    }
    match request.scope.as_str() {
        "" | "local" => {}
        "swarm" => {
            return Err(forbidden(
                "cannot create a swarm scoped network when swarm is not active",
            ));
        }
        other => return Err(invalid(format!("invalid network scope {other}"))),
    }
    check_driver(request)?;
    if request.enable_ipv4 == Some(false) && request.enable_ipv6 != Some(true) {
        return Err(invalid("IPv4 or IPv6 must be enabled"));
    }
    check_ipam(&request.ipam)
}

fn check_driver(request: &NetworkRequest) -> Result<(), NetworkError> {
    match request.driver.as_str() {
        "" | "bridge" | "default" => {
            let options = BridgeOptions::parse(&request.options)?;
            let isolated = [false, true].map(|ipv6| options.mode(ipv6) == GatewayMode::Isolated);
            if isolated.contains(&true) && !request.internal {
                return Err(invalid(
                    "gateway mode 'isolated' can only be used for an internal network",
                ));
            }
            // net/core/dev.h: the name of a link has 15 characters.
            if options.name.is_some_and(|name| name.len() > 15) {
                return Err(invalid("numerical result out of range"));
            }
            // RFC 791 and RFC 8200: the least that every link carries.
            let least = if request.enable_ipv6 == Some(true) { 1280 } else { 68 };
            if options.mtu.is_some_and(|mtu| !(least..=65_535).contains(&mtu)) {
                return Err(invalid("invalid argument"));
            }
            Ok(())
        }
        driver @ ("host" | "null") => Err(forbidden(format!(
            "only one instance of {driver:?} network is allowed"
        ))),
        "overlay" => Err(NetworkError::Unavailable(Refusal(
            "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to swarm and try again."
                .into(),
        ))),
        _ => Ok(()),
    }
}

fn check_ipam(all: &[IpamConfig]) -> Result<(), NetworkError> {
    // A row without a subnet stands for "any"; what else it says needs one.
    let problems: Vec<String> = all
        .iter()
        .filter(|row| !row.subnet.is_empty() || **row != IpamConfig::default())
        .flat_map(problems_of)
        .collect();
    if problems.is_empty() {
        return Ok(());
    }
    Err(invalid(messages::problems(
        "invalid network config",
        &problems,
    )))
}

fn problems_of(config: &IpamConfig) -> Vec<String> {
    let mut problems = Vec::new();
    let Ok(net) = config.subnet.parse::<IpNet>() else {
        return vec![format!(
            "invalid subnet {}: invalid CIDR block notation",
            config.subnet
        )];
    };
    if net != net.trunc() {
        problems.push(format!(
            "invalid subnet {net}: it should be {}",
            net.trunc()
        ));
    }
    let inside = |text: &str| text.parse().map(|address: IpAddr| net.contains(&address));
    let outside = format!("parent subnet {net} doesn't contain this address");
    if !config.gateway.is_empty() {
        match inside(&config.gateway) {
            Ok(true) => {}
            Ok(false) => problems.push(format!("invalid gateway {}: {outside}", config.gateway)),
            Err(_) => problems.push(format!(
                "invalid gateway {}: invalid address",
                config.gateway
            )),
        }
    }
    for (name, text) in &config.auxiliary_addresses {
        match inside(text) {
            Ok(true) => {}
            Ok(false) => problems.push(format!("invalid auxiliary address {name}: {outside}")),
            Err(_) => problems.push(format!("invalid auxiliary address {name}: invalid address")),
        }
    }
    if !config.ip_range.is_empty() {
        let range = &config.ip_range;
        match range.parse::<IpNet>() {
            Ok(part) if net.contains(&part) => {}
            Ok(_) => problems.push(format!(
                "invalid ip-range {range}: parent subnet {net} doesn't contain ip-range"
            )),
            Err(_) => {
                problems.push(format!(
                    "invalid ip-range {range}: invalid CIDR block notation"
                ));
            }
        }
    }
    problems
}
