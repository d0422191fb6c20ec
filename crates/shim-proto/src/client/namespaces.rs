//! A user namespace and a network namespace of it, made by the shim's program.

use super::{ShimBinary, ShimError};
use corten_oci::runtime::IdMapping;
use corten_sys::procfs::Procfs;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Whose namespaces.
#[derive(Debug, Clone, Copy)]
pub enum Users<'a> {
    /// New ones with these maps.
    New {
        /// Of users.
        uids: &'a [IdMapping],
        /// Of groups.
        gids: &'a [IdMapping],
    },
    /// A user namespace that is there already, by its file.
    Of(&'a Path),
}

/// They live as long as these are open or a process is in them.
#[derive(Debug)]
pub struct Namespaces {
    /// The user namespace.
    pub users: OwnedFd,
    /// A network namespace that belongs to it: root in there may change it.
    pub network: OwnedFd,
}

/// Makes them. Blocking, a few milliseconds.
///
/// # Errors
/// EPERM for maps that the kernel refuses, EINVAL for too many.
pub fn make_namespaces(binary: &ShimBinary, users: Users<'_>) -> Result<Namespaces, ShimError> {
    let make = || -> io::Result<Namespaces> {
        let procfs = Procfs::host()?;
        let mut command = Command::new(format!("/proc/self/fd/{}", binary.as_raw_fd()));
        command.arg0("corten-shim").arg("namespaces");
        if let Users::Of(path) = users {
            command.arg(path);
        }
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .current_dir("/")
            .env_clear()
            .spawn()?;
        let mut holder = Holder(child);
        let output = holder.0.stdout.as_mut();
        output
            .ok_or(io::ErrorKind::BrokenPipe)?
            .read_exact(&mut [0])?;
        let pid = holder.0.id().to_string();
        if let Users::New { uids, gids } = users {
            procfs.write(&format!("{pid}/gid_map"), lines(gids).as_bytes())?;
            procfs.write(&format!("{pid}/uid_map"), lines(uids).as_bytes())?;
        }
        Ok(Namespaces {
            users: procfs.namespace(&pid, "user")?,
            network: procfs.namespace(&pid, "net")?,
        })
    };
    make().map_err(|source| ShimError::Namespaces { source })
}

/// The process in them, which ends with its standard input.
struct Holder(Child);

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // It is ours, so that waiting cannot fail.
        let _ended = self.0.wait().is_ok();
    }
}

/// As `uid_map` wants them.
fn lines(maps: &[IdMapping]) -> String {
    maps.iter().map(|map| format!("{map}\n")).collect()
}
