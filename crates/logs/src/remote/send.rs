//! The shim's end.

use super::{CONTINUED, HEADER_BYTES, PARTIAL};
use crate::Stream;
use crate::stamp::Clock;
use crate::write::lines::Lines;
use corten_base::Timestamp;
use rustix::net::SendFlags;
use std::io;
use std::os::fd::OwnedFd;

/// As many bytes may wait before the container has to, in blocking mode.
const BLOCKING_BYTES: usize = 64 << 10;

/// No buffer is larger than this, however many records may wait.
const MOST_BYTES: u64 = 64 << 20;

/// What happens to records that the receiver is too slow for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// Nothing is lost: the container waits.
    Wait,
    /// A record that would exceed one of these is dropped, as dockerd drops the newest.
    Drop {
        /// Bytes of lines that may wait.
        bytes: u64,
        /// Records that may wait.
        records: u64,
    },
}

/// Cuts a container's output into records and sends them to its logger. Nothing waits:
/// what the socket does not take is kept until [`RemoteWriter::flush`].
#[derive(Debug)]
pub struct RemoteWriter {
    streams: [Lines; 2],
    clock: Clock,
    queue: Queue,
    /// Nothing more will be written.
    closing: bool,
}

/// Encoded records, of which `start..` have not been sent.
#[derive(Debug)]
struct Queue {
    socket: OwnedFd,
    /// The other end is gone.
    broken: bool,
    bytes: Vec<u8>,
    start: usize,
    /// Sizes of the records that wait, in their order; only counted where that matters.
    waiting: std::collections::VecDeque<u32>,
    overflow: Overflow,
    /// Lines of each stream that are being written: when begun, and their parts so far.
    lines: [Option<(Timestamp, u32)>; 2],
}

impl RemoteWriter {
    /// Takes a connected stream socket, which becomes non-blocking.
    pub fn new(socket: OwnedFd, overflow: Overflow) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&socket, true)?;
        Ok(Self {
            streams: [Lines::default(), Lines::default()],
            clock: Clock::default(),
            queue: Queue {
                socket,
                broken: false,
                bytes: Vec::new(),
                start: 0,
                waiting: std::collections::VecDeque::new(),
                overflow,
                lines: [None, None],
            },
            closing: false,
        })
    }

    /// The socket, to be waited for.
    pub fn socket(&self) -> &OwnedFd {
        &self.queue.socket
    }

    /// Takes bytes of a stream as they come.
    pub fn write(&mut self, stream: Stream, bytes: &[u8]) {
        let queue = &mut self.queue;
        self.clock.look();
        self.streams[stream as usize].push(bytes, &mut self.clock, &mut |line, time| {
            queue.push(stream, line, time);
        });
    }

    /// The stream has ended: a last line without newline becomes a record.
    pub fn end(&mut self, stream: Stream) {
        let queue = &mut self.queue;
        self.clock.look();
        self.streams[stream as usize].end(&mut self.clock, &mut |line, time| {
            queue.push(stream, line, time);
        });
    }

    /// Sends what the socket takes.
    pub fn flush(&mut self) {
        self.queue.flush();
        if self.closing && self.queue.bytes.is_empty() {
            // The logger reads the end after all records.
            let socket = &self.queue.socket;
            let _shut = rustix::net::shutdown(socket, rustix::net::Shutdown::Write).is_ok();
        }
    }

    /// Whether the logger has gone away; what is written then is lost.
    pub fn is_broken(&self) -> bool {
        self.queue.broken
    }

    /// Whether something waits for the socket.
    pub fn is_waiting(&self) -> bool {
        !self.queue.bytes.is_empty()
    }

    #[cfg(test)]
    pub(super) fn waiting_bytes(&self) -> usize {
        self.queue.pending()
    }

    /// Whether the container has to wait.
    pub fn is_full(&self) -> bool {
        self.queue.overflow == Overflow::Wait && self.queue.pending() >= BLOCKING_BYTES
    }

    /// Ends both streams; when what waits has been sent, the logger is told the end.
    pub fn close(&mut self) {
        self.end(Stream::Stdout);
        self.end(Stream::Stderr);
        self.closing = true;
        self.flush();
    }

    /// Gives memory back that a burst of output needed.
    pub fn release_memory(&mut self) {
        if self.queue.bytes.is_empty() {
            self.queue.bytes = Vec::new();
            self.queue.waiting = std::collections::VecDeque::new();
        }
        for lines in &mut self.streams {
            lines.release_memory();
        }
    }
}

impl Queue {
    fn pending(&self) -> usize {
        self.bytes.len() - self.start
    }

    fn push(&mut self, stream: Stream, line: &[u8], time: Timestamp) {
        let (text, partial) = match line {
            [text @ .., b'\n'] => (text, false),
            text => (text, true),
        };
        let state = &mut self.lines[stream as usize];
        let (flags, ordinal, time) = match (*state, partial) {
            (None, false) => (0, 0, time),
            (None, true) => (PARTIAL, 1, time),
            (Some((begun, parts)), false) => (CONTINUED, parts + 1, begun),
            (Some((begun, parts)), true) => (PARTIAL | CONTINUED, parts + 1, begun),
        };
        *state = partial.then_some((time, ordinal));
        if !self.has_room_for(text.len()) {
            self.flush();
            if !self.has_room_for(text.len()) {
                return;
            }
        }
        let mut header = [0; HEADER_BYTES];
        header[0] = stream as u8;
        header[1] = flags;
        header[4..8].copy_from_slice(&ordinal.to_le_bytes());
        header[8..16].copy_from_slice(&time.unix_seconds().to_le_bytes());
        header[16..20].copy_from_slice(&time.subsec_nanoseconds().to_le_bytes());
        header[20..24].copy_from_slice(&(text.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(&header);
        self.bytes.extend_from_slice(text);
        if self.overflow != Overflow::Wait {
            self.waiting.push_back((HEADER_BYTES + text.len()) as u32);
        }
    }

    fn flush(&mut self) {
        while !self.broken && self.start < self.bytes.len() {
            let bytes = &self.bytes[self.start..];
            match rustix::net::send(&self.socket, bytes, SendFlags::NOSIGNAL) {
                Ok(count) => self.sent(count),
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return,
                Err(_) => self.broken = true,
            }
        }
        if self.broken {
            // Nobody will take them: the container must not wait.
            self.bytes.clear();
            self.waiting.clear();
            self.start = 0;
        }
    }

    fn has_room_for(&self, length: usize) -> bool {
        let Overflow::Drop { bytes, records } = self.overflow else {
            return true;
        };
        let waiting = self.waiting.len() as u64;
        // dockerd, too, takes a record that is too large when no other waits.
        let lines =
            self.pending() as u64 - (waiting * HEADER_BYTES as u64).min(self.pending() as u64);
        waiting == 0 || (lines + length as u64 <= bytes.min(MOST_BYTES) && waiting < records.max(1))
    }

    fn sent(&mut self, count: usize) {
        let mut left = count;
        while let Some(first) = self.waiting.front_mut() {
            if (*first as usize) > left {
                *first -= left as u32;
                break;
            }
            left -= *first as usize;
            self.waiting.pop_front();
        }
        self.start += count;
        if self.start == self.bytes.len() {
            self.bytes.clear();
            self.start = 0;
        } else if self.start >= BLOCKING_BYTES {
            // What was sent must not pile up while the socket is never quite empty.
            self.bytes.drain(..self.start);
            self.start = 0;
        }
    }
}
