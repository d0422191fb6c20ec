//! Creating and starting the container.

use crate::epoll::{Interest, Token, Watched};
use crate::external::External;
use crate::log::Logs;
use crate::process::{Made, Process};
use crate::request::take;
use crate::shim::{Container, FIRST, Shim};
use crate::stdio::{self, Ends, Wanted};
use crate::turn::Turn;
use crate::{durable, failure, socket};
use corten_base::Timestamp;
use corten_cgroup::{Cgroup, JoinHandles, OomWatch};
use corten_oci::runtime::Spec;
use corten_runtime::{CgroupJoin, CreateRequest, Gate, Stdio, UserText, create};
use corten_shim_proto::{ExitRecord, Failure, StartRequest, Started, Stdin};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

impl Shim {
    pub(crate) fn start(
        &mut self,
        request: StartRequest,
        descriptors: Vec<OwnedFd>,
    ) -> Result<Started, Failure> {
        if self.container.is_some() {
            return Err(failure::state("this shim has a container already"));
        }
        let mut descriptors = descriptors.into_iter();
        let netns = match request.netns {
            true => Some(take(&mut descriptors, "the network namespace")?),
            false => None,
        };
        let events = match request.events {
            true => Some(take(&mut descriptors, "the subscriber")?),
            false => None,
        };
        let mut streams = Vec::new();
        for _ in &request.attach {
            streams.push(take(&mut descriptors, "a client's stream")?);
        }
        let process = request.spec.process.as_ref();
        let process =
            process.ok_or_else(|| failure::request("the specification has no process"))?;
        let terminal = process.terminal;

        corten_base::step("shim.begin");
        let removed = durable::remove(&request.directory, ExitRecord::FILE_NAME);
        removed.map_err(|error| failure::of_io("removing an old exit record", &error))?;
        corten_base::step("shim.log");
        let log = Logs::open(&request.log, &self.epoll)?;
        corten_base::step("shim.listen");
        let (listener, place) = socket::listen(&request.socket)
            .map_err(|error| failure::of_io("listening for the engine", &error))?;
        let mut listener = Watched::as_it_is(&self.epoll, listener, Token::Listener);
        let watched = listener.want(Interest::READ);
        watched.map_err(|error| failure::of_io("listening for the engine", &error))?;

        let turn = Turn::take(&request.directory)
            .map_err(|error| failure::of_io("waiting for the run before", &error))?;
        let New {
            process,
            cgroup,
            mount_namespace,
            external,
        } = match request.runtime {
            None => self.by_own_runtime(&request, netns.as_ref())?,
            Some(_) => self.by_external_runtime(&request, netns.as_ref())?,
        };
        let started = Started {
            pid: process.pid,
            at: Timestamp::now(),
        };
        corten_base::step("shim.runs");
        let oom = watch_oom(self, &cgroup);
        self.listener = Some((listener, place));
        self.container = Some(Container {
            id: request.id,
            spec: what_stays(request.spec),
            directory: request.directory,
            started_at: started.at,
            pid: process.pid,
            cgroup,
            oom,
            oom_seen: false,
            log,
            mount_namespace,
            turn: Some(turn),
            external,
            paused: false,
            exec_filter: std::cell::OnceCell::new(),
            exit: None,
            unrecorded: false,
        });
        self.processes.insert(FIRST, process);
        // The container runs: a connection that cannot be watched is closed, no more.
        if let Some(number) = events.and_then(|events| self.add_control(events).ok())
            && let Some(control) = self.controls.get_mut(&number)
        {
            control.subscribed = true;
        }
        for (options, socket) in request.attach.into_iter().zip(streams) {
            let _added = self.add_client(FIRST, terminal, options, socket).is_ok();
        }
        Ok(started)
    }

    /// The container as the runtime library makes it.
    fn by_own_runtime(
        &self,
        request: &StartRequest,
        netns: Option<&OwnedFd>,
    ) -> Result<New, Failure> {
        corten_base::step("shim.group");
        let cgroup = make_cgroup(request)?;
        corten_base::step("shim.make");
        let made = self.create_and_start(request, &cgroup, netns);
        let (made, mount_namespace) = made.inspect_err(|_| {
            // The failure that matters is the first.
            let _removed = cgroup.delete().is_ok();
        })?;
        Ok(New {
            process: self.first(request, made)?,
            cgroup,
            mount_namespace,
            external: None,
        })
    }

    /// The container as another runtime makes it, its control group included.
    fn by_external_runtime(
        &self,
        request: &StartRequest,
        netns: Option<&OwnedFd>,
    ) -> Result<New, Failure> {
        let (stdio, ends) = streams(request)?;
        let (external, made) = External::create(request, stdio, ends, netns)?;
        let finish = || -> Result<(Process, Cgroup), Failure> {
            let cgroup = Cgroup::open(&cgroup_path(request));
            let cgroup = cgroup.map_err(|error| failure::of_cgroup(&error))?;
            Ok((self.first(request, made)?, cgroup))
        };
        match finish() {
            Ok((process, cgroup)) => Ok(New {
                process,
                cgroup,
                mount_namespace: None,
                external: Some(external),
            }),
            Err(error) => {
                external.delete();
                Err(error)
            }
        }
    }

    fn create_and_start(
        &self,
        request: &StartRequest,
        cgroup: &Cgroup,
        netns: Option<&OwnedFd>,
    ) -> Result<(Made, Option<OwnedFd>), Failure> {
        let (stdio, ends) = streams(request)?;
        let handles = cgroup
            .join_handles()
            .map_err(|error| failure::of_cgroup(&error))?;
        let user = UserText {
            user: &request.user,
            groups: &request.groups,
        };
        let root = request.spec.root.as_ref();
        corten_base::step("shim.create");
        let created = create(CreateRequest {
            id: &request.id.to_string(),
            spec: &request.spec,
            bundle: &request.directory,
            root: &request.root,
            root_readonly: root.is_some_and(|root| root.readonly),
            root_id_mapped: request.id_mapped,
            stdio,
            netns: netns.map(AsFd::as_fd),
            cgroup: join(&handles),
            seccomp: None,
            user: Some(user),
            gate: Gate::Parent,
            preserve_fds: 0,
        });
        corten_base::step("shim.start");
        let running = created.and_then(corten_runtime::Created::start);
        let running = running.map_err(|error| failure::of_start(&error))?;
        let made = Made {
            pid: running.pid,
            pidfd: running.pidfd,
            console: running.console,
            ends,
        };
        Ok((made, running.mount_namespace))
    }

    /// Watches the first process.
    fn first(&self, request: &StartRequest, made: Made) -> Result<Process, Failure> {
        let typed = request.stdin != Stdin::Closed;
        let mut process = Process::new(&self.epoll, FIRST, None, made, typed)
            .map_err(|error| failure::of_io("watching the process", &error))?;
        process.ends_with_client = request.stdin == Stdin::Once;
        Ok(process)
    }
}

/// A container that was just made.
struct New {
    process: Process,
    cgroup: Cgroup,
    mount_namespace: Option<OwnedFd>,
    external: Option<External>,
}

/// The first process's streams, and the ends kept here.
fn streams(request: &StartRequest) -> Result<(Stdio, Ends), Failure> {
    let process = request.spec.process.as_ref();
    let process = process.ok_or_else(|| failure::request("the specification has no process"))?;
    let wanted = Wanted {
        stdin: request.stdin != Stdin::Closed,
        stdout: true,
        stderr: true,
    };
    stdio::make(process, wanted, stdio::owner(request.spec.linux.as_ref()))
        .map_err(|error| failure::of_io("making the standard streams", &error))
}

/// The parts of a specification that execs and the end need. The environment, which may
/// hold secrets, is not among them.
fn what_stays(mut spec: Spec) -> Spec {
    spec.process = None;
    spec.mounts = Vec::new();
    if let Some(linux) = &mut spec.linux {
        linux.resources = None;
        linux.masked_paths = Vec::new();
        linux.readonly_paths = Vec::new();
    }
    spec
}

/// What the runtime is told of the group.
pub(crate) fn join(handles: &JoinHandles) -> CgroupJoin<'_> {
    match handles {
        JoinHandles::Write(files) => CgroupJoin::Write(files),
        JoinHandles::CloneInto(directory) => CgroupJoin::CloneInto(directory.as_fd()),
    }
}

/// Where the container's group is; an external runtime is told, too.
pub(crate) fn cgroup_path(request: &StartRequest) -> PathBuf {
    let linux = request.spec.linux.as_ref();
    let path = linux.map(|linux| Path::new(&linux.cgroups_path));
    match path {
        Some(path) if path.is_absolute() => path.to_owned(),
        // OCI runtime-spec 1.2, config-linux § Cgroups Path: relative to a place of the
        // runtime's choice.
        Some(path) if !path.as_os_str().is_empty() => Path::new("/corten").join(path),
        _ => PathBuf::from(format!("/corten/{}", request.id)),
    }
}

fn make_cgroup(request: &StartRequest) -> Result<Cgroup, Failure> {
    let path = cgroup_path(request);
    let linux = request.spec.linux.as_ref();
    let resources = linux
        .and_then(|linux| linux.resources.clone())
        .unwrap_or_default();
    Cgroup::create(&path, &resources).map_err(|error| failure::of_cgroup(&error))
}

/// Without a watch the exit still says whether memory was short.
fn watch_oom(shim: &Shim, cgroup: &Cgroup) -> Option<(Watched, OomWatch)> {
    let watch = cgroup.oom_watch().ok().flatten()?;
    let descriptor = watch.as_fd().try_clone_to_owned().ok()?;
    let mut watched = Watched::as_it_is(&shim.epoll, descriptor, Token::Oom);
    watched.want(Interest::READ).ok()?;
    Some((watched, watch))
}
