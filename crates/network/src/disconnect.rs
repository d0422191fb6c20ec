//! Taking containers from networks: in the order of [`crate::connect`], backwards, and on
//! after a failure.

use crate::{
    Endpoint, NetworkError, Networks, Protocol, inside,
    networks::kernel,
    publish::{difference, elements_of},
    reaper::Leaving,
    registry::Registry,
};
use corten_base::{Id, step::step};
use corten_netlink::Netns;
use std::net::IpAddr;

impl Networks {
    /// Takes one endpoint of a running container back, with its links; the default routes
    /// and published ports move to another network of it. Unknown ones are no failure.
    pub fn disconnect(&self, container_id: &str, network: &str) -> Result<(), NetworkError> {
        let (endpoint, record) = {
            let registry = self.registry();
            let network = registry.find(network)?;
            let id = network.id();
            let mut all = registry.endpoints.get(container_id).into_iter().flatten();
            let endpoint = all.find(|endpoint| endpoint.network_id == id).cloned();
            (endpoint, network.record.clone())
        };
        let Some(endpoint) = endpoint else {
            return Ok(());
        };
        // Held by the name server since the container runs.
        let netns = self.names.netns(container_id);
        step("disconnect.links");
        let detached = match endpoint.interface.is_empty() {
            true => Ok(()),
            false => self
                .driver_of(&record.info.driver)
                .and_then(|driver| driver.detach(netns.as_deref(), &record, &endpoint)),
        };
        let taken = self.take_back(container_id, endpoint.endpoint_id, netns.as_deref());
        step("disconnect.done");
        detached.and(taken)
    }

    /// Takes all endpoints of a container back: ports, addresses, records. Its links go with
    /// its namespace. Goes on after a failure and reports the first. Idempotent.
    pub fn release(&self, container_id: &str) -> Result<(), NetworkError> {
        self.names.stop(container_id);
        let (endpoints, change, drivers) = {
            let mut registry = self.registry();
            let was = elements_of(&registry, container_id);
            let endpoints = registry.endpoints.remove(container_id).unwrap_or_default();
            registry.names.remove(container_id);
            registry.requests.remove(container_id);
            registry.aside.remove(container_id);
            self.tell_names(&registry, container_id);
            let records = endpoints.iter().filter_map(|endpoint| {
                let network = registry.networks.get(&endpoint.network_id)?;
                Some((network.record.clone(), endpoint.clone()))
            });
            let plugins: Vec<_> = records
                .filter(|(record, _)| matches!(record.info.driver, crate::Driver::Remote(_)))
                .collect();
            (endpoints, difference(was, Default::default()), plugins)
        };
        step("release.firewall");
        let withdrawn = self.change_firewall(&change);
        for (record, endpoint) in &drivers {
            // A plugin is told; the kernel needs no telling.
            let told = self
                .driver_of(&record.info.driver)
                .and_then(|driver| driver.detach(None, record, endpoint));
            if let Err(error) = told {
                tracing::warn!(network = record.info.name, %error, "telling a driver");
            }
        }
        for endpoint in &endpoints {
            self.forget_connections(endpoint);
        }
        // Only when the translation is gone may the ports belong to somebody else.
        self.registry().ports.release(container_id);
        for endpoint in &endpoints {
            self.give_back(endpoint);
        }
        step("release.record");
        let kept = self
            .records
            .keep_endpoints(container_id, Default::default());
        step("release.done");
        withdrawn.and(kept)
    }

    /// Takes one endpoint out of the books, and back what follows from it.
    pub(crate) fn take_back(
        &self,
        container_id: &str,
        endpoint_id: Id,
        netns: Option<&Netns>,
    ) -> Result<(), NetworkError> {
        // Out of the books first: a table made anew by somebody else leaves it out, too.
        let (endpoint, change, moved) = {
            let mut registry = self.registry();
            let was = elements_of(&registry, container_id);
            let gateways = registry.gateways(container_id);
            let Some(all) = registry.endpoints.get_mut(container_id) else {
                return Ok(());
            };
            let Some(at) = all.iter().position(|e| e.endpoint_id == endpoint_id) else {
                return Ok(());
            };
            let endpoint = all.remove(at);
            // Its ports are the container's, and may move.
            if let Some(other) = all.first_mut() {
                other.ports.extend(endpoint.ports.iter().copied());
            }
            let moved = registry.gateways(container_id) != gateways;
            if moved && let Err(failure) = self.settle_ports(&mut registry, container_id) {
                tracing::warn!(container_id, %failure, "ports that a container had are lost");
            }
            if registry
                .endpoints
                .get(container_id)
                .is_some_and(Vec::is_empty)
            {
                registry.endpoints.remove(container_id);
                registry.requests.remove(container_id);
            }
            self.tell_names(&registry, container_id);
            let change = difference(was, elements_of(&registry, container_id));
            (endpoint, change, moved)
        };
        step("disconnect.firewall");
        let withdrawn = self.change_firewall(&change);
        self.forget_connections(&endpoint);
        if !self.registry().endpoints.contains_key(container_id) {
            // Only when the translation is gone may the ports belong to somebody else.
            self.registry().ports.release(container_id);
        }
        let routed = match netns.filter(|_| moved) {
            Some(netns) => {
                step("disconnect.routes");
                let routes = self.default_routes(container_id);
                inside::set_default_routes(netns, &routes)
                    .map_err(|source| kernel("setting the container's routes", source))
            }
            None => Ok(()),
        };
        self.give_back(&endpoint);
        step("disconnect.record");
        let kept = self.registry().kept(container_id);
        let kept = self.records.keep_endpoints(container_id, kept);
        withdrawn.and(routed).and(kept)
    }

    /// A client that goes on sending from the same UDP port would be translated to this
    /// container for ever, whoever has the published port by then.
    pub(crate) fn forget_connections(&self, endpoint: &Endpoint) {
        if !endpoint
            .ports
            .iter()
            .any(|port| port.protocol == Protocol::Udp)
        {
            return;
        }
        for address in addresses(endpoint) {
            if let Err(error) = self.host.forget_connections(address, Protocol::Udp) {
                tracing::warn!(%address, error = %error, "forgetting UDP connections");
            }
        }
    }

    fn give_back(&self, endpoint: &Endpoint) {
        self.give_back_remote(endpoint);
        let name = &endpoint.host_interface;
        if name.is_empty() {
            return self.registry().free(endpoint);
        }
        let link = self.host.route().link(name);
        match link {
            Ok(Some(link)) => self.reaper.add(Leaving {
                network: endpoint.network_id,
                addresses: addresses(endpoint),
                link: link.index,
                name: name.clone(),
            }),
            Ok(None) => self.registry().free(endpoint),
            Err(error) => {
                // Better an address lost until the next start than one handed out twice.
                tracing::warn!(link = name, error = %error, "looking for a released link");
            }
        }
    }
}

impl Registry {
    /// Gives an endpoint's addresses back.
    pub fn free(&mut self, endpoint: &Endpoint) {
        if let Some(network) = self.networks.get_mut(&endpoint.network_id) {
            addresses(endpoint)
                .into_iter()
                .for_each(|it| network.free(it));
        }
    }
}

/// The addresses of an endpoint.
pub(crate) fn addresses(endpoint: &Endpoint) -> Vec<IpAddr> {
    let both = [endpoint.ipv4.map(IpAddr::V4), endpoint.ipv6.map(IpAddr::V6)];
    both.into_iter().flatten().collect()
}
