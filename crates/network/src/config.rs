//! What the daemon's flags say about networking. The names are dockerd's.

use crate::PortFirewall;
use ipnet::{IpNet, Ipv6Net};
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
    path::PathBuf,
};

/// One `--default-address-pool base=…,size=…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressPool {
    /// The range that networks are cut out of.
    pub base: IpNet,
    /// Prefix length of each network.
    pub size: u8,
}

/// Settings of the default bridge and of networking as a whole.
#[derive(Debug, Clone)]
pub struct NetworkConfig {
    /// `--bridge`: an existing bridge to use instead of `docker0`, or `none` for no default
    /// bridge at all. Empty means the engine's own bridge.
    pub bridge: String,
    /// Name of the engine's own bridge, `docker0` unless something else is wanted.
    pub default_bridge_name: String,
    /// `--bip`: address and prefix of the default bridge.
    pub bip: Option<IpNet>,
    /// `--fixed-cidr`: the part of the default bridge's subnet that containers get.
    pub fixed_cidr: Option<IpNet>,
    /// `--ipv6`: whether the default bridge has IPv6, too.
    pub ipv6: bool,
    /// `--bip6`: IPv6 address and prefix of the default bridge.
    pub bip6: Option<Ipv6Net>,
    /// `--fixed-cidr-v6`: the part of the subnet of `bip6` that containers get; without
    /// `bip6` the subnet itself. With neither, one of the pools is taken.
    pub fixed_cidr_v6: Option<Ipv6Net>,
    /// `--default-gateway`.
    pub default_gateway: Option<IpAddr>,
    /// `--default-gateway-v6`.
    pub default_gateway_6: Option<Ipv6Addr>,
    /// `--default-network-opt`: by driver, options of networks that do not have them.
    pub default_options: BTreeMap<String, BTreeMap<String, String>>,
    /// `--allow-direct-routing`: published ports are reached at the containers' own
    /// addresses, too, by who routes to them.
    pub direct_routing: bool,
    /// `--default-address-pool`; empty means Docker's pools.
    pub default_address_pools: Vec<AddressPool>,
    /// `--mtu`, in bytes.
    pub mtu: u32,
    /// `--icc`: whether containers on the default bridge reach each other.
    pub icc: bool,
    /// `--ip`: host address that ports are published on when none is asked for.
    pub default_publish_address: IpAddr,
    /// `--ip-forward`: whether to switch on forwarding in the kernel.
    pub ip_forward: bool,
    /// `--ip-masq`: whether outgoing traffic takes the host's address.
    pub ip_masq: bool,
    /// `--iptables`: whether the engine makes firewall rules at all.
    pub firewall: bool,
    /// `--userland-proxy`: whether ports are published on the host's IPv6 addresses of a
    /// network that has IPv4 only. (No proxy process is involved for IPv4.)
    pub userland_proxy: bool,
    /// Who decides what reaches published ports, unless a port or its network says
    /// otherwise.
    pub port_firewall: PortFirewall,
    /// Where sockets and addresses of network plugins are looked for.
    pub plugin_directories: Vec<PathBuf>,
    /// Where networks are kept across reboots, `<data root>/network`.
    pub data_dir: PathBuf,
    /// Where endpoints are kept while the machine runs, `<exec root>/network`.
    pub exec_dir: PathBuf,
}

impl NetworkConfig {
    /// Docker's defaults, with state in the two directories.
    pub fn new(data_dir: impl Into<PathBuf>, exec_dir: impl Into<PathBuf>) -> Self {
        Self {
            bridge: String::new(),
            default_bridge_name: "docker0".into(),
            bip: None,
            fixed_cidr: None,
            ipv6: false,
            bip6: None,
            fixed_cidr_v6: None,
            default_gateway: None,
            default_gateway_6: None,
            default_options: BTreeMap::new(),
            direct_routing: false,
            default_address_pools: Vec::new(),
            mtu: 1500,
            icc: true,
            default_publish_address: IpAddr::from([0, 0, 0, 0]),
            ip_forward: true,
            ip_masq: true,
            firewall: true,
            userland_proxy: true,
            port_firewall: PortFirewall::Open,
            plugin_directories: corten_plugin::DIRECTORIES.map(PathBuf::from).into(),
            data_dir: data_dir.into(),
            exec_dir: exec_dir.into(),
        }
    }
}
