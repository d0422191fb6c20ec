//! The driver `bridge`: a Linux bridge, and a pair of links for each container.
//!
//! Everything here runs in the host's namespace, or through a socket inside the
//! container's; no program is executed and no thread changes its namespace.

use super::{Attached, LinkDriver, Segment};
use crate::{
    Endpoint, MacAddress, NetworkError,
    host::{ALIAS, Host},
    records::NetworkRecord,
};
use corten_base::step::step;
use corten_netlink::{
    NetlinkError, Netns,
    route::{Address, Bridge, BridgePort, LinkChange, Veth, VethPeer},
};
use ipnet::{IpNet, Ipv6Net};
use rustix::io::Errno;
use std::{net::Ipv6Addr, os::fd::AsFd, sync::Arc};

/// Prefix of the host's ends of pairs, as Docker names them.
pub(crate) const PAIR_PREFIX: &str = "veth";

/// What every bridge with IPv6 has, as in Docker.
const LINK_LOCAL: IpNet = IpNet::V6(Ipv6Net::new_assert(
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1),
    64,
));

/// The driver.
#[derive(Debug)]
pub(crate) struct BridgeDriver {
    pub host: Arc<Host>,
    /// Whether the firewall sees frames between containers; else the bridge isolates them.
    pub rules_keep_apart: bool,
}

/// How a container is to be connected.
#[derive(Debug)]
struct Connection<'a> {
    bridge: &'a str,
    host_interface: &'a str,
    interface: &'a str,
    /// Position among the container's links.
    number: u32,
    mac: MacAddress,
    mtu: u32,
    isolated: bool,
    ipv6: bool,
}

impl LinkDriver for BridgeDriver {
    fn check(&self, _: &mut NetworkRecord) -> Result<(), NetworkError> {
        // Its options are read, and thereby checked, before.
        Ok(())
    }

    fn ensure(&self, segment: &Segment) -> Result<(), NetworkError> {
        if !segment.record.owned {
            return Ok(());
        }
        let done = self.ensure_bridge(
            &segment.record.bridge,
            &segment.gateways,
            segment.record.info.enable_ipv6,
            segment.mtu,
        );
        done.map_err(|source| segment.failed("making the bridge", source))
    }

    fn remove(&self, record: &NetworkRecord) -> Result<(), NetworkError> {
        if !record.owned {
            return Ok(());
        }
        self.host
            .delete_link(&record.bridge)
            .map_err(|source| NetworkError::Kernel {
                network: record.info.name.clone(),
                step: "deleting the bridge",
                source,
            })
    }

    fn attach(
        &self,
        netns: &Netns,
        segment: &Segment,
        endpoint: &mut Endpoint,
    ) -> Result<Attached, NetworkError> {
        let Some(mac) = endpoint.mac else {
            return Err(segment.failed(
                "making the links",
                NetlinkError::Answer {
                    operation: "choosing a hardware address".into(),
                },
            ));
        };
        let to = Connection {
            bridge: &segment.record.bridge,
            host_interface: &endpoint.host_interface,
            interface: &endpoint.interface,
            number: segment.position,
            mac,
            mtu: segment.mtu,
            isolated: !segment.options.icc && !self.rules_keep_apart,
            ipv6: endpoint.ipv6.is_some(),
        };
        step("connect.links");
        let ends = self.make_pair(netns, &to).map_err(|source| {
            let taken = source.errno() == Some(Errno::EXIST);
            let is_there = taken && netns.route().link(to.interface).ok().flatten().is_some();
            match is_there {
                true => crate::endpoint_options::name_taken(to.host_interface, to.interface),
                false => segment.failed("making the links", source),
            }
        })?;
        Ok(Attached { index: ends.inside })
    }

    fn settle(&self, segment: &Segment, endpoint: &Endpoint) {
        // Unless their state is asked for, up to one in ten containers would wait a second
        // for the link watcher before its first packet passes.
        let route = self.host.route();
        let _ = route.settle(&endpoint.host_interface);
        let _ = route.settle(&segment.record.bridge);
    }

    fn detach(
        &self,
        _: Option<&Netns>,
        _: &NetworkRecord,
        endpoint: &Endpoint,
    ) -> Result<(), NetworkError> {
        self.host
            .delete_link(&endpoint.host_interface)
            .map_err(|source| crate::networks::kernel("deleting a link", source))
    }
}

impl BridgeDriver {
    /// Makes a bridge, or brings one that is there into shape: addresses, MTU, settings.
    fn ensure_bridge(
        &self,
        name: &str,
        gateways: &[IpNet],
        ipv6: bool,
        mtu: u32,
    ) -> Result<(), NetlinkError> {
        let mut route = self.host.route();
        let link = match route.link(name)? {
            Some(link) => link,
            None => {
                let mut batch = route.batch();
                let address = random_mac().0;
                batch.add_bridge(&Bridge { name, address, mtu });
                route.run(batch)?;
                route.link(name)?.ok_or(NetlinkError::Answer {
                    operation: format!("making {name}"),
                })?
            }
        };
        settle_sysctls(name, ipv6);
        let is_link_local = |net: &IpNet| match net {
            IpNet::V4(_) => false,
            IpNet::V6(net) => net.addr().is_unicast_link_local(),
        };
        let stale: Vec<Address> = route
            .addresses()?
            .into_iter()
            .filter(|a| a.index == link.index)
            .collect();
        // The link's own address is not usable before it has been looked for on the link,
        // and nobody is asked for without one: packets that are passed on would wait.
        let link_local = (ipv6 && !gateways.is_empty()).then_some(LINK_LOCAL);
        let wanted: Vec<Address> = gateways
            .iter()
            .copied()
            .chain(link_local)
            .map(|net| Address {
                index: link.index,
                net,
            })
            .collect();
        let mut batch = route.batch();
        for address in stale
            .iter()
            .filter(|address| !wanted.contains(address) && !is_link_local(&address.net))
        {
            batch.delete_address(address);
        }
        for address in wanted.iter().filter(|address| !stale.contains(address)) {
            batch.add_address(address);
        }
        batch.change_link(
            link.index,
            &LinkChange {
                up: Some(true),
                mtu: Some(mtu),
                alias: Some(ALIAS),
                address: None,
            },
        );
        route.run(batch)?;
        self.host.bridges().insert(name.to_owned(), link.index);
        Ok(())
    }

    /// The fast way asks for numbers of its own choice, so that nothing has to be looked up;
    /// where a number is taken or the bridge is another one by now, the sure way follows.
    fn make_pair(&self, netns: &Netns, to: &Connection<'_>) -> Result<Ends, NetlinkError> {
        // No IPv6 on the link of a network without it; other links in there may have it.
        netns.set_ipv6_on_new_links(to.ipv6);
        let known = self.host.bridges().get(to.bridge).copied();
        let made = known.map(|bridge| self.make_numbered_pair(netns, to, bridge));
        let made = match made {
            Some(Err(error)) if !is_about_numbers(&error) => Err(error),
            Some(Ok(ends)) => Ok(ends),
            Some(Err(_)) | None => self.make_named_pair(netns, to),
        };
        netns.set_ipv6_on_new_links(true);
        made
    }

    fn make_numbered_pair(
        &self,
        netns: &Netns,
        to: &Connection<'_>,
        bridge: u32,
    ) -> Result<Ends, NetlinkError> {
        // The loopback interface is number 1; the first link is number 2, as users know it.
        let inside = 2 + to.number;
        let ends = Ends {
            outside: random_index(),
            inside,
        };
        let mut route = self.host.route();
        let mut batch = route.batch();
        batch.add_veth(&veth(netns, to, bridge, ends));
        batch.change_port(ends.outside, port(to));
        route.run(batch).map(|()| ends)
    }

    fn make_named_pair(&self, netns: &Netns, to: &Connection<'_>) -> Result<Ends, NetlinkError> {
        let missing = |name: &str| NetlinkError::Answer {
            operation: format!("finding {name}"),
        };
        let mut route = self.host.route();
        let bridge = route
            .link(to.bridge)?
            .ok_or_else(|| missing(to.bridge))?
            .index;
        self.host.bridges().insert(to.bridge.to_owned(), bridge);
        let mut batch = route.batch();
        batch.add_veth(&veth(
            netns,
            to,
            bridge,
            Ends {
                outside: 0,
                inside: 0,
            },
        ));
        route.run(batch)?;
        let outside = route
            .link(to.host_interface)?
            .ok_or_else(|| missing(to.host_interface))?;
        let mut batch = route.batch();
        batch.change_port(outside.index, port(to));
        route.run(batch)?;
        let inside = netns
            .route()
            .link(to.interface)?
            .ok_or_else(|| missing(to.interface))?;
        Ok(Ends {
            outside: outside.index,
            inside: inside.index,
        })
    }
}

/// The numbers of a pair, each in its namespace.
#[derive(Debug, Clone, Copy)]
struct Ends {
    outside: u32,
    inside: u32,
}

/// Whether a request failed since a link number is taken or names something else.
fn is_about_numbers(error: &NetlinkError) -> bool {
    matches!(
        error.errno(),
        Some(Errno::BUSY | Errno::EXIST | Errno::INVAL | Errno::NODEV)
    )
}

fn veth<'a>(netns: &'a Netns, to: &Connection<'a>, bridge: u32, ends: Ends) -> Veth<'a> {
    Veth {
        name: to.host_interface,
        index: ends.outside,
        address: random_mac().0,
        mtu: to.mtu,
        master: Some(bridge),
        group: 0,
        peer: VethPeer {
            name: to.interface,
            index: ends.inside,
            address: to.mac.0,
            netns: netns.as_fd(),
        },
    }
}

// Hairpin: with br_netfilter a container's way to its own published port leaves through the
// port it came in by.
fn port(to: &Connection<'_>) -> BridgePort {
    BridgePort {
        hairpin: true,
        isolated: to.isolated && !firewall_sees_bridged_frames(),
    }
}

/// A number far from those that the kernel gives.
fn random_index() -> u32 {
    let [_, _, a, b, c, d] = random_mac().0;
    1 << 29 | u32::from_be_bytes([a, b, c, d]) >> 3
}

/// Whether br_netfilter shows frames between ports of a bridge to the firewall. Then its
/// rules keep containers apart, and isolated ports would also stop what has been published;
/// else only isolated ports do.
pub(crate) fn firewall_sees_bridged_frames() -> bool {
    let setting = std::fs::read_to_string("/proc/sys/net/bridge/bridge-nf-call-iptables");
    setting.is_ok_and(|value| value.trim() == "1")
}

/// Kernel settings of a bridge. Each may be missing (a kernel without IPv6) or read-only (a
/// container); the network then still works but for the case named.
fn settle_sysctls(bridge: &str, ipv6: bool) {
    let without_ipv6 = if ipv6 { "0" } else { "1" };
    for (path, value) in [
        // Published ports on 127.0.0.1; the table's chain `raw` guards the host's loopback.
        (format!("ipv4/conf/{bridge}/route_localnet"), "1"),
        // CVE-2020-13401: a container must not advertise itself as a router.
        (format!("ipv6/conf/{bridge}/accept_ra"), "0"),
        (format!("ipv6/conf/{bridge}/disable_ipv6"), without_ipv6),
    ] {
        let path = format!("/proc/sys/net/{path}");
        if let Err(error) = std::fs::write(&path, value) {
            tracing::debug!(path, %error, "kernel setting not changed");
        }
    }
}

/// A random hardware address: locally administered, for one station.
pub(crate) fn random_mac() -> MacAddress {
    let mut bytes = [0; 6];
    getrandom::fill(&mut bytes).expect("the kernel's random source is always there");
    bytes[0] = (bytes[0] | 2) & !1;
    MacAddress(bytes)
}

/// A name for the host's end of a pair, like Docker's.
pub(crate) fn pair_name() -> String {
    let [_, _, a, b, c, d] = random_mac().0;
    format!("{PAIR_PREFIX}{:07x}", u32::from_be_bytes([a, b, c, d]) >> 4)
}
