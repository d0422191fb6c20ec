//! The driver `bridge`: a Linux bridge, and a pair of links for each container.
//!
//! Everything here runs in the host's namespace, or through a socket inside the
//! container's; no program is executed and no thread changes its namespace.

use crate::{MacAddress, NetworkError, Protocol};
use corten_netlink::{
    NetlinkError, Netns,
    conntrack::ConntrackSocket,
    route::{Address, Bridge, BridgePort, Link, LinkChange, Route, RouteSocket, Veth, VethPeer},
};
use ipnet::{IpNet, Ipv4Net};
use rustix::io::Errno;
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
    os::fd::AsFd,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Alias of a bridge that is ours, so that another engine's `docker0` is not taken for it.
pub(crate) const ALIAS: &str = "corten";
/// Prefix of the host's ends of pairs, as Docker names them.
pub(crate) const PAIR_PREFIX: &str = "veth";

/// The host's namespace.
#[derive(Debug)]
pub(crate) struct Host {
    // Lock: one batch at a time.
    route: Mutex<RouteSocket>,
    /// Numbers of bridges by name, as last seen. Lock: the map only.
    bridges: Mutex<HashMap<String, u32>>,
    // Lock: one conversation at a time.
    conntrack: Mutex<ConntrackSocket>,
}

/// How a container is to be connected.
#[derive(Debug)]
pub(crate) struct Connection<'a> {
    pub network: &'a str,
    pub bridge: &'a str,
    pub host_interface: &'a str,
    pub interface: &'a str,
    pub mac: MacAddress,
    pub address: Ipv4Net,
    pub gateway: Option<Ipv4Addr>,
    pub mtu: u32,
    pub icc: bool,
}

impl Host {
    /// The namespace of the calling thread.
    pub fn open() -> Result<Self, NetlinkError> {
        Ok(Self {
            route: Mutex::new(RouteSocket::open()?),
            bridges: Mutex::default(),
            conntrack: Mutex::new(ConntrackSocket::open()?),
        })
    }

    pub fn route(&self) -> MutexGuard<'_, RouteSocket> {
        self.route.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets the connections that a container's address answers.
    pub fn forget_connections(
        &self,
        address: Ipv4Addr,
        protocol: Protocol,
    ) -> Result<(), NetlinkError> {
        let mut conntrack = self
            .conntrack
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        conntrack.forget(address, protocol.number()).map(drop)
    }

    fn bridges(&self) -> MutexGuard<'_, HashMap<String, u32>> {
        self.bridges.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Subnets that the host reaches otherwise than by its default route, and its own.
    pub fn used_subnets(&self) -> Result<Vec<IpNet>, NetlinkError> {
        let mut route = self.route();
        let mut used: Vec<IpNet> = route
            .addresses()?
            .into_iter()
            .map(|a| a.net.trunc())
            .collect();
        let routes = route.routes()?.into_iter().map(|route| route.destination);
        used.extend(routes.filter(|net| net.prefix_len() > 0));
        Ok(used)
    }

    /// Makes a bridge, or brings one that is there into shape: address, MTU, settings.
    pub fn ensure_bridge(
        &self,
        name: &str,
        gateway: Option<Ipv4Net>,
        mtu: u32,
    ) -> Result<Link, NetlinkError> {
        let mut route = self.route();
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
        settle_sysctls(name);
        let stale: Vec<Address> = route
            .addresses()?
            .into_iter()
            .filter(|a| a.index == link.index && a.net.addr().is_ipv4())
            .collect();
        let wanted = gateway.map(|net| Address {
            index: link.index,
            net: net.into(),
        });
        let mut batch = route.batch();
        for address in stale.iter().filter(|address| Some(**address) != wanted) {
            batch.delete_address(address);
        }
        if let Some(wanted) = wanted.filter(|wanted| !stale.contains(wanted)) {
            batch.add_address(&wanted);
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
        self.bridges().insert(name.to_owned(), link.index);
        Ok(link)
    }

    /// Deletes a link by name; a missing one is no failure.
    pub fn delete_link(&self, name: &str) -> Result<(), NetlinkError> {
        let mut route = self.route();
        let Some(link) = route.link(name)? else {
            return Ok(());
        };
        let mut batch = route.batch();
        batch.delete_link(link.index);
        match route.run(batch) {
            Err(error) if error.errno() == Some(Errno::NODEV) => Ok(()),
            other => other,
        }
    }

    /// Connects a container to a bridge.
    pub fn connect(&self, netns: &Netns, to: &Connection<'_>) -> Result<(), NetworkError> {
        let failed = |step| {
            move |source| NetworkError::Kernel {
                network: to.network.to_owned(),
                step,
                source,
            }
        };
        let ends = self
            .make_pair(netns, to)
            .map_err(failed("making the links"))?;
        configure(netns, to, ends.inside).map_err(failed("configuring the container's link"))?;
        // Unless their state is asked for, up to one in ten containers would wait a second
        // for the link watcher before its first packet passes.
        let _ = netns.route().settle(to.interface);
        let route = self.route();
        let _ = route.settle(to.host_interface);
        let _ = route.settle(to.bridge);
        Ok(())
    }

    /// The fast way asks for numbers of its own choice, so that nothing has to be looked up;
    /// where a number is taken or the bridge is another one by now, the sure way follows.
    fn make_pair(&self, netns: &Netns, to: &Connection<'_>) -> Result<Ends, NetlinkError> {
        // No IPv6 on the link of a network without it; other links in there may have it.
        netns.set_ipv6_on_new_links(false);
        let known = self.bridges().get(to.bridge).copied();
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
        let number = to
            .interface
            .trim_start_matches(|c: char| !c.is_ascii_digit());
        // The loopback interface is number 1; the first link is number 2, as users know it.
        let inside = 2 + number.parse::<u32>().unwrap_or_default();
        let ends = Ends {
            outside: random_index(),
            inside,
        };
        let mut route = self.route();
        let mut batch = route.batch();
        batch.add_veth(&veth(netns, to, bridge, ends));
        batch.change_port(ends.outside, port(to));
        route.run(batch).map(|()| ends)
    }

    fn make_named_pair(&self, netns: &Netns, to: &Connection<'_>) -> Result<Ends, NetlinkError> {
        let missing = |name: &str| NetlinkError::Answer {
            operation: format!("finding {name}"),
        };
        let mut route = self.route();
        let bridge = route
            .link(to.bridge)?
            .ok_or_else(|| missing(to.bridge))?
            .index;
        self.bridges().insert(to.bridge.to_owned(), bridge);
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
        isolated: !to.icc && !firewall_sees_bridged_frames(),
    }
}

/// A number far from those that the kernel gives.
fn random_index() -> u32 {
    let [_, _, a, b, c, d] = random_mac().0;
    1 << 29 | u32::from_be_bytes([a, b, c, d]) >> 3
}

fn configure(netns: &Netns, to: &Connection<'_>, index: u32) -> Result<(), NetlinkError> {
    let mut inside = netns.route();
    let mut batch = inside.batch();
    batch.add_address(&Address {
        index,
        net: to.address.into(),
    });
    batch.change_link(
        index,
        &LinkChange {
            up: Some(true),
            ..Default::default()
        },
    );
    if let Some(gateway) = to.gateway {
        batch.add_route(&Route {
            destination: IpNet::V4(Ipv4Net::default()),
            gateway: Some(IpAddr::V4(gateway)),
            index: Some(index),
        });
    }
    inside.run(batch)
}

/// Whether br_netfilter shows frames between ports of a bridge to the firewall. Then its
/// rules keep containers apart, and isolated ports would also stop what has been published;
/// else only isolated ports do.
fn firewall_sees_bridged_frames() -> bool {
    let setting = std::fs::read_to_string("/proc/sys/net/bridge/bridge-nf-call-iptables");
    setting.is_ok_and(|value| value.trim() == "1")
}

/// Kernel settings of a bridge. Each may be missing (a kernel without IPv6) or read-only (a
/// container); the network then still works but for the case named.
fn settle_sysctls(bridge: &str) {
    for (path, value) in [
        // Published ports on 127.0.0.1; the table's chain `raw` guards the host's loopback.
        (format!("ipv4/conf/{bridge}/route_localnet"), "1"),
        (format!("ipv6/conf/{bridge}/disable_ipv6"), "1"),
        // CVE-2020-13401: a container must not advertise itself as a router.
        (format!("ipv6/conf/{bridge}/accept_ra"), "0"),
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
