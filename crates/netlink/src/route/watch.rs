//! News about links.

use super::link::{DELLINK, parse};
use crate::{NetlinkError, message::messages, socket::Socket};
use rustix::io::Errno;
use std::time::Duration;

/// `RTMGRP_LINK`
const GROUP_LINK: u32 = 1;

/// Listens for links that go away, in the calling thread's namespace.
#[derive(Debug)]
pub struct LinkWatch {
    socket: Socket,
}

/// What a watch heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkNews {
    /// These links are gone.
    Gone(Vec<u32>),
    /// Nothing within the time.
    Silence,
    /// More than the socket could hold: look for yourself.
    Lost,
}

impl LinkWatch {
    /// Starts to listen; what happens from now on is heard.
    pub fn open() -> Result<Self, NetlinkError> {
        Ok(Self {
            socket: Socket::open(None, GROUP_LINK)?,
        })
    }

    /// Waits for news.
    pub fn next(&mut self, timeout: Duration) -> Result<LinkNews, NetlinkError> {
        self.socket.set_timeout(timeout)?;
        let length = match self.socket.receive() {
            Ok(length) => length,
            Err(error) => {
                return match error.errno() {
                    Some(Errno::AGAIN) => Ok(LinkNews::Silence),
                    Some(Errno::NOBUFS) => Ok(LinkNews::Lost),
                    _ => Err(error),
                };
            }
        };
        let gone = messages(self.socket.received(length))
            .filter(|message| message.kind == DELLINK)
            // The family of a port leaving its bridge is AF_BRIDGE: that link stays.
            .filter(|message| message.body.first() == Some(&0))
            .filter_map(|message| parse(message.body))
            .map(|link| link.index)
            .collect();
        Ok(LinkNews::Gone(gone))
    }
}
