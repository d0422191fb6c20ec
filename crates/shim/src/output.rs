//! A process's standard output or error, or its terminal.

use crate::epoll::{Interest, Watched};
use corten_shim_proto::Stream;
use rustix::io::Errno;

/// How much is read at once. From a full pipe, large pieces carry three times as much as
/// small ones.
pub(crate) const READ_BYTES: usize = 64 << 10;

/// The reading end.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) stream: Stream,
    descriptor: Watched,
}

/// What a read gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Read {
    /// So many bytes.
    Bytes(usize),
    /// Nothing now.
    Nothing,
    /// Nothing any more.
    End,
}

impl Output {
    pub(crate) fn new(descriptor: Watched, stream: Stream) -> Self {
        Self { stream, descriptor }
    }

    pub(crate) fn read(&self, buffer: &mut [u8]) -> Read {
        loop {
            return match rustix::io::read(&self.descriptor, &mut *buffer) {
                Ok(0) => Read::End,
                Ok(count) => Read::Bytes(count),
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => Read::Nothing,
                // A terminal whose last holder has closed it says EIO.
                Err(_) => Read::End,
            };
        }
    }

    /// Whether to be told of output. Not while a client is full.
    pub(crate) fn listen(&mut self, listen: bool) {
        let interest = if listen {
            Interest::READ
        } else {
            Interest::NONE
        };
        // Memory is all it can lack; then the next change tries again.
        let _registered = self.descriptor.want(interest).is_ok();
    }
}
