//! The user's program: checked before the clone, found and run after it.

use crate::credentials::CapabilitySets;
use crate::plan::failed;
use crate::user::{self, Identity};
use crate::{Stage, StartError, UserText};
use corten_oci::runtime::Process;
use corten_sys::exec::{Vector, execve};
use corten_sys::root::Root;
use rustix::fs::{Access, AtFlags, CWD, FileType, accessat, stat};
use std::ffi::CString;
use std::path::Path;

/// A process's program, environment and privileges, free of NULs and unknown names.
#[derive(Debug)]
pub(crate) struct Program<'a> {
    pub process: &'a Process,
    pub user: Option<UserText<'a>>,
    pub arguments: Vector,
    pub capabilities: CapabilitySets,
    pub preserve_fds: u32,
}

impl<'a> Program<'a> {
    pub(crate) fn new(
        process: &'a Process,
        user: Option<UserText<'a>>,
        preserve_fds: u32,
    ) -> Result<Self, StartError> {
        let no_nul = |what: &str| {
            StartError::refused(Stage::Spec, "", format!("{what} must not contain a NUL"))
        };
        if process.args.is_empty() {
            return Err(StartError::refused(
                Stage::Spec,
                "",
                "args must not be empty",
            ));
        }
        let arguments = Vector::new(&process.args).map_err(|_| no_nul("process.args"))?;
        for entry in &process.env {
            if entry.contains('\0') {
                return Err(no_nul("process.env"));
            }
        }
        crate::limits::check(process)?;
        let capabilities = CapabilitySets::new(process.capabilities.as_ref())?;
        Ok(Self {
            process,
            user,
            arguments,
            capabilities,
            preserve_fds,
        })
    }

    /// Who runs it. `root` is the container's.
    pub(crate) fn identity(&self, root: &Root) -> Result<Identity, StartError> {
        if let Some(text) = self.user {
            return user::find_user(root, text);
        }
        let user = &self.process.user;
        let home = if self.has_variable("HOME") {
            String::new()
        } else {
            user::home(root, user.uid)
        };
        Ok(Identity {
            uid: user.uid,
            gid: user.gid,
            groups: user.additional_gids.clone(),
            home,
        })
    }

    fn has_variable(&self, name: &str) -> bool {
        self.variable(name).is_some()
    }

    /// The last entry of a variable, as a program would read it.
    fn variable(&self, name: &str) -> Option<&str> {
        let value = |entry: &'a String| entry.strip_prefix(name)?.strip_prefix('=');
        self.process.env.iter().rev().find_map(value)
    }

    /// The environment, with HOME where it has none.
    pub(crate) fn environment(&self, identity: &Identity) -> Result<Vector, StartError> {
        let home = (!self.has_variable("HOME")).then(|| format!("HOME={}", identity.home));
        Vector::new(self.process.env.iter().chain(&home)).map_err(|_| {
            StartError::refused(Stage::User, "HOME", "the home directory contains a NUL")
        })
    }

    /// Finds the file to run, in the container's `PATH` when its name has no slash.
    pub(crate) fn find(&self) -> Result<CString, StartError> {
        let name = self.process.args[0].as_str();
        let error = |errno| StartError::new(Stage::LookUp, errno, name, "");
        let text = |path: &Path| {
            use std::os::unix::ffi::OsStrExt;
            CString::new(path.as_os_str().as_bytes()).map_err(|_| error(libc::EINVAL))
        };
        if name.contains('/') {
            check(Path::new(name)).map_err(error)?;
            return text(Path::new(name));
        }
        let directories = self.variable("PATH").unwrap_or_default();
        for directory in directories.split(':') {
            let directory = if directory.is_empty() { "." } else { directory };
            let path = Path::new(directory).join(name);
            if check(&path).is_ok() {
                return text(&path);
            }
        }
        Err(error(libc::ENOENT))
    }

    /// Runs it; returns only on failure.
    pub(crate) fn run(&self, path: &CString, environment: &Vector) -> StartError {
        let error = execve(path, &self.arguments, environment);
        failed(Stage::Exec, &error, path.to_string_lossy().as_ref(), "exec")
    }
}

/// Whether the file at `path` can be run.
fn check(path: &Path) -> Result<(), i32> {
    let stat = stat(path).map_err(|error| error.raw_os_error())?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
        return Err(libc::EISDIR);
    }
    accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS).map_err(|error| error.raw_os_error())
}
