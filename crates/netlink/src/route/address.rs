//! Addresses, routes and neighbours.

use super::{RouteBatch, RouteSocket};
use crate::{
    NetlinkError,
    message::{CREATE, EXCLUSIVE, REPLACE, attribute, read_u32},
};
use ipnet::IpNet;
use std::net::IpAddr;

// linux/rtnetlink.h, linux/if_addr.h, linux/neighbour.h
const NEWADDR: u16 = 20;
const DELADDR: u16 = 21;
const GETADDR: u16 = 22;
const NEWROUTE: u16 = 24;
const DELROUTE: u16 = 25;
const GETROUTE: u16 = 26;
const NEWNEIGH: u16 = 28;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_BROADCAST: u16 = 4;
const IFA_FLAGS: u16 = 8;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
/// No duplicate address detection: it would hold an IPv6 address back for 1.7 s.
const NODAD: u32 = 0x02;
const TABLE_MAIN: u8 = 254;
const PROTOCOL_BOOT: u8 = 3;
const UNICAST: u8 = 1;
const SCOPE_LINK: u8 = 253;
const PERMANENT: u16 = 0x80;

/// An address of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// The link's number.
    pub index: u32,
    /// Address and prefix length.
    pub net: IpNet,
}

/// A route of the main table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Where to; a prefix length of 0 is the default route.
    pub destination: IpNet,
    /// Through which neighbour; `None` for what is on the link itself.
    pub gateway: Option<IpAddr>,
    /// Through which link.
    pub index: Option<u32>,
}

/// A fixed entry of the neighbour table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Neighbour {
    /// The link's number.
    pub index: u32,
    /// Its address.
    pub address: IpAddr,
    /// Its hardware address.
    pub hardware: [u8; 6],
}

impl RouteBatch {
    /// Gives a link an address, at once usable; its broadcast address is the subnet's last.
    pub fn add_address(&mut self, address: &Address) {
        let name = format!("adding the address {}", address.net);
        self.add(
            name,
            NEWADDR,
            CREATE | EXCLUSIVE,
            &address_header(address),
            |a| {
                let bytes = octets(address.net.addr());
                a.put(IFA_LOCAL, &bytes);
                a.put(IFA_ADDRESS, &bytes);
                match address.net {
                    IpNet::V4(net) if net.prefix_len() < 31 => {
                        a.put(IFA_BROADCAST, &net.broadcast().octets());
                    }
                    IpNet::V4(_) => {}
                    IpNet::V6(_) => a.u32(IFA_FLAGS, NODAD),
                }
            },
        );
    }

    /// Takes an address from a link.
    pub fn delete_address(&mut self, address: &Address) {
        let name = format!("deleting the address {}", address.net);
        self.add(name, DELADDR, 0, &address_header(address), |a| {
            a.put(IFA_LOCAL, &octets(address.net.addr()));
        });
    }

    /// Adds a route to the main table.
    pub fn add_route(&mut self, route: &Route) {
        self.route("adding", NEWROUTE, CREATE | EXCLUSIVE, route);
    }

    /// Takes a route out of the main table.
    pub fn delete_route(&mut self, route: &Route) {
        self.route("deleting", DELROUTE, 0, route);
    }

    fn route(&mut self, verb: &str, kind: u16, flags: u16, route: &Route) {
        let net = route.destination;
        // struct rtmsg
        let mut fixed = [0; 12];
        fixed[0] = family(net.addr());
        fixed[1] = net.prefix_len();
        fixed[4] = TABLE_MAIN;
        fixed[5] = PROTOCOL_BOOT;
        fixed[6] = if route.gateway.is_some() {
            0
        } else {
            SCOPE_LINK
        };
        fixed[7] = UNICAST;
        let name = format!("{verb} the route to {net}");
        self.add(name, kind, flags, &fixed, |a| {
            if net.prefix_len() > 0 {
                a.put(RTA_DST, &octets(net.network()));
            }
            if let Some(gateway) = route.gateway {
                a.put(RTA_GATEWAY, &octets(gateway));
            }
            if let Some(index) = route.index {
                a.u32(RTA_OIF, index);
            }
        });
    }

    /// Sets a fixed neighbour entry.
    pub fn set_neighbour(&mut self, neighbour: &Neighbour) {
        // struct ndmsg
        let mut fixed = [0; 12];
        fixed[0] = family(neighbour.address);
        fixed[4..8].copy_from_slice(&neighbour.index.to_ne_bytes());
        fixed[8..10].copy_from_slice(&PERMANENT.to_ne_bytes());
        let name = format!("setting the neighbour {}", neighbour.address);
        self.add(name, NEWNEIGH, CREATE | REPLACE, &fixed, |a| {
            a.put(NDA_DST, &octets(neighbour.address));
            a.put(NDA_LLADDR, &neighbour.hardware);
        });
    }
}

impl RouteSocket {
    /// All addresses of the namespace.
    pub fn addresses(&mut self) -> Result<Vec<Address>, NetlinkError> {
        let mut addresses = Vec::new();
        self.dump("listing addresses", GETADDR, &[0; 8], |kind, body| {
            if kind == NEWADDR {
                addresses.extend(parse_address(body));
            }
        })?;
        Ok(addresses)
    }

    /// All routes of the main tables, IPv4 and IPv6, without local and broadcast ones.
    pub fn routes(&mut self) -> Result<Vec<Route>, NetlinkError> {
        let mut routes = Vec::new();
        self.dump("listing routes", GETROUTE, &[0; 12], |kind, body| {
            if kind == NEWROUTE {
                routes.extend(parse_route(body));
            }
        })?;
        Ok(routes)
    }
}

// struct ifaddrmsg
fn address_header(address: &Address) -> [u8; 8] {
    let mut fixed = [0; 8];
    fixed[0] = family(address.net.addr());
    fixed[1] = address.net.prefix_len();
    fixed[4..8].copy_from_slice(&address.index.to_ne_bytes());
    fixed
}

fn family(address: IpAddr) -> u8 {
    if address.is_ipv4() { 2 } else { 10 }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn address_of(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => Some(IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        16 => Some(IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?)),
        _ => None,
    }
}

fn parse_address(body: &[u8]) -> Option<Address> {
    let attributes = body.get(8..)?;
    let value = attribute(attributes, IFA_LOCAL).or_else(|| attribute(attributes, IFA_ADDRESS))?;
    let net = IpNet::new(address_of(value)?, *body.get(1)?).ok()?;
    Some(Address {
        index: read_u32(body, 4)?,
        net,
    })
}

fn parse_route(body: &[u8]) -> Option<Route> {
    let attributes = body.get(12..)?;
    if body[4] != TABLE_MAIN || body[7] != UNICAST {
        return None;
    }
    let unspecified: IpAddr = if body[0] == 2 {
        IpAddr::from([0; 4])
    } else {
        IpAddr::from([0_u8; 16])
    };
    let to = attribute(attributes, RTA_DST)
        .and_then(address_of)
        .unwrap_or(unspecified);
    Some(Route {
        destination: IpNet::new(to, body[1]).ok()?,
        gateway: attribute(attributes, RTA_GATEWAY).and_then(address_of),
        index: attribute(attributes, RTA_OIF).and_then(|value| read_u32(value, 0)),
    })
}
