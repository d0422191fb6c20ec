//! Links on top of another: macvlan, ipvlan, vlan; and dummies, on top of nothing.

use super::{
    RouteBatch,
    link::{ADDRESS, INFO_DATA, INFO_KIND, LINKINFO, MTU, NAME, NETNS_FD, NEWLINK, info},
};
use crate::message::{Attributes, CREATE, EXCLUSIVE};
use std::os::fd::{AsRawFd, BorrowedFd};

// linux/if_link.h
const LINK: u16 = 5;
const MODE: u16 = 1;
const IPVLAN_FLAGS: u16 = 2;
const VLAN_ID: u16 = 1;

/// What a link on top of another is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpperKind {
    /// With a hardware address of its own.
    Macvlan(MacvlanMode),
    /// With the lower link's hardware address.
    Ipvlan(IpvlanMode, IpvlanFlag),
    /// The frames with one number, 1 to 4094.
    Vlan(u16),
    /// On top of nothing; the lower link is not looked at.
    Dummy,
}

/// Who talks to whom on one lower link. (`MACVLAN_MODE_…`)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MacvlanMode {
    /// Nobody.
    Private = 1,
    /// Those whose frames the next switch sends back.
    Vepa = 2,
    /// All, directly.
    Bridge = 4,
    /// There is only one.
    Passthru = 8,
}

/// On which layer packets are given to links. (`IPVLAN_MODE_…`)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IpvlanMode {
    /// Frames.
    L2 = 0,
    /// Packets, routed.
    L3 = 1,
    /// The same, seen by the host's netfilter.
    L3s = 2,
}

/// Who talks to whom. (`IPVLAN_F_…`)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IpvlanFlag {
    /// All, directly.
    Bridge = 0,
    /// Nobody.
    Private = 1,
    /// Those whose frames the next switch sends back.
    Vepa = 2,
}

/// A link on top of another.
#[derive(Debug, Clone)]
pub struct Upper<'a> {
    /// Its name where it is born.
    pub name: &'a str,
    /// What it is.
    pub kind: UpperKind,
    /// Number of the lower link, in this namespace.
    pub lower: u32,
    /// Hardware address; `None` leaves it to the kernel.
    pub address: Option<[u8; 6]>,
    /// Largest packet in bytes; `None` takes the lower link's.
    pub mtu: Option<u32>,
    /// Where it is born; `None`: in this namespace.
    pub netns: Option<BorrowedFd<'a>>,
}

impl RouteBatch {
    /// Makes a link on top of another; not up yet.
    pub fn add_upper(&mut self, upper: &Upper<'_>) {
        let name = format!("making the link {}", upper.name);
        let fixed = info(0, 0, 0, 0);
        self.add(name, NEWLINK, CREATE | EXCLUSIVE, &fixed, |a| {
            a.text(NAME, upper.name);
            if upper.kind != UpperKind::Dummy {
                a.u32(LINK, upper.lower);
            }
            if let Some(address) = upper.address {
                a.put(ADDRESS, &address);
            }
            if let Some(mtu) = upper.mtu {
                a.u32(MTU, mtu);
            }
            if let Some(netns) = upper.netns {
                a.u32(NETNS_FD, netns.as_raw_fd() as u32);
            }
            a.nest(LINKINFO, |a| {
                a.text(INFO_KIND, upper.kind.name());
                a.nest(INFO_DATA, |a| upper.kind.write(a));
            });
        });
    }
}

impl UpperKind {
    /// As the kernel calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Macvlan(_) => "macvlan",
            Self::Ipvlan(..) => "ipvlan",
            Self::Vlan(_) => "vlan",
            Self::Dummy => "dummy",
        }
    }

    fn write(self, a: &mut Attributes<'_>) {
        match self {
            Self::Macvlan(mode) => a.u32(MODE, mode as u32),
            Self::Ipvlan(mode, flag) => {
                a.put(MODE, &(mode as u16).to_ne_bytes());
                a.put(IPVLAN_FLAGS, &(flag as u16).to_ne_bytes());
            }
            Self::Vlan(number) => a.put(VLAN_ID, &number.to_ne_bytes()),
            Self::Dummy => {}
        }
    }
}
