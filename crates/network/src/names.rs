//! Serving names inside containers.

use crate::{
    Endpoint, NameServer, NamesRequest, NetworkError, Networks,
    networks::kernel,
    registry::{Network, Registry},
};
use corten_dns::{DnsError, Place, Settings, Upstream};
use corten_netlink::Netns;

impl Networks {
    /// Answers questions about names at 127.0.0.11 inside the container's namespace, from
    /// now until [`Self::release`]. Called again, it takes over other servers.
    pub fn serve_names(&self, netns: &Netns, request: &NamesRequest) -> Result<(), NetworkError> {
        let id = &request.container_id;
        let failed = |source| kernel("opening the container's namespace", source);
        let inside = netns.try_clone_fd().map_err(failed)?;
        let inside = Netns::from_fd(inside).map_err(failed)?;
        let kept = {
            let mut registry = self.registry();
            registry.names.insert(id.clone(), request.clone());
            registry.kept(id)
        };
        self.records.keep_endpoints(id, kept)?;
        self.names
            .serve(id, inside, settings(request))
            .map_err(|source| serving(id, source))
    }

    /// Names of a container as they are now. Call it with the books' lock held, so that the
    /// last change is the last that is told.
    pub(crate) fn tell_names(&self, registry: &Registry, container_id: &str) {
        let places = registry.places(container_id);
        self.names
            .update(|directory| directory.set(container_id, places));
    }
}

impl Registry {
    /// Where a container is, for the directory of names.
    fn places(&self, container_id: &str) -> Vec<Place> {
        self.ordered(container_id)
            .into_iter()
            .filter_map(|endpoint| {
                let network = self.networks.get(&endpoint.network_id)?;
                Some(Place {
                    aside: self.aside.contains(container_id),
                    ..place(network, endpoint)
                })
            })
            .collect()
    }
}

fn place(network: &Network, endpoint: &Endpoint) -> Place {
    let addresses = [endpoint.ipv4.map(Into::into), endpoint.ipv6.map(Into::into)];
    let links = endpoint.links.iter();
    Place {
        network: endpoint.network_name.clone(),
        // Empty on the default bridge, which leads to the outside all the same.
        names: endpoint.dns_names.clone(),
        addresses: addresses.into_iter().flatten().collect(),
        links: links
            .map(|link| (link.alias.clone(), link.container.clone()))
            .collect(),
        external: network.is_external()
            && (endpoint.next_hop(false).is_some() || endpoint.next_hop(true).is_some()),
        aside: false,
    }
}

fn settings(request: &NamesRequest) -> Settings {
    let upstream = |server: &NameServer| Upstream {
        address: server.address,
        from_host: server.from_host,
    };
    Settings {
        servers: request.servers.iter().map(upstream).collect(),
        host_gateway: request.host_gateway.clone(),
        ndots_set: request.ndots_set,
    }
}

fn serving(container: &str, source: DnsError) -> NetworkError {
    NetworkError::Names {
        container: container.to_owned(),
        source,
    }
}
