//! The text of a container's `/etc/hosts`, `/etc/hostname` and `/etc/resolv.conf`, as
//! Docker 28 writes them. Pure functions.

use std::net::IpAddr;

/// What goes into `/etc/hosts`.
#[derive(Debug, Clone, Default)]
pub struct Hosts<'a> {
    /// Host name without domain.
    pub hostname: &'a str,
    /// Domain name, empty for none.
    pub domainname: &'a str,
    /// The container's own addresses, in the order of its endpoints.
    pub addresses: Vec<IpAddr>,
    /// `--add-host` entries as given, `NAME:ADDRESS` or `NAME=ADDRESS`; the address may be
    /// `host-gateway`.
    pub extra: &'a [String],
    /// What `host-gateway` stands for; empty refuses it.
    pub host_gateway: Vec<IpAddr>,
    /// Whether the container is in the host's network namespace (or shares nothing).
    pub host_network: bool,
    /// Names of linked containers with their addresses: address and its names.
    pub links: Vec<(IpAddr, Vec<String>)>,
}

/// An `--add-host` entry that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostsError {
    /// No separator or an empty part.
    #[error("bad format for add-host: {0:?}")]
    Malformed(String),
    /// Not an address.
    #[error("invalid IP address in add-host: {0:?}")]
    Address(String),
    /// `host-gateway` without a gateway.
    #[error("unable to derive the IP value for host-gateway")]
    NoGateway,
}

/// What shapes `/etc/resolv.conf`.
#[derive(Debug, Clone, Default)]
pub struct ResolvConf<'a> {
    /// Content of the host's file.
    pub host: &'a str,
    /// Path of the host's file, named in the comment.
    pub host_path: &'a str,
    /// `--dns`, or the daemon's; empty takes the host's.
    pub servers: &'a [IpAddr],
    /// `--dns-search`; `["."]` means none.
    pub search: &'a [String],
    /// `--dns-option`.
    pub options: &'a [String],
    /// Whether the container shares the host's network namespace: loopback resolvers work.
    pub host_network: bool,
}

/// The content of `/etc/hosts`.
pub fn hosts(input: &Hosts<'_>) -> Result<String, HostsError> {
    let _ = input;
    Ok(String::new())
}

/// The content of `/etc/hostname`.
pub fn hostname(name: &str) -> String {
    format!("{name}\n")
}

/// The content of `/etc/resolv.conf`.
pub fn resolv_conf(input: &ResolvConf<'_>) -> String {
    let _ = input;
    String::new()
}
