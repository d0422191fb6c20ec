//! Published ports that the kernel cannot translate: on the host's IPv6 addresses for
//! networks that have IPv4 only, on `::1`, and those that the host's INPUT rules are to
//! decide about.
//!
//! One thread waits for all of them; a connection is copied by two threads of its own. IPv4
//! ports as Docker opens them never come here. Connections end with the daemon, and new
//! ones work again after its restart.

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::fd::OwnedFd,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// Connections at a time, of all ports: two threads each.
const CONNECTIONS_MAX: usize = 512;
/// UDP clients of one port at a time: one thread each.
const CLIENTS_MAX: usize = 256;
/// A container on this host answers at once or not at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a UDP client may be silent before it is forgotten.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(90);
/// Threads here keep a buffer of 64 KiB at most on their stack.
const STACK_BYTES: usize = 192 << 10;
/// The largest UDP packet.
const PACKET_BYTES: usize = 65_536;
/// Events taken at once, and packets taken from one port before the others' turn.
const TURN: usize = 64;
/// The event that ends the thread.
const WAKE: u64 = u64::MAX;

static CONNECTIONS: AtomicUsize = AtomicUsize::new(0);

/// Serves ports; its thread starts with the first of them.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    shared: OnceLock<Arc<Shared>>,
}

/// A port that is being served; dropping it ends that, and frees the port.
#[derive(Debug)]
pub(crate) struct Serving {
    shared: Arc<Shared>,
    number: u64,
}

#[derive(Debug)]
struct Shared {
    epoll: OwnedFd,
    wake: OwnedFd,
    // Lock: the map only.
    ports: Mutex<HashMap<u64, Arc<Port>>>,
    next: AtomicU64,
}

#[derive(Debug)]
enum Port {
    Connections {
        listener: TcpListener,
        target: Target,
    },
    Datagrams {
        socket: Arc<UdpSocket>,
        target: Target,
        clients: Clients,
    },
}

/// Where a port leads to now.
#[derive(Debug)]
struct Target(Mutex<SocketAddr>);

impl Target {
    fn now(&self) -> SocketAddr {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, address: SocketAddr) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = address;
    }
}

type Clients = Arc<Mutex<HashMap<SocketAddr, Arc<UdpSocket>>>>;

impl Hub {
    /// Serves a listening TCP socket that does not block.
    pub fn serve_connections(&self, socket: OwnedFd, target: SocketAddr) -> io::Result<Serving> {
        let listener = TcpListener::from(socket);
        let target = Target(Mutex::new(target));
        self.add(Port::Connections { listener, target })
    }

    /// Serves a bound UDP socket that does not block.
    pub fn serve_datagrams(&self, socket: OwnedFd, target: SocketAddr) -> io::Result<Serving> {
        self.add(Port::Datagrams {
            socket: Arc::new(UdpSocket::from(socket)),
            target: Target(Mutex::new(target)),
            clients: Clients::default(),
        })
    }

    fn add(&self, port: Port) -> io::Result<Serving> {
        let shared = match self.shared.get() {
            Some(shared) => shared,
            None => {
                let started = Shared::start()?;
                self.shared.get_or_init(|| started)
            }
        };
        let number = shared.next.fetch_add(1, Ordering::Relaxed);
        let port = Arc::new(port);
        shared.ports().insert(number, Arc::clone(&port));
        let serving = Serving {
            shared: Arc::clone(shared),
            number,
        };
        // Connections by edge: a lack of descriptors must not make the thread spin.
        match &*port {
            Port::Connections { listener, .. } => {
                let flags = EventFlags::IN | EventFlags::ET;
                epoll::add(&shared.epoll, listener, EventData::new_u64(number), flags)?;
            }
            Port::Datagrams { socket, .. } => {
                let data = EventData::new_u64(number);
                epoll::add(&shared.epoll, socket, data, EventFlags::IN)?;
            }
        }
        Ok(serving)
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.get() {
            // A full counter wakes it just as well.
            let _ = rustix::io::write(&shared.wake, &1_u64.to_ne_bytes());
        }
    }
}

impl Serving {
    /// From now on the port leads elsewhere; connections that are there stay where they are,
    /// and UDP clients are taken for new ones.
    pub fn lead_to(&self, address: SocketAddr) {
        let port = self.shared.ports().get(&self.number).cloned();
        match port.as_deref() {
            Some(Port::Connections { target, .. }) => target.set(address),
            Some(Port::Datagrams {
                target, clients, ..
            }) => {
                target.set(address);
                let mut clients = clients.lock().unwrap_or_else(PoisonError::into_inner);
                clients.clear();
            }
            None => {}
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let port = self.shared.ports().remove(&self.number);
        match port.as_deref() {
            Some(Port::Connections { listener, .. }) => {
                // The thread may hold the port a moment longer; the socket is off at once.
                let _ = epoll::delete(&self.shared.epoll, listener);
                let _ = rustix::net::shutdown(listener, rustix::net::Shutdown::Both);
            }
            Some(Port::Datagrams { socket, .. }) => {
                let _ = epoll::delete(&self.shared.epoll, socket);
            }
            None => {}
        }
    }
}

impl Shared {
    fn start() -> io::Result<Arc<Self>> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let wake = rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC)?;
        epoll::add(&epoll, &wake, EventData::new_u64(WAKE), EventFlags::IN)?;
        let shared = Arc::new(Self {
            epoll,
            wake,
            ports: Mutex::default(),
            next: AtomicU64::new(0),
        });
        let own = Arc::clone(&shared);
        spawn("corten-net-port", move || own.serve())?;
        Ok(shared)
    }

    fn ports(&self) -> MutexGuard<'_, HashMap<u64, Arc<Port>>> {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self) {
        let mut events = Vec::with_capacity(TURN);
        let mut packet = vec![0; PACKET_BYTES];
        loop {
            events.clear();
            let space = rustix::buffer::spare_capacity(&mut events);
            match epoll::wait(&self.epoll, space, None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => {
                    tracing::error!(%error, "ports are not served any more");
                    return;
                }
            }
            for event in &events {
                let data = event.data;
                if data.u64() == WAKE {
                    return;
                }
                let port = self.ports().get(&data.u64()).cloned();
                match port.as_deref() {
                    Some(Port::Connections { listener, target }) => accept(listener, target.now()),
                    Some(Port::Datagrams {
                        socket,
                        target,
                        clients,
                    }) => relay(socket, target.now(), clients, &mut packet),
                    None => {}
                }
            }
        }
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new()
        .name(name.into())
        .stack_size(STACK_BYTES)
        .spawn(work)
}

fn accept(listener: &TcpListener, target: SocketAddr) {
    loop {
        let client = match listener.accept() {
            Ok((client, _)) => client,
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
            Err(_) => return,
        };
        if CONNECTIONS.fetch_add(1, Ordering::AcqRel) >= CONNECTIONS_MAX {
            CONNECTIONS.fetch_sub(1, Ordering::AcqRel);
            continue;
        }
        let connection = move || {
            // Either end may break off; the other is told by the end of its stream.
            let _ = copy_both(&client, target);
            CONNECTIONS.fetch_sub(1, Ordering::AcqRel);
        };
        if spawn("corten-net-copy", connection).is_err() {
            CONNECTIONS.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

fn copy_both(client: &TcpStream, target: SocketAddr) -> io::Result<()> {
    let server = TcpStream::connect_timeout(&target, CONNECT_TIMEOUT)?;
    client.set_nonblocking(false)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from, to) = (client.try_clone()?, server.try_clone()?);
    let upward = spawn("corten-net-copy", move || copy(&from, &to))?;
    copy(&server, client);
    let _ = upward.join();
    Ok(())
}

/// Copies until the end, and passes the end on.
fn copy(mut from: &TcpStream, mut to: &TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(std::net::Shutdown::Write);
}

fn relay(socket: &Arc<UdpSocket>, target: SocketAddr, clients: &Clients, packet: &mut [u8]) {
    for _ in 0..TURN {
        let Ok((length, client)) = socket.recv_from(packet) else {
            return;
        };
        if let Some(server) = server_for(clients, socket, client, target) {
            let _ = server.send(&packet[..length]);
        }
    }
}

/// The socket that speaks to the container for one client.
fn server_for(
    clients: &Clients,
    socket: &Arc<UdpSocket>,
    client: SocketAddr,
    target: SocketAddr,
) -> Option<Arc<UdpSocket>> {
    let mut known = clients.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(server) = known.get(&client) {
        return Some(Arc::clone(server));
    }
    if known.len() >= CLIENTS_MAX {
        return None;
    }
    let any: IpAddr = match target {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let server = UdpSocket::bind((any, 0)).ok()?;
    server.connect(target).ok()?;
    server.set_read_timeout(Some(CLIENT_TIMEOUT)).ok()?;
    let server = Arc::new(server);
    // Weak: the port is free once it is no longer served.
    let (reader, back) = (Arc::clone(&server), Arc::downgrade(socket));
    let all = Arc::clone(clients);
    let answers = move || {
        let mut packet = vec![0; PACKET_BYTES];
        while let Ok(length) = reader.recv(&mut packet) {
            let Some(back) = back.upgrade() else { break };
            if back.send_to(&packet[..length], client).is_err() {
                break;
            }
        }
        all.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&client);
    };
    spawn("corten-net-copy", answers).ok()?;
    known.insert(client, Arc::clone(&server));
    Some(server)
}
