//! A process's standard input.

use crate::epoll::{Interest, Watched};
use rustix::io::Errno;

/// How many bytes wait for a process that does not read, before its clients are not
/// read from any more.
pub(crate) const INPUT_LIMIT_BYTES: usize = 64 << 10;

/// The writing end of standard input, or a terminal.
#[derive(Debug)]
pub(crate) struct Input {
    descriptor: Watched,
    queue: Vec<u8>,
    /// Close once the queue is empty.
    ending: bool,
}

impl Input {
    pub(crate) fn new(descriptor: Watched) -> Self {
        Self {
            descriptor,
            queue: Vec::new(),
            ending: false,
        }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if !self.ending {
            self.queue.extend_from_slice(bytes);
        }
    }

    pub(crate) fn end(&mut self) {
        self.ending = true;
    }

    pub(crate) fn is_full(&self) -> bool {
        self.queue.len() >= INPUT_LIMIT_BYTES
    }

    /// Writes what can be written; `false` when it is over: the process has closed its
    /// end, or everything is written that shall be.
    pub(crate) fn flush(&mut self) -> bool {
        while !self.queue.is_empty() {
            match rustix::io::write(&self.descriptor, &self.queue) {
                Ok(count) => drop(self.queue.drain(..count)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    return self.descriptor.want(Interest::WRITE).is_ok();
                }
                Err(_) => return false,
            }
        }
        self.queue.shrink_to(0);
        !self.ending && self.descriptor.want(Interest::NONE).is_ok()
    }
}
