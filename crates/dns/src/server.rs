//! The loop that waits for all containers' questions.

use crate::{
    Directory, DnsError, Upstream,
    answer::{self, Asker, Decision},
    cache::Cache,
    forward::pass_on,
    pool::Pool,
    sockets::Sockets,
    stream,
    upstream::Transport,
};
use corten_netlink::Netns;
use hickory_proto::op::ResponseCode;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use std::{
    collections::HashMap,
    net::IpAddr,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, Weak,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

/// Datagrams read from one container before the others have their turn.
const TURN: usize = 32;
/// Longer questions than this are cut; none is.
const QUESTION_BYTES: usize = 4096;
/// Events taken at once.
const EVENTS: usize = 64;

/// What shapes the answers for one container beside the directory.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Whom to ask about the outside.
    pub servers: Vec<Upstream>,
    /// What `host.docker.internal` stands for; empty leaves the name to the servers.
    pub host_gateway: Vec<IpAddr>,
    /// The container's resolv.conf says `ndots`: single words are not passed on.
    pub ndots_set: bool,
}

/// Serves names; dropping it ends that.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    directory: RwLock<Directory>,
    // Lock: the map only.
    containers: Mutex<HashMap<u64, Arc<Container>>>,
    next: AtomicU64,
    epoll: OwnedFd,
    cache: Mutex<Cache>,
    pool: Arc<Pool>,
    wake: OwnedFd,
}

/// A container that is served.
#[derive(Debug)]
struct Container {
    id: String,
    settings: Mutex<Settings>,
    sockets: Sockets,
    netns: Arc<Netns>,
}

/// The event that ends the loop.
const WAKE: u64 = u64::MAX;

impl Server {
    /// Starts the loop, in the calling thread's namespace, which is to be the host's.
    pub fn start() -> Result<Self, DnsError> {
        let failed = |step| move |errno: rustix::io::Errno| DnsError::at(step)(errno.into());
        let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(failed("making an epoll"))?;
        let wake = rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC)
            .map_err(failed("making an eventfd"))?;
        epoll::add(&epoll, &wake, EventData::new_u64(WAKE), EventFlags::IN)
            .map_err(failed("watching an eventfd"))?;
        let shared = Arc::new(Shared {
            directory: RwLock::default(),
            containers: Mutex::default(),
            next: AtomicU64::new(0),
            epoll,
            cache: Mutex::default(),
            pool: Arc::default(),
            wake,
        });
        let own = Arc::clone(&shared);
        thread::Builder::new()
            .name("corten-dns".into())
            .stack_size(256 << 10)
            .spawn(move || own.serve())
            .map_err(DnsError::at("starting the thread for names"))?;
        Ok(Self { shared })
    }

    /// Changes the directory.
    pub fn update(&self, change: impl FnOnce(&mut Directory)) {
        let directory = self.shared.directory.write();
        change(&mut directory.unwrap_or_else(PoisonError::into_inner));
    }

    /// Serves a container from now on, with sockets inside its namespace. One that is served
    /// already gets the new settings.
    pub fn serve(&self, id: &str, netns: Netns, settings: Settings) -> Result<(), DnsError> {
        let known = self
            .shared
            .containers()
            .values()
            .find(|c| c.id == id)
            .cloned();
        if let Some(known) = known {
            *known.settings() = settings;
            return Ok(());
        }
        let container = Arc::new(Container {
            id: id.to_owned(),
            settings: Mutex::new(settings),
            sockets: Sockets::open(&netns)?,
            netns: Arc::new(netns),
        });
        // Two events a container: its datagrams, and one more, its connections.
        let number = self.shared.next.fetch_add(2, Ordering::Relaxed);
        self.shared
            .containers()
            .insert(number, Arc::clone(&container));
        let watch = |fd: BorrowedFd<'_>, number, flags| {
            epoll::add(&self.shared.epoll, fd, EventData::new_u64(number), flags)
        };
        // By edge: a lack of descriptors must not make the loop spin.
        let connections = EventFlags::IN | EventFlags::ET;
        let sockets = &container.sockets;
        let watched = watch(sockets.udp.as_fd(), number, EventFlags::IN)
            .and_then(|()| watch(sockets.tcp.as_fd(), number + 1, connections));
        watched.map_err(|errno| {
            self.shared.containers().remove(&number);
            DnsError::at("watching a container's sockets")(errno.into())
        })
    }

    /// Whether a container is served.
    pub fn serves(&self, id: &str) -> bool {
        self.shared.containers().values().any(|c| c.id == id)
    }

    /// The namespace of a container that is served.
    pub fn netns(&self, id: &str) -> Option<Arc<Netns>> {
        let containers = self.shared.containers();
        let container = containers.values().find(|c| c.id == id)?;
        Some(Arc::clone(&container.netns))
    }

    /// Serves a container no longer. Its sockets close when the questions that are under
    /// way are answered.
    pub fn stop(&self, id: &str) {
        self.shared.containers().retain(|_, container| {
            if container.id != id {
                return true;
            }
            // Closing alone would not do while a question under way holds the sockets.
            let _ = epoll::delete(&self.shared.epoll, &container.sockets.udp);
            let _ = epoll::delete(&self.shared.epoll, &container.sockets.tcp);
            false
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = rustix::io::write(&self.shared.wake, &1_u64.to_ne_bytes());
    }
}

impl Shared {
    fn containers(&self) -> MutexGuard<'_, HashMap<u64, Arc<Container>>> {
        self.containers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn directory(&self) -> RwLockReadGuard<'_, Directory> {
        self.directory
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(self: &Arc<Self>) {
        let mut events = Vec::with_capacity(EVENTS);
        let mut buffer = vec![0; QUESTION_BYTES];
        loop {
            events.clear();
            let space = rustix::buffer::spare_capacity(&mut events);
            match epoll::wait(&self.epoll, space, None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => {
                    tracing::error!(%error, "names are not served any more");
                    return;
                }
            }
            for event in &events {
                let Event { data, .. } = *event;
                let number = data.u64();
                if number == WAKE {
                    return;
                }
                let container = self.containers().get(&(number & !1)).cloned();
                let Some(container) = container else {
                    continue;
                };
                if number & 1 == 0 {
                    self.read(&container, &mut buffer);
                } else {
                    self.accept(&container);
                }
            }
        }
    }

    fn read(self: &Arc<Self>, container: &Arc<Container>, buffer: &mut [u8]) {
        for _ in 0..TURN {
            let Ok((length, client)) = container.sockets.udp.recv_from(buffer) else {
                return;
            };
            let question = &buffer[..length];
            match self.decide(container, question, true) {
                // A client that is gone misses its answer.
                Decision::Answer(answer) => drop(container.sockets.udp.send_to(&answer, client)),
                Decision::Ignore => {}
                Decision::PassOn(passed) => {
                    let (shared, own) = (Arc::downgrade(self), Arc::clone(container));
                    let bytes = question.to_vec();
                    let job = move || {
                        let asked = (&passed, bytes.as_slice());
                        let answer = pass_on_for(&shared, &own, Transport::Datagram, asked);
                        if let Some(answer) = answer {
                            drop(own.sockets.udp.send_to(&answer, client));
                        }
                    };
                    if self.pool.run(Box::new(job)).is_err()
                        && let Some(refused) = answer::failure(question, ResponseCode::Refused)
                    {
                        drop(container.sockets.udp.send_to(&refused, client));
                    }
                }
            }
        }
    }

    fn accept(self: &Arc<Self>, container: &Arc<Container>) {
        while let Ok((stream, _)) = container.sockets.tcp.accept() {
            let (shared, own) = (Arc::downgrade(self), Arc::downgrade(container));
            stream::serve(stream, move |question| {
                let (whole, own) = (shared.upgrade()?, own.upgrade()?);
                match whole.decide(&own, question, false) {
                    Decision::Answer(answer) => Some(answer),
                    Decision::Ignore => None,
                    Decision::PassOn(passed) => {
                        pass_on_for(&shared, &own, Transport::Stream, (&passed, question))
                    }
                }
            });
        }
    }

    fn decide(&self, container: &Container, question: &[u8], datagram: bool) -> Decision {
        let settings = container.settings();
        let asker = Asker {
            container: &container.id,
            host_gateway: &settings.host_gateway,
            ndots_set: settings.ndots_set,
            datagram,
        };
        answer::decide(&self.directory(), &asker, question)
    }
}

fn pass_on_for(
    shared: &Weak<Shared>,
    container: &Container,
    transport: Transport,
    asked: (&answer::Question, &[u8]),
) -> Option<Vec<u8>> {
    let shared = shared.upgrade()?;
    let external = shared.directory().is_external(&container.id);
    let settings = container.settings().clone();
    let netns = &container.netns;
    pass_on(&shared.cache, &settings, netns, external, transport, asked)
}

impl Container {
    fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
