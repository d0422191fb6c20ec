//! Connecting containers to networks, and taking it back.
//!
//! Connecting goes record → links → firewall; each step is taken back when a later one
//! fails, by the same code that takes back a whole endpoint. Whatever of it is missing does
//! no harm there.

use crate::{
    Driver, Endpoint, EndpointRequest, NetworkError, Networks, Protocol,
    bridge::{Connection, pair_name, random_mac},
    firewall::Published,
    messages::{self, Refusal},
    networks::kernel,
    reaper::Leaving,
    registry::{Network, OPTION_HOST_IP, OPTION_ICC, Registry},
};
use corten_base::Id;
use corten_netlink::Netns;
use ipnet::Ipv4Net;
use std::net::{IpAddr, Ipv4Addr};

/// Links of the container are `eth0`, `eth1`, …
const INTERFACE_PREFIX: &str = "eth";

impl Networks {
    /// Connects a container to a network. `sandbox` may be `None` for the host network only.
    pub fn connect(
        &self,
        sandbox: Option<&Netns>,
        request: &EndpointRequest,
    ) -> Result<Endpoint, NetworkError> {
        let (endpoint, all, plan, names) = {
            let mut registry = self.registry();
            let (endpoint, plan) = self.plan(&mut registry, request)?;
            let all = registry
                .endpoints
                .entry(request.container_id.clone())
                .or_default();
            all.push(endpoint.clone());
            let names = registry.names.get(&request.container_id).cloned();
            (
                endpoint,
                registry.endpoints[&request.container_id].clone(),
                plan,
                names,
            )
        };
        let result = self
            .records
            .keep_endpoints(&request.container_id, &all, names.as_ref())
            .and_then(|()| match (&plan, sandbox) {
                (Some(plan), Some(sandbox)) => self.carry_out(sandbox, &endpoint, plan),
                (Some(_), None) => Err(NetworkError::Invalid(Refusal(format!(
                    "network {}: the container has no network namespace of its own",
                    endpoint.network_name
                )))),
                (None, _) => Ok(()),
            });
        if let Err(error) = result {
            if let Err(second) = self.take_back(&request.container_id, endpoint.endpoint_id) {
                tracing::warn!(error = %second, "taking back a half-made endpoint");
            }
            return Err(error);
        }
        self.tell_names(&self.registry(), &request.container_id);
        Ok(endpoint)
    }

    /// Settles everything about an endpoint that does not need the kernel. For host and
    /// none there is nothing to carry out.
    fn plan(
        &self,
        registry: &mut Registry,
        request: &EndpointRequest,
    ) -> Result<(Endpoint, Option<Plan>), NetworkError> {
        let network = registry.find(&request.network)?;
        let id = network.id();
        check(network, request)?;
        let existing = registry.endpoints.get(&request.container_id);
        if existing.is_some_and(|all| all.iter().any(|endpoint| endpoint.network_id == id)) {
            return Err(NetworkError::Forbidden(Refusal(format!(
                "endpoint with name {} already exists in network {}",
                request.container_name,
                network.name()
            ))));
        }
        let mut endpoint = Endpoint {
            network_id: id,
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
        };
        if *network.driver() != Driver::Bridge {
            return Ok((endpoint, None));
        }
        let used: Vec<&str> = existing
            .into_iter()
            .flatten()
            .map(|endpoint| endpoint.interface.as_str())
            .collect();
        endpoint.interface = (0..)
            .map(|number| format!("{INTERFACE_PREFIX}{number}"))
            .find(|name| !used.contains(&name.as_str()))
            .unwrap_or_default();
        endpoint.host_interface = pair_name();
        endpoint.mac = Some(request.mac.unwrap_or_else(random_mac));
        let plan = Plan {
            bridge: network.record.bridge.clone(),
            mtu: network.mtu(self.config.mtu),
            icc: network.switch(OPTION_ICC),
            default_route: existing.is_none_or(|all| all.is_empty())
                && !network.record.info.internal,
        };
        let default_ip = network.record.info.options.get(OPTION_HOST_IP);
        let default_ip = default_ip
            .and_then(|text| text.parse().ok())
            .unwrap_or(self.config.default_publish_address);
        self.take_resources(registry, request, default_ip, &mut endpoint)?;
        Ok((endpoint, Some(plan)))
    }

    fn take_resources(
        &self,
        registry: &mut Registry,
        request: &EndpointRequest,
        default_ip: IpAddr,
        endpoint: &mut Endpoint,
    ) -> Result<(), NetworkError> {
        let network = registry.networks.get_mut(&endpoint.network_id);
        let missing = || NetworkError::NotFound {
            name: request.network.clone(),
        };
        let network = network.ok_or_else(missing)?;
        let gateway = network.gateway;
        let subnet = network.subnet.as_mut().ok_or_else(missing)?;
        let address = match request.ipv4 {
            Some(address) if subnet.take(address) => address,
            Some(_) => {
                return Err(NetworkError::Forbidden(Refusal(
                    "Address already in use".into(),
                )));
            }
            None => subnet.allocate()?,
        };
        endpoint.ipv4 = Some(address);
        endpoint.ipv4_prefix_length = subnet.net().prefix_len();
        endpoint.gateway = gateway;
        let is_first = registry
            .endpoints
            .get(&request.container_id)
            .is_none_or(|all| all.is_empty());
        let ports = if is_first {
            request.ports.as_slice()
        } else {
            &[]
        };
        let ports = registry.ports.reserve(
            endpoint.endpoint_id,
            address,
            ports,
            default_ip,
            self.publishes_ipv6(),
        );
        match ports {
            Ok(ports) => endpoint.ports = ports,
            Err(reason) => {
                free(registry, endpoint.network_id, address);
                return Err(NetworkError::Publish {
                    endpoint: request.container_name.clone(),
                    endpoint_id: endpoint.endpoint_id.to_string(),
                    reason: Box::new(reason),
                });
            }
        }
        Ok(())
    }

    fn carry_out(
        &self,
        sandbox: &Netns,
        endpoint: &Endpoint,
        plan: &Plan,
    ) -> Result<(), NetworkError> {
        let (Some(mac), Some(ipv4)) = (endpoint.mac, endpoint.ipv4) else {
            return Ok(());
        };
        let address = Ipv4Net::new(ipv4, endpoint.ipv4_prefix_length).unwrap_or_default();
        self.host.connect(
            sandbox,
            &Connection {
                network: &endpoint.network_name,
                bridge: &plan.bridge,
                host_interface: &endpoint.host_interface,
                interface: &endpoint.interface,
                mac,
                address,
                gateway: endpoint.gateway.filter(|_| plan.default_route),
                mtu: plan.mtu,
                icc: plan.icc,
            },
        )?;
        let Some(firewall) = &self.firewall else {
            return Ok(());
        };
        let published = Published::of(&endpoint.ports, ipv4);
        let done = firewall.publish(&published);
        if done.map_err(|source| kernel("publishing ports", source))? {
            return Ok(());
        }
        tracing::warn!("the firewall's table was changed by somebody else; making it anew");
        self.restore_firewall()
    }

    /// Takes one endpoint of a running container back, with its links. Unknown ones are no
    /// failure.
    pub fn disconnect(&self, container_id: &str, network: &str) -> Result<(), NetworkError> {
        let endpoint = {
            let registry = self.registry();
            let id = registry.find(network)?.id();
            let all = registry.endpoints.get(container_id);
            all.into_iter()
                .flatten()
                .find(|endpoint| endpoint.network_id == id)
                .cloned()
        };
        let Some(endpoint) = endpoint else {
            return Ok(());
        };
        if !endpoint.host_interface.is_empty() {
            self.host
                .delete_link(&endpoint.host_interface)
                .map_err(|source| kernel("deleting a link", source))?;
        }
        self.take_back(container_id, endpoint.endpoint_id)
    }

    /// Takes all endpoints of a container back: ports, addresses, records. Its links go with
    /// its namespace. Goes on after a failure and reports the first. Idempotent.
    pub fn release(&self, container_id: &str) -> Result<(), NetworkError> {
        let mut result = Ok(());
        self.names.stop(container_id);
        self.registry().names.remove(container_id);
        for endpoint in self.endpoints(container_id) {
            result = result.and(self.take_back(container_id, endpoint.endpoint_id));
        }
        result
    }

    fn take_back(&self, container_id: &str, endpoint_id: Id) -> Result<(), NetworkError> {
        // Out of the books first: a table made anew by somebody else leaves it out, too.
        let (endpoint, left, names) = {
            let mut registry = self.registry();
            let Some(all) = registry.endpoints.get_mut(container_id) else {
                return Ok(());
            };
            let Some(at) = all.iter().position(|e| e.endpoint_id == endpoint_id) else {
                return Ok(());
            };
            let endpoint = all.remove(at);
            let left = all.clone();
            if left.is_empty() {
                registry.endpoints.remove(container_id);
            }
            self.tell_names(&registry, container_id);
            let names = registry.names.get(container_id).cloned();
            (endpoint, left, names)
        };
        let withdrawn = self.withdraw(&endpoint);
        // Only when the translation is gone may the ports belong to somebody else.
        self.registry().ports.release(endpoint_id);
        if let Some(address) = endpoint.ipv4 {
            self.give_back(&endpoint, address);
        }
        let kept = self
            .records
            .keep_endpoints(container_id, &left, names.as_ref());
        withdrawn.and(kept)
    }

    fn withdraw(&self, endpoint: &Endpoint) -> Result<(), NetworkError> {
        let (Some(firewall), Some(ipv4)) = (&self.firewall, endpoint.ipv4) else {
            return Ok(());
        };
        let done = firewall.withdraw(&Published::of(&endpoint.ports, ipv4));
        self.forget_connections(endpoint, ipv4);
        if done.map_err(|source| kernel("taking published ports back", source))? {
            return Ok(());
        }
        self.restore_firewall()
    }

    /// A client that goes on sending from the same UDP port would be translated to this
    /// container for ever, whoever has the published port by then.
    fn forget_connections(&self, endpoint: &Endpoint, address: Ipv4Addr) {
        if endpoint
            .ports
            .iter()
            .any(|port| port.protocol == Protocol::Udp)
            && let Err(error) = self.host.forget_connections(address, Protocol::Udp)
        {
            tracing::warn!(%address, error = %error, "forgetting UDP connections");
        }
    }

    fn give_back(&self, endpoint: &Endpoint, address: Ipv4Addr) {
        let name = &endpoint.host_interface;
        let link = self.host.route().link(name);
        match link {
            Ok(Some(link)) => self.reaper.add(Leaving {
                network: endpoint.network_id,
                address,
                link: link.index,
                name: name.clone(),
            }),
            Ok(None) => free(&mut self.registry(), endpoint.network_id, address),
            Err(error) => {
                // Better an address lost until the next start than one handed out twice.
                tracing::warn!(link = name, error = %error, "looking for a released link");
            }
        }
    }
}

/// What carrying out needs beside the endpoint.
struct Plan {
    bridge: String,
    mtu: u32,
    icc: bool,
    default_route: bool,
}

fn free(registry: &mut Registry, network: Id, address: Ipv4Addr) {
    if let Some(network) = registry.networks.get_mut(&network)
        && let Some(subnet) = &mut network.subnet
    {
        subnet.free(address);
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

/// What Docker refuses, with its sentences.
fn check(network: &Network, request: &EndpointRequest) -> Result<(), NetworkError> {
    let mut problems: Vec<String> = Vec::new();
    let predefined = network.is_default_bridge() || *network.driver() != Driver::Bridge;
    if predefined && !request.aliases.is_empty() {
        problems.push("network-scoped aliases are only supported for user-defined networks".into());
    }
    if request.ipv4.is_some() {
        if predefined {
            problems.push(
                "user specified IP address is supported on user defined networks only".into(),
            );
        }
        if !network.record.subnet_chosen {
            problems.push(
                "user specified IP address is supported only when connecting to networks with user configured subnets"
                    .into(),
            );
        } else if let (Some(address), Some(subnet)) = (request.ipv4, &network.subnet)
            && !subnet.net().contains(&address)
        {
            problems.push(format!(
                "no configured subnet contains IP address {address}"
            ));
        }
    }
    if let Some(address) = request.ipv6 {
        problems.push(format!(
            "no configured subnet contains IP address {address}"
        ));
    }
    if problems.is_empty() {
        return Ok(());
    }
    let heading = format!(
        "invalid config for network {}: invalid endpoint settings",
        network.name()
    );
    Err(NetworkError::Invalid(Refusal(messages::problems(
        &heading, &problems,
    ))))
}
