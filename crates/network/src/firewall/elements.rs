//! What networks and links are in the table's sets.

use super::{Elements, rules::link_name};
use crate::{Endpoint, options::GatewayMode};
use corten_netlink::nft::Element;
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr};

/// A network as far as the firewall cares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GuardedNetwork {
    pub bridge: String,
    pub families: Vec<GuardedFamily>,
    pub masquerade: bool,
    pub icc: bool,
    pub internal: bool,
    /// Links of the host from which containers are reached directly.
    pub trusted: Vec<String>,
}

/// One family of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GuardedFamily {
    pub subnet: IpNet,
    pub mode: GatewayMode,
    /// The address that outgoing traffic bears, instead of the link's.
    pub host: Option<IpAddr>,
}

/// A port of a linked container that another may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OpenLink {
    pub from: Ipv4Addr,
    pub to: Ipv4Addr,
    pub protocol: u8,
    pub port: u16,
}

/// Adds an element to a set.
pub(super) fn put(all: &mut Elements, set: &str, element: Element) {
    all.entry(set.to_owned()).or_default().push(element);
}

/// The same for a set of another table.
pub(super) fn put_named(all: &mut Elements, prefix: &str, set: &str, element: Element) {
    put(all, &format!("{prefix}{set}"), element);
}

/// The name of a set of one family.
pub(super) fn of_family(set: &str, ipv6: bool) -> String {
    format!("{set}_{}", if ipv6 { 6 } else { 4 })
}

pub(super) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

impl GuardedNetwork {
    pub(crate) fn elements(&self, all: &mut Elements) {
        let name = link_name(&self.bridge);
        put(all, "bridges", Element::member(name));
        if self.icc {
            put(all, "same", Element::member([name, name].concat()));
        }
        if self.internal {
            put(all, "internal", Element::member(name));
        }
        for link in &self.trusted {
            let pair = [link_name(link), name].concat();
            put(all, "trusted", Element::member(pair));
        }
        for family in &self.families {
            let ipv6 = matches!(family.subnet, IpNet::V6(_));
            let set = |name| of_family(name, ipv6);
            let subnet = || Element::subnet(family.subnet);
            all.entry(set("subnets")).or_default().extend(subnet());
            let translated = self.masquerade && !self.internal;
            match family.mode {
                GatewayMode::Routed => put(all, &set("routed"), Element::member(name)),
                GatewayMode::Isolated => {}
                mode => {
                    if mode == GatewayMode::NatUnprotected {
                        put(all, &set("unprotected"), Element::member(name));
                    }
                    match family.host.filter(|_| translated) {
                        Some(host) => {
                            let mut range = subnet();
                            if let Some(first) = range.first_mut() {
                                *first = first.clone().leading_to(octets(host));
                            }
                            all.entry(set("sources")).or_default().extend(range);
                        }
                        None if translated => {
                            all.entry(set("masqueraded")).or_default().extend(subnet());
                        }
                        None => {}
                    }
                }
            }
        }
    }
}

impl OpenLink {
    pub(crate) fn elements(&self, all: &mut Elements) {
        let mut key = self.from.octets().to_vec();
        key.extend(self.to.octets());
        key.extend([self.protocol, 0, 0, 0]);
        key.extend(self.port.to_be_bytes());
        key.extend([0; 2]);
        super::apart::link(key.as_slice(), all);
        put(all, "links", Element::member(key));
    }
}

/// The links of an endpoint.
pub(crate) fn links_of(endpoint: &Endpoint) -> Vec<OpenLink> {
    let Some(from) = endpoint.ipv4 else {
        return Vec::new();
    };
    let ports = endpoint.linked_ports.iter();
    // One container may be linked under several names.
    let mut links: Vec<OpenLink> = Vec::new();
    let all = ports.map(|linked| OpenLink {
        from,
        to: linked.address,
        protocol: linked.protocol.number(),
        port: linked.port,
    });
    for link in all {
        if !links.contains(&link) {
            links.push(link);
        }
    }
    links
}
