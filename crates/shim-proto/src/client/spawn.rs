//! Executing the shim's program.

use super::connection::Connection;
use super::{ShimClient, ShimError};
use corten_base::Id;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tokio::net::UnixStream;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::Mutex;

/// The shim's program, opened once for the life of the engine.
///
/// It is executed through a detached read-only clone of its mount, so that what
/// `/proc/<pid>/exe` of a shim, and of a container's process before its own program
/// runs, leads to can be written by nobody (CVE-2019-5736).
#[derive(Debug)]
pub struct ShimBinary {
    descriptor: OwnedFd,
    descriptors: Option<Rlimit>,
}

impl ShimBinary {
    /// Opens the program at `path`. Shims may have as many files open as `descriptors`
    /// says, or as this process.
    pub fn open(path: &Path, descriptors: Option<Rlimit>) -> Result<Self, ShimError> {
        let failed = |source: io::Error| ShimError::Binary {
            path: path.to_owned(),
            source,
        };
        let descriptor = corten_sys::mount::read_only_file(path).map_err(failed)?;
        Ok(Self {
            descriptor,
            descriptors,
        })
    }
}

impl AsRawFd for ShimBinary {
    fn as_raw_fd(&self) -> RawFd {
        self.descriptor.as_raw_fd()
    }
}

/// How to spawn a shim.
#[derive(Debug)]
pub struct SpawnOptions<'a> {
    /// The program.
    pub binary: &'a ShimBinary,
    /// The container it is for; shown in its command line.
    pub id: Id,
    /// Where it will listen; the same as in the start request.
    pub socket: PathBuf,
}

/// Executes a shim and connects to it. It has no container yet: [`ShimClient::start`]
/// follows, and a client that is dropped before makes the shim go away. Never forks:
/// the standard library uses `posix_spawn` where nothing but the standard streams is
/// set; the shim makes itself a session.
pub async fn spawn(options: SpawnOptions<'_>) -> Result<ShimClient, ShimError> {
    let SpawnOptions { binary, id, socket } = options;
    let failed = |source: io::Error| ShimError::Spawn { id, source };
    let (near, far) = std::os::unix::net::UnixStream::pair().map_err(failed)?;
    near.set_nonblocking(true).map_err(failed)?;
    let stream = UnixStream::from_std(near).map_err(failed)?;
    let (life, life_of_shim) = io::pipe().map_err(failed)?;
    corten_base::step("spawn.begin");
    let mut child = Command::new(format!("/proc/self/fd/{}", binary.descriptor.as_raw_fd()))
        .arg0("corten-shim")
        .arg(id.to_string())
        .stdin(Stdio::from(OwnedFd::from(far)))
        .stdout(Stdio::from(life_of_shim))
        .stderr(Stdio::null())
        .current_dir("/")
        .env_clear()
        .envs(corten_base::step::environment())
        .spawn()
        .map_err(failed)?;
    corten_base::step("spawn.done");
    // Before it is asked for a container, which inherits it.
    let limited = match binary.descriptors {
        None => Ok(()),
        Some(limit) => {
            let pid = Some(Pid::from_child(&child));
            prlimit(pid, Resource::Nofile, limit).map(drop)
        }
    };
    // The shim holds the pipe as long as it lives. It is reaped when it ends, or by init
    // if the engine is gone by then.
    let mut life = Receiver::from_owned_fd(life.into()).map_err(failed)?;
    tokio::spawn(async move {
        let _ended = tokio::io::AsyncReadExt::read(&mut life, &mut [0])
            .await
            .is_ok();
        let _reaped = tokio::task::spawn_blocking(move || child.wait())
            .await
            .is_ok();
    });
    limited.map_err(|errno| failed(errno.into()))?;
    let connection = Connection::new(stream, &socket);
    Ok(ShimClient {
        socket,
        connection: Mutex::new(Some(connection)),
    })
}
