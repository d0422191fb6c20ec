//! Published ports on the host's IPv6 addresses, for networks that have IPv4 only.
//!
//! The kernel cannot translate one family into the other, so these connections are copied
//! by threads of this process; IPv4 never comes here. They end with the daemon, and new
//! ones work again after its restart.

use rustix::net::{Shutdown, shutdown};
use std::{
    collections::HashMap,
    io,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream, UdpSocket},
    os::fd::OwnedFd,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
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

static CONNECTIONS: AtomicUsize = AtomicUsize::new(0);

/// A port that is being served; dropping it ends that, and frees the port.
#[derive(Debug)]
pub(crate) struct Proxy {
    socket: Arc<OwnedFd>,
    ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Serves a listening TCP socket.
    pub fn tcp(socket: OwnedFd, target: SocketAddrV4) -> io::Result<Self> {
        let listener = TcpListener::from(socket.try_clone()?);
        listener.set_nonblocking(false)?;
        Self::start(socket, move |ending| accept(&listener, target, ending))
    }

    /// Serves a bound UDP socket.
    pub fn udp(socket: OwnedFd, target: SocketAddrV4) -> io::Result<Self> {
        let listener = Arc::new(UdpSocket::from(socket.try_clone()?));
        listener.set_nonblocking(false)?;
        Self::start(socket, move |ending| relay(&listener, target, ending))
    }

    fn start(
        socket: OwnedFd,
        serve: impl FnOnce(&AtomicBool) + Send + 'static,
    ) -> io::Result<Self> {
        let ending = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&ending);
        let thread = spawn("corten-net-port", move || serve(&seen))?;
        Ok(Self {
            socket: Arc::new(socket),
            ending,
            thread: Some(thread),
        })
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Release);
        // Wakes the thread; an unconnected UDP socket says ENOTCONN and wakes it, too.
        let _ = shutdown(&*self.socket, Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new()
        .name(name.into())
        .stack_size(STACK_BYTES)
        .spawn(work)
}

fn accept(listener: &TcpListener, target: SocketAddrV4, ending: &AtomicBool) {
    while !ending.load(Ordering::Acquire) {
        let Ok((client, _)) = listener.accept() else {
            // Aborted connections and a lack of descriptors pass.
            thread::yield_now();
            continue;
        };
        if CONNECTIONS.fetch_add(1, Ordering::AcqRel) >= CONNECTIONS_MAX {
            CONNECTIONS.fetch_sub(1, Ordering::AcqRel);
            continue;
        }
        let connection = move || {
            let _ = copy_both(&client, target);
            CONNECTIONS.fetch_sub(1, Ordering::AcqRel);
        };
        if spawn("corten-net-copy", connection).is_err() {
            CONNECTIONS.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

fn copy_both(client: &TcpStream, target: SocketAddrV4) -> io::Result<()> {
    let server = TcpStream::connect_timeout(&target.into(), CONNECT_TIMEOUT)?;
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

type Clients = Arc<Mutex<HashMap<SocketAddr, Arc<UdpSocket>>>>;

fn relay(listener: &Arc<UdpSocket>, target: SocketAddrV4, ending: &AtomicBool) {
    let clients = Clients::default();
    let mut packet = vec![0; PACKET_BYTES];
    while !ending.load(Ordering::Acquire) {
        let Ok((length, client)) = listener.recv_from(&mut packet) else {
            thread::yield_now();
            continue;
        };
        if ending.load(Ordering::Acquire) {
            return;
        }
        if let Some(server) = server_for(&clients, listener, client, target) {
            let _ = server.send(&packet[..length]);
        }
    }
}

/// The socket that speaks to the container for one client.
fn server_for(
    clients: &Clients,
    listener: &Arc<UdpSocket>,
    client: SocketAddr,
    target: SocketAddrV4,
) -> Option<Arc<UdpSocket>> {
    let mut known = clients.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(server) = known.get(&client) {
        return Some(Arc::clone(server));
    }
    if known.len() >= CLIENTS_MAX {
        return None;
    }
    let server = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    server.connect(target).ok()?;
    server.set_read_timeout(Some(CLIENT_TIMEOUT)).ok()?;
    let server = Arc::new(server);
    // Weak: the port is free once it is no longer served.
    let (reader, back) = (Arc::clone(&server), Arc::downgrade(listener));
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
