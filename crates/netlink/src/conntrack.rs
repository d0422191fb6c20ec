//! Connections that the kernel keeps track of.
//!
//! (linux/netfilter/nfnetlink_conntrack.h)

use crate::{
    NetlinkError,
    message::{self, ACK, DUMP, REQUEST, attribute},
    socket::Socket,
};
use rustix::{io::Errno, net::netlink};
use std::net::IpAddr;

const SUBSYSTEM: u16 = 1;
const GET: u16 = 1;
const DELETE: u16 = 2;
const TUPLE_ORIGINAL: u16 = 1;
const TUPLE_REPLY: u16 = 2;
const TUPLE_IP: u16 = 1;
const TUPLE_PROTOCOL: u16 = 2;
const IPV4_SOURCE: u16 = 1;
const IPV6_SOURCE: u16 = 3;
const PROTOCOL_NUMBER: u16 = 1;
/// How many deletions go into one datagram.
const BATCH: usize = 100;

/// A conversation with the connection tracking of one network namespace.
#[derive(Debug)]
pub struct ConntrackSocket {
    socket: Socket,
}

impl ConntrackSocket {
    /// In the calling thread's namespace.
    pub fn open() -> Result<Self, NetlinkError> {
        Ok(Self {
            socket: Socket::open(Some(netlink::NETFILTER), 0)?,
        })
    }

    /// Forgets all connections of one transport protocol that are answered by `answering`
    /// (translated ones, too). Gives how many there were. A kernel without the interface has
    /// none to forget.
    pub fn forget(&mut self, answering: IpAddr, protocol: u8) -> Result<usize, NetlinkError> {
        let mut found = Vec::new();
        let mut requests = self.socket.requests();
        let sequence = requests.next("listing connections");
        let kind = SUBSYSTEM << 8 | GET;
        let family = if answering.is_ipv4() { 2 } else { 10 };
        let header = [family, 0, 0, 0];
        message::append(
            &mut requests.bytes,
            kind,
            REQUEST | DUMP,
            sequence,
            &header,
            |_| {},
        );
        let listed = self.socket.ask(requests, |_, body| {
            let attributes = body.get(4..).unwrap_or_default();
            if is_answered_by(attributes, answering, protocol) {
                found.extend(attribute(attributes, TUPLE_ORIGINAL).map(<[u8]>::to_vec));
            }
        });
        match listed {
            Err(error) if matches!(error.errno(), Some(Errno::OPNOTSUPP | Errno::INVAL)) => {
                return Ok(0);
            }
            other => other?,
        }
        for tuples in found.chunks(BATCH) {
            let mut requests = self.socket.requests();
            for tuple in tuples {
                let sequence = requests.next("forgetting a connection");
                let kind = SUBSYSTEM << 8 | DELETE;
                message::append(
                    &mut requests.bytes,
                    kind,
                    REQUEST | ACK,
                    sequence,
                    &header,
                    |a| {
                        a.put(TUPLE_ORIGINAL | message::NESTED, tuple);
                    },
                );
            }
            match self.socket.run(requests) {
                // One of them had ended by itself.
                Err(error) if error.errno() == Some(Errno::NOENT) => {}
                other => other?,
            }
        }
        Ok(found.len())
    }
}

fn is_answered_by(attributes: &[u8], address: IpAddr, protocol: u8) -> bool {
    let reply = attribute(attributes, TUPLE_REPLY).unwrap_or_default();
    let source = |kind| attribute(reply, TUPLE_IP).and_then(|ip| attribute(ip, kind));
    let number = attribute(reply, TUPLE_PROTOCOL).and_then(|p| attribute(p, PROTOCOL_NUMBER));
    let same = match address {
        IpAddr::V4(address) => source(IPV4_SOURCE) == Some(&address.octets()),
        IpAddr::V6(address) => source(IPV6_SOURCE) == Some(&address.octets()),
    };
    same && number == Some(&[protocol])
}
