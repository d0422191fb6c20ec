//! Networks.

use corten_api::network as wire;
use corten_engine::{IpamConfig, NetworkRequest};
use corten_model::{NetworkContainer, NetworkInspect, NetworkIpam, NetworkIpamPool};

pub(crate) fn network_create_request(request: wire::CreateRequest) -> NetworkRequest {
    let wire::CreateRequest {
        name,
        // Names are always unique.
        check_duplicate: _,
        driver,
        scope,
        enable_ipv4,
        enable_ipv6,
        ipam,
        internal,
        attachable,
        ingress,
        config_only,
        config_from,
        options,
        labels,
    } = request;
    let wire::Ipam {
        driver: ipam_driver,
        options: ipam_options,
        config,
    } = ipam.unwrap_or_default();
    let pool = |pool: wire::IpamConfig| {
        let wire::IpamConfig {
            subnet,
            ip_range,
            gateway,
            auxiliary_addresses,
        } = pool;
        IpamConfig {
            subnet,
            ip_range,
            gateway,
            auxiliary_addresses,
        }
    };
    NetworkRequest {
        name,
        driver,
        scope,
        internal,
        attachable,
        ingress,
        config_only,
        config_from: config_from.map(|it| it.network).unwrap_or_default(),
        enable_ipv4,
        enable_ipv6,
        ipam_driver,
        ipam_options,
        ipam: config.unwrap_or_default().into_iter().map(pool).collect(),
        options: options.unwrap_or_default(),
        labels: labels.unwrap_or_default(),
    }
}

pub(crate) fn network(network: NetworkInspect) -> wire::Network {
    let NetworkInspect {
        name,
        id,
        created,
        scope,
        driver,
        enable_ipv4,
        enable_ipv6,
        ipam:
            NetworkIpam {
                driver: ipam_driver,
                options: ipam_options,
                pools,
            },
        internal,
        attachable,
        ingress,
        config_from,
        config_only,
        containers,
        options,
        labels,
    } = network;
    let containers = containers.into_iter();
    wire::Network {
        name,
        id: id.to_string(),
        created: created.to_string(),
        scope,
        driver,
        enable_ipv4,
        enable_ipv6,
        ipam: wire::Ipam {
            driver: ipam_driver,
            options: ipam_options,
            config: pools.map(|pools| pools.into_iter().map(pool).collect()),
        },
        internal,
        attachable,
        ingress,
        config_from: wire::ConfigReference {
            network: config_from,
        },
        config_only,
        containers: containers
            .map(|(id, one)| (id.to_string(), container(one)))
            .collect(),
        options,
        labels,
        peers: Vec::new(),
        services: Default::default(),
    }
}

fn pool(pool: NetworkIpamPool) -> wire::IpamConfig {
    let NetworkIpamPool {
        subnet,
        ip_range,
        gateway,
        auxiliary_addresses,
    } = pool;
    let auxiliary = auxiliary_addresses.into_iter();
    wire::IpamConfig {
        subnet,
        ip_range,
        gateway,
        auxiliary_addresses: auxiliary
            .map(|(name, address)| (name, address.to_string()))
            .collect(),
    }
}

fn container(container: NetworkContainer) -> wire::EndpointResource {
    let NetworkContainer {
        name,
        endpoint_id,
        mac_address,
        ipv4_address,
        ipv6_address,
    } = container;
    wire::EndpointResource {
        name,
        endpoint_id,
        mac_address,
        ipv4_address,
        ipv6_address,
    }
}
