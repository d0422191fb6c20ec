//! News about tables.

use super::SUBSYSTEM;
use crate::{
    NetlinkError,
    message::{attribute, messages, read_text},
    socket::Socket,
};
use rustix::{io::Errno, net::netlink};
use std::time::Duration;

/// `NFNLGRP_NFTABLES` is the seventh group.
const GROUP_TABLES: u32 = 1 << 6;
/// `NFT_MSG_DELTABLE`, `DELCHAIN`, `NEWRULE`, `DELRULE`, `DELSET`, `NEWSETELEM`,
/// `DELSETELEM`: what a flush makes, and what a change of rules or elements does. Each names
/// its table in attribute 1.
const CHANGES: [u16; 7] = [2, 5, 6, 8, 11, 12, 14];

/// Listens for what is changed by others, in the calling thread's namespace.
#[derive(Debug)]
pub struct NftWatch {
    socket: Socket,
}

impl NftWatch {
    /// Starts to listen; what happens from now on is heard.
    pub fn open() -> Result<Self, NetlinkError> {
        Ok(Self {
            socket: Socket::open(Some(netlink::NETFILTER), GROUP_TABLES)?,
        })
    }

    /// Waits until `table`, or a chain, a rule, a set or an element of it, was changed by
    /// another socket than `own`; false if nothing of the kind happened within the time.
    pub fn change_of(
        &mut self,
        table: &str,
        own: u32,
        timeout: Duration,
    ) -> Result<bool, NetlinkError> {
        self.socket.set_timeout(timeout)?;
        loop {
            let length = match self.socket.receive() {
                Ok(length) => length,
                Err(error) => {
                    return match error.errno() {
                        Some(Errno::AGAIN) => Ok(false),
                        // More than the socket could hold: it may have been among them.
                        Some(Errno::NOBUFS) => Ok(true),
                        _ => Err(error),
                    };
                }
            };
            let lost = messages(self.socket.received(length)).any(|message| {
                let body = message.body.get(4..).unwrap_or_default();
                let is_change = |change| message.kind == SUBSYSTEM << 8 | change;
                message.port != own
                    && CHANGES.into_iter().any(is_change)
                    && attribute(body, 1).map(read_text).as_deref() == Some(table)
            });
            if lost {
                return Ok(true);
            }
        }
    }
}
