//! Adding a process to a running container.

use crate::channel::{Channel, Message};
use crate::init::{join_cgroup, set_oom_score};
use crate::last_steps;
use crate::plan::failed;
use crate::process::reap;
use crate::program::Program;
use crate::{CgroupJoin, ExecRequest, ExecTarget, Stage, StartError, Stdio, limits};
use corten_oci::runtime::Process;
use corten_sys::clone::{self, Options, spawn};
use corten_sys::namespace;
use corten_sys::procfs::Procfs;
use corten_sys::root::Root;
use corten_sys::task;
use rustix::process::{DumpableBehavior, Pid, PidfdFlags, pidfd_open};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// A process that runs the user's program beside the container's first one.
#[derive(Debug)]
pub struct Child {
    /// As the caller's pid namespace numbers it; the caller's child, who must reap it.
    pub pid: i32,
    /// Readable when the process has ended.
    pub pidfd: OwnedFd,
    /// The pseudo-terminal's master, with `Stdio::Terminal`.
    pub console: Option<OwnedFd>,
}

const CGROUP: u32 = libc::CLONE_NEWCGROUP as u32;

/// What the new process needs.
struct Entry<'a> {
    target: ExecTarget<'a>,
    program: Program<'a>,
    request: &'a ExecRequest<'a>,
    procfs: Procfs,
}

impl Entry<'_> {
    fn has(&self, flag: i32) -> bool {
        self.target.namespaces.0 & flag as u32 != 0
    }

    /// Whether only the process itself joins the cgroup and not the helper before it,
    /// so that a limit of tasks need not have room for two. From inside a user
    /// namespace the host's cgroup cannot be cloned into, so there the helper is.
    fn joins_late(&self) -> bool {
        self.has(libc::CLONE_NEWPID) && !self.has(libc::CLONE_NEWUSER)
    }

    /// The v2 cgroup that a process is to be born in.
    fn birthplace(&self) -> Option<BorrowedFd<'_>> {
        match self.request.cgroup {
            CgroupJoin::CloneInto(directory) => Some(directory),
            _ => None,
        }
    }

    /// Limits can be raised and scores be lowered only from outside a user namespace.
    fn needs_parent(&self) -> bool {
        let process = self.request.process;
        self.has(libc::CLONE_NEWUSER)
            && (!process.rlimits.is_empty() || process.oom_score_adj.is_some())
    }
}

/// Runs a process in the container and waits until its `execve` has succeeded. After a
/// failure there is no process left.
pub fn exec(target: ExecTarget<'_>, mut request: ExecRequest<'_>) -> Result<Child, StartError> {
    let fail = |error: io::Error| failed(Stage::Clone, &error, "", "making the process");
    check(request.process, &request.stdio)?;
    request.stdio = last_steps::complete(request.stdio)?;
    let program = Program::new(request.process, request.user, request.preserve_fds)?;
    let procfs =
        Procfs::host().map_err(|error| failed(Stage::Namespace, &error, "/proc", "opening"))?;
    let entry = Entry {
        target,
        program,
        request: &request,
        procfs,
    };
    let (parent, child) = Channel::pair().map_err(|error| fail(error.into()))?;
    let (mut parent, mut child) = (Some(parent), Some(child));
    let cgroup = entry.birthplace().filter(|_| !entry.joins_late());
    let first = spawn(
        Options {
            cgroup,
            ..Options::default()
        },
        || {
            drop(parent.take());
            child.take().map_or(1, |channel| enter(&entry, &channel))
        },
    )
    .map_err(fail)?;
    drop(child.take());
    let channel = parent
        .take()
        .expect("only the child takes it, of its own copy");
    attend(&entry, &channel, first)
}

fn check(process: &Process, stdio: &Stdio) -> Result<(), StartError> {
    let refused = |sentence| Err(StartError::refused(Stage::Spec, "", sentence));
    if process.terminal != matches!(stdio, Stdio::Terminal { .. }) {
        return refused("process.terminal and the given standard streams disagree");
    }
    if !process.cwd.is_absolute() {
        return refused("Cwd must be an absolute path");
    }
    if !process.selinux_label.is_empty() {
        return refused("process.selinuxLabel needs SELinux, which is not supported");
    }
    Ok(())
}

/// In the child: joins the container. Its pid namespace takes children only, so another
/// clone follows, whose parent is the caller as well.
fn enter(entry: &Entry<'_>, channel: &Channel) -> i32 {
    let fail = |error: io::Error| failed(Stage::Namespace, &error, "", "joining the container");
    let joined = || -> Result<(), StartError> {
        // CVE-2016-9962: from here on processes of the container can see this one, but
        // neither trace it nor reach its descriptors.
        rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
            .map_err(|error| fail(error.into()))?;
        if !entry.joins_late() {
            join_cgroup(&entry.request.cgroup)?;
        }
        if let (Some(score), false) = (
            entry.request.process.oom_score_adj,
            entry.has(libc::CLONE_NEWUSER),
        ) {
            set_oom_score(&entry.procfs, "self", score)?;
        }
        // In its cgroup namespace the group could not be seen to be cloned into.
        let late = if entry.joins_late() { CGROUP } else { 0 };
        namespace::setns(entry.target.pidfd, entry.target.namespaces.0 & !late).map_err(fail)
    };
    if let Err(error) = joined() {
        return tell(channel, error);
    }
    if !entry.has(libc::CLONE_NEWPID) {
        return run(entry, channel);
    }
    let options = Options {
        sibling: true,
        cgroup: entry.birthplace().filter(|_| entry.joins_late()),
        ..Options::default()
    };
    match spawn(options, || run(entry, channel)) {
        Ok(child) => i32::from(channel.send(&Message::Pid(child.pid), None).is_err()),
        Err(error) => tell(
            channel,
            failed(Stage::Clone, &error, "", "making the process"),
        ),
    }
}

fn tell(channel: &Channel, error: StartError) -> i32 {
    let _ = channel.send(&Message::Failed(error), None);
    1
}

/// In the container: becomes the program.
fn run(entry: &Entry<'_>, channel: &Channel) -> i32 {
    let prepared = || -> Result<_, StartError> {
        if entry.joins_late() {
            join_cgroup(&entry.request.cgroup)?;
            if entry.target.namespaces.0 & CGROUP != 0 {
                namespace::setns(entry.target.pidfd, CGROUP).map_err(|error| {
                    failed(Stage::Namespace, &error, "", "joining the container")
                })?;
            }
        }
        if entry.has(libc::CLONE_NEWUSER) {
            crate::init::become_root()
                .map_err(|error| failed(Stage::Namespace, &error, "", "becoming its root"))?;
        }
        rustix::process::setsid()
            .map_err(|error| failed(Stage::Clone, &error.into(), "", "setsid"))?;
        // Not the caller's keys, see keyrings(7).
        match task::new_session_keyring() {
            Err(error) if error.raw_os_error() != Some(libc::ENOSYS) => {
                return Err(failed(
                    Stage::Privilege,
                    &error,
                    "",
                    "making a session keyring",
                ));
            }
            _ => {}
        }
        let root = Root::open(Path::new("/"))
            .map_err(|error| failed(Stage::Root, &error, "/", "opening"))?;
        let console = last_steps::open_terminal(&root, &entry.request.stdio)?;
        let slave = console.as_ref().map(|console| &console.slave);
        last_steps::place_stdio(&entry.request.stdio, slave)?;
        let waiting = last_steps::prepare(&entry.program, &root, &entry.procfs)?;
        if console.is_some() || entry.needs_parent() {
            let master = console.as_ref().map(|console| console.master.as_fd());
            let sent = channel.send(&Message::Ready, master);
            if sent.is_err() || !channel.wait_for_go() {
                return Err(StartError::refused(
                    Stage::Died,
                    "",
                    "the runtime went away",
                ));
            }
        }
        Ok(waiting)
    };
    match prepared() {
        Ok(waiting) => {
            let own_limits = !entry.has(libc::CLONE_NEWUSER);
            waiting.go(entry.request.seccomp, own_limits, channel)
        }
        Err(error) => tell(channel, error),
    }
}

/// The parent's part: learns the pid, hears of a failure, or of the end of the channel,
/// which `execve` closes.
fn attend(entry: &Entry<'_>, channel: &Channel, first: clone::Child) -> Result<Child, StartError> {
    let helper = entry.has(libc::CLONE_NEWPID);
    let listening = |error: rustix::io::Errno| failed(Stage::Clone, &error.into(), "", "listening");
    let (mut pid, mut ready, mut console, mut failure) = (None, false, None, None);
    loop {
        match channel.receive() {
            Ok(None) => break,
            Ok(Some((Message::Pid(number), _))) => pid = Some(number),
            Ok(Some((Message::Ready, file))) => (ready, console) = (true, file),
            Ok(Some((Message::Failed(error), _))) => failure = Some(error),
            Ok(Some(_)) => failure = Some(listening(rustix::io::Errno::PROTO)),
            Err(error) => failure = Some(listening(error)),
        }
        if failure.is_some() && (pid.is_some() || !helper) {
            break;
        }
        if ready && (pid.is_some() || !helper) {
            ready = false;
            if let Err(error) = from_outside(entry, pid.unwrap_or(first.pid)) {
                failure = Some(error);
                // The process sees the end of the channel and ends.
                break;
            }
            let _ = channel.send(&Message::Go, None);
        }
    }
    let child = if helper {
        reap(&first.pidfd);
        pid.and_then(|pid| {
            let pidfd = pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()?;
            Some(clone::Child { pid, pidfd })
        })
    } else {
        Some(first)
    };
    match (failure, child) {
        (None, Some(clone::Child { pid, pidfd })) => Ok(Child {
            pid,
            pidfd,
            console,
        }),
        (failure, child) => {
            if let Some(child) = child {
                let _ =
                    rustix::process::pidfd_send_signal(&child.pidfd, rustix::process::Signal::KILL);
                reap(&child.pidfd);
            }
            let died = || StartError::refused(Stage::Died, "", "the process died");
            Err(failure.unwrap_or_else(died))
        }
    }
}

fn from_outside(entry: &Entry<'_>, pid: i32) -> Result<(), StartError> {
    if !entry.needs_parent() {
        return Ok(());
    }
    limits::set(entry.request.process, Pid::from_raw(pid))?;
    match entry.request.process.oom_score_adj {
        Some(score) => set_oom_score(&entry.procfs, &pid.to_string(), score),
        None => Ok(()),
    }
}
