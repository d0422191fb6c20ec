//! A container's published ports: through which endpoints, and what that changes in the
//! firewall.

use crate::{
    Driver, Endpoint, NetworkError, Networks,
    firewall::{Change, Elements, GuardedNetwork, Published, apart, links_of},
    hold,
    messages::PublishFailure,
    networks::kernel,
    options::GatewayMode,
    ports::{Publishing, Target, pinned},
    registry::Registry,
};
use corten_base::{Id, step::step};
use std::net::IpAddr;

impl Networks {
    /// Publishes a container's ports where its default routes lead now, in the books: ports
    /// are held, and noted in its endpoints. Those it had keep their numbers.
    pub(crate) fn settle_ports(
        &self,
        registry: &mut Registry,
        container_id: &str,
    ) -> Result<(), PublishFailure> {
        let requests = registry.requests.get(container_id);
        let requests = requests.cloned().unwrap_or_default();
        let (publishing, ids) = self.publishing(registry, container_id);
        let Some(endpoints) = registry.endpoints.get_mut(container_id) else {
            return Ok(());
        };
        let had: Vec<_> = endpoints
            .iter_mut()
            .flat_map(|endpoint| std::mem::take(&mut endpoint.ports))
            .collect();
        if !had.is_empty() {
            registry.ports.release(container_id);
        }
        if requests.is_empty() {
            return Ok(());
        }
        let wanted = pinned(&requests, &had);
        let bindings = registry.ports.reserve(container_id, &wanted, &publishing)?;
        for binding in bindings {
            let through = match binding.host_ip {
                IpAddr::V4(_) => ids.ipv4,
                IpAddr::V6(_) => ids.ipv6.or(ids.ipv4),
            };
            let mut endpoints = endpoints.iter_mut();
            if let Some(endpoint) = endpoints.find(|it| Some(it.endpoint_id) == through) {
                endpoint.ports.push(binding);
            }
        }
        Ok(())
    }

    /// How a container's ports are published now.
    pub(crate) fn publishing(
        &self,
        registry: &Registry,
        container_id: &str,
    ) -> (Publishing, crate::gateway::Gateways) {
        let gateways = registry.gateways(container_id);
        let all = registry.endpoints.get(container_id);
        let endpoint = |id| {
            let mut all = all.into_iter().flatten();
            all.find(|endpoint| Some(endpoint.endpoint_id) == id)
        };
        let network = |endpoint: &Endpoint| registry.networks.get(&endpoint.network_id);
        // Docker 28: other drivers' containers are on the wire themselves.
        let publishes = |endpoint: &&Endpoint| {
            network(endpoint).is_some_and(|network| *network.driver() == Driver::Bridge)
        };
        let first = endpoint(gateways.ipv4).filter(publishes);
        let second = endpoint(gateways.ipv6).filter(publishes);
        let routed = |endpoint, ipv6| {
            network(endpoint).is_some_and(|it| it.options.mode(ipv6) == GatewayMode::Routed)
        };
        let options = first.or(second).and_then(network).map(|it| &it.options);
        let publishing = Publishing {
            ipv4: first.and_then(|endpoint| {
                Some(Target {
                    address: endpoint.ipv4?.into(),
                    routed: routed(endpoint, false),
                })
            }),
            ipv6: second.and_then(|endpoint| {
                Some(Target {
                    address: endpoint.ipv6?.into(),
                    routed: routed(endpoint, true),
                })
            }),
            default_ip: options
                .and_then(|options| options.host_binding)
                .unwrap_or(self.config.default_publish_address),
            ipv6_to_ipv4: self.config.userland_proxy,
            host_has_ipv6: hold::host_has_ipv6(),
            firewall: options
                .and_then(|options| options.firewall)
                .unwrap_or(self.config.port_firewall),
            direct_routing: self.config.direct_routing,
        };
        (publishing, gateways)
    }

    /// Takes a network into the firewall.
    pub(crate) fn guard(&self, network: Id) -> Result<(), NetworkError> {
        let mut change = Change::default();
        if let Some(guarded) = self.registry().guarded(network) {
            guarded.elements(&mut change.add);
        }
        self.change_firewall(&change)
    }

    /// Takes a network out of the firewall.
    pub(crate) fn unguard(&self, network: &GuardedNetwork) -> Result<(), NetworkError> {
        let mut change = Change::default();
        network.elements(&mut change.delete);
        self.change_firewall(&change)
    }

    /// Brings a change to the firewall.
    pub(crate) fn change_firewall(&self, change: &Change) -> Result<(), NetworkError> {
        let Some(firewall) = &self.firewall else {
            return Ok(());
        };
        step("publish.firewall");
        let done = firewall.change(change);
        if done.map_err(|source| kernel("publishing ports", source))? {
            step("publish.done");
            return Ok(());
        }
        tracing::warn!("the firewall's table was changed by somebody else; making it anew");
        self.restore_firewall()
    }
}

/// What a container's endpoints are in the firewall.
pub(crate) fn elements_of(registry: &Registry, container_id: &str) -> Elements {
    let mut all = Elements::new();
    let endpoints = registry.endpoints.get(container_id);
    for endpoint in endpoints.into_iter().flatten() {
        Published::of(endpoint)
            .iter()
            .for_each(|it| it.elements(&mut all));
        links_of(endpoint)
            .iter()
            .for_each(|it| it.elements(&mut all));
        if registry.is_apart(endpoint) {
            apart::port(&endpoint.host_interface, &mut all);
        }
    }
    all
}

/// From what was to what is: what both hold stays as it is.
pub(crate) fn difference(was: Elements, is: Elements) -> Change {
    let mut change = Change {
        add: is,
        delete: was,
    };
    for (set, added) in &mut change.add {
        if let Some(deleted) = change.delete.get_mut(set) {
            let kept: Vec<_> = added
                .iter()
                .filter(|it| deleted.contains(it))
                .cloned()
                .collect();
            added.retain(|it| !kept.contains(it));
            deleted.retain(|it| !kept.contains(it));
        }
    }
    change.add.retain(|_, elements| !elements.is_empty());
    change.delete.retain(|_, elements| !elements.is_empty());
    change
}
