//! Making a container's first process and letting it go.

use crate::channel::{Channel, Message};
use crate::hooks::{self, run_hooks};
use crate::plan::{Plan, failed, plan};
use crate::process::reap;
use crate::{CgroupJoin, CreateRequest, Stage, StartError, ids, init, limits};
use corten_oci::runtime::Status;
use corten_sys::clone::{self, Options, spawn};
use corten_sys::namespace;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// A container whose first process stands before the user's program.
///
/// Dropping it ends a process that was not started ([`crate::Gate::Parent`]); it has to
/// be reaped all the same.
#[derive(Debug)]
pub struct Created {
    /// The first process as the caller's pid namespace numbers it. It is the caller's
    /// child, who must reap it, by `waitid(P_PIDFD)`.
    pub pid: i32,
    /// Readable when the process has ended.
    pub pidfd: OwnedFd,
    /// The pseudo-terminal's master, with `Stdio::Terminal`.
    pub console: Option<OwnedFd>,
    /// The container's mount namespace. While it is held, the end of the process is
    /// told without waiting for its mounts to be taken apart; close it afterwards.
    pub mount_namespace: Option<OwnedFd>,
    channel: Channel,
}

/// A container whose first process runs the user's program.
#[derive(Debug)]
pub struct Running {
    /// As in [`Created::pid`].
    pub pid: i32,
    /// As in [`Created::pidfd`].
    pub pidfd: OwnedFd,
    /// As in [`Created::console`].
    pub console: Option<OwnedFd>,
    /// As in [`Created::mount_namespace`].
    pub mount_namespace: Option<OwnedFd>,
}

/// Flags that clone takes; the others are made by the child itself.
const BY_CLONE: u32 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWUSER) as u32;

/// Makes the namespaces, the mounts and the first process, which then waits.
///
/// Blocks for some milliseconds, longer when hooks run. After a failure nothing of the
/// container is left, and its process is reaped.
pub fn create(request: CreateRequest<'_>) -> Result<Created, StartError> {
    let mut plan = plan(request)?;
    let fail = |error: io::Error| failed(Stage::Clone, &error, "", "making the first process");
    let (parent, child) = Channel::pair().map_err(|error| fail(error.into()))?;
    let (mut parent, mut child) = (Some(parent), Some(child));
    let first = if needs_helper(&plan) {
        clone_through_helper(&mut plan, &mut parent, &mut child)?
    } else {
        clone_directly(&mut plan, &mut parent, &mut child).map_err(fail)?
    };
    drop(child);
    let parent = parent
        .take()
        .expect("only the child takes it, of its own copy");
    attend(&plan, parent, &first)
        .inspect_err(|_| {
            let _ = pidfd_send_signal(&first.pidfd, Signal::KILL);
            reap(&first.pidfd);
        })
        .map(|(channel, console)| Created {
            mount_namespace: plan.procfs.namespace(&first.pid.to_string(), "mnt").ok(),
            pid: first.pid,
            pidfd: first.pidfd,
            console,
            channel,
        })
}

/// Whether another process has to join namespaces before the first one is cloned: a pid
/// namespace takes only children, and from inside a new user namespace those of the
/// host cannot be joined any more.
pub(crate) fn needs_helper(plan: &Plan<'_>) -> bool {
    let joins = |flag: i32| plan.joins.iter().any(|join| join.flag == flag as u32);
    joins(libc::CLONE_NEWPID)
        || joins(libc::CLONE_NEWUSER)
        || (plan.has_new(libc::CLONE_NEWUSER) && !plan.joins.is_empty())
}

fn clone_directly(
    plan: &mut Plan<'_>,
    parent: &mut Option<Channel>,
    child: &mut Option<Channel>,
) -> io::Result<clone::Child> {
    let options = Options {
        namespaces: plan.new & BY_CLONE,
        cgroup: match plan.cgroup {
            CgroupJoin::CloneInto(directory) => Some(directory),
            _ => None,
        },
        sibling: false,
    };
    spawn(options, || become_first(plan, parent, child))
}

fn become_first(
    plan: &mut Plan<'_>,
    parent: &mut Option<Channel>,
    child: &mut Option<Channel>,
) -> i32 {
    drop(parent.take());
    child.as_mut().map_or(1, |channel| init::run(plan, channel))
}

fn clone_through_helper(
    plan: &mut Plan<'_>,
    parent: &mut Option<Channel>,
    child: &mut Option<Channel>,
) -> Result<clone::Child, StartError> {
    let fail = |error: io::Error| failed(Stage::Clone, &error, "", "making the first process");
    let (ours, theirs) = Channel::pair().map_err(|error| fail(error.into()))?;
    let mut theirs = Some(theirs);
    let mut ours = Some(ours);
    let cgroup = match plan.cgroup {
        CgroupJoin::CloneInto(directory) => Some(directory),
        _ => None,
    };
    let helper = spawn(
        Options {
            cgroup,
            ..Options::default()
        },
        || {
            drop(ours.take());
            let Some(answer) = theirs.take() else {
                return 1;
            };
            let result = join_all(plan).and_then(|()| {
                let options = Options {
                    namespaces: plan.new & BY_CLONE,
                    cgroup: None,
                    sibling: true,
                };
                spawn(options, || become_first(plan, parent, child)).map_err(fail)
            });
            let message = result.map_or_else(Message::Failed, |first| Message::Pid(first.pid));
            i32::from(answer.send(&message, None).is_err())
        },
    )
    .map_err(fail)?;
    drop(theirs.take());
    let answer = ours.take().map(|channel| channel.receive());
    reap(&helper.pidfd);
    match answer {
        Some(Ok(Some((Message::Pid(pid), _)))) => {
            let pidfd = Pid::from_raw(pid)
                .ok_or(rustix::io::Errno::SRCH)
                .and_then(|pid| pidfd_open(pid, PidfdFlags::empty()))
                .map_err(|error| fail(error.into()))?;
            Ok(clone::Child { pid, pidfd })
        }
        Some(Ok(Some((Message::Failed(error), _)))) => Err(error),
        _ => Err(StartError::refused(
            Stage::Died,
            "",
            "the runtime's helper died",
        )),
    }
}

/// Joins every namespace: those of the host's user namespace first, then the user
/// namespace, then what only its root may join.
fn join_all(plan: &Plan<'_>) -> Result<(), StartError> {
    let fail = |error: io::Error| failed(Stage::Namespace, &error, "", "joining a namespace");
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
        .map_err(|error| fail(error.into()))?;
    let user = libc::CLONE_NEWUSER as u32;
    let mut left = Vec::new();
    for join in plan.joins.iter().filter(|join| join.flag != user) {
        if namespace::setns(join.as_fd(), join.flag).is_err() {
            left.push(join);
        }
    }
    if let Some(join) = plan.joins.iter().find(|join| join.flag == user) {
        namespace::setns(join.as_fd(), user).map_err(fail)?;
        init::become_root().map_err(fail)?;
    }
    for join in left {
        namespace::setns(join.as_fd(), join.flag).map_err(fail)?;
    }
    Ok(())
}

/// Does the parent's part until the child is prepared.
fn attend(
    plan: &Plan<'_>,
    channel: Channel,
    first: &clone::Child,
) -> Result<(Channel, Option<OwnedFd>), StartError> {
    let fail = |error: io::Error, what| failed(Stage::Clone, &error, "", what);
    let go = || {
        channel
            .send(&Message::Go, None)
            .map_err(|error| fail(error.into(), "letting it go on"))
    };
    if plan.has_new(libc::CLONE_NEWUSER) {
        let linux = &plan.linux;
        ids::write_maps(
            &plan.procfs,
            first.pid,
            &linux.uid_mappings,
            &linux.gid_mappings,
        )
        .map_err(|error| failed(Stage::Namespace, &error, "", "writing the ID maps"))?;
        go()?;
    }
    loop {
        match channel.receive() {
            Ok(Some((Message::Hooks, _))) => {
                let state = hooks::state(
                    plan.id,
                    plan.spec,
                    plan.bundle,
                    Status::Creating,
                    Some(first.pid),
                );
                run_hooks(&plan.hooks.prestart, &state)?;
                run_hooks(&plan.hooks.create_runtime, &state)?;
                go()?;
            }
            Ok(Some((Message::Ready, console))) => {
                if plan.in_user_namespace() {
                    // Only from outside can limits be raised and scores be lowered.
                    limits::set(plan.process, Pid::from_raw(first.pid))?;
                    init::oom_score(plan, &first.pid.to_string())?;
                }
                return Ok((channel, console));
            }
            Ok(Some((Message::Failed(error), _))) => return Err(error),
            Ok(None) => return Err(died()),
            Ok(Some(_)) => {
                return Err(fail(
                    io::Error::from_raw_os_error(libc::EPROTO),
                    "listening",
                ));
            }
            Err(error) => return Err(fail(error.into(), "listening")),
        }
    }
}

fn died() -> StartError {
    StartError::refused(Stage::Died, "", "container init exited prematurely")
}

/// Says go and waits for the end of the channel, which `execve` closes.
fn release(channel: &Channel) -> Result<(), StartError> {
    let fail = |error: rustix::io::Errno| failed(Stage::Exec, &error.into(), "", "starting");
    match channel.send(&Message::Go, None) {
        Err(rustix::io::Errno::PIPE | rustix::io::Errno::CONNRESET) => return Err(died()),
        result => result.map_err(fail)?,
    }
    match channel.receive() {
        Ok(None) => Ok(()),
        Ok(Some((Message::Failed(error), _))) => Err(error),
        Ok(Some(_)) => Err(fail(rustix::io::Errno::PROTO)),
        Err(error) => Err(fail(error)),
    }
}

impl Created {
    /// Lets the process run the user's program and waits until it does. After a failure
    /// the process has ended and is reaped.
    pub fn start(self) -> Result<Running, StartError> {
        let Self {
            pid,
            pidfd,
            console,
            mount_namespace,
            channel,
        } = self;
        release(&channel).inspect_err(|_| {
            let _ = pidfd_send_signal(&pidfd, Signal::KILL);
            reap(&pidfd);
        })?;
        Ok(Running {
            pid,
            pidfd,
            console,
            mount_namespace,
        })
    }
}

/// Starts a container that was created with [`crate::Gate::Listener`] on `socket` (a
/// unix socket of the kind SOCK_SEQPACKET).
pub fn start_through(socket: &Path) -> Result<(), StartError> {
    let connect = || -> rustix::io::Result<Channel> {
        let (kind, flags) = (SocketType::SEQPACKET, SocketFlags::CLOEXEC);
        let connection = rustix::net::socket_with(AddressFamily::UNIX, kind, flags, None)?;
        rustix::net::connect(connection.as_fd(), &SocketAddrUnix::new(socket)?)?;
        Ok(Channel::new(connection))
    };
    let channel =
        connect().map_err(|error| failed(Stage::Exec, &error.into(), socket, "connecting to"))?;
    release(&channel)
}
