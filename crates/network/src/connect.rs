//! Connecting containers to networks.
//!
//! Connecting goes record → links → addresses and routes → firewall → names; each step is
//! taken back when a later one fails, by the same code that takes back a whole endpoint
//! ([`crate::disconnect`]). Whatever of it is missing does no harm there.

use crate::{
    Driver, Endpoint, EndpointRequest, MacAddress, NetworkError, Networks,
    drivers::{Segment, is_link_local, pair_name, random_mac, upper},
    endpoint_options,
    firewall::Change,
    inside,
    messages::{self, Refusal},
    publish::{difference, elements_of},
    registry::{Network, Registry},
    remote_ipam::RemoteAddresses,
};
use corten_base::{Id, step::step};
use corten_netlink::Netns;
use std::net::Ipv4Addr;

impl Networks {
    /// Connects a container to a network. `sandbox` may be `None` for the host network only.
    /// A container that runs is connected the same way, with its namespace opened by
    /// [`Netns::from_fd`] of its `ns/net`.
    pub fn connect(
        &self,
        sandbox: Option<&Netns>,
        request: &EndpointRequest,
    ) -> Result<Endpoint, NetworkError> {
        let container = &request.container_id;
        let remote = self.remote_addresses(request)?;
        let wanted = request.ipv4.map(std::net::IpAddr::V4).into_iter();
        wanted
            .chain(request.ipv6.map(std::net::IpAddr::V6))
            .chain(remote.iter().flat_map(RemoteAddresses::addresses))
            .for_each(|address| self.reaper.wait_for(address));
        let planned = {
            let mut registry = self.registry();
            self.plan(&mut registry, request, remote.as_ref())
        };
        let planned = planned.inspect_err(|_| {
            if let Some(remote) = &remote {
                self.release_remote(remote);
            }
        })?;
        step("connect.record");
        let kept = self.registry().kept(container);
        let result = self.records.keep_endpoints(container, kept).and_then(|()| {
            match (planned.segment.as_ref(), sandbox) {
                (Some(segment), Some(sandbox)) => self.carry_out(sandbox, segment, &planned),
                (Some(_), None) => Err(NetworkError::Invalid(Refusal(format!(
                    "network {}: the container has no network namespace of its own",
                    planned.endpoint.network_name
                )))),
                (None, _) => Ok(()),
            }
        });
        if let Err(error) = result {
            let back = self.take_back(container, planned.endpoint.endpoint_id, sandbox);
            if let Err(second) = back {
                tracing::warn!(error = %second, "taking back a half-made endpoint");
            }
            return Err(error);
        }
        let registry = self.registry();
        self.tell_names(&registry, container);
        step("connect.done");
        let id = planned.endpoint.endpoint_id;
        let all = registry.endpoints.get(container);
        let made = all.into_iter().flatten().find(|it| it.endpoint_id == id);
        Ok(made.cloned().unwrap_or(planned.endpoint))
    }

    /// Settles everything about an endpoint that does not need the kernel, in the books. For
    /// host and none there is nothing to carry out.
    fn plan(
        &self,
        registry: &mut Registry,
        request: &EndpointRequest,
        remote: Option<&RemoteAddresses>,
    ) -> Result<Planned, NetworkError> {
        let container = &request.container_id;
        let network = registry.find(&request.network)?;
        let id = network.id();
        check(network, request)?;
        let existing = registry.endpoints.get(container);
        if existing.is_some_and(|all| all.iter().any(|endpoint| endpoint.network_id == id)) {
            return Err(NetworkError::Forbidden(Refusal(format!(
                "endpoint with name {} already exists in network {}",
                request.container_name,
                network.name()
            ))));
        }
        let mut endpoint = bare_endpoint(network, request);
        let has_links = !matches!(network.driver(), Driver::Host | Driver::Null);
        let mut segment = None;
        if has_links {
            let used: Vec<&str> = existing
                .into_iter()
                .flatten()
                .map(|endpoint| endpoint.interface.as_str())
                .collect();
            let wanted = endpoint_options::interface(request)?;
            if *network.driver() == Driver::Bridge {
                endpoint.host_interface = pair_name();
            }
            if let Some(name) = wanted
                && used.contains(&name)
            {
                return Err(endpoint_options::name_taken(&endpoint.host_interface, name));
            }
            let prefix = &network.options.interface_prefix;
            endpoint.interface = match wanted {
                Some(name) => name.to_owned(),
                None => (0..)
                    .map(|number| format!("{prefix}{number}"))
                    .find(|name| !used.contains(&name.as_str()))
                    .unwrap_or_default(),
            };
            let told = remote.and_then(|remote| remote.mac);
            endpoint.mac = Some(request.mac.or(told).unwrap_or_else(random_mac));
            let position = u32::try_from(used.len()).unwrap_or_default();
            segment = Some(Segment {
                position,
                ..Segment::new(network, self.config.mtu)
            });
            self.take_addresses(registry, request, remote, &mut endpoint)?;
            // An address that comes back to the network comes back with its hardware
            // address: neighbours that remember the last bearer find the next one.
            if let (None, Some(address)) = (request.mac.or(told), endpoint.ipv4) {
                endpoint.mac = Some(mac_of(address));
            }
        }
        let was = elements_of(registry, container);
        let gateways = registry.gateways(container);
        let before = registry.endpoints.get(container).cloned();
        let endpoints = registry.endpoints.entry(container.clone()).or_default();
        endpoints.push(endpoint.clone());
        if !request.ports.is_empty() {
            registry
                .requests
                .insert(container.clone(), request.ports.clone());
        }
        let reserved = match registry.gateways(container) != gateways {
            true => self.settle_ports(registry, container),
            false => Ok(()),
        };
        if let Err(reason) = reserved {
            registry.free(&endpoint);
            self.put_back(registry, container, before);
            return Err(NetworkError::Publish {
                endpoint: request.container_name.clone(),
                endpoint_id: endpoint.endpoint_id.to_string(),
                reason: Box::new(reason),
            });
        }
        Ok(Planned {
            change: difference(was, elements_of(registry, container)),
            segment,
            endpoint,
        })
    }

    /// What a container had before, it has again; nothing was done yet.
    fn put_back(&self, registry: &mut Registry, container: &str, before: Option<Vec<Endpoint>>) {
        let Some(before) = before.filter(|all| !all.is_empty()) else {
            registry.endpoints.remove(container);
            registry.requests.remove(container);
            return;
        };
        registry.endpoints.insert(container.to_owned(), before);
        self.retake_ports(registry, container);
    }

    fn take_addresses(
        &self,
        registry: &mut Registry,
        request: &EndpointRequest,
        remote: Option<&RemoteAddresses>,
        endpoint: &mut Endpoint,
    ) -> Result<(), NetworkError> {
        let wanted = |ipv6: bool| match remote {
            Some(remote) => remote.of_family(ipv6),
            None if ipv6 => request.ipv6.map(Into::into),
            None => request.ipv4.map(Into::into),
        };
        let missing = || NetworkError::NotFound {
            name: request.network.clone(),
        };
        let network = registry.networks.get_mut(&endpoint.network_id);
        let network = network.ok_or_else(missing)?;
        endpoint.leads_out_itself = upper::leads_out_itself(&network.record);
        let leads_out = !network.record.info.internal && !endpoint.leads_out_itself;
        if network.record.info.enable_ipv4 {
            let given = network.take(false, wanted(false))?;
            if let std::net::IpAddr::V4(address) = given.address {
                endpoint.ipv4 = Some(address);
                endpoint.ipv4_prefix_length = given.prefix_length;
            }
            if let Some(std::net::IpAddr::V4(gateway)) = given.gateway.filter(|_| leads_out) {
                endpoint.gateway = Some(gateway);
            }
        }
        if network.record.info.enable_ipv6 {
            let given = network.take(true, wanted(true));
            let given = match given {
                Ok(given) => given,
                Err(error) => {
                    endpoint
                        .ipv4
                        .into_iter()
                        .for_each(|it| network.free(it.into()));
                    return Err(error);
                }
            };
            if let std::net::IpAddr::V6(address) = given.address {
                endpoint.ipv6 = Some(address);
                endpoint.ipv6_prefix_length = given.prefix_length;
            }
            if let Some(std::net::IpAddr::V6(gateway)) = given.gateway.filter(|_| leads_out) {
                endpoint.ipv6_gateway = Some(gateway);
            }
        }
        Ok(())
    }

    fn carry_out(
        &self,
        sandbox: &Netns,
        segment: &Segment,
        planned: &Planned,
    ) -> Result<(), NetworkError> {
        let mut endpoint = planned.endpoint.clone();
        let driver = self.driver_of(&segment.record.info.driver)?;
        let attached = driver.attach(sandbox, segment, &mut endpoint)?;
        if endpoint != planned.endpoint {
            self.note(&endpoint)?;
        }
        step("connect.addresses");
        inside::configure(sandbox, &endpoint, attached.index)
            .map_err(|source| segment.failed("configuring the container's link", source))?;
        endpoint_options::apply(
            sandbox,
            &endpoint.interface,
            &endpoint.host_interface,
            &endpoint.driver_options,
            endpoint.ipv6.is_some(),
        )?;
        step("connect.routes");
        let routes = self.default_routes(&endpoint.container_id);
        inside::set_default_routes(sandbox, &routes)
            .map_err(|source| segment.failed("setting the container's routes", source))?;
        // Asks for the link's state: see the driver.
        let _ = sandbox.route().settle(&endpoint.interface);
        driver.settle(segment, &endpoint);
        step("connect.firewall");
        self.change_firewall(&planned.change)
    }

    /// Notes what a driver has changed about an endpoint.
    fn note(&self, endpoint: &Endpoint) -> Result<(), NetworkError> {
        let container = &endpoint.container_id;
        let kept = {
            let mut registry = self.registry();
            let all = registry.endpoints.get_mut(container);
            let known = all.into_iter().flatten();
            for known in known.filter(|it| it.endpoint_id == endpoint.endpoint_id) {
                let ports = std::mem::take(&mut known.ports);
                *known = endpoint.clone();
                known.ports = ports;
            }
            registry.kept(container)
        };
        self.records.keep_endpoints(container, kept)
    }

    /// The default routes that a container is to have.
    pub(crate) fn default_routes(&self, container_id: &str) -> inside::DefaultRoutes {
        let registry = self.registry();
        let gateways = registry.gateways(container_id);
        let all = registry.endpoints.get(container_id);
        let endpoint = |id| {
            let mut all = all.into_iter().flatten();
            all.find(|endpoint| Some(endpoint.endpoint_id) == id)
        };
        let route = |id, ipv6| {
            let endpoint = endpoint(id)?;
            Some((endpoint.interface.clone(), endpoint.next_hop(ipv6)?))
        };
        inside::DefaultRoutes {
            ipv4: route(gateways.ipv4, false),
            ipv6: route(gateways.ipv6, true),
        }
    }
}

/// What is to be carried out.
struct Planned {
    endpoint: Endpoint,
    /// `None` where there is no link to make.
    segment: Option<Segment>,
    change: Change,
}

fn bare_endpoint(network: &Network, request: &EndpointRequest) -> Endpoint {
    Endpoint {
        network_id: network.id(),
        network_name: network.name().to_owned(),
        endpoint_id: Id::random(),
        container_id: request.container_id.clone(),
        container_name: request.container_name.clone(),
        interface: String::new(),
        host_interface: String::new(),
        ipv4: None,
        ipv4_prefix_length: 0,
        gateway: None,
        ipv6: None,
        ipv6_prefix_length: 0,
        ipv6_gateway: None,
        leads_out_itself: false,
        mac: None,
        aliases: request.aliases.clone(),
        dns_names: match network.serves_names() {
            true => dns_names(request),
            false => Vec::new(),
        },
        links: request.links.clone(),
        linked_ports: request.linked_ports.clone(),
        link_local: request.link_local.clone(),
        gateway_priority: request.gateway_priority,
        driver_options: request.driver_options.clone(),
        ports: Vec::new(),
    }
}

/// Docker's order: name, aliases, short ID, host name; each once.
fn dns_names(request: &EndpointRequest) -> Vec<String> {
    let short = request
        .container_id
        .get(..12)
        .unwrap_or(&request.container_id);
    let aliases = request.aliases.iter().map(String::as_str);
    let all = std::iter::once(request.container_name.as_str())
        .chain(aliases)
        .chain([short, &request.hostname]);
    let mut names: Vec<String> = Vec::new();
    for name in all.filter(|name| !name.is_empty()) {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

/// A hardware address for the bearer of an IPv4 address, as Docker made them before 28.
fn mac_of(address: Ipv4Addr) -> MacAddress {
    let [a, b, c, d] = address.octets();
    MacAddress([0x02, 0x42, a, b, c, d])
}

/// What Docker refuses, with its sentences.
fn check(network: &Network, request: &EndpointRequest) -> Result<(), NetworkError> {
    if network.record.info.config_only {
        return Err(NetworkError::Forbidden(Refusal(
            "cannot create endpoint on configuration-only network".into(),
        )));
    }
    let predefined =
        network.is_default_bridge() || matches!(network.driver(), Driver::Host | Driver::Null);
    let mut problems: Vec<String> = Vec::new();
    if predefined && !request.aliases.is_empty() {
        problems.push("network-scoped aliases are only supported for user-defined networks".into());
    }
    problems.extend(endpoint_options::problems(&request.driver_options));
    let chosen = [
        request.ipv4.map(std::net::IpAddr::V4),
        request.ipv6.map(std::net::IpAddr::V6),
    ];
    for address in chosen.into_iter().flatten() {
        if predefined {
            problems.push(
                "user specified IP address is supported on user defined networks only".into(),
            );
        }
        let pools = || network.pools(address.is_ipv6()).filter(|pool| pool.chosen);
        if pools().next().is_none() {
            problems.push(
                    "user specified IP address is supported only when connecting to networks with user configured subnets"
                        .into(),
                );
        } else if !pools().any(|pool| pool.subnet.contains(address)) {
            problems.push(format!(
                "no configured subnet or ip-range contain the IP address {address}"
            ));
        }
    }
    if !problems.is_empty() {
        let heading = format!(
            "invalid config for network {}: invalid endpoint settings",
            network.name()
        );
        return Err(NetworkError::Invalid(Refusal(messages::problems(
            &heading, &problems,
        ))));
    }
    match request.link_local.iter().find(|it| !is_link_local(**it)) {
        Some(wrong) => Err(NetworkError::Invalid(Refusal(format!(
            "invalid link local IP address: {wrong}"
        )))),
        None => Ok(()),
    }
}
