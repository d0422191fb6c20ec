//! From where a container is reached: read off its endpoints and their published ports.

use crate::{
    Driver, Endpoint, Networks, PortBinding, PortFirewall, Reach, ReachedFrom,
    options::GatewayMode, registry::Network,
};
use std::net::{IpAddr, Ipv4Addr};

impl Networks {
    /// The ways in to a container, in the order of its endpoints: whole addresses first,
    /// then published ports. What other rules of the host drop is not seen here.
    pub fn reach(&self, container_id: &str) -> Vec<Reach> {
        let registry = self.registry();
        let endpoints = registry.endpoints.get(container_id);
        let mut all = Vec::new();
        for endpoint in endpoints.into_iter().flatten() {
            if let Some(network) = registry.networks.get(&endpoint.network_id) {
                all.extend(whole(endpoint, network));
            }
            all.extend(
                endpoint
                    .ports
                    .iter()
                    .flat_map(|port| ports(endpoint, *port)),
            );
        }
        all
    }
}

/// Addresses at which every port of the container is reached.
fn whole(endpoint: &Endpoint, network: &Network) -> Vec<Reach> {
    let every = |address, from| Reach {
        port: None,
        address,
        address_port: 0,
        from,
    };
    let own = own_addresses(endpoint);
    match network.driver() {
        Driver::Host => vec![every(Ipv4Addr::UNSPECIFIED.into(), ReachedFrom::HostRules)],
        Driver::Macvlan | Driver::Ipvlan if network.is_external() => own
            .into_iter()
            .map(|address| every(address, ReachedFrom::Wire))
            .collect(),
        Driver::Bridge => own
            .into_iter()
            .filter(|address| {
                let options = &network.options;
                options.mode(address.is_ipv6()) == GatewayMode::NatUnprotected
                    || !options.trusted.is_empty()
            })
            .map(|address| every(address, ReachedFrom::Routed))
            .collect(),
        _ => Vec::new(),
    }
}

/// A published port, and what is reached at the container's own address by it.
fn ports(endpoint: &Endpoint, binding: PortBinding) -> Vec<Reach> {
    let port = Some((binding.container_port, binding.protocol));
    let own = own_addresses(endpoint)
        .into_iter()
        .find(|own| own.is_ipv4() == binding.host_ip.is_ipv4());
    let directly = own.map(|address| Reach {
        port,
        address,
        address_port: binding.container_port,
        from: ReachedFrom::Routed,
    });
    if binding.host_port == 0 {
        return directly.into_iter().collect();
    }
    let from = match binding.firewall {
        _ if binding.host_ip.is_loopback() => ReachedFrom::Host,
        // Without an address of the family nothing is translated: a socket of the host answers.
        PortFirewall::Open if own.is_some() => ReachedFrom::Outside,
        _ => ReachedFrom::HostRules,
    };
    let published = Reach {
        port,
        address: binding.host_ip,
        address_port: binding.host_port,
        from,
    };
    let directly = directly.filter(|_| binding.direct && binding.firewall == PortFirewall::Open);
    std::iter::once(published).chain(directly).collect()
}

fn own_addresses(endpoint: &Endpoint) -> Vec<IpAddr> {
    let ipv4 = endpoint.ipv4.map(IpAddr::V4);
    ipv4.into_iter()
        .chain(endpoint.ipv6.map(IpAddr::V6))
        .collect()
}
