//! The first process: from the clone to the user's program. It runs in the child, one
//! straight line whose order matters.

use crate::channel::{Channel, Message};
use crate::hooks::{self, run_hooks};
use crate::last_steps::{self, Waiting};
use crate::plan::{Plan, failed};
use crate::{CgroupJoin, Gate, Stage, StartError, devices, masks, mounts, sysctl};
use corten_oci::runtime::Status;
use corten_sys::mount::{self, Attributes, RDONLY};
use corten_sys::namespace::{self, NEWTIME};
use corten_sys::root::Root;
use corten_sys::task;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::UnmountFlags;
use rustix::net::SocketFlags;
use rustix::process::DumpableBehavior;
use std::ffi::CString;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

/// Runs in the child until the user's program takes over; returns its exit status when
/// that never happens.
pub(crate) fn run(plan: &mut Plan<'_>, channel: &mut Channel) -> i32 {
    let fail = |channel: &Channel, error| {
        let _ = channel.send(&Message::Failed(error), None);
        1
    };
    let waiting = match prepare(plan, channel) {
        Ok(waiting) => waiting,
        Err(error) => return fail(channel, error),
    };
    // Nobody may be left who could start it.
    let Some(answer) = wait_for_start(plan, channel) else {
        return 1;
    };
    *channel = answer;
    if let Err(error) = run_start_hooks(plan) {
        return fail(channel, error);
    }
    waiting.go(plan.filter.as_deref(), !plan.in_user_namespace(), channel)
}

fn prepare<'a>(plan: &'a Plan<'a>, channel: &Channel) -> Result<Waiting<'a>, StartError> {
    let fail = |error: io::Error, stage, what: &str| failed(stage, &error, "", what);
    if plan.has_new(libc::CLONE_NEWUSER) && !channel.wait_for_go() {
        return Err(StartError::refused(
            Stage::Died,
            "",
            "the runtime went away",
        ));
    }
    if plan.in_user_namespace() {
        become_root().map_err(|error| fail(error, Stage::Namespace, "becoming its root"))?;
    }
    rustix::process::setsid().map_err(|error| fail(error.into(), Stage::Clone, "setsid"))?;
    join_keyring(plan.id)?;
    join_cgroup(&plan.cgroup)?;
    enter_namespaces(plan)?;
    if !plan.in_user_namespace() {
        oom_score(plan, "self")?;
    }
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|error| fail(error.into(), Stage::Clone, "hiding from other processes"))?;
    name_host(plan)?;
    sysctl::write(plan)?;
    rustix::process::umask(Mode::empty());
    let root = attach_root(plan)?;
    run_outer_hooks(plan, channel)?;
    rustix::process::umask(Mode::from_raw_mode(0o022));
    mounts::make(plan, &root)?;
    rustix::process::umask(Mode::empty());
    devices::make(plan, &root)?;
    let console = last_steps::open_terminal(&root, &plan.stdio)?;
    if let Some(console) = &console {
        crate::console::bind(&root, console.slave.as_fd()).map_err(|error| {
            failed(
                Stage::Console,
                &error,
                "/dev/console",
                "binding the terminal to",
            )
        })?;
    }
    make_directory(&root, &plan.process.cwd)?;
    masks::apply(plan, &root)?;
    let state = || hooks::state(plan.id, plan.spec, plan.bundle, Status::Creating, own_pid());
    if !plan.hooks.create_container.is_empty() {
        run_hooks(&plan.hooks.create_container, &state())?;
    }
    seal_root(plan, &root)?;
    pivot(&root).map_err(|error| fail(error, Stage::PivotRoot, "entering the root"))?;
    let slave = console.as_ref().map(|console| &console.slave);
    last_steps::place_stdio(&plan.stdio, slave)?;
    personality(plan)?;
    let waiting = last_steps::prepare(&plan.program, &root, &plan.procfs)?;
    let master = console.as_ref().map(|console| console.master.as_fd());
    channel
        .send(&Message::Ready, master)
        .map_err(|error| fail(error.into(), Stage::Clone, "answering"))?;
    Ok(waiting)
}

/// Blocks until the start. The answer goes over what comes back.
fn wait_for_start(plan: &Plan<'_>, channel: &Channel) -> Option<Channel> {
    match &plan.gate {
        Gate::Parent => {
            let answer = rustix::io::fcntl_dupfd_cloexec(channel, 3).ok()?;
            channel.wait_for_go().then(|| Channel::new(answer))
        }
        Gate::Listener(listener) => loop {
            let accept = || rustix::net::accept_with(listener, SocketFlags::CLOEXEC);
            let connection = Channel::new(rustix::io::retry_on_intr(accept).ok()?);
            if connection.wait_for_go() {
                return Some(connection);
            }
        },
    }
}

fn run_start_hooks(plan: &Plan<'_>) -> Result<(), StartError> {
    if plan.hooks.start_container.is_empty() {
        return Ok(());
    }
    let state = hooks::state(plan.id, plan.spec, plan.bundle, Status::Created, own_pid());
    run_hooks(&plan.hooks.start_container, &state)
}

/// As the container's own `/proc` says it.
fn own_pid() -> Option<i32> {
    Some(rustix::process::getpid().as_raw_nonzero().get())
}

pub(crate) fn become_root() -> io::Result<()> {
    use rustix::thread::{Gid, Uid, set_thread_res_gid, set_thread_res_uid};
    let (uid, gid) = (Uid::from_raw(0), Gid::from_raw(0));
    set_thread_res_gid(gid, gid, gid)?;
    Ok(set_thread_res_uid(uid, uid, uid)?)
}

/// A session keyring of the container's own.
pub(crate) fn join_keyring(id: &str) -> Result<(), StartError> {
    let name = CString::new(format!("_ses.{id}")).unwrap_or_default();
    match task::join_session_keyring(&name) {
        Err(error) if error.raw_os_error() != Some(libc::ENOSYS) => Err(failed(
            Stage::Privilege,
            &error,
            "",
            "making a session keyring",
        )),
        _ => Ok(()),
    }
}

/// `0` means the writer itself: alone in its process, it moves without waiting for a
/// grace period of the kernel.
pub(crate) fn join_cgroup(join: &CgroupJoin<'_>) -> Result<(), StartError> {
    let CgroupJoin::Write(files) = join else {
        return Ok(());
    };
    for file in *files {
        rustix::io::write(file, b"0")
            .map_err(|error| failed(Stage::Cgroup, &error.into(), "", "joining the cgroup"))?;
    }
    Ok(())
}

/// Namespaces to join here, and those that can be made only after the clone.
fn enter_namespaces(plan: &Plan<'_>) -> Result<(), StartError> {
    let fail = |error: io::Error, what: &str| failed(Stage::Namespace, &error, "", what);
    if !crate::create::needs_helper(plan) {
        for join in &plan.joins {
            namespace::setns(join.as_fd(), join.flag)
                .map_err(|error| fail(error, "joining a namespace"))?;
        }
    }
    let late = plan.new & (libc::CLONE_NEWCGROUP as u32 | NEWTIME);
    if late != 0 {
        namespace::unshare(late).map_err(|error| fail(error, "making a namespace"))?;
    }
    if plan.new & NEWTIME != 0 {
        enter_time(plan).map_err(|error| fail(error, "setting the clocks' offsets"))?;
    }
    if plan.has_new(libc::CLONE_NEWNET) {
        namespace::loopback_up().map_err(|error| fail(error, "setting lo up"))?;
    }
    Ok(())
}

/// Offsets are written before anybody is in the namespace; then this process goes in.
fn enter_time(plan: &Plan<'_>) -> io::Result<()> {
    let mut text = String::new();
    for (clock, offset) in &plan.linux.time_offsets {
        text += &format!("{clock} {} {}\n", offset.secs, offset.nanosecs);
    }
    if !text.is_empty() {
        plan.procfs.write("self/timens_offsets", text.as_bytes())?;
    }
    let made = plan.procfs.namespace("self", "time_for_children")?;
    namespace::setns(made.as_fd(), NEWTIME)
}

pub(crate) fn oom_score(plan: &Plan<'_>, pid: &str) -> Result<(), StartError> {
    let Some(score) = plan.process.oom_score_adj else {
        return Ok(());
    };
    set_oom_score(&plan.procfs, pid, score)
}

/// # Errors
/// EACCES for a score below the caller's without CAP_SYS_RESOURCE.
pub(crate) fn set_oom_score(
    procfs: &corten_sys::procfs::Procfs,
    pid: &str,
    score: i32,
) -> Result<(), StartError> {
    let path = format!("{pid}/oom_score_adj");
    procfs
        .write(&path, score.to_string().as_bytes())
        .map_err(|error| {
            failed(
                Stage::Privilege,
                &error,
                score.to_string(),
                "setting the OOM score to",
            )
        })
}

fn name_host(plan: &Plan<'_>) -> Result<(), StartError> {
    let fail = |error: Errno, name: &str| failed(Stage::Hostname, &error.into(), "", name);
    let (host, domain) = (&plan.spec.hostname, &plan.spec.domainname);
    if !host.is_empty() {
        rustix::system::sethostname(host.as_bytes()).map_err(|error| fail(error, "sethostname"))?;
    }
    if !domain.is_empty() {
        rustix::system::setdomainname(domain.as_bytes())
            .map_err(|error| fail(error, "setdomainname"))?;
    }
    Ok(())
}

/// Cuts the copy of the host's mounts off from the host and puts the root over it.
fn attach_root(plan: &Plan<'_>) -> Result<Root, StartError> {
    let attach = || -> io::Result<Root> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let host = rustix::fs::open("/", flags, Mode::empty())?;
        let propagation = libc::MS_SLAVE;
        let change = Attributes {
            propagation,
            recursive: true,
            ..Default::default()
        };
        mount::set_attributes(host.as_fd(), change)?;
        let change = Attributes {
            propagation: libc::MS_PRIVATE,
            ..Default::default()
        };
        mount::set_attributes(host.as_fd(), change)?;
        mount::attach(plan.root.as_fd(), host.as_fd())?;
        Ok(Root::new(rustix::io::fcntl_dupfd_cloexec(&plan.root, 3)?))
    };
    attach().map_err(|error| failed(Stage::Root, &error, "", "attaching the root file system"))
}

/// prestart and createRuntime run in the runtime's namespaces, by the parent.
fn run_outer_hooks(plan: &Plan<'_>, channel: &Channel) -> Result<(), StartError> {
    if plan.hooks.prestart.is_empty() && plan.hooks.create_runtime.is_empty() {
        return Ok(());
    }
    let sent = channel.send(&Message::Hooks, None);
    if sent.is_err() || !channel.wait_for_go() {
        return Err(StartError::refused(
            Stage::Hook,
            "",
            "the runtime went away",
        ));
    }
    Ok(())
}

fn make_directory(root: &Root, path: &Path) -> Result<(), StartError> {
    root.create_directories(path, Mode::from_raw_mode(0o755))
        .map(|_| ())
        .map_err(|error| failed(Stage::WorkingDirectory, &error, path, ""))
}

/// Read-only and propagation of `/` itself, after everything that is made in it.
fn seal_root(plan: &Plan<'_>, root: &Root) -> Result<(), StartError> {
    let fail = |error: io::Error| failed(Stage::Root, &error, "/", "changing");
    if plan.root_readonly {
        let change = Attributes {
            set: RDONLY,
            ..Default::default()
        };
        mount::set_attributes(root.as_fd(), change).map_err(fail)?;
    }
    if let Some((propagation, recursive)) =
        crate::options::propagation(&plan.linux.rootfs_propagation)
    {
        let change = Attributes {
            propagation,
            recursive,
            ..Default::default()
        };
        mount::set_attributes(root.as_fd(), change).map_err(fail)?;
    }
    Ok(())
}

/// pivot_root(2) with the new root as the place of the old one, which is then let go.
fn pivot(root: &Root) -> io::Result<()> {
    rustix::process::fchdir(root)?;
    rustix::process::pivot_root(".", ".")?;
    rustix::mount::unmount(".", UnmountFlags::DETACH)?;
    Ok(rustix::process::chdir("/")?)
}

fn personality(plan: &Plan<'_>) -> Result<(), StartError> {
    let Some(wanted) = &plan.linux.personality else {
        return Ok(());
    };
    let domain = match wanted.domain.as_str() {
        "LINUX" => 0,
        "LINUX32" => 0x8,
        domain => {
            let sentence = format!("invalid personality domain {domain}");
            return Err(StartError::refused(Stage::Spec, "", sentence));
        }
    };
    task::set_personality(domain)
        .map_err(|error| failed(Stage::Privilege, &error, "", "setting the personality"))
}
