//! Values that go in and out of this room.

use corten_base::{Id, Timestamp};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// What makes a network's links.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    /// A Linux bridge on this host.
    Bridge,
    /// The host's own network namespace.
    Host,
    /// A namespace with a loopback interface only (network `none`).
    Null,
}

impl Driver {
    /// As the API prints it: `bridge`, `host`, `null`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::Host => "host",
            Self::Null => "null",
        }
    }
}

/// One row of `IPAM.Config`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IpamConfig {
    /// Subnet in CIDR notation, empty when not given.
    pub subnet: String,
    /// The part of the subnet that addresses come from, empty when not given.
    pub ip_range: String,
    /// Gateway address, empty when not given.
    pub gateway: String,
    /// Addresses by name that must not be handed out.
    pub auxiliary_addresses: BTreeMap<String, String>,
}

/// A network as `network inspect` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkInfo {
    /// ID; kept across restarts of the daemon.
    pub id: Id,
    /// Unique name.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
    /// Its driver.
    pub driver: Driver,
    /// Whether endpoints get an IPv4 address.
    pub enable_ipv4: bool,
    /// Whether endpoints get an IPv6 address.
    pub enable_ipv6: bool,
    /// No route to the outside.
    pub internal: bool,
    /// Whether containers may join a network of the cluster by hand.
    pub attachable: bool,
    /// Always `default`: addresses are managed here.
    pub ipam_driver: String,
    /// Options given for the address management.
    pub ipam_options: Option<BTreeMap<String, String>>,
    /// Subnets; `None` where the driver has none (host, none).
    pub ipam: Option<Vec<IpamConfig>>,
    /// Driver options, `com.docker.network.…`.
    pub options: BTreeMap<String, String>,
    /// User labels.
    pub labels: BTreeMap<String, String>,
    /// Endpoints by container ID.
    pub endpoints: BTreeMap<String, Endpoint>,
}

/// What `network create` asks for.
#[derive(Debug, Clone, Default)]
pub struct NetworkRequest {
    /// Name, unique among networks.
    pub name: String,
    /// Driver name; empty means `bridge`.
    pub driver: String,
    /// No route to the outside.
    pub internal: bool,
    /// As given.
    pub attachable: bool,
    /// `None` means yes.
    pub enable_ipv4: Option<bool>,
    /// `None` means no.
    pub enable_ipv6: Option<bool>,
    /// Address management driver; empty or `default`.
    pub ipam_driver: String,
    /// Options for the address management.
    pub ipam_options: Option<BTreeMap<String, String>>,
    /// Wanted subnets; empty means one from the default pools.
    pub ipam: Vec<IpamConfig>,
    /// Driver options.
    pub options: BTreeMap<String, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// A hardware address, written `02:42:ac:11:00:02`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct MacAddress(pub [u8; 6]);

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no hardware address.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("address {0}: invalid MAC address")]
pub struct MacAddressError(String);

impl FromStr for MacAddress {
    type Err = MacAddressError;

    fn from_str(text: &str) -> Result<Self, MacAddressError> {
        let fail = || MacAddressError(text.to_owned());
        let mut bytes = [0; 6];
        let mut parts = text.split([':', '-']);
        for byte in &mut bytes {
            let part = parts
                .next()
                .filter(|part| part.len() == 2)
                .ok_or_else(fail)?;
            *byte = u8::from_str_radix(part, 16).map_err(|_| fail())?;
        }
        parts
            .next()
            .is_none()
            .then_some(Self(bytes))
            .ok_or_else(fail)
    }
}

impl Serialize for MacAddress {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MacAddress {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Transport protocol of a published port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP
    Tcp,
    /// UDP
    Udp,
    /// SCTP
    Sctp,
}

impl Protocol {
    /// `tcp`, `udp`, `sctp`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }

    /// The number in the IP header.
    pub fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One port to publish. A range of container ports is one request a port; only the host
/// side may be a range, of which one free port is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishRequest {
    /// Port inside the container, 1 to 65535.
    pub container_port: u16,
    /// Protocol.
    pub protocol: Protocol,
    /// Host address; `None` means the configured default (all addresses).
    pub host_ip: Option<IpAddr>,
    /// First acceptable host port, 0 for any of the kernel's ephemeral range.
    pub host_port: u16,
    /// Last acceptable host port; equal to `host_port` unless a range was given.
    pub host_port_end: u16,
}

/// A port that is published now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortBinding {
    /// Port inside the container.
    pub container_port: u16,
    /// Protocol.
    pub protocol: Protocol,
    /// Host address, `0.0.0.0` and `::` for all.
    pub host_ip: IpAddr,
    /// Host port.
    pub host_port: u16,
}

/// What [`crate::Networks::connect`] is asked for.
#[derive(Debug, Clone, Default)]
pub struct EndpointRequest {
    /// Full container ID.
    pub container_id: String,
    /// Container name without slash, for messages and `network inspect`.
    pub container_name: String,
    /// Network name, ID or unique ID prefix. `default` means the default bridge.
    pub network: String,
    /// Ports to publish. Give them to one endpoint of a container only.
    pub ports: Vec<PublishRequest>,
    /// Wanted hardware address; `None` means a random one.
    pub mac: Option<MacAddress>,
    /// Wanted IPv4 address (user-defined networks with a configured subnet only).
    pub ipv4: Option<Ipv4Addr>,
    /// Wanted IPv6 address.
    pub ipv6: Option<Ipv6Addr>,
    /// Other names of the container on this network.
    pub aliases: Vec<String>,
    /// Whether the default route leads elsewhere, since another endpoint of the container
    /// has it.
    pub without_default_route: bool,
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
    /// Hardware address; `None` for host and none.
    pub mac: Option<MacAddress>,
    /// Other names on this network.
    pub aliases: Vec<String>,
    /// Ports published through this endpoint, in the order Docker lists them.
    pub ports: Vec<PortBinding>,
}

/// A container whose processes are there now, for [`crate::Networks::reconcile`].
#[derive(Debug, Clone)]
pub struct LiveContainer {
    /// Full container ID.
    pub id: String,
}

/// What a reconciliation found and did, for the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Containers whose records, addresses and ports were taken back.
    pub released: Vec<String>,
    /// Host interfaces that belonged to nobody and were deleted.
    pub links_deleted: Vec<String>,
    /// Endpoints of live containers that are in place again.
    pub restored: usize,
    /// Whether the firewall table had to be made anew.
    pub firewall_rebuilt: bool,
    /// Failures that did not stop the reconciliation, as sentences.
    pub problems: Vec<String>,
}
