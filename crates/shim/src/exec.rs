//! Adding a process to the container.

use crate::failure;
use crate::process::{Made, Process};
use crate::request::take;
use crate::shim::Shim;
use crate::start::join;
use crate::stdio::{self, Wanted};
use corten_base::Timestamp;
use corten_runtime::{ExecTarget, Namespaces, UserText};
use corten_shim_proto::{ExecRequest, Failure, Started};
use std::os::fd::{AsFd, OwnedFd};

use crate::shim::FIRST;

/// How many exec processes run at once: each takes a handful of descriptors.
const MAX_EXECS: usize = 10_000;

impl Shim {
    pub(crate) fn exec(
        &mut self,
        request: ExecRequest,
        descriptors: Vec<OwnedFd>,
    ) -> Result<Started, Failure> {
        let mut descriptors = descriptors.into_iter();
        let stream = match request.attach {
            Some(_) => Some(take(&mut descriptors, "the client's stream")?),
            None => None,
        };
        if self.find(Some(request.id)).is_some() {
            return Err(failure::state(format!("exec {} runs already", request.id)));
        }
        if self.processes.len() > MAX_EXECS {
            return Err(failure::state(
                "too many exec processes run in this container",
            ));
        }
        let number = self.number();
        let process = self.make_exec(&request, number)?;
        let started = Started {
            pid: process.pid,
            at: Timestamp::now(),
        };
        let terminal = process.console.is_some();
        self.processes.insert(number, process);
        if let (Some(options), Some(stream)) = (request.attach, stream) {
            // It runs: a stream that cannot be watched is closed, no more.
            let _added = self.add_client(number, terminal, options, stream).is_ok();
        }
        Ok(started)
    }

    fn make_exec(&mut self, request: &ExecRequest, number: u32) -> Result<Process, Failure> {
        let not_running = || failure::state("the container is not running");
        let container = self.container.as_ref().ok_or_else(not_running)?;
        let first = self
            .processes
            .get(&FIRST)
            .filter(|first| first.is_running());
        let first = first.ok_or_else(not_running)?;
        if container.paused {
            // The new process would stop in the group, before it has said a word.
            return Err(failure::state("the container is paused"));
        }
        let attach = request.attach.as_ref();
        let wanted = Wanted {
            stdin: attach.is_some_and(|attach| attach.stdin),
            stdout: attach.is_some_and(|attach| attach.stdout),
            stderr: attach.is_some_and(|attach| attach.stderr),
        };
        let owner = stdio::owner(container.spec.linux.as_ref());
        let (stdio, ends) = stdio::make(&request.process, wanted, owner)
            .map_err(|error| failure::of_io("making the standard streams", &error))?;
        if let Some(external) = &container.external {
            let user = UserText {
                user: &request.user,
                groups: &request.groups,
            };
            let made = external.exec(first.pid, &request.process, user, stdio, ends)?;
            return self.watch_exec(request, number, made, wanted.stdin);
        }
        let handles = container
            .cgroup
            .join_handles()
            .map_err(|error| failure::of_cgroup(&error))?;
        let user = UserText {
            user: &request.user,
            groups: &request.groups,
        };
        let linux = container.spec.linux.as_ref();
        let seccomp = linux.and_then(|linux| linux.seccomp.as_ref());
        let filter = match (seccomp, container.exec_filter.get()) {
            (Some(seccomp), None) => {
                let compiled = corten_runtime::compile_filter(seccomp);
                let compiled = compiled.map_err(|error| failure::of_start(&error))?;
                Some(container.exec_filter.get_or_init(|| compiled))
            }
            (_, compiled) => compiled,
        };
        let target = ExecTarget {
            pidfd: first.pidfd.as_fd(),
            namespaces: linux.map(Namespaces::of).unwrap_or_default(),
        };
        corten_base::step("shim.exec");
        let child = corten_runtime::exec(
            target,
            corten_runtime::ExecRequest {
                process: &request.process,
                user: Some(user),
                stdio,
                seccomp: filter,
                cgroup: join(&handles),
                preserve_fds: 0,
            },
        );
        let child = child.map_err(|error| failure::of_start(&error))?;
        corten_base::step("shim.exec_runs");
        let made = Made {
            pid: child.pid,
            pidfd: child.pidfd,
            console: child.console,
            ends,
        };
        self.watch_exec(request, number, made, wanted.stdin)
    }

    fn watch_exec(
        &self,
        request: &ExecRequest,
        number: u32,
        made: Made,
        typed: bool,
    ) -> Result<Process, Failure> {
        let mut process = Process::new(&self.epoll, number, Some(request.id), made, typed)
            .map_err(|error| failure::of_io("watching the process", &error))?;
        process.ends_with_client = true;
        Ok(process)
    }
}
