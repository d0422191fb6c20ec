//! What the embedded name server is told about a container.

use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// A server that questions about the outside are passed on to, on port 53.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NameServer {
    /// Its address.
    pub address: IpAddr,
    /// It is the host's: asked from the host's network namespace, not from the container's.
    pub from_host: bool,
}

/// What [`crate::Networks::serve_names`] is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamesRequest {
    /// Full container ID.
    pub container_id: String,
    /// Where questions go that are not about this engine's names; see
    /// [`crate::files::name_servers`]. A container that is on internal networks only has
    /// nobody asked from the host's namespace for it (CVE-2024-29018).
    pub servers: Vec<NameServer>,
    /// What `host.docker.internal` stands for; empty leaves the name to the servers.
    pub host_gateway: Vec<IpAddr>,
    /// The container's resolv.conf says `ndots`: then single words that nobody here bears
    /// are not passed on.
    pub ndots_set: bool,
}
