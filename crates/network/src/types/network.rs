//! Networks, as asked for and as shown.

use super::{Driver, Endpoint};
use corten_base::{Id, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
    /// It holds configuration for other networks and takes no containers.
    #[serde(default)]
    pub config_only: bool,
    /// Name of the network that this one has its configuration from, empty for none.
    #[serde(default)]
    pub config_from: String,
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
    /// `local`, or empty; others need a cluster and are refused.
    pub scope: String,
    /// No route to the outside.
    pub internal: bool,
    /// As given.
    pub attachable: bool,
    /// Refused: it needs a cluster.
    pub ingress: bool,
    /// Only keep the configuration, for networks that are made from it.
    pub config_only: bool,
    /// Name of a network whose configuration this one takes, empty for none.
    pub config_from: String,
    /// `None` means yes.
    pub enable_ipv4: Option<bool>,
    /// `None` means no.
    pub enable_ipv6: Option<bool>,
    /// Address management driver: empty or `default`; plugins for it are not called.
    pub ipam_driver: String,
    /// Options for the address management.
    pub ipam_options: Option<BTreeMap<String, String>>,
    /// Wanted subnets, of both families; a family that is wanted and not among them gets a
    /// subnet of the default pools.
    pub ipam: Vec<IpamConfig>,
    /// Driver options.
    pub options: BTreeMap<String, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}
