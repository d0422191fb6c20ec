//! Links.

use super::{RouteBatch, RouteSocket};
use crate::{
    NetlinkError,
    message::{self, ACK, Attributes, CREATE, EXCLUSIVE, REQUEST, attribute, read_text, read_u32},
};
use rustix::io::Errno;
use std::os::fd::{AsRawFd, BorrowedFd};

// linux/rtnetlink.h, linux/if_link.h
pub(super) const NEWLINK: u16 = 16;
pub(super) const DELLINK: u16 = 17;
const GETLINK: u16 = 18;
const SETLINK: u16 = 19;
pub(super) const ADDRESS: u16 = 1;
pub(super) const NAME: u16 = 3;
pub(super) const MTU: u16 = 4;
const MASTER: u16 = 10;
const PROTINFO: u16 = 12;
pub(super) const LINKINFO: u16 = 18;
const ALIAS: u16 = 20;
const GROUP: u16 = 27;
pub(super) const NETNS_FD: u16 = 28;
pub(super) const INFO_KIND: u16 = 1;
pub(super) const INFO_DATA: u16 = 2;
const VETH_PEER: u16 = 1;
const BRIDGE_FORWARD_DELAY: u16 = 1;
const PORT_HAIRPIN: u16 = 4;
const PORT_ISOLATED: u16 = 33;
const AF_BRIDGE: u8 = 7;
const UP: u32 = 1;

/// A link as the kernel lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Number within its namespace.
    pub index: u32,
    /// Name within its namespace.
    pub name: String,
    /// `veth`, `bridge`, …; empty for hardware and loopback.
    pub kind: String,
    /// Hardware address, if it has one of six bytes.
    pub address: Option<[u8; 6]>,
    /// Number of the bridge it is a port of.
    pub master: Option<u32>,
    /// Its alias, empty if none.
    pub alias: String,
    /// Largest packet in bytes.
    pub mtu: u32,
    /// Whether it is switched on.
    pub up: bool,
}

/// A pair of links, one end of which is born in another namespace.
#[derive(Debug, Clone)]
pub struct Veth<'a> {
    /// Name of this namespace's end.
    pub name: &'a str,
    /// Wanted number of this namespace's end, 0 for any.
    pub index: u32,
    /// Hardware address of this namespace's end.
    pub address: [u8; 6],
    /// Largest packet in bytes, for both ends.
    pub mtu: u32,
    /// Bridge that this namespace's end becomes a port of.
    pub master: Option<u32>,
    /// Link group of this namespace's end, 0 for the default.
    pub group: u32,
    /// The other end.
    pub peer: VethPeer<'a>,
}

/// The far end of a pair.
#[derive(Debug, Clone)]
pub struct VethPeer<'a> {
    /// Name in its namespace.
    pub name: &'a str,
    /// Wanted number in its namespace, 0 for any; counts only if the other end's is given,
    /// too.
    pub index: u32,
    /// Hardware address.
    pub address: [u8; 6],
    /// Where it is born.
    pub netns: BorrowedFd<'a>,
}

/// A bridge to be made.
#[derive(Debug, Clone)]
pub struct Bridge<'a> {
    /// Name.
    pub name: &'a str,
    /// Hardware address; fixed, so that it does not follow its ports'.
    pub address: [u8; 6],
    /// Largest packet in bytes.
    pub mtu: u32,
}

/// What is to be different about a link. `None` leaves things as they are.
#[derive(Debug, Clone, Default)]
pub struct LinkChange<'a> {
    /// Switched on or off.
    pub up: Option<bool>,
    /// Hardware address.
    pub address: Option<[u8; 6]>,
    /// Largest packet in bytes.
    pub mtu: Option<u32>,
    /// Alias, at most 255 bytes.
    pub alias: Option<&'a str>,
}

/// How a bridge treats one of its ports.
#[derive(Debug, Clone, Copy, Default)]
pub struct BridgePort {
    /// Whether packets may leave through the port they came in by.
    pub hairpin: bool,
    /// Whether packets to other isolated ports are dropped.
    pub isolated: bool,
}

impl RouteBatch {
    /// Makes a pair of links, named, enslaved and up (this end) in one step.
    pub fn add_veth(&mut self, veth: &Veth<'_>) {
        let name = format!("making the veth pair {}", veth.name);
        self.add(
            name,
            NEWLINK,
            CREATE | EXCLUSIVE,
            &info(0, veth.index, UP, UP),
            |a| {
                a.text(NAME, veth.name);
                a.put(ADDRESS, &veth.address);
                a.u32(MTU, veth.mtu);
                if let Some(master) = veth.master {
                    a.u32(MASTER, master);
                }
                if veth.group != 0 {
                    a.u32(GROUP, veth.group);
                }
                a.nest(LINKINFO, |a| {
                    a.put(INFO_KIND, b"veth");
                    // The peer cannot be switched on here (ENOTCONN).
                    a.nest(INFO_DATA, |a| {
                        a.nest_after(VETH_PEER, &info(0, veth.peer.index, 0, 0), |a| {
                            peer(a, veth)
                        })
                    });
                });
            },
        );
    }

    /// Makes a bridge. A port forwards at once (no spanning tree, no delay).
    pub fn add_bridge(&mut self, bridge: &Bridge<'_>) {
        let name = format!("making the bridge {}", bridge.name);
        self.add(name, NEWLINK, CREATE | EXCLUSIVE, &info(0, 0, 0, 0), |a| {
            a.text(NAME, bridge.name);
            a.put(ADDRESS, &bridge.address);
            a.u32(MTU, bridge.mtu);
            a.nest(LINKINFO, |a| {
                a.put(INFO_KIND, b"bridge");
                // Unit: hundredths of a second; the kernel clamps it while STP is off.
                a.nest(INFO_DATA, |a| a.u32(BRIDGE_FORWARD_DELAY, 0));
            });
        });
    }

    /// Changes a link.
    pub fn change_link(&mut self, index: u32, change: &LinkChange<'_>) {
        let (flags, mask) = match change.up {
            Some(true) => (UP, UP),
            Some(false) => (0, UP),
            None => (0, 0),
        };
        let name = format!("changing link {index}");
        self.add(name, SETLINK, 0, &info(0, index, flags, mask), |a| {
            if let Some(address) = change.address {
                a.put(ADDRESS, &address);
            }
            if let Some(mtu) = change.mtu {
                a.u32(MTU, mtu);
            }
            if let Some(alias) = change.alias {
                a.put(ALIAS, alias.as_bytes());
            }
        });
    }

    /// Moves a link into another namespace, under a new name. The kernel waits for a grace
    /// period, some 20 ms.
    pub fn move_link(&mut self, index: u32, name: &str, netns: BorrowedFd<'_>) {
        let operation = format!("moving link {index} as {name}");
        self.add(operation, SETLINK, 0, &info(0, index, 0, 0), |a| {
            a.text(NAME, name);
            a.u32(NETNS_FD, netns.as_raw_fd() as u32);
        });
    }

    /// Changes how a bridge treats a port.
    pub fn change_port(&mut self, index: u32, port: BridgePort) {
        let name = format!("changing bridge port {index}");
        self.add(name, SETLINK, 0, &info(AF_BRIDGE, index, 0, 0), |a| {
            a.nest(PROTINFO, |a| {
                a.u8(PORT_HAIRPIN, port.hairpin.into());
                a.u8(PORT_ISOLATED, port.isolated.into());
            });
        });
    }

    /// Deletes a link. The kernel waits for a grace period, some 20 ms: not for the request
    /// path.
    pub fn delete_link(&mut self, index: u32) {
        self.add(
            format!("deleting link {index}"),
            DELLINK,
            0,
            &info(0, index, 0, 0),
            |_| {},
        );
    }
}

impl RouteSocket {
    /// One link by name.
    pub fn link(&mut self, name: &str) -> Result<Option<Link>, NetlinkError> {
        let mut requests = self.socket.requests();
        let sequence = requests.next(format!("looking for link {name}"));
        let fixed = info(0, 0, 0, 0);
        message::append(
            &mut requests.bytes,
            GETLINK,
            REQUEST | ACK,
            sequence,
            &fixed,
            |a| {
                a.text(NAME, name);
            },
        );
        let mut found = None;
        match self.socket.ask(requests, |_, body| found = parse(body)) {
            Err(error) if error.errno() == Some(Errno::NODEV) => Ok(None),
            Err(error) => Err(error),
            Ok(()) => Ok(found),
        }
    }

    /// All links of the namespace.
    pub fn links(&mut self) -> Result<Vec<Link>, NetlinkError> {
        let mut links = Vec::new();
        self.dump("listing links", GETLINK, &info(0, 0, 0, 0), |kind, body| {
            if kind == NEWLINK {
                links.extend(parse(body));
            }
        })?;
        Ok(links)
    }
}

fn peer(a: &mut Attributes<'_>, veth: &Veth<'_>) {
    a.text(NAME, veth.peer.name);
    a.put(ADDRESS, &veth.peer.address);
    a.u32(MTU, veth.mtu);
    a.u32(NETNS_FD, veth.peer.netns.as_raw_fd() as u32);
}

// struct ifinfomsg
pub(super) fn info(family: u8, index: u32, flags: u32, mask: u32) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[0] = family;
    bytes[4..8].copy_from_slice(&index.to_ne_bytes());
    bytes[8..12].copy_from_slice(&flags.to_ne_bytes());
    bytes[12..16].copy_from_slice(&mask.to_ne_bytes());
    bytes
}

pub(super) fn parse(body: &[u8]) -> Option<Link> {
    let attributes = body.get(16..)?;
    let number = |kind| attribute(attributes, kind).and_then(|value| read_u32(value, 0));
    let text = |kind| {
        attribute(attributes, kind)
            .map(read_text)
            .unwrap_or_default()
    };
    let linkinfo = attribute(attributes, LINKINFO).unwrap_or_default();
    Some(Link {
        index: read_u32(body, 4)?,
        name: text(NAME),
        kind: attribute(linkinfo, INFO_KIND)
            .map(read_text)
            .unwrap_or_default(),
        address: attribute(attributes, ADDRESS).and_then(|value| value.try_into().ok()),
        master: number(MASTER),
        alias: text(ALIAS),
        mtu: number(MTU).unwrap_or_default(),
        up: read_u32(body, 8)? & UP != 0,
    })
}
