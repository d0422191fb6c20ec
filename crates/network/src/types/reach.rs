//! From where a container is reached.

use super::Protocol;
use std::net::IpAddr;

/// One way in to a container from outside of its networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// The container's port; `None`: every port that it listens at.
    pub port: Option<(u16, Protocol)>,
    /// The address that is asked: one of the host's (`0.0.0.0` and `::` are all of a family)
    /// or the container's own.
    pub address: IpAddr,
    /// The port that is asked at that address; 0 for every one.
    pub address_port: u16,
    /// Who gets there.
    pub from: ReachedFrom,
}

/// Who gets to a container by an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReachedFrom {
    /// Programs of this host only.
    Host,
    /// Everybody who reaches that address of the host, whatever its INPUT rules say.
    Outside,
    /// Everybody who reaches that address of the host and whom its INPUT rules let in.
    HostRules,
    /// Everybody who has a route to the container's own address.
    Routed,
    /// Everybody on the wire that the container's link is on (macvlan, ipvlan).
    Wire,
}
