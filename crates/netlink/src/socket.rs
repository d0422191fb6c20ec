//! A netlink socket: many requests in one datagram, one acknowledgement each.

use crate::{
    NetlinkError,
    message::{self, DONE, ERROR, Message, attribute, messages, read_text, read_u32},
};
use corten_sys::netlink::{NetlinkOption, enable};
use rustix::{
    io::Errno,
    net::{
        AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, bind,
        netlink::SocketAddrNetlink, recv, send, socket_with, sockopt,
    },
};
use std::{
    borrow::Cow,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::Duration,
};

/// Size of the receive buffer in bytes; the kernel fills dumps up to 32 KiB.
const BUFFER_LENGTH: usize = 64 << 10;
/// The kernel answers while the request is sent; a longer wait means a lost answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// `NLM_F_CAPPED`: the acknowledgement does not repeat the request.
const CAPPED: u16 = 0x100;
/// `NLMSGERR_ATTR_MSG`
const EXPLANATION: u16 = 1;

/// Requests that are sent together. Each has a name for errors.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    pub bytes: Vec<u8>,
    /// Sequence number and name of those that are acknowledged.
    pub names: Vec<(u32, Cow<'static, str>)>,
    pub sequence: u32,
}

impl Requests {
    /// The next sequence number, for a request called `name`.
    pub fn next(&mut self, name: impl Into<Cow<'static, str>>) -> u32 {
        self.sequence += 1;
        self.names.push((self.sequence, name.into()));
        self.sequence
    }

    fn name(&self, sequence: u32) -> String {
        let found = self.names.iter().find(|(number, _)| *number == sequence);
        found.map(|(_, name)| name.to_string()).unwrap_or_default()
    }
}

/// A socket of one netlink family, in the namespace of the thread that opened it.
#[derive(Debug)]
pub(crate) struct Socket {
    fd: OwnedFd,
    buffer: Vec<u8>,
    /// Sequence numbers of earlier conversations end here.
    sequence: u32,
}

impl Socket {
    pub fn open(protocol: Option<Protocol>, groups: u32) -> Result<Self, NetlinkError> {
        let system = |operation| move |source| NetlinkError::System { operation, source };
        let fd = socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            protocol,
        )
        .map_err(system("opening a netlink socket"))?;
        bind(&fd, &SocketAddrNetlink::new(0, groups))
            .map_err(system("binding a netlink socket"))?;
        for option in [
            NetlinkOption::CapAck,
            NetlinkOption::ExtAck,
            NetlinkOption::StrictCheck,
        ] {
            // Kernels without them are older than any we run on; nothing depends on them.
            let _ = enable(fd.as_fd(), option);
        }
        let socket = Self {
            fd,
            buffer: vec![0; BUFFER_LENGTH],
            sequence: 0,
        };
        socket.set_timeout(ANSWER_TIMEOUT)?;
        Ok(socket)
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// The number by which the kernel knows the socket within its namespace.
    pub fn port(&self) -> Result<u32, NetlinkError> {
        let system = |source| NetlinkError::System {
            operation: "asking for a netlink socket's number",
            source,
        };
        let address = rustix::net::getsockname(&self.fd).map_err(system)?;
        let address = SocketAddrNetlink::try_from(address).map_err(system)?;
        Ok(address.pid())
    }

    /// How long [`Self::receive`] waits at most.
    pub fn set_timeout(&self, timeout: Duration) -> Result<(), NetlinkError> {
        sockopt::set_socket_timeout(&self.fd, sockopt::Timeout::Recv, Some(timeout)).map_err(
            |source| NetlinkError::System {
                operation: "setting a netlink socket's timeout",
                source,
            },
        )
    }

    /// An empty set of requests whose numbers follow those used so far.
    pub fn requests(&self) -> Requests {
        Requests {
            sequence: self.sequence,
            ..Default::default()
        }
    }

    /// Sends all requests in one datagram and waits for all acknowledgements. The first
    /// refusal is returned, after the answers to all are in.
    pub fn run(&mut self, requests: Requests) -> Result<(), NetlinkError> {
        if requests.names.is_empty() {
            return Ok(());
        }
        self.sequence = requests.sequence;
        self.send(&requests.bytes)?;
        let mut missing: Vec<u32> = requests.names.iter().map(|(number, _)| *number).collect();
        let mut refusal = None;
        while !missing.is_empty() {
            let length = self.receive()?;
            for message in messages(&self.buffer[..length]).filter(|m| m.kind == ERROR) {
                missing.retain(|number| *number != message.sequence);
                let Some(error) = refused(&message, || requests.name(message.sequence)) else {
                    continue;
                };
                // In a batch of nf_tables a refusal of the whole comes with the number of
                // its first message.
                if requests
                    .names
                    .iter()
                    .all(|(number, _)| *number != message.sequence)
                {
                    missing.clear();
                }
                refusal.get_or_insert(error);
            }
        }
        refusal.map_or(Ok(()), Err)
    }

    /// Sends one request and gives each message of the answer to `take`, until the end of
    /// the dump or the acknowledgement.
    pub fn ask(
        &mut self,
        requests: Requests,
        mut take: impl FnMut(u16, &[u8]),
    ) -> Result<(), NetlinkError> {
        self.sequence = requests.sequence;
        self.send(&requests.bytes)?;
        loop {
            let length = self.receive()?;
            for message in messages(&self.buffer[..length]) {
                if message.sequence != requests.sequence {
                    continue;
                }
                match message.kind {
                    DONE => return Ok(()),
                    ERROR => {
                        let name = || requests.name(message.sequence);
                        return refused(&message, name).map_or(Ok(()), Err);
                    }
                    kind => take(kind, message.body),
                }
            }
        }
    }

    fn send(&self, bytes: &[u8]) -> Result<(), NetlinkError> {
        let failed = |source| NetlinkError::System {
            operation: "sending to the kernel",
            source,
        };
        if bytes.len() > 100 << 10 {
            // The default send buffer holds 208 KiB including the kernel's own data.
            let _ = sockopt::set_socket_send_buffer_size_force(&self.fd, bytes.len() * 4);
        }
        send(&self.fd, bytes, SendFlags::empty())
            .map(drop)
            .map_err(failed)
    }

    /// Receives one datagram into the buffer.
    pub fn receive(&mut self) -> Result<usize, NetlinkError> {
        loop {
            match recv(&self.fd, &mut self.buffer[..], RecvFlags::empty()) {
                Ok((_, length)) => return Ok(length.min(BUFFER_LENGTH)),
                Err(Errno::INTR) => {}
                Err(source) => {
                    let operation = "receiving from the kernel";
                    return Err(NetlinkError::System { operation, source });
                }
            }
        }
    }

    /// The datagram that [`Self::receive`] got.
    pub fn received(&self, length: usize) -> &[u8] {
        &self.buffer[..length]
    }
}

/// The refusal in an acknowledgement; `None` if it is none.
fn refused(message: &Message<'_>, name: impl FnOnce() -> String) -> Option<NetlinkError> {
    let code = read_u32(message.body, 0)? as i32;
    if code == 0 {
        return None;
    }
    // struct nlmsgerr: the code, then the request's header, or all of it.
    let request = if message.flags & CAPPED != 0 {
        message::HEADER_LENGTH
    } else {
        read_u32(message.body, 4)? as usize
    };
    let attributes = message
        .body
        .get(4 + request.next_multiple_of(4)..)
        .unwrap_or_default();
    Some(NetlinkError::Refused {
        operation: name(),
        errno: Errno::from_raw_os_error(-code),
        explanation: attribute(attributes, EXPLANATION)
            .map(read_text)
            .unwrap_or_default(),
    })
}
