//! A container's places in networks, as asked for and as made.

use super::{MacAddress, PortBinding, Protocol, PublishRequest};
use corten_base::Id;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// Another name for a container, known to one container only (`--link` on networks that
/// users made).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Name or ID of the other container, as this network knows it.
    pub container: String,
    /// The name it gets.
    pub alias: String,
}

/// A port of a linked container on the default bridge (`--link`): open although the network
/// keeps its containers apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LinkedPort {
    /// The linked container's address.
    pub address: Ipv4Addr,
    /// Protocol.
    pub protocol: Protocol,
    /// The exposed port.
    pub port: u16,
}

/// What [`crate::Networks::connect`] is asked for.
#[derive(Debug, Clone, Default)]
pub struct EndpointRequest {
    /// Full container ID.
    pub container_id: String,
    /// Container name without slash, for messages, `network inspect` and as a DNS name.
    pub container_name: String,
    /// Host name of the container, a DNS name too; may be empty.
    pub hostname: String,
    /// Network name, ID or unique ID prefix. `default` means the default bridge.
    pub network: String,
    /// What the container publishes. Give the same list with every endpoint of the
    /// container: ports are published through those endpoints that have the default routes,
    /// and move when the routes do. See [`crate::Networks::ports`].
    pub ports: Vec<PublishRequest>,
    /// Wanted hardware address; `None` means a random one.
    pub mac: Option<MacAddress>,
    /// Wanted IPv4 address (user-defined networks with a configured subnet only).
    pub ipv4: Option<Ipv4Addr>,
    /// Wanted IPv6 address.
    pub ipv6: Option<Ipv6Addr>,
    /// Further addresses of the interface (`LinkLocalIPs`).
    pub link_local: Vec<IpAddr>,
    /// Other names of the container on this network.
    pub aliases: Vec<String>,
    /// Names this container alone knows others by.
    pub links: Vec<Link>,
    /// Ports of linked containers; the default bridge only.
    pub linked_ports: Vec<LinkedPort>,
    /// The endpoint with the highest has the default route; equal ones go by network name.
    pub gateway_priority: i64,
    /// `DriverOpts`: `com.docker.network.endpoint.ifname` names the interface,
    /// `com.docker.network.endpoint.sysctls` sets `net.….IFNAME.… = value` (comma
    /// separated). Others go to plugins as they are; our own drivers refuse what they do
    /// not know below `com.docker.network.`.
    pub driver_options: BTreeMap<String, String>,
}

/// A container's place in a network. The record that is kept is this value, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The network's ID.
    pub network_id: Id,
    /// The network's name.
    pub network_name: String,
    /// ID of this endpoint.
    pub endpoint_id: Id,
    /// Full container ID.
    pub container_id: String,
    /// Container name at the time of connecting.
    pub container_name: String,
    /// Interface inside the container (`eth0`), empty for host and none.
    pub interface: String,
    /// Interface on the host's side, empty for host and none.
    pub host_interface: String,
    /// IPv4 address.
    pub ipv4: Option<Ipv4Addr>,
    /// Prefix length of the IPv4 subnet, in bits.
    pub ipv4_prefix_length: u8,
    /// IPv4 gateway.
    pub gateway: Option<Ipv4Addr>,
    /// IPv6 address.
    pub ipv6: Option<Ipv6Addr>,
    /// Prefix length of the IPv6 subnet, in bits.
    pub ipv6_prefix_length: u8,
    /// IPv6 gateway.
    pub ipv6_gateway: Option<Ipv6Addr>,
    /// Packets to the outside leave by the interface, to no gateway (ipvlan l3 and l3s).
    #[serde(default)]
    pub leads_out_itself: bool,
    /// Hardware address; `None` for host and none.
    pub mac: Option<MacAddress>,
    /// Other names on this network.
    pub aliases: Vec<String>,
    /// All names that resolve to this endpoint on its network, in Docker's order
    /// (`DNSNames`): name, aliases, short ID, host name. Empty where names are not served:
    /// the default bridge, host, none.
    #[serde(default)]
    pub dns_names: Vec<String>,
    /// Names this container alone knows others by.
    #[serde(default)]
    pub links: Vec<Link>,
    /// Ports of linked containers that are open to this one.
    #[serde(default)]
    pub linked_ports: Vec<LinkedPort>,
    /// Further addresses of the interface.
    #[serde(default)]
    pub link_local: Vec<IpAddr>,
    /// See [`EndpointRequest::gateway_priority`].
    #[serde(default)]
    pub gateway_priority: i64,
    /// As asked for.
    #[serde(default)]
    pub driver_options: BTreeMap<String, String>,
    /// Ports published through this endpoint, in the order Docker lists them.
    pub ports: Vec<PortBinding>,
}

/// Where packets to the outside go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NextHop {
    /// To a router on the network.
    Gateway(IpAddr),
    /// Out of the interface.
    Link,
}

impl Endpoint {
    /// Where it sends one family's packets to the outside; `None`: nowhere.
    pub(crate) fn next_hop(&self, ipv6: bool) -> Option<NextHop> {
        let (gateway, has_address) = match ipv6 {
            false => (self.gateway.map(IpAddr::V4), self.ipv4.is_some()),
            true => (self.ipv6_gateway.map(IpAddr::V6), self.ipv6.is_some()),
        };
        let itself = (self.leads_out_itself && has_address).then_some(NextHop::Link);
        gateway.map(NextHop::Gateway).or(itself)
    }
}
