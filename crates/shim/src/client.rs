//! A client's stream: output towards it, input from it.
//!
//! Slow clients. A client whose queue is full stops the reading of the process's output
//! and so, when the pipe is full as well, the process: nothing that an attached client
//! should see is thrown away. That is what Docker does, and what someone who pages
//! through output expects. But where several clients are attached to one process, one
//! that does not take a byte for [`STALL_LIMIT`] is cut off, so that it cannot hold up
//! the others for good.

use crate::detach::DetachKeys;
use crate::epoll::{Interest, Watched};
use corten_shim_proto::{AttachOptions, Stream, header};
use rustix::io::Errno;
use rustix::net::SendFlags;
use std::time::{Duration, Instant};

/// How many bytes wait for a client before no more output is read for it. With the
/// socket's own buffer (208 KiB) enough to keep both sides busy.
pub(crate) const QUEUE_LIMIT_BYTES: usize = 256 << 10;

/// How long a client may hold up others without taking a byte.
pub(crate) const STALL_LIMIT: Duration = Duration::from_secs(10);

/// What is read from a client at once.
pub(crate) const READ_BYTES: usize = 16 << 10;

/// A client and the process it is attached to.
#[derive(Debug)]
pub(crate) struct Client {
    /// The number of the process.
    pub(crate) process: u32,
    pub(crate) options: AttachOptions,
    pub(crate) detach: DetachKeys,
    /// Whether more input may come.
    pub(crate) typing: bool,
    socket: Watched,
    framed: bool,
    queue: Vec<u8>,
    sent: usize,
    /// No more output comes; close when the queue is empty.
    ending: bool,
    /// Since when the queue is full and not a byte went.
    stalled: Option<Instant>,
}

/// What a read gave.
#[derive(Debug)]
pub(crate) enum Received {
    Bytes(Vec<u8>),
    Nothing,
    End,
}

impl Client {
    /// With a terminal, output goes as it is and detach keys count.
    pub(crate) fn new(
        process: u32,
        options: AttachOptions,
        terminal: bool,
        socket: Watched,
    ) -> Self {
        let keys = if terminal {
            options.detach_keys.clone()
        } else {
            Vec::new()
        };
        Self {
            process,
            detach: DetachKeys::new(keys),
            typing: true,
            socket,
            framed: !terminal,
            queue: Vec::new(),
            sent: 0,
            ending: false,
            stalled: None,
            options,
        }
    }

    /// Puts output into the queue, if the client wants that stream.
    pub(crate) fn push(&mut self, stream: Stream, bytes: &[u8]) {
        let wanted = match stream {
            Stream::Stdout => self.options.stdout,
            Stream::Stderr => self.options.stderr,
        };
        if wanted && !self.ending {
            if self.framed {
                self.queue
                    .extend_from_slice(&header(stream, bytes.len() as u32));
            }
            self.queue.extend_from_slice(bytes);
        }
    }

    /// No more output comes.
    pub(crate) fn end(&mut self) {
        self.ending = true;
    }

    pub(crate) fn is_full(&self) -> bool {
        self.queue.len() - self.sent >= QUEUE_LIMIT_BYTES
    }

    /// Since when it takes nothing.
    pub(crate) fn stalled_since(&self) -> Option<Instant> {
        self.stalled
    }

    /// Sends what can be sent; `false` when it is over.
    pub(crate) fn flush(&mut self) -> bool {
        while self.sent < self.queue.len() {
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            match rustix::net::send(&self.socket, &self.queue[self.sent..], flags) {
                Ok(count) => {
                    self.sent += count;
                    self.stalled = None;
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(_) => return false,
            }
        }
        if self.sent == self.queue.len() {
            self.queue.clear();
            self.sent = 0;
            self.queue.shrink_to(READ_BYTES);
        } else if self.sent > QUEUE_LIMIT_BYTES {
            self.queue.drain(..self.sent);
            self.sent = 0;
        }
        if self.is_full() && self.stalled.is_none() {
            self.stalled = Some(Instant::now());
        }
        !(self.ending && self.queue.is_empty())
    }

    /// Waits for what there is to wait for. `accepts`: input has a place to go.
    pub(crate) fn listen(&mut self, accepts: bool) -> bool {
        let interest = Interest {
            read: self.typing && accepts,
            write: !self.queue.is_empty(),
            hang_up: true,
        };
        self.socket.want(interest).is_ok()
    }

    pub(crate) fn receive(&mut self) -> Received {
        let mut buffer = vec![0; READ_BYTES];
        loop {
            return match rustix::io::read(&self.socket, &mut *buffer) {
                Ok(0) => Received::End,
                Ok(count) => {
                    buffer.truncate(count);
                    Received::Bytes(buffer)
                }
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => Received::Nothing,
                Err(_) => Received::End,
            };
        }
    }
}
