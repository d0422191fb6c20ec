//! Networks and a container's place in them.

use crate::{ContainerId, NetworkId, PortMap};
use corten_base::Timestamp;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// What a user asks of one network: Docker's `EndpointSettings` on the way in.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct EndpointConfig {
    /// Fixed addresses.
    pub ipam: Option<EndpointIpam>,
    /// `name:alias`.
    pub links: Option<Vec<String>>,
    /// Extra DNS names.
    pub aliases: Option<Vec<String>>,
    /// Hardware address; empty: random.
    pub mac_address: String,
    /// The driver's options.
    pub driver_options: Option<BTreeMap<String, String>>,
    /// The endpoint with the highest priority gives the default gateway.
    pub gateway_priority: i64,
}

/// Fixed addresses of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct EndpointIpam {
    /// IPv4 address; empty: from the pool.
    pub ipv4_address: String,
    /// IPv6 address; empty: from the pool.
    pub ipv6_address: String,
    /// Link-local addresses.
    pub link_local_ips: Option<Vec<String>>,
}

/// A container's endpoint, with what was asked for and what it has while it runs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct EndpointSettings {
    /// What was asked for.
    pub config: EndpointConfig,
    /// Hardware address in use; empty while down.
    pub mac_address: String,
    /// The network; `None` before the first start.
    pub network_id: Option<NetworkId>,
    /// 64 digits; empty while down.
    pub endpoint_id: String,
    /// Default gateway.
    pub gateway: Option<Ipv4Addr>,
    /// IPv4 address.
    pub ip_address: Option<Ipv4Addr>,
    /// Its prefix length; 0 while down.
    pub ip_prefix_length: u8,
    /// IPv6 gateway.
    pub ipv6_gateway: Option<Ipv6Addr>,
    /// IPv6 address.
    pub global_ipv6_address: Option<Ipv6Addr>,
    /// Its prefix length; 0 while down.
    pub global_ipv6_prefix_length: u8,
    /// DNS names; `None` on networks without embedded DNS.
    pub dns_names: Option<Vec<String>>,
}

/// The network facts of a container.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkSettings {
    /// 64 digits; empty while down.
    pub sandbox_id: String,
    /// Path or name of the namespace; empty while down.
    pub sandbox_key: String,
    /// Exposed and published ports while running.
    pub ports: PortMap,
    /// Endpoints by network name.
    pub networks: BTreeMap<String, EndpointSettings>,
    /// Variables that tell of linked containers, while running.
    pub linked_environment: Vec<String>,
}

/// A network, as `inspect` shows it (19 facts).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NetworkInspect {
    /// Name.
    pub name: String,
    /// ID.
    pub id: NetworkId,
    /// Creation.
    pub created: Timestamp,
    /// `local`.
    pub scope: String,
    /// `bridge`, `host`, `null`.
    pub driver: String,
    /// IPv4 in use.
    pub enable_ipv4: bool,
    /// IPv6 in use.
    pub enable_ipv6: bool,
    /// Address pools.
    pub ipam: NetworkIpam,
    /// No way out.
    pub internal: bool,
    /// Swarm only.
    pub attachable: bool,
    /// Swarm only.
    pub ingress: bool,
    /// Name of a config-only network.
    pub config_from: String,
    /// A configuration for other networks only.
    pub config_only: bool,
    /// Running containers in it.
    pub containers: BTreeMap<ContainerId, NetworkContainer>,
    /// The driver's options.
    pub options: BTreeMap<String, String>,
    /// User's labels.
    pub labels: BTreeMap<String, String>,
}

/// Address pools of a network.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkIpam {
    /// `default`.
    pub driver: String,
    /// The driver's options.
    pub options: Option<BTreeMap<String, String>>,
    /// Pools; `None` where Docker shows `null`.
    pub pools: Option<Vec<NetworkIpamPool>>,
}

/// One address pool.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkIpamPool {
    /// `172.17.0.0/16`.
    pub subnet: String,
    /// Addresses are given from here.
    pub ip_range: String,
    /// The bridge's address.
    pub gateway: String,
    /// Addresses that are never given.
    pub auxiliary_addresses: BTreeMap<String, IpAddr>,
}

/// A running container in a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkContainer {
    /// The container's name without slash.
    pub name: String,
    /// 64 digits.
    pub endpoint_id: String,
    /// Hardware address.
    pub mac_address: String,
    /// `172.17.0.2/16`.
    pub ipv4_address: String,
    /// Empty without IPv6.
    pub ipv6_address: String,
}
