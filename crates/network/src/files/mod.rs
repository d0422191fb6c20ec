//! The text of a container's `/etc/hosts`, `/etc/hostname` and `/etc/resolv.conf`, as
//! Docker 28 writes them. Pure functions.

mod hosts;
mod resolv_conf;

pub use hosts::{Hosts, HostsError, hosts};
pub use resolv_conf::{
    EMBEDDED_SERVER, HOST_PATH, ResolvConf, host_path, name_servers, resolv_conf, sets_ndots,
};

/// The content of `/etc/hostname`.
pub fn hostname(name: &str) -> String {
    format!("{name}\n")
}
