//! Descriptors that are waited for.

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

/// How many events are taken at once.
const EVENTS: usize = 16;

/// What a descriptor is for; `u32`s number processes, clients and connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token {
    /// The listening socket.
    Listener,
    /// A control connection.
    Control(u32),
    /// A process's pidfd.
    Exit(u32),
    /// A process's standard output, or its terminal.
    Stdout(u32),
    /// A process's standard error.
    Stderr(u32),
    /// A process's standard input, or its terminal.
    Input(u32),
    /// A client's stream socket.
    Client(u32),
    /// The notice of a lack of memory.
    Oom,
    /// The connection to the logger.
    Logger,
}

impl Token {
    fn pack(self) -> u64 {
        let (kind, index) = match self {
            Self::Listener => (0, 0),
            Self::Control(index) => (1, index),
            Self::Exit(index) => (2, index),
            Self::Stdout(index) => (3, index),
            Self::Stderr(index) => (4, index),
            Self::Input(index) => (5, index),
            Self::Client(index) => (6, index),
            Self::Oom => (7, 0),
            Self::Logger => (8, 0),
        };
        kind << 32 | u64::from(index)
    }

    fn unpack(data: u64) -> Self {
        let index = data as u32;
        match data >> 32 {
            0 => Self::Listener,
            1 => Self::Control(index),
            2 => Self::Exit(index),
            3 => Self::Stdout(index),
            4 => Self::Stderr(index),
            5 => Self::Input(index),
            6 => Self::Client(index),
            7 => Self::Oom,
            _ => Self::Logger,
        }
    }
}

/// What can be done with a descriptor now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ready {
    pub(crate) token: Token,
    /// Reading does not block; true as well at the end and after an error.
    pub(crate) readable: bool,
    /// Writing does not block.
    pub(crate) writable: bool,
    /// The other end is gone.
    pub(crate) hung_up: bool,
}

/// The epoll descriptor, shared by everything that is watched.
#[derive(Debug, Clone)]
pub(crate) struct Epoll(Rc<OwnedFd>);

impl Epoll {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(Rc::new(epoll::create(CreateFlags::CLOEXEC)?)))
    }

    /// Waits for events, at most `timeout`. Empty when the time is over.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> io::Result<Vec<Ready>> {
        let mut events: Vec<Event> = Vec::with_capacity(EVENTS);
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        let space = rustix::buffer::spare_capacity(&mut events);
        match epoll::wait(&*self.0, space, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let ended = EventFlags::HUP | EventFlags::ERR;
        let ready = |event: &Event| {
            let flags = event.flags;
            Ready {
                token: Token::unpack(event.data.u64()),
                readable: flags.intersects(EventFlags::IN | ended),
                writable: flags.intersects(EventFlags::OUT | ended),
                hung_up: flags.intersects(ended),
            }
        };
        Ok(events.iter().map(ready).collect())
    }
}

/// What is waited for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Interest {
    pub(crate) read: bool,
    pub(crate) write: bool,
    /// Be told at least when the other end goes away, which is told until the descriptor
    /// is closed.
    pub(crate) hang_up: bool,
}

impl Interest {
    pub(crate) const NONE: Self = Self {
        read: false,
        write: false,
        hang_up: false,
    };
    pub(crate) const READ: Self = Self {
        read: true,
        ..Self::NONE
    };
    pub(crate) const WRITE: Self = Self {
        write: true,
        ..Self::NONE
    };

    fn flags(self) -> EventFlags {
        let mut flags = EventFlags::empty();
        flags.set(EventFlags::IN, self.read);
        flags.set(EventFlags::OUT, self.write);
        flags
    }
}

/// A descriptor with what it is waited for. Without interest it is not registered at
/// all, so that the end of its peer is not told over and over.
#[derive(Debug)]
pub(crate) struct Watched {
    descriptor: OwnedFd,
    token: Token,
    epoll: Epoll,
    interest: Interest,
}

impl Watched {
    /// Makes it non-blocking; nothing is waited for yet.
    pub(crate) fn new(epoll: &Epoll, descriptor: OwnedFd, token: Token) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&descriptor, true)?;
        Ok(Self {
            descriptor,
            token,
            epoll: epoll.clone(),
            interest: Interest::NONE,
        })
    }

    /// As [`Watched::new`], for descriptors that know no such flag.
    pub(crate) fn as_it_is(epoll: &Epoll, descriptor: OwnedFd, token: Token) -> Self {
        Self {
            descriptor,
            token,
            epoll: epoll.clone(),
            interest: Interest::NONE,
        }
    }

    /// Where it is waited for.
    pub(crate) fn epoll(&self) -> Epoll {
        self.epoll.clone()
    }

    /// Waits for `interest` from now on.
    pub(crate) fn want(&mut self, interest: Interest) -> io::Result<()> {
        if interest == self.interest {
            return Ok(());
        }
        let epoll = &*self.epoll.0;
        let data = EventData::new_u64(self.token.pack());
        match (self.interest, interest) {
            (_, Interest::NONE) => epoll::delete(epoll, &self.descriptor)?,
            (Interest::NONE, _) => epoll::add(epoll, &self.descriptor, data, interest.flags())?,
            _ => epoll::modify(epoll, &self.descriptor, data, interest.flags())?,
        }
        self.interest = interest;
        Ok(())
    }
}

impl AsFd for Watched {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // Another process may hold the same open file, and it would stay registered.
        let _removed = self.want(Interest::NONE).is_ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_survive_the_kernel() {
        for token in [
            Token::Listener,
            Token::Control(1),
            Token::Exit(u32::MAX),
            Token::Stdout(0),
            Token::Stderr(5),
            Token::Input(6),
            Token::Client(7),
            Token::Oom,
            Token::Logger,
        ] {
            assert_eq!(Token::unpack(token.pack()), token);
        }
    }
}
