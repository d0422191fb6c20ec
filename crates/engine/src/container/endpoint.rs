//! A container's endpoint: from what was asked to what the network room is told, and back
//! to what an inspection shows.

use crate::{Engine, EngineError, Result, messages};
use corten_model::{Container, ContainerId, EndpointConfig, EndpointSettings};
use corten_network::{Driver, Endpoint, EndpointRequest, Link, NetworkInfo};
use std::collections::BTreeMap;

impl Engine {
    /// The name of the network that a name, an ID or the beginning of one means; the text
    /// itself when there is none.
    pub(crate) fn network_name(&self, text: &str) -> String {
        match self.networks.inspect(text) {
            Ok(network) => network.name,
            Err(_) => text.to_owned(),
        }
    }

    /// Docker's refusals of an endpoint, before anything is made; empty: none.
    pub(super) fn endpoint_problems(
        &self,
        network: &NetworkInfo,
        config: &EndpointConfig,
    ) -> Result<Vec<String>> {
        let mut problems = Vec::new();
        let ipam = config.ipam.clone().unwrap_or_default();
        let asked = [ipam.ipv4_address.as_str(), ipam.ipv6_address.as_str()];
        if !is_user_defined(network) {
            if asked.iter().any(|it| !it.is_empty()) {
                problems.push(messages::static_address_on_predefined().to_string());
            }
            if config.aliases.as_ref().is_some_and(|it| !it.is_empty()) {
                problems.push(messages::alias_on_predefined().to_string());
            }
        }
        for (text, family, wrong) in [
            (
                asked[0],
                "IPv4",
                asked[0].parse::<std::net::Ipv4Addr>().is_err(),
            ),
            (
                asked[1],
                "IPv6",
                asked[1].parse::<std::net::Ipv6Addr>().is_err(),
            ),
        ] {
            if text.is_empty() {
                continue;
            }
            if wrong {
                problems.push(messages::invalid_family_address(family, text).to_string());
            }
            if let Some(problem) =
                self.networks
                    .address_problem(&network.name, text, family == "IPv6")?
            {
                problems.push(problem);
            }
        }
        for text in ipam.link_local_ips.iter().flatten() {
            if text.parse::<std::net::IpAddr>().is_err() {
                problems.push(messages::invalid_link_local(text).to_string());
            }
        }
        Ok(problems)
    }
}

/// Another container's addresses are not chosen by who joins its network.
pub(super) fn refuse_addresses(
    mode: &str,
    endpoints: &BTreeMap<String, EndpointConfig>,
) -> Result<()> {
    let asked = endpoints.values().filter_map(|it| it.ipam.as_ref());
    let mut addresses = asked.flat_map(|it| [&it.ipv4_address, &it.ipv6_address]);
    if addresses.all(|it| it.is_empty()) {
        return Ok(());
    }
    let problem = messages::static_address_on_predefined().to_string();
    let problems = corten_network::messages::problems(super::connect::PROBLEMS, &[problem]);
    Err(EngineError::Invalid(messages::invalid_endpoint(
        mode, problems,
    )))
}

/// Names are served there, and addresses can be chosen.
pub(super) fn is_user_defined(network: &NetworkInfo) -> bool {
    !["bridge", "host", "none"].contains(&network.name.as_str())
}

/// `name`, `name:alias`, or as an inspection shows a link, `/name:/container/alias`.
pub(super) fn parse_link(text: &str) -> Result<(String, String)> {
    let parts: Vec<&str> = text.split(':').collect();
    match parts[..] {
        [""] => Err(EngineError::Invalid(messages::empty_link())),
        [one] => Ok((one.to_owned(), one.to_owned())),
        [name, alias] => match name.strip_prefix('/') {
            Some(name) => {
                let alias = alias.rsplit('/').next().unwrap_or_default();
                Ok((name.to_owned(), alias.to_owned()))
            }
            None => Ok((name.to_owned(), alias.to_owned())),
        },
        _ => Err(EngineError::Failed(messages::bad_link(text))),
    }
}

/// What the network room is asked for. `ports` is the same for every endpoint.
pub(super) fn endpoint_request(
    record: &Container,
    network: &str,
    config: &EndpointConfig,
    ports: Vec<corten_network::PublishRequest>,
) -> Result<EndpointRequest> {
    let mac = match config.mac_address.as_str() {
        "" => None,
        text => Some(
            text.parse()
                .map_err(|_| EngineError::Invalid(messages::invalid_mac_address(text)))?,
        ),
    };
    let ipam = config.ipam.clone().unwrap_or_default();
    let wrong = |text: &str| EngineError::Invalid(messages::invalid_address(text));
    let ipv4 = match ipam.ipv4_address.as_str() {
        "" => None,
        text => Some(text.parse().map_err(|_| wrong(text))?),
    };
    let ipv6 = match ipam.ipv6_address.as_str() {
        "" => None,
        text => Some(text.parse().map_err(|_| wrong(text))?),
    };
    let link_local = ipam.link_local_ips.iter().flatten();
    let links = config.links.iter().flatten().map(|text| {
        let (container, alias) = parse_link(text)?;
        Ok(Link { container, alias })
    });
    Ok(EndpointRequest {
        container_id: record.id.to_string(),
        container_name: record.name.clone(),
        hostname: record.config.hostname.clone(),
        network: network.to_owned(),
        ports,
        mac,
        ipv4,
        ipv6,
        link_local: link_local
            .map(|text| text.parse().map_err(|_| wrong(text)))
            .collect::<Result<_>>()?,
        aliases: config.aliases.clone().unwrap_or_default(),
        links: links.collect::<Result<_>>()?,
        gateway_priority: config.gateway_priority,
        driver_options: config.driver_options.clone().unwrap_or_default(),
        ..EndpointRequest::default()
    })
}

/// What an inspection shows of an endpoint that is there.
pub(super) fn endpoint_settings(config: &EndpointConfig, made: &Endpoint) -> EndpointSettings {
    EndpointSettings {
        config: config.clone(),
        mac_address: made.mac.map(|it| it.to_string()).unwrap_or_default(),
        network_id: Some(made.network_id.into()),
        endpoint_id: made.endpoint_id.to_string(),
        gateway: made.gateway,
        ip_address: made.ipv4,
        ip_prefix_length: made.ipv4_prefix_length,
        ipv6_gateway: made.ipv6_gateway,
        global_ipv6_address: made.ipv6,
        global_ipv6_prefix_length: made.ipv6_prefix_length,
        dns_names: Some(made.dns_names.clone()).filter(|it| !it.is_empty()),
    }
}

/// The names of a container on a network that serves them: its own, its aliases, its short
/// ID and its host name, each once. `None` on networks that do not.
pub(super) fn dns_names(
    id: ContainerId,
    name: &str,
    hostname: &str,
    network: &NetworkInfo,
    config: &EndpointConfig,
) -> Option<Vec<String>> {
    if !is_user_defined(network) || matches!(network.driver, Driver::Host | Driver::Null) {
        return None;
    }
    let mut names: Vec<String> = Vec::new();
    let aliases = config.aliases.iter().flatten().cloned();
    let all = [name.to_owned()]
        .into_iter()
        .chain(aliases)
        .chain([id.short(), hostname.to_owned()]);
    for name in all.filter(|it| !it.is_empty()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_read_as_written_and_as_shown() {
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(parse_link("db").expect("a link"), pair("db", "db"));
        assert_eq!(parse_link("db:x").expect("a link"), pair("db", "x"));
        assert_eq!(parse_link("/db:/web/x").expect("a link"), pair("db", "x"));
        let error = parse_link("a:b:c").expect_err("three parts");
        assert_eq!(error.to_string(), "bad format for links: a:b:c");
    }
}
