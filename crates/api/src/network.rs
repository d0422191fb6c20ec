//! Networks.

use crate::container::EndpointSettings;
use crate::skip::empty;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One network: `GET /networks/{id}` and, without containers, `GET /networks`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename = "network.Inspect", rename_all = "PascalCase")]
pub struct Network {
    /// Name.
    pub name: String,
    /// Full ID.
    pub id: String,
    /// RFC 3339.
    pub created: String,
    /// `local`, `swarm`, `global`.
    pub scope: String,
    /// Driver.
    pub driver: String,
    /// Whether it has IPv4.
    #[serde(rename = "EnableIPv4")]
    pub enable_ipv4: bool,
    /// Whether it has IPv6.
    #[serde(rename = "EnableIPv6")]
    pub enable_ipv6: bool,
    /// Addresses.
    #[serde(rename = "IPAM")]
    pub ipam: Ipam,
    /// Without a way out.
    pub internal: bool,
    /// Whether single containers may join a swarm network.
    pub attachable: bool,
    /// Swarm's routing mesh.
    pub ingress: bool,
    /// Where the configuration comes from.
    pub config_from: ConfigReference,
    /// Only a configuration for others.
    pub config_only: bool,
    /// Running containers by ID.
    pub containers: BTreeMap<String, EndpointResource>,
    /// Options of the driver.
    pub options: BTreeMap<String, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Of a swarm network.
    #[serde(skip_serializing_if = "empty")]
    pub peers: Vec<serde_json::Value>,
    /// Of a swarm network.
    #[serde(skip_serializing_if = "empty")]
    pub services: BTreeMap<String, serde_json::Value>,
}

/// Addresses of a network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename = "network.IPAM", rename_all = "PascalCase")]
pub struct Ipam {
    /// `default`.
    pub driver: String,
    /// Options of the driver.
    pub options: Option<BTreeMap<String, String>>,
    /// Pools.
    pub config: Option<Vec<IpamConfig>>,
}

/// A pool of addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename = "network.IPAMConfig", rename_all = "PascalCase")]
pub struct IpamConfig {
    /// CIDR.
    #[serde(skip_serializing_if = "empty")]
    pub subnet: String,
    /// CIDR inside the subnet.
    #[serde(rename = "IPRange", skip_serializing_if = "empty")]
    pub ip_range: String,
    /// The bridge's address.
    #[serde(skip_serializing_if = "empty")]
    pub gateway: String,
    /// Addresses never given away, by name.
    #[serde(rename = "AuxiliaryAddresses", skip_serializing_if = "empty")]
    pub auxiliary_addresses: BTreeMap<String, String>,
}

/// Name of a configuration-only network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename = "network.ConfigReference", rename_all = "PascalCase")]
pub struct ConfigReference {
    /// Its name.
    pub network: String,
}

/// A container on a network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    default,
    rename = "network.EndpointResource",
    rename_all = "PascalCase"
)]
pub struct EndpointResource {
    /// Name of the container.
    pub name: String,
    /// The endpoint's ID.
    #[serde(rename = "EndpointID")]
    pub endpoint_id: String,
    /// Hardware address.
    pub mac_address: String,
    /// With prefix length.
    #[serde(rename = "IPv4Address")]
    pub ipv4_address: String,
    /// With prefix length.
    #[serde(rename = "IPv6Address")]
    pub ipv6_address: String,
}

/// The body of `POST /networks/create`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename = "network.CreateRequest", rename_all = "PascalCase")]
pub struct CreateRequest {
    /// Name.
    pub name: String,
    /// Deprecated, ignored since 1.44: names are always checked.
    #[serde(skip_serializing_if = "empty")]
    pub check_duplicate: Option<bool>,
    /// Empty: `bridge`.
    pub driver: String,
    /// `local`, `swarm`, `global`.
    pub scope: String,
    /// null: yes.
    #[serde(rename = "EnableIPv4", skip_serializing_if = "empty")]
    pub enable_ipv4: Option<bool>,
    /// null: no.
    #[serde(rename = "EnableIPv6", skip_serializing_if = "empty")]
    pub enable_ipv6: Option<bool>,
    /// Addresses.
    #[serde(rename = "IPAM")]
    pub ipam: Option<Ipam>,
    /// Without a way out.
    pub internal: bool,
    /// Swarm only.
    pub attachable: bool,
    /// Swarm only.
    pub ingress: bool,
    /// Only a configuration for others.
    pub config_only: bool,
    /// Where the configuration comes from.
    pub config_from: Option<ConfigReference>,
    /// Options of the driver.
    pub options: Option<BTreeMap<String, String>>,
    /// Labels.
    pub labels: Option<BTreeMap<String, String>>,
}

/// The answer to it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename = "network.CreateResponse", rename_all = "PascalCase")]
pub struct CreateResponse {
    /// Full ID.
    pub id: String,
    /// A sentence for the user, or empty.
    pub warning: String,
}

/// The body of `POST /networks/{id}/connect`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename = "network.ConnectOptions", rename_all = "PascalCase")]
pub struct ConnectRequest {
    /// Name or ID.
    pub container: String,
    /// Wishes.
    #[serde(skip_serializing_if = "empty")]
    pub endpoint_config: Option<EndpointSettings>,
}

/// The body of `POST /networks/{id}/disconnect`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    default,
    rename = "network.DisconnectOptions",
    rename_all = "PascalCase"
)]
pub struct DisconnectRequest {
    /// Name or ID.
    pub container: String,
    /// Even when the container is gone.
    pub force: bool,
}

/// The answer of `POST /networks/prune`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename = "network.PruneReport", rename_all = "PascalCase")]
pub struct PruneReport {
    /// Names of what is gone.
    pub networks_deleted: Option<Vec<String>>,
}
