//! A container's place in networks.

use super::port::port_map_to_wire;
use corten_api::{ApiVersion, container as wire};
use corten_model::{EndpointConfig, EndpointIpam, EndpointSettings, NetworkSettings};
use std::net::IpAddr;

/// What a client asks of a network. The fields that only a daemon fills are not read:
/// clients send back what an inspection told them.
pub(crate) fn endpoint_config(settings: wire::EndpointSettings) -> EndpointConfig {
    let wire::EndpointSettings {
        ipam_config,
        links,
        aliases,
        mac_address,
        driver_opts,
        gw_priority,
        network_id: _,
        endpoint_id: _,
        gateway: _,
        ip_address: _,
        ip_prefix_len: _,
        ipv6_gateway: _,
        global_ipv6_address: _,
        global_ipv6_prefix_len: _,
        dns_names: _,
    } = settings;
    EndpointConfig {
        ipam: ipam_config.map(
            |wire::EndpointIpamConfig {
                 ipv4_address,
                 ipv6_address,
                 link_local_ips,
             }| {
                EndpointIpam {
                    ipv4_address,
                    ipv6_address,
                    link_local_ips: (!link_local_ips.is_empty()).then_some(link_local_ips),
                }
            },
        ),
        links,
        aliases,
        mac_address,
        driver_options: driver_opts,
        gateway_priority: gw_priority,
    }
}

fn text(address: Option<impl Into<IpAddr>>) -> String {
    address
        .map(|address| address.into().to_string())
        .unwrap_or_default()
}

fn endpoint_settings(settings: EndpointSettings) -> wire::EndpointSettings {
    let EndpointSettings {
        config:
            EndpointConfig {
                ipam,
                links,
                aliases,
                mac_address: asked_mac_address,
                driver_options,
                gateway_priority,
            },
        mac_address,
        network_id,
        endpoint_id,
        gateway,
        ip_address,
        ip_prefix_length,
        ipv6_gateway,
        global_ipv6_address,
        global_ipv6_prefix_length,
        dns_names,
    } = settings;
    wire::EndpointSettings {
        ipam_config: ipam.map(
            |EndpointIpam {
                 ipv4_address,
                 ipv6_address,
                 link_local_ips,
             }| {
                wire::EndpointIpamConfig {
                    ipv4_address,
                    ipv6_address,
                    link_local_ips: link_local_ips.unwrap_or_default(),
                }
            },
        ),
        links,
        aliases,
        mac_address: if mac_address.is_empty() {
            asked_mac_address
        } else {
            mac_address
        },
        driver_opts: driver_options,
        gw_priority: gateway_priority,
        network_id: network_id.map(|id| id.to_string()).unwrap_or_default(),
        endpoint_id,
        gateway: text(gateway),
        ip_address: text(ip_address),
        ip_prefix_len: ip_prefix_length.into(),
        ipv6_gateway: text(ipv6_gateway),
        global_ipv6_address: text(global_ipv6_address),
        global_ipv6_prefix_len: global_ipv6_prefix_length.into(),
        dns_names,
    }
}

/// The networks of a container list.
pub(super) fn summary_networks(settings: NetworkSettings) -> wire::SummaryNetworkSettings {
    let networks = settings.networks.into_iter();
    wire::SummaryNetworkSettings {
        networks: networks
            .map(|(name, one)| {
                // A list does not show what was asked for beside addresses.
                let shown = wire::EndpointSettings {
                    links: None,
                    aliases: None,
                    driver_opts: None,
                    dns_names: None,
                    ..endpoint_settings(one)
                };
                (name, shown)
            })
            .collect(),
    }
}

/// The networks of an inspection; the default bridge's facts stand at the top again.
/// `own_names`: short ID and host name.
pub(super) fn network_settings(
    settings: NetworkSettings,
    own_names: &[String],
    version: ApiVersion,
) -> wire::NetworkSettings {
    let NetworkSettings {
        sandbox_id,
        sandbox_key,
        ports,
        networks,
        linked_environment: _,
    } = settings;
    let mut networks: std::collections::BTreeMap<_, _> = networks
        .into_iter()
        .map(|(name, settings)| (name, endpoint_settings(settings)))
        .collect();
    if version < ApiVersion::v1(45) {
        // These clients look for the short ID and the host name among the aliases.
        let predefined = ["bridge", "host", "none", "default"];
        for (_, endpoint) in networks
            .iter_mut()
            .filter(|(name, _)| !predefined.contains(&name.as_str()))
        {
            let aliases = endpoint.aliases.get_or_insert_default();
            for name in own_names {
                if !aliases.contains(name) {
                    aliases.push(name.clone());
                }
            }
        }
    }
    let bridge = networks.get("bridge").cloned().unwrap_or_default();
    wire::NetworkSettings {
        bridge: String::new(),
        sandbox_id,
        sandbox_key,
        ports: Some(port_map_to_wire(ports)),
        hairpin_mode: false,
        link_local_ipv6_address: String::new(),
        link_local_ipv6_prefix_len: 0,
        secondary_ip_addresses: None,
        secondary_ipv6_addresses: None,
        endpoint_id: bridge.endpoint_id,
        gateway: bridge.gateway,
        global_ipv6_address: bridge.global_ipv6_address,
        global_ipv6_prefix_len: bridge.global_ipv6_prefix_len,
        ip_address: bridge.ip_address,
        ip_prefix_len: bridge.ip_prefix_len,
        ipv6_gateway: bridge.ipv6_gateway,
        mac_address: bridge.mac_address,
        networks,
    }
}
