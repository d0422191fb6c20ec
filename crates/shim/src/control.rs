//! A control connection.

use crate::epoll::{Interest, Watched};
use corten_shim_proto::Request;
use corten_shim_proto::frame::{self, Decoder, FrameError};
use rustix::io::Errno;
use rustix::net::SendFlags;
use serde::Serialize;
use std::os::fd::OwnedFd;

/// How many bytes of events wait for a subscriber that does not read. Then it is cut
/// off: it finds the state when it comes back.
const QUEUE_LIMIT_BYTES: usize = 1 << 20;

/// What is read at once.
const READ_BYTES: usize = 16 << 10;

/// A connection of the engine.
#[derive(Debug)]
pub(crate) struct Control {
    socket: Watched,
    decoder: Decoder,
    /// Descriptors that came and have not been used.
    pub(crate) descriptors: Vec<OwnedFd>,
    queue: Vec<u8>,
    pub(crate) subscribed: bool,
}

/// What receiving came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrived {
    /// There may be requests.
    Something,
    /// Nothing now.
    Nothing,
    /// The other end is gone.
    End,
}

impl Control {
    pub(crate) fn new(socket: Watched) -> Self {
        Self {
            socket,
            decoder: Decoder::default(),
            descriptors: Vec::new(),
            queue: Vec::new(),
            subscribed: false,
        }
    }

    /// Takes in what has come.
    pub(crate) fn receive(&mut self) -> Arrived {
        let mut buffer = vec![0; READ_BYTES];
        match frame::receive(&self.socket, &mut buffer, &mut self.descriptors) {
            Ok(0) => Arrived::End,
            Ok(count) => {
                self.decoder.push(&buffer[..count]);
                Arrived::Something
            }
            Err(Errno::AGAIN | Errno::INTR) => Arrived::Nothing,
            Err(_) => Arrived::End,
        }
    }

    /// The next whole request.
    pub(crate) fn request(&mut self) -> Result<Option<Request>, FrameError> {
        self.decoder.message()
    }

    /// Sends a message, now or later; `false` when the connection is of no use.
    pub(crate) fn push(&mut self, message: &impl Serialize) -> bool {
        let Ok(bytes) = frame::encode(message) else {
            return false;
        };
        self.queue.extend_from_slice(&bytes);
        self.queue.len() <= QUEUE_LIMIT_BYTES && self.flush()
    }

    /// Sends what can be sent; `false` when the connection is of no use.
    pub(crate) fn flush(&mut self) -> bool {
        while !self.queue.is_empty() {
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            match rustix::net::send(&self.socket, &self.queue, flags) {
                Ok(count) => drop(self.queue.drain(..count)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(_) => return false,
            }
        }
        let write = !self.queue.is_empty();
        self.socket
            .want(Interest {
                write,
                ..Interest::READ
            })
            .is_ok()
    }

    /// Whether everything is sent.
    pub(crate) fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }
}
