//! What a caller says to have a container made or a process added.

use corten_oci::RootMount;
use corten_oci::runtime::{Linux, Process, Spec};
use corten_sys::seccomp::Filter;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

/// A container to make, see [`crate::create()`].
///
/// The caller has made the cgroup with its limits already; the first process joins it
/// before it does anything else.
pub struct CreateRequest<'a> {
    /// The container's ID: the session keyring's name and the ID that hooks are told.
    pub id: &'a str,
    /// The specification. Its `root.path` and `root.readonly` are not read: `root` and
    /// `root_readonly` stand for them.
    pub spec: &'a Spec,
    /// Base of relative mount sources, and the bundle that hooks are told.
    pub bundle: &'a Path,
    /// What becomes `/`.
    pub root: &'a RootMount,
    /// Whether `/` itself is read-only.
    pub root_readonly: bool,
    /// Whether the files of `root` are seen and written through the ID maps of the
    /// container's user namespace: on disk they belong to who owns them in the container.
    /// Needs Linux 5.19 for an overlay.
    pub root_id_mapped: bool,
    /// Standard input, output and error. `Stdio::Terminal` must agree with
    /// `process.terminal`.
    pub stdio: Stdio,
    /// A network namespace to join. The specification must have a `network` entry
    /// then, whose path is not read.
    pub netns: Option<BorrowedFd<'a>>,
    /// What the first process does to be in its cgroup.
    pub cgroup: CgroupJoin<'a>,
    /// Compiled `linux.seccomp`; a specification with a filter and `None` here is
    /// compiled by the runtime.
    pub seccomp: Option<&'a Filter>,
    /// Who runs the process as text, resolved in the container's `/etc/passwd` and
    /// `/etc/group`; `None` takes `process.user`.
    pub user: Option<UserText<'a>>,
    /// How the process learns that it may start.
    pub gate: Gate,
    /// Descriptors from 3 on that the program inherits (runc's `--preserve-fds`).
    pub preserve_fds: u32,
}

/// A process to add to a running container, see [`crate::exec()`].
pub struct ExecRequest<'a> {
    /// Program, environment, identity, capabilities, limits.
    pub process: &'a Process,
    /// As in [`CreateRequest::user`].
    pub user: Option<UserText<'a>>,
    /// Standard input, output and error.
    pub stdio: Stdio,
    /// The container's filter.
    pub seccomp: Option<&'a Filter>,
    /// The container's cgroup.
    pub cgroup: CgroupJoin<'a>,
    /// Descriptors from 3 on that the program inherits.
    pub preserve_fds: u32,
}

/// The running container that [`crate::exec()`] enters.
#[derive(Debug, Clone, Copy)]
pub struct ExecTarget<'a> {
    /// pidfd of the container's first process.
    pub pidfd: BorrowedFd<'a>,
    /// Which of its namespaces differ from the caller's.
    pub namespaces: Namespaces,
}

/// A set of namespace kinds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Namespaces(pub(crate) u32);

impl Namespaces {
    /// Those that the specification lists; kinds that do not exist are passed over
    /// (create has refused them).
    pub fn of(linux: &Linux) -> Self {
        let mut set = 0;
        for namespace in &linux.namespaces {
            set |= crate::namespace::flag(&namespace.kind).unwrap_or(0);
        }
        Self(set)
    }
}

/// Standard input, output and error of a process.
#[derive(Debug)]
pub enum Stdio {
    /// The caller's own.
    Inherit,
    /// These. The caller's copies are closed once the process has them; `None` is
    /// `/dev/null`.
    Descriptors {
        /// Descriptor 0.
        stdin: Option<OwnedFd>,
        /// Descriptor 1.
        stdout: Option<OwnedFd>,
        /// Descriptor 2.
        stderr: Option<OwnedFd>,
    },
    /// A new pseudo-terminal out of the container's devpts; its other end comes back
    /// as `console`.
    Terminal {
        /// First size.
        size: WindowSize,
    },
}

/// A terminal's size in characters; zeros leave it unset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WindowSize {
    /// Rows.
    pub rows: u16,
    /// Columns.
    pub columns: u16,
}

/// How a process comes into its cgroup.
#[derive(Debug, Clone, Copy)]
pub enum CgroupJoin<'a> {
    /// It stays in the caller's.
    Stay,
    /// v1: it writes `0` to each of these open `tasks` files (and to the `cgroup.procs`
    /// of a v2 hierarchy beside them).
    Write(&'a [OwnedFd]),
    /// v2: it is cloned into this directory (CLONE_INTO_CGROUP).
    CloneInto(BorrowedFd<'a>),
}

/// How a created process learns that it may start.
#[derive(Debug)]
pub enum Gate {
    /// By [`crate::Created::start`], from the process that created it.
    Parent,
    /// By the first connection to this listening unix socket, from any process (see
    /// [`crate::start_through`]).
    Listener(OwnedFd),
}

/// A user as people write it, Docker's `--user` and `--group-add`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UserText<'a> {
    /// `name`, `uid`, `name:group`, `uid:gid`, …; empty is user 0.
    pub user: &'a str,
    /// Further groups, names or numbers.
    pub groups: &'a [String],
}
