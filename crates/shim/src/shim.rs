//! Everything a shim holds.

use crate::client::Client;
use crate::control::Control;
use crate::epoll::{Epoll, Interest, Token, Watched};
use crate::external::External;
use crate::log::Logs;
use crate::process::Process;
use crate::socket::Place;
use crate::turn::Turn;
use corten_base::{Id, Timestamp};
use corten_cgroup::{Cgroup, OomWatch};
use corten_oci::runtime::Spec;
use corten_shim_proto::{Event, ExecState, Exit, PROTOCOL_VERSION, State, Status};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

/// The first process's number; execs count on from there.
pub(crate) const FIRST: u32 = 0;

/// How many control connections there may be: the engine has a few, and nobody else
/// shall use up the shim's descriptors.
pub(crate) const MAX_CONTROLS: usize = 64;

/// The one container, once it was started.
pub(crate) struct Container {
    pub(crate) id: Id,
    pub(crate) spec: Spec,
    pub(crate) directory: PathBuf,
    pub(crate) started_at: Timestamp,
    pub(crate) pid: u32,
    pub(crate) cgroup: Cgroup,
    pub(crate) oom: Option<(Watched, OomWatch)>,
    pub(crate) oom_seen: bool,
    pub(crate) log: Logs,
    /// Held until the exit is told: taking the mounts apart takes time.
    pub(crate) mount_namespace: Option<OwnedFd>,
    /// Until what the run leaves behind is removed.
    pub(crate) turn: Option<Turn>,
    /// The runtime that made it, where that was not our own.
    pub(crate) external: Option<External>,
    pub(crate) paused: bool,
    /// The system call filter, compiled for the first exec and kept for the others.
    pub(crate) exec_filter: std::cell::OnceCell<corten_sys::seccomp::Filter>,
    /// How it ended; told already.
    pub(crate) exit: Option<Exit>,
    /// The record could not be written yet.
    pub(crate) unrecorded: bool,
}

/// The shim.
pub(crate) struct Shim {
    pub(crate) epoll: Epoll,
    pub(crate) listener: Option<(Watched, Place)>,
    pub(crate) controls: BTreeMap<u32, Control>,
    pub(crate) clients: BTreeMap<u32, Client>,
    pub(crate) processes: BTreeMap<u32, Process>,
    pub(crate) container: Option<Container>,
    /// The next number of a connection, a client or an exec.
    next: u32,
    /// What is read is read here; one for all.
    pub(crate) buffer: Vec<u8>,
    /// What only the start needed has been given back.
    pub(crate) settled: bool,
    /// Somebody asked it to go away.
    pub(crate) leaving: bool,
}

impl Shim {
    pub(crate) fn new(control: OwnedFd) -> io::Result<Self> {
        let mut shim = Self {
            epoll: Epoll::new()?,
            listener: None,
            controls: BTreeMap::new(),
            clients: BTreeMap::new(),
            processes: BTreeMap::new(),
            container: None,
            next: FIRST + 1,
            buffer: Vec::new(),
            settled: false,
            leaving: false,
        };
        shim.add_control(control)?;
        Ok(shim)
    }

    pub(crate) fn number(&mut self) -> u32 {
        let number = self.next;
        self.next += 1;
        number
    }

    pub(crate) fn add_control(&mut self, socket: OwnedFd) -> io::Result<u32> {
        let number = self.number();
        let mut socket = Watched::new(&self.epoll, socket, Token::Control(number))?;
        socket.want(Interest::READ)?;
        self.controls.insert(number, Control::new(socket));
        Ok(number)
    }

    pub(crate) fn state(&self) -> State {
        let mut state = State {
            protocol: PROTOCOL_VERSION,
            id: None,
            status: Status::Empty,
            pid: None,
            started_at: Timestamp::ZERO,
            exit: None,
            oom: false,
            execs: Vec::new(),
        };
        if let Some(container) = &self.container {
            state.id = Some(container.id);
            state.status = match (&container.exit, container.paused) {
                (Some(_), _) => Status::Stopped,
                (None, true) => Status::Paused,
                (None, false) => Status::Running,
            };
            state.pid = container.exit.is_none().then_some(container.pid);
            state.started_at = container.started_at;
            state.exit = container.exit.clone();
            state.oom = container.oom_seen;
        }
        let running = self
            .processes
            .values()
            .filter(|process| process.is_running());
        state.execs = running
            .filter_map(|process| {
                Some(ExecState {
                    id: process.exec?,
                    pid: process.pid,
                })
            })
            .collect();
        state
    }

    /// Tells every subscriber.
    pub(crate) fn tell(&mut self, event: &Event) {
        self.controls
            .retain(|_, control| !control.subscribed || control.push(event));
    }

    /// The process with that exec ID, or the first one.
    pub(crate) fn find(&self, exec: Option<Id>) -> Option<u32> {
        let mut all = self.processes.iter();
        all.find(|(_, process)| process.exec == exec)
            .map(|(&number, _)| number)
    }

    /// Whether nothing is left to do.
    pub(crate) fn is_over(&self) -> bool {
        let told = match &self.container {
            Some(container) => {
                container.exit.is_some() && !container.unrecorded && container.log.is_over()
            }
            // Nobody can ask for anything any more, or wants to.
            None => self.leaving || self.controls.is_empty(),
        };
        told && self.processes.is_empty()
            && self.clients.is_empty()
            && self.controls.values().all(Control::is_idle)
    }
}
