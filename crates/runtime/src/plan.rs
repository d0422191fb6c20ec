//! What a start will do, checked and prepared before the first process exists: the
//! specification's words turned into numbers, sources of mounts opened.

use crate::mounts::{self, PlannedMount};
use crate::program::Program;
use crate::{CgroupJoin, CreateRequest, Gate, Stage, StartError, Stdio, namespace};
use corten_oci::runtime::{Hooks, Linux, Process, Spec};
use corten_sys::procfs::Procfs;
use corten_sys::seccomp::Filter;
use rustix::fs::{Mode, OFlags};
use std::borrow::Cow;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Everything that the first process needs.
pub(crate) struct Plan<'a> {
    pub id: &'a str,
    pub spec: &'a Spec,
    pub bundle: &'a Path,
    pub process: &'a Process,
    pub linux: Cow<'a, Linux>,
    pub hooks: Cow<'a, Hooks>,
    pub root: OwnedFd,
    pub root_readonly: bool,
    pub mounts: Vec<PlannedMount>,
    pub stdio: Stdio,
    pub cgroup: CgroupJoin<'a>,
    pub filter: Option<Cow<'a, Filter>>,
    pub gate: Gate,
    pub program: Program<'a>,
    /// Namespaces to join, by flag.
    pub joins: Vec<Join<'a>>,
    /// CLONE_NEW… flags of the namespaces that are made.
    pub new: u32,
    /// The host's `/proc`.
    pub procfs: Procfs,
}

/// A namespace that exists already.
pub(crate) struct Join<'a> {
    pub flag: u32,
    file: JoinFile<'a>,
}

enum JoinFile<'a> {
    Given(BorrowedFd<'a>),
    Opened(OwnedFd),
}

impl AsFd for Join<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.file {
            JoinFile::Given(fd) => *fd,
            JoinFile::Opened(fd) => fd.as_fd(),
        }
    }
}

impl Plan<'_> {
    pub(crate) fn has_new(&self, flag: i32) -> bool {
        self.new & flag as u32 != 0
    }

    /// Whether the first process is in a user namespace other than the caller's.
    pub(crate) fn in_user_namespace(&self) -> bool {
        self.has_new(libc::CLONE_NEWUSER)
            || self
                .joins
                .iter()
                .any(|join| join.flag == libc::CLONE_NEWUSER as u32)
    }
}

fn refused(sentence: impl Into<String>) -> StartError {
    StartError::refused(Stage::Spec, "", sentence)
}

pub(crate) fn plan<'a>(request: CreateRequest<'a>) -> Result<Plan<'a>, StartError> {
    let spec = request.spec;
    let process = spec
        .process
        .as_ref()
        .ok_or_else(|| refused("process must not be empty"))?;
    let linux = spec.linux.as_ref().map_or_else(Cow::default, Cow::Borrowed);
    check(&linux, process)?;
    if process.terminal != matches!(request.stdio, Stdio::Terminal { .. }) {
        return Err(refused(
            "process.terminal and the given standard streams disagree",
        ));
    }
    let (joins, new) = namespaces(&linux, request.netns)?;
    if new & libc::CLONE_NEWNS as u32 == 0 {
        return Err(refused("a container needs a mount namespace of its own"));
    }
    let user_new = new & libc::CLONE_NEWUSER as u32 != 0;
    if user_new && (linux.uid_mappings.is_empty() || linux.gid_mappings.is_empty()) {
        return Err(refused(
            "User namespaces enabled, but no uid mappings found.",
        ));
    }
    if (!spec.hostname.is_empty() || !spec.domainname.is_empty())
        && linux.namespace("uts").is_none()
    {
        return Err(refused(
            "unable to set hostname without a private UTS namespace",
        ));
    }
    let filter = filter(request.seccomp, &linux)?;
    let program = Program::new(process, request.user, request.preserve_fds)?;
    let procfs = Procfs::host().map_err(|error| failed(Stage::Root, &error, "/proc", "opening"))?;
    let users = users(&request, &linux, &joins, &procfs)
        .map_err(|error| failed(Stage::Namespace, &error, "", "mapping the owners of files"))?;
    let users = users.as_ref().map(AsFd::as_fd);
    let of_root = users.filter(|_| request.root_id_mapped);
    let of_root = of_root.map(|namespace| root_users(&linux, namespace));
    let root = mounts::root_tree(
        request.root,
        &linux.rootfs_propagation,
        of_root.transpose()?,
    )?;
    let mounts = spec
        .mounts
        .iter()
        .map(|mount| PlannedMount::new(mount, request.bundle, &linux, &procfs, users))
        .collect::<Result<_, _>>()?;
    Ok(Plan {
        id: request.id,
        spec,
        bundle: request.bundle,
        process,
        hooks: spec.hooks.as_ref().map_or_else(Cow::default, Cow::Borrowed),
        linux,
        root,
        root_readonly: request.root_readonly,
        mounts,
        stdio: crate::last_steps::complete(request.stdio)?,
        cgroup: request.cgroup,
        filter,
        gate: request.gate,
        program,
        joins,
        new,
        procfs,
    })
}

/// The user namespace whose maps the container's idmapped mounts have: the one it joins,
/// or one with the same maps as the one that it gets.
fn users(
    request: &CreateRequest<'_>,
    linux: &Linux,
    joins: &[Join<'_>],
    procfs: &Procfs,
) -> std::io::Result<Option<OwnedFd>> {
    let idmapped = |word: &String| matches!(word.as_str(), "idmap" | "ridmap");
    let mut mounts = request.spec.mounts.iter();
    let asked = mounts.any(|it| it.uid_mappings.is_empty() && it.options.iter().any(idmapped));
    if !request.root_id_mapped && !asked {
        return Ok(None);
    }
    let user = libc::CLONE_NEWUSER as u32;
    if let Some(join) = joins.iter().find(|join| join.flag == user) {
        return join.as_fd().try_clone_to_owned().map(Some);
    }
    if linux.uid_mappings.is_empty() || linux.gid_mappings.is_empty() {
        return Ok(None);
    }
    mounts::user_namespace(&linux.uid_mappings, &linux.gid_mappings, procfs).map(Some)
}

/// Who the container's root is on the host, as the specification's maps say.
fn root_users<'a>(
    linux: &Linux,
    namespace: BorrowedFd<'a>,
) -> Result<mounts::RootUsers<'a>, StartError> {
    let root = |maps: &[corten_oci::runtime::IdMapping]| {
        let line = maps.iter().find(|line| line.container_id == 0);
        line.map(|line| line.host_id)
            .ok_or_else(|| refused("the ID maps of the container have no root"))
    };
    Ok(mounts::RootUsers {
        namespace,
        root: (root(&linux.uid_mappings)?, root(&linux.gid_mappings)?),
    })
}

/// What this runtime does not do is refused by name.
fn check(linux: &Linux, process: &Process) -> Result<(), StartError> {
    let unsupported = [
        (linux.intel_rdt.is_some(), "linux.intelRdt is not supported"),
        (
            !linux.mount_label.is_empty(),
            "linux.mountLabel needs SELinux, which is not supported",
        ),
        (
            !process.selinux_label.is_empty(),
            "process.selinuxLabel needs SELinux, which is not supported",
        ),
        (
            linux
                .seccomp
                .as_ref()
                .is_some_and(|filter| !filter.listener_path.is_empty()),
            "linux.seccomp.listenerPath is not supported",
        ),
    ];
    for (present, sentence) in unsupported {
        if present {
            return Err(refused(sentence));
        }
    }
    if process.args.is_empty() {
        return Err(refused("args must not be empty"));
    }
    if !process.cwd.is_absolute() {
        return Err(refused("Cwd must be an absolute path"));
    }
    let word = &linux.rootfs_propagation;
    if !word.is_empty() && crate::options::propagation(word).is_none() {
        return Err(refused(format!(
            "rootfsPropagation={word} is not supported"
        )));
    }
    crate::sysctl::check(linux)
}

fn filter<'a>(
    given: Option<&'a Filter>,
    linux: &Linux,
) -> Result<Option<Cow<'a, Filter>>, StartError> {
    match (given, &linux.seccomp) {
        (Some(filter), _) => Ok(Some(Cow::Borrowed(filter))),
        (None, Some(seccomp)) => {
            crate::filter::compile_filter(seccomp).map(|f| Some(Cow::Owned(f)))
        }
        (None, None) => Ok(None),
    }
}

/// Opens the namespaces to join and collects the flags of those to make.
fn namespaces<'a>(
    linux: &Linux,
    netns: Option<BorrowedFd<'a>>,
) -> Result<(Vec<Join<'a>>, u32), StartError> {
    let (mut joins, mut new, mut seen) = (Vec::new(), 0, 0);
    for entry in &linux.namespaces {
        let kind = entry.kind.as_str();
        let flag = namespace::flag(kind)
            .ok_or_else(|| refused(format!("namespace {kind:?} does not exist")))?;
        if seen & flag != 0 {
            return Err(refused(format!(
                "malformed spec file: duplicated ns {kind:?}"
            )));
        }
        seen |= flag;
        let path = entry
            .path
            .as_deref()
            .filter(|path| !path.as_os_str().is_empty());
        match (path, netns) {
            (_, Some(fd)) if kind == "network" => {
                joins.push(Join {
                    flag,
                    file: JoinFile::Given(fd),
                });
            }
            (Some(path), _) => {
                let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
                    .map_err(|error| {
                        failed(Stage::Namespace, &error.into(), path, "opening namespace")
                    })?;
                joins.push(Join {
                    flag,
                    file: JoinFile::Opened(file),
                });
            }
            (None, _) => new |= flag,
        }
    }
    if netns.is_some() && seen & libc::CLONE_NEWNET as u32 == 0 {
        return Err(refused(
            "a network namespace was given, and the specification has none",
        ));
    }
    Ok((joins, new))
}

/// A failed call as a [`StartError`].
pub(crate) fn failed(
    stage: Stage,
    error: &std::io::Error,
    path: impl AsRef<Path>,
    detail: &str,
) -> StartError {
    let errno = error.raw_os_error().unwrap_or(libc::EIO);
    StartError::new(stage, errno, path.as_ref().to_string_lossy(), detail)
}

impl std::fmt::Debug for Join<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Join({:#x}, {})", self.flag, self.as_fd().as_raw_fd())
    }
}
