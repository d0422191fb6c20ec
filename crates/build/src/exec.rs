//! A process of a step: its mounts, its secrets, its output, and what the mounts left.

use crate::{
    Error, Result,
    build::Inner,
    context::Temporary,
    copy::{self, PutOptions},
    exec_cache::{Had, Wanted},
    executor::{ExecRequest, OutputStream},
    lower::{DEFAULT_PATH, SCRIPTS},
    owner::Owner,
    progress::{Event, LogStream},
    session::Session,
    solve::{Files, Output, Solver},
    vertex::{ExecOp, MountOp, Vertex},
};
use corten_base::{Id, Timestamp};
use corten_dockerfile::Patterns;
use corten_oci::{Platform, RootMount, runtime::Mount};
use corten_sys::root::Root;
use rustix::{
    fs::{AtFlags, FileType, Gid, Mode, OFlags, Uid},
    io::Errno,
};
use std::{
    os::fd::AsRawFd,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::sync::mpsc;

/// Pieces of output that wait for a slow client.
const OUTPUT_QUEUE: usize = 64;
/// How the runtime begins to say that there is no such program, or that it is none.
const NOT_STARTED: &str = "unable to start container process";
/// Bytes of a secret, as BuildKit has it.
pub(crate) const SECRET_BYTES_MAX: usize = 500 << 10;

/// What is said of a program that the kernel cannot run (execve(2), ENOEXEC).
const FORMAT_ERROR: &[u8] = b"exec format error";

/// Everything that lives as long as the process.
#[derive(Default)]
struct Held {
    mounts: Vec<Mount>,
    env: Vec<String>,
    temporary: Vec<Temporary>,
    caches: Vec<Had>,
    /// Connections to the client's agents.
    agents: Vec<(tokio::net::UnixListener, String)>,
}

impl Solver<'_> {
    pub(crate) async fn exec(
        &self,
        vertex: &Arc<Vertex>,
        op: &ExecOp,
        inputs: &[Arc<Output>],
        id: Id,
        root: RootMount,
    ) -> Result<()> {
        let mut held = Held::default();
        corten_base::step("build.mounts");
        for mount in &op.mounts {
            Box::pin(self.mount(vertex, op, mount, inputs, id, &mut held)).await?;
        }
        if let Some((name, content)) = &op.script {
            let directory = self.inner.contexts.temporary()?;
            let path = directory.0.join("script");
            std::fs::write(&path, content).map_err(|error| Error::path("writing", &path, error))?;
            change(&path, 0o755, Owner { uid: 0, gid: 0 })?;
            let target = format!("{}/{name}", SCRIPTS);
            held.mounts.push(bind(&path, &target, false));
            held.temporary.push(directory);
        }
        held.mounts
            .sort_by_key(|mount| mount.destination.components().count());
        let stubs = {
            let (inner, layers) = (self.inner.clone(), inputs[0].layers.clone());
            let targets: Vec<PathBuf> = held
                .mounts
                .iter()
                .map(|mount| mount.destination.clone())
                .collect();
            self.inner
                .blocking(move || stubs(&inner, &layers, &targets))
                .await?
        };
        let mut env = op.env.clone();
        env.extend(op.hidden_env.iter().cloned());
        env.append(&mut held.env);
        if !env.iter().any(|pair| pair.starts_with("PATH=")) {
            env.push(format!("PATH={DEFAULT_PATH}"));
        }
        let limits = self.request;
        let request = ExecRequest {
            id,
            root,
            args: op.args.clone(),
            env,
            cwd: op.cwd.clone(),
            user: op.user.clone(),
            mounts: std::mem::take(&mut held.mounts),
            network: op.network.clone(),
            insecure: op.insecure,
            hostname: op.hostname.clone(),
            extra_hosts: op.extra_hosts.clone(),
            shm_size_bytes: op.shm_size_bytes,
            ulimits: op.ulimits.clone(),
            memory_bytes: limits.memory_bytes,
            memory_swap_bytes: limits.memory_swap_bytes,
            cpu_shares: limits.cpu_shares,
            cpu_quota: limits.cpu_quota,
            cpu_period: limits.cpu_period,
            cpuset_cpus: limits.cpuset_cpus.clone(),
            cpuset_mems: limits.cpuset_mems.clone(),
            cgroup_parent: limits.cgroup_parent.clone(),
        };
        let _turn = self
            .inner
            .steps
            .acquire()
            .await
            .map_err(|_| Error::Cancelled)?;
        corten_base::step("build.run");
        let (sender, mut receiver) = mpsc::channel(OUTPUT_QUEUE);
        let running = self.inner.executor.run(request, sender);
        let mut refused = false;
        let telling = async {
            while let Some((stream, data)) = receiver.recv().await {
                let stream = match stream {
                    OutputStream::Stdout => LogStream::Stdout,
                    OutputStream::Stderr => LogStream::Stderr,
                };
                refused |= data
                    .windows(FORMAT_ERROR.len())
                    .any(|it| it == FORMAT_ERROR);
                let event = Event::Log {
                    vertex: vertex.digest.clone(),
                    stream,
                    data,
                    at: Timestamp::now(),
                };
                self.progress.send(event).await;
            }
        };
        let agents = serve_agents(self.session, &held.agents);
        let both = async { tokio::join!(running, telling).0 };
        let code = tokio::select! {
            code = both => code,
            never = agents => match never {},
        };
        let command = op.args.join(" ");
        let code = match code {
            Err(Error::Start { reason, .. }) => {
                let Some(at) = reason.find(NOT_STARTED) else {
                    return Err(Error::Start { command, reason });
                };
                // The words that runc prints; its status is the step's.
                let data = format!("runc run failed: {}\n", &reason[at..]).into_bytes();
                let event = Event::Log {
                    vertex: vertex.digest.clone(),
                    stream: LogStream::Stderr,
                    data,
                    at: Timestamp::now(),
                };
                self.progress.send(event).await;
                1
            }
            code => code?,
        };
        corten_base::step("build.ran");
        drop(held);
        let host = Platform::host();
        if code != 0 && refused && !host.matches(&op.platform) {
            return Err(Error::Foreign {
                command,
                code,
                platform: op.platform.to_string(),
                host: host.to_string(),
            });
        }
        if code != 0 {
            return Err(Error::ExitCode { command, code });
        }
        let inner = self.inner.clone();
        let layers = inputs[0].layers.clone();
        self.inner
            .blocking(move || tidy(&inner, id, &layers, &stubs))
            .await
    }

    async fn mount(
        &self,
        vertex: &Arc<Vertex>,
        op: &ExecOp,
        mount: &MountOp,
        inputs: &[Arc<Output>],
        id: Id,
        held: &mut Held,
    ) -> Result<()> {
        match mount {
            MountOp::Bind {
                input,
                source,
                target,
                read_write,
            } => {
                let output = &inputs[*input];
                let direct = match (&output.files, read_write) {
                    (Files::Context { context, .. }, false) => {
                        context.directory(&self.inner).await?
                    }
                    (Files::Directory(directory), false) => Some(directory.0.clone()),
                    _ => None,
                };
                let path = match direct {
                    Some(directory) => inside(&directory, source)?,
                    None => {
                        let directory = self.copied(vertex, *input, output, source).await?;
                        let path = directory.0.join("it");
                        held.temporary.push(directory);
                        path
                    }
                };
                held.mounts.push(bind(&path, target, *read_write));
            }
            MountOp::Cache {
                id: name,
                target,
                input,
                sharing,
                mode,
                uid,
                gid,
                read_write,
            } => {
                let wanted = Wanted {
                    id: name,
                    description: format!(
                        "cached mount {target} from exec {} with id \"/{name}\"",
                        op.args.join(" ")
                    ),
                    seed: input.as_ref().map(|(index, path)| (*index, path.as_str())),
                    sharing: *sharing,
                    mode: *mode,
                    owner: Owner {
                        uid: *uid,
                        gid: *gid,
                    },
                };
                let had = Box::pin(self.cache_mount(vertex, inputs, wanted)).await?;
                held.mounts.push(bind(had.path(), target, *read_write));
                held.caches.push(had);
            }
            MountOp::Tmpfs { target, size_bytes } => {
                let mut options = vec![
                    "nosuid".to_owned(),
                    "nodev".to_owned(),
                    "mode=1777".to_owned(),
                ];
                if *size_bytes > 0 {
                    options.push(format!("size={size_bytes}"));
                }
                held.mounts.push(Mount {
                    destination: target.into(),
                    kind: "tmpfs".into(),
                    source: Some("tmpfs".into()),
                    options,
                    ..Mount::default()
                });
            }
            MountOp::Secret {
                id: name,
                target,
                env,
                required,
                mode,
                uid,
                gid,
            } => {
                let Some(secret) = self.session.secret(name).await? else {
                    return match required {
                        true => Err(Error::NotFound(format!("secret {name}: not found"))),
                        false => Ok(()),
                    };
                };
                if secret.len() > SECRET_BYTES_MAX {
                    return Err(Error::Invalid(format!(
                        "invalid secret size {}",
                        secret.len()
                    )));
                }
                if let Some(variable) = env {
                    held.env
                        .push(format!("{variable}={}", String::from_utf8_lossy(&secret)));
                }
                if let Some(target) = target {
                    let directory = self.inner.contexts.secrets(id)?;
                    let path = directory.0.join(held.temporary.len().to_string());
                    held.temporary.push(directory);
                    std::fs::write(&path, &secret)
                        .map_err(|error| Error::path("writing", &path, error))?;
                    change(
                        &path,
                        *mode,
                        Owner {
                            uid: *uid,
                            gid: *gid,
                        },
                    )?;
                    held.mounts.push(bind(&path, target, false));
                }
            }
            MountOp::Ssh {
                id: name,
                target,
                required,
                mode,
                uid,
                gid,
            } => {
                // A client that offers no agents at all says so by an error.
                if !matches!(self.session.agent(name).await, Ok(Some(_))) {
                    // BuildKit names the socket all the same.
                    if !held.env.iter().any(|it| it.starts_with("SSH_AUTH_SOCK=")) {
                        held.env.push(format!("SSH_AUTH_SOCK={target}"));
                    }
                    return match required {
                        true => Err(Error::NotFound(format!("unset ssh forward key {name}"))),
                        false => Ok(()),
                    };
                }
                let directory = self.inner.contexts.secrets(id)?;
                let path = directory.0.join("agent");
                let listener = tokio::net::UnixListener::bind(&path)
                    .map_err(|error| Error::path("listening at", &path, error))?;
                held.temporary.push(directory);
                change(
                    &path,
                    *mode,
                    Owner {
                        uid: *uid,
                        gid: *gid,
                    },
                )?;
                if !held.env.iter().any(|it| it.starts_with("SSH_AUTH_SOCK=")) {
                    held.env.push(format!("SSH_AUTH_SOCK={target}"));
                }
                held.agents.push((listener, name.clone()));
                held.mounts.push(bind(&path, target, true));
            }
        }
        Ok(())
    }

    /// A part of a tree, copied to `it` in a directory of its own: the step may write to
    /// it, and nothing outside of the tree can be reached by it.
    async fn copied(
        &self,
        vertex: &Arc<Vertex>,
        index: usize,
        output: &Arc<Output>,
        source: &str,
    ) -> Result<Temporary> {
        let directory = self.inner.contexts.temporary()?;
        self.fill(vertex, index, output, source, &directory.0.join("it"))
            .await?;
        Ok(directory)
    }

    pub(crate) async fn fill(
        &self,
        vertex: &Arc<Vertex>,
        index: usize,
        output: &Arc<Output>,
        source: &str,
        to: &Path,
    ) -> Result<()> {
        let tree = self.open_source(vertex, index, output).await?;
        let (source, to) = (source.to_owned(), to.to_owned());
        self.inner
            .blocking(move || {
                let items = tree.select(&source, &Patterns::default())?;
                let parent = to.parent().unwrap_or(Path::new("/"));
                let root =
                    Root::open(parent).map_err(|error| Error::path("opening", parent, error))?;
                let name = to
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                for item in &items {
                    copy::put(
                        &tree,
                        item,
                        &root,
                        &format!("/{name}"),
                        &PutOptions::default(),
                    )?;
                }
                Ok(())
            })
            .await
    }
}

/// The real path of `source` in a directory that nobody changes meanwhile.
pub(crate) fn inside(directory: &Path, source: &str) -> Result<PathBuf> {
    let root = Root::open(directory).map_err(|error| Error::path("opening", directory, error))?;
    let found = root.open_file(Path::new(source), OFlags::PATH, Mode::empty());
    let found =
        found.map_err(
            |error| match error.raw_os_error() == Some(Errno::NOENT.raw_os_error()) {
                true => Error::SourceMissing {
                    reference: "context".into(),
                    path: format!("/{}", source.trim_start_matches('/')),
                },
                false => Error::path("opening", source, error),
            },
        )?;
    let link = PathBuf::from(format!("/proc/self/fd/{}", found.as_raw_fd()));
    std::fs::read_link(&link).map_err(|error| Error::path("reading", link, error))
}

fn bind(source: &Path, target: &str, read_write: bool) -> Mount {
    let mode = if read_write { "rw" } else { "ro" };
    Mount {
        destination: target.into(),
        kind: "bind".into(),
        source: Some(source.to_owned()),
        options: ["bind", "rprivate", "nosuid", "nodev", mode]
            .map(str::to_owned)
            .to_vec(),
        ..Mount::default()
    }
}

fn change(path: &Path, mode: u32, owner: Owner) -> Result<()> {
    let failed = |error: Errno| Error::path("changing", path, error);
    rustix::fs::chown(
        path,
        Some(Uid::from_raw(owner.uid)),
        Some(Gid::from_raw(owner.gid)),
    )
    .map_err(failed)?;
    rustix::fs::chmod(path, Mode::from_raw_mode(mode)).map_err(failed)
}

/// Connects each process that asks to the client's agent; ends with the step.
async fn serve_agents(
    session: &dyn Session,
    agents: &[(tokio::net::UnixListener, String)],
) -> std::convert::Infallible {
    futures_util::future::join_all(
        agents
            .iter()
            .map(|(listener, name)| serve_agent(session, listener, name)),
    )
    .await;
    // Without agents nothing ever ends here.
    std::future::pending().await
}

pub(crate) async fn serve_agent(
    session: &dyn Session,
    listener: &tokio::net::UnixListener,
    name: &str,
) {
    let mut open = futures_util::stream::FuturesUnordered::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let (Ok((mut near, _)), Ok(Some(mut far))) = (accepted, session.agent(name).await) {
                    open.push(async move {
                        // Either side may leave at any time.
                        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                    });
                }
            }
            Some(()) = futures_util::StreamExt::next(&mut open), if !open.is_empty() => {}
        }
    }
}

/// Mount points that the image does not have, the deepest first: what the runtime makes
/// for them is taken away after the step.
fn stubs(
    inner: &Inner,
    layers: &[corten_oci::Digest],
    targets: &[PathBuf],
) -> Result<Vec<PathBuf>> {
    let lower = Root::new(corten_snapshot::open_root(&inner.snapshots.view(layers)?)?);
    let fixed = ["/etc/resolv.conf", "/etc/hosts", "/etc/hostname"].map(PathBuf::from);
    let mut missing = Vec::new();
    for target in targets.iter().chain(&fixed) {
        for path in target.ancestors() {
            if path.parent().is_none() || lower.stat_link(path).is_ok() {
                break;
            }
            missing.push(path.to_owned());
        }
    }
    missing.sort_by_key(|path| std::cmp::Reverse(path.components().count()));
    missing.dedup();
    Ok(missing)
}

/// Removes empty mount points from the step's upper directory, and directories that are
/// there only because of them. Nothing is followed: a parent that has become a symbolic
/// link is somebody's work and stays (CVE-2024-23652).
fn tidy(inner: &Inner, id: Id, layers: &[corten_oci::Digest], stubs: &[PathBuf]) -> Result<()> {
    let Some(upper) = inner.snapshots.upper(&id.to_string())? else {
        return Ok(());
    };
    let root = Root::open(&upper).map_err(|error| Error::path("opening", &upper, error))?;
    let lower = Root::new(corten_snapshot::open_root(&inner.snapshots.view(layers)?)?);
    for stub in stubs {
        if !remove_if_empty(&root, stub) {
            continue;
        }
        for parent in stub.ancestors().skip(1) {
            if parent.parent().is_none()
                || !same_directory(&root, &lower, parent)
                || !remove_if_empty(&root, parent)
            {
                break;
            }
        }
    }
    Ok(())
}

fn remove_if_empty(root: &Root, path: &Path) -> bool {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return false;
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    let Ok(directory) = root.open_without_links(parent, flags) else {
        return false;
    };
    let Ok(stat) = rustix::fs::statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW) else {
        return false;
    };
    let how = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => AtFlags::REMOVEDIR,
        FileType::RegularFile if stat.st_size == 0 => AtFlags::empty(),
        _ => return false,
    };
    // A directory with something in it is not removed by the kernel.
    rustix::fs::unlinkat(&directory, name, how).is_ok()
}

/// The directory has been copied up and not been changed but for its times.
fn same_directory(upper: &Root, lower: &Root, path: &Path) -> bool {
    let (Ok(up), Ok(low)) = (upper.stat_link(path), lower.stat_link(path)) else {
        return false;
    };
    let opaque = upper
        .open_without_links(path, OFlags::RDONLY | OFlags::DIRECTORY)
        .is_ok_and(|directory| {
            rustix::fs::fgetxattr(&directory, "trusted.overlay.opaque", &mut [0_u8; 8][..]).is_ok()
        });
    !opaque && (up.st_mode, up.st_uid, up.st_gid) == (low.st_mode, low.st_uid, low.st_gid)
}
