//! The text of a container's `/etc/hosts`, `/etc/hostname` and `/etc/resolv.conf`, as
//! Docker 28 writes them. Pure functions.

mod hosts;
mod resolv_conf;

pub use hosts::{Hosts, HostsError, hosts};
pub use resolv_conf::{
    EMBEDDED_SERVER, HOST_PATH, ResolvConf, host_path, name_servers, resolv_conf, sets_ndots,
};

/// A container's own names in `/etc/hosts`: the full one, and its first part where that is
/// another, whichever of the two settings the domain stands in.
pub fn host_names(hostname: &str, domainname: &str) -> String {
    let full = match domainname {
        "" => hostname.to_owned(),
        domain => format!("{hostname}.{domain}"),
    };
    match full.split_once('.') {
        Some((first, _)) if !first.is_empty() => format!("{full} {first}"),
        _ => full,
    }
}

/// The content of `/etc/hostname`.
pub fn hostname(name: &str) -> String {
    format!("{name}\n")
}
