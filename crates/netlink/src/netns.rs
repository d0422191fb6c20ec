//! Network namespaces.

use crate::{NetlinkError, route::RouteSocket};
use rustix::{
    fs::{Mode, OFlags, open},
    thread::{LinkNameSpaceType, move_into_link_name_space},
};
use std::{
    fs::File,
    io::{Seek, Write},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
};

/// A network namespace, held open. It lives as long as a process is in it or a descriptor
/// is open; dropping the last one lets the kernel take down its links later.
#[derive(Debug)]
pub struct Netns {
    // Lock: one conversation at a time. A socket keeps the namespace alive like `fd` does.
    route: Mutex<RouteSocket>,
    fd: OwnedFd,
    /// The namespace's switch for IPv6 on links to come; `None` without IPv6.
    ipv6_switch: Option<File>,
}

/// `net.ipv6.conf.default.disable_ipv6`, of the namespace of the thread that opens it.
const IPV6_SWITCH: &str = "/proc/sys/net/ipv6/conf/default/disable_ipv6";

impl Netns {
    /// Makes a new namespace with its loopback interface up.
    pub fn create() -> Result<Self, NetlinkError> {
        Self::create_and(|| ()).map(|(netns, ())| netns)
    }

    /// The same, and runs `first` on the thread that is in it.
    pub fn create_and<T: Send>(
        first: impl FnOnce() -> T + Send,
    ) -> Result<(Self, T), NetlinkError> {
        on_own_thread(|| {
            corten_sys::netlink::unshare_network().map_err(|error| NetlinkError::System {
                operation: "making a network namespace",
                source: errno(&error),
            })?;
            let mut route = RouteSocket::open()?;
            route.loopback_up()?;
            let fd = current()?;
            let route = Mutex::new(route);
            Ok((
                Self {
                    route,
                    fd,
                    ipv6_switch: ipv6_switch(),
                },
                first(),
            ))
        })
    }

    /// Takes over an open namespace (`/proc/<pid>/ns/net`).
    pub fn from_fd(fd: OwnedFd) -> Result<Self, NetlinkError> {
        let (route, ipv6_switch) = on_own_thread(|| {
            enter(fd.as_fd())?;
            Ok((RouteSocket::open()?, ipv6_switch()))
        })?;
        let route = Mutex::new(route);
        Ok(Self {
            route,
            fd,
            ipv6_switch,
        })
    }

    /// Another descriptor of the namespace, to be handed to the shim.
    pub fn try_clone_fd(&self) -> Result<OwnedFd, NetlinkError> {
        rustix::io::fcntl_dupfd_cloexec(&self.fd, 3).map_err(|source| NetlinkError::System {
            operation: "duplicating a namespace descriptor",
            source,
        })
    }

    /// The rtnetlink socket inside the namespace.
    pub fn route(&self) -> MutexGuard<'_, RouteSocket> {
        self.route.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether links that come into this namespace from now on speak IPv6. Without effect
    /// on a kernel without IPv6.
    pub fn set_ipv6_on_new_links(&self, on: bool) {
        if let Some(mut switch) = self.ipv6_switch.as_ref() {
            // A setting refused leaves a link-local address behind, nothing worse.
            let _ = switch.write_all(if on { b"0" } else { b"1" });
            let _ = switch.rewind();
        }
    }

    /// Runs `work` on a thread inside the namespace.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, NetlinkError> {
        on_own_thread(|| {
            enter(self.fd.as_fd())?;
            Ok(work())
        })
    }
}

impl AsFd for Netns {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A thread of its own may change its namespace and be forgotten with it: nothing has to
/// be changed back, so nothing can stay changed.
fn on_own_thread<T: Send>(
    work: impl FnOnce() -> Result<T, NetlinkError> + Send,
) -> Result<T, NetlinkError> {
    thread::scope(|scope| {
        let thread = thread::Builder::new()
            .name("corten-netns".into())
            .stack_size(256 << 10)
            .spawn_scoped(scope, work)
            .map_err(|_| NetlinkError::Thread)?;
        thread.join().map_err(|_| NetlinkError::Thread)?
    })
}

fn enter(fd: BorrowedFd<'_>) -> Result<(), NetlinkError> {
    move_into_link_name_space(fd, Some(LinkNameSpaceType::Network)).map_err(|source| {
        NetlinkError::System {
            operation: "entering a network namespace",
            source,
        }
    })
}

fn ipv6_switch() -> Option<File> {
    File::options().write(true).open(IPV6_SWITCH).ok()
}

fn current() -> Result<OwnedFd, NetlinkError> {
    open(
        "/proc/thread-self/ns/net",
        OFlags::RDONLY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .map_err(|source| NetlinkError::System {
        operation: "opening /proc/thread-self/ns/net",
        source,
    })
}

fn errno(error: &std::io::Error) -> rustix::io::Errno {
    rustix::io::Errno::from_io_error(error).unwrap_or(rustix::io::Errno::IO)
}
