//! Answering requests.

use crate::failure;
use crate::shim::{FIRST, Shim};
use corten_base::Id;
use corten_oci::runtime::LinuxResources;
use corten_runtime::UserText;
use corten_shim_proto::{AttachOptions, Failure, FailureStage, Reply, Request, TerminalSize};
use corten_sys::root::Root;
use rustix::io::Errno;
use rustix::process::Signal;
use std::os::fd::OwnedFd;
use std::path::Path;

const KILL: i32 = Signal::KILL.as_raw();

impl Shim {
    /// Carries a request out. `number` is the connection it came by.
    pub(crate) fn answer(
        &mut self,
        number: u32,
        request: Request,
        descriptors: Vec<OwnedFd>,
    ) -> Reply {
        let result = match request {
            Request::Start(request) => {
                return started(self.start(*request, descriptors));
            }
            Request::Exec(request) => return started(self.exec(*request, descriptors)),
            Request::State => return Reply::State(self.state()),
            Request::Subscribe => {
                if let Some(control) = self.controls.get_mut(&number) {
                    control.subscribed = true;
                }
                return Reply::Subscribed(self.state());
            }
            Request::Kill { exec, signal, all } => self.kill(exec, signal, all),
            Request::Resize { exec, size } => self.resize(exec, size),
            Request::FindUser { user } => self.find_user(&user),
            Request::Attach(options) => self.attach(options, descriptors),
            Request::Pause => self.pause(true),
            Request::Resume => self.pause(false),
            Request::Update(resources) => self.update(&resources),
            Request::Shutdown => self.shut_down(),
        };
        result.map_or_else(Reply::Failed, |()| Reply::Done)
    }

    fn kill(&mut self, exec: Option<Id>, signal: i32, all: bool) -> Result<(), Failure> {
        let ended = |errno: Option<i32>| Failure {
            errno,
            ..failure::state("the process has ended already")
        };
        if all {
            let container = self.container.as_ref().filter(|it| it.exit.is_none());
            let container = container.ok_or_else(|| ended(None))?;
            return container
                .cgroup
                .kill_all(signal)
                .map_err(|e| failure::of_cgroup(&e));
        }
        let number = self.find(exec).ok_or_else(|| match exec {
            Some(id) => Failure::new(FailureStage::NotFound, format!("no such exec: {id}")),
            None => ended(None),
        })?;
        let process = &self.processes[&number];
        // Where the container is a machine of its own, only its runtime can reach inside;
        // what must end does not wait for that.
        let external = self.container.as_ref().and_then(|it| it.external.as_ref());
        if let (FIRST, Some(external), false) = (number, external, signal == KILL) {
            return match process.kill(0) {
                Ok(()) => external.kill(signal),
                Err(error) => Err(ended(error.raw_os_error())),
            };
        }
        match process.kill(signal) {
            Err(error) if error.raw_os_error() == Some(Errno::SRCH.raw_os_error()) => {
                Err(ended(error.raw_os_error()))
            }
            Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => {
                Err(failure::request(format!("invalid signal: {signal}")))
            }
            result => result.map_err(|error| failure::of_io("sending a signal", &error)),
        }
    }

    fn find_user(&mut self, user: &str) -> Result<(), Failure> {
        let first = self.running()?.pid;
        let root = Root::open(Path::new(&format!("/proc/{first}/root")))
            .map_err(|error| failure::of_io("opening the container's root", &error))?;
        let text = UserText { user, groups: &[] };
        let found = corten_runtime::find_user(&root, text);
        found.map(drop).map_err(|error| failure::of_start(&error))
    }

    fn resize(&mut self, exec: Option<Id>, size: TerminalSize) -> Result<(), Failure> {
        let missing = || match exec {
            Some(id) => Failure::new(FailureStage::NotFound, format!("no such exec: {id}")),
            None => failure::state("the container is not running"),
        };
        let number = self.find(exec).ok_or_else(missing)?;
        let resized = self.processes[&number].resize(size);
        resized.map_err(|error| failure::of_io("resizing the terminal", &error))
    }

    fn attach(
        &mut self,
        options: AttachOptions,
        mut descriptors: Vec<OwnedFd>,
    ) -> Result<(), Failure> {
        let (Some(socket), true) = (descriptors.pop(), descriptors.is_empty()) else {
            return Err(failure::request("attach comes with one descriptor"));
        };
        let first = self
            .processes
            .get(&FIRST)
            .filter(|process| process.is_running());
        let first = first.ok_or_else(|| failure::state("the container is not running"))?;
        let terminal = first.console.is_some();
        self.add_client(FIRST, terminal, options, socket)
    }

    fn pause(&mut self, pause: bool) -> Result<(), Failure> {
        let container = self.running()?;
        let result = match (&container.external, pause) {
            (Some(external), pause) => external.pause(pause),
            (None, true) => container
                .cgroup
                .freeze()
                .map_err(|it| failure::of_cgroup(&it)),
            (None, false) => container
                .cgroup
                .thaw()
                .map_err(|it| failure::of_cgroup(&it)),
        };
        result?;
        container.paused = pause;
        Ok(())
    }

    fn update(&mut self, resources: &LinuxResources) -> Result<(), Failure> {
        let container = self.running()?;
        container
            .cgroup
            .update(resources)
            .map_err(|error| failure::of_cgroup(&error))
    }

    /// Everything ends; the loop does the rest when it sees the first process's end.
    fn shut_down(&mut self) -> Result<(), Failure> {
        self.leaving = true;
        match self.running() {
            Ok(container) => {
                let killed = container.cgroup.kill_all(Signal::KILL.as_raw());
                let thawed = if container.paused {
                    container.cgroup.thaw()
                } else {
                    Ok(())
                };
                container.paused = false;
                let first = self.processes.get(&FIRST);
                // The first process is the one that must not survive.
                let first = first.map_or(Ok(()), |first| first.kill(Signal::KILL.as_raw()));
                match (killed.and(thawed), first) {
                    (Err(error), Err(_)) => Err(failure::of_cgroup(&error)),
                    _ => Ok(()),
                }
            }
            Err(_) => Ok(()),
        }
    }

    fn running(&mut self) -> Result<&mut crate::shim::Container, Failure> {
        let running = self
            .container
            .as_mut()
            .filter(|container| container.exit.is_none());
        running.ok_or_else(|| failure::state("the container is not running"))
    }
}

fn started(result: Result<corten_shim_proto::Started, Failure>) -> Reply {
    result.map_or_else(Reply::Failed, Reply::Started)
}

/// The next descriptor that came along.
pub(crate) fn take(
    descriptors: &mut impl Iterator<Item = OwnedFd>,
    what: &str,
) -> Result<OwnedFd, Failure> {
    let missing = || failure::request(format!("the descriptor of {what} is missing"));
    descriptors.next().ok_or_else(missing)
}
