//! rtnetlink: links, addresses, routes, neighbours. (rtnetlink(7))

mod address;
mod link;
mod upper;
mod watch;

pub use address::{Address, Neighbour, Route};
pub use link::{Bridge, BridgePort, Link, LinkChange, Veth, VethPeer};
pub use upper::{IpvlanFlag, IpvlanMode, MacvlanMode, Upper, UpperKind};
pub use watch::{LinkNews, LinkWatch};

use crate::{
    NetlinkError,
    message::{self, ACK, REQUEST},
    socket::{Requests, Socket},
};
use corten_sys::netlink::link_has_carrier;
use std::borrow::Cow;

/// A conversation with one network namespace's rtnetlink.
#[derive(Debug)]
pub struct RouteSocket {
    socket: Socket,
}

/// Requests that are sent together; the kernel treats them in order.
#[derive(Debug)]
pub struct RouteBatch {
    requests: Requests,
}

impl RouteSocket {
    /// In the calling thread's namespace.
    pub fn open() -> Result<Self, NetlinkError> {
        Ok(Self {
            socket: Socket::open(None, 0)?,
        })
    }

    /// An empty batch for this socket.
    pub fn batch(&self) -> RouteBatch {
        RouteBatch {
            requests: self.socket.requests(),
        }
    }

    /// Sends a batch. All requests are tried; the first refusal is returned.
    pub fn run(&mut self, batch: RouteBatch) -> Result<(), NetlinkError> {
        self.socket.run(batch.requests)
    }

    /// Brings `lo` up.
    pub fn loopback_up(&mut self) -> Result<(), NetlinkError> {
        let mut batch = self.batch();
        batch.change_link(
            1,
            &LinkChange {
                up: Some(true),
                ..Default::default()
            },
        );
        self.run(batch)
    }

    /// Whether a link of this namespace has a carrier; asking settles a pending change of
    /// its state, without which the first packets may be lost for up to a second.
    pub fn settle(&self, name: &str) -> Result<bool, NetlinkError> {
        link_has_carrier(self.socket.fd(), name).map_err(|error| NetlinkError::System {
            operation: "asking for a link's state",
            source: rustix::io::Errno::from_io_error(&error).unwrap_or(rustix::io::Errno::IO),
        })
    }

    fn dump(
        &mut self,
        name: &'static str,
        kind: u16,
        fixed: &[u8],
        take: impl FnMut(u16, &[u8]),
    ) -> Result<(), NetlinkError> {
        let mut requests = self.socket.requests();
        let sequence = requests.next(name);
        let flags = REQUEST | message::DUMP;
        message::append(&mut requests.bytes, kind, flags, sequence, fixed, |_| {});
        self.socket.ask(requests, take)
    }
}

impl RouteBatch {
    fn add(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        kind: u16,
        flags: u16,
        fixed: &[u8],
        fill: impl FnOnce(&mut message::Attributes<'_>),
    ) {
        let sequence = self.requests.next(name);
        let flags = REQUEST | ACK | flags;
        message::append(&mut self.requests.bytes, kind, flags, sequence, fixed, fill);
    }
}
