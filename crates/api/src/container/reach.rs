//! From where a container is reached. Beyond Docker.

use serde::{Deserialize, Serialize};

/// One entry of `GET /containers/{id}/reach`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Reach {
    /// The container's port; 0 for every port that it listens at.
    pub private_port: u16,
    /// `tcp`, `udp`, `sctp`; empty where it is every port.
    #[serde(rename = "Type")]
    pub protocol: String,
    /// The address that is asked: the host's (`0.0.0.0` and `::` are all of a family) or the
    /// container's own.
    #[serde(rename = "IP")]
    pub ip: String,
    /// The port that is asked there; 0 for every one.
    pub public_port: u16,
    /// Who gets there.
    pub from: ReachedFrom,
}

/// Who gets to a container by an address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReachedFrom {
    /// Everybody who reaches that address of the host, whatever its INPUT rules say.
    #[default]
    Outside,
    /// Everybody who reaches that address of the host and whom its INPUT rules let in.
    HostRules,
    /// Everybody who has a route to the container's own address.
    Routed,
    /// Everybody on the wire that the container's link is on.
    Wire,
    /// Programs of this host only.
    Host,
}
