//! What is known of a container between two calls: a directory `ROOT/ID` with
//! `state.json` and, until the start, the socket `start.sock`.

use crate::error::CommandError;
use corten_cgroup::{Cgroup, FreezerState};
use corten_oci::runtime::{SPEC_VERSION, Spec, State, Status};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// The content of `state.json`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub id: String,
    /// The first process.
    pub pid: i32,
    /// When it began, as /proc/PID/stat says it: tells it from a later process of the
    /// same number.
    pub start_time: u64,
    pub bundle: PathBuf,
    /// RFC 3339.
    pub created: String,
    pub cgroup: PathBuf,
    /// As it was at create; later changes of the bundle have no effect.
    pub spec: Spec,
}

/// The directory of one container.
#[derive(Debug)]
pub(crate) struct RecordDirectory {
    pub path: PathBuf,
}

/// At most as long as a directory name.
pub(crate) fn check_id(id: &str) -> Result<(), CommandError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_+-.".contains(c);
    if id.is_empty() || id.len() > 255 || matches!(id, "." | "..") || !id.chars().all(plain) {
        return Err(CommandError::InvalidId(id.to_owned()));
    }
    Ok(())
}

impl RecordDirectory {
    /// Makes it; the ID must be free.
    pub(crate) fn create(root: &Path, id: &str) -> Result<Self, CommandError> {
        check_id(id)?;
        fs::create_dir_all(root).map_err(CommandError::file(root))?;
        let path = root.join(id);
        match rustix::fs::mkdir(&path, Mode::from_raw_mode(0o711)) {
            Ok(()) => Ok(Self { path }),
            Err(rustix::io::Errno::EXIST) => Err(CommandError::Exists),
            Err(error) => Err(CommandError::File {
                path,
                source: error.into(),
            }),
        }
    }

    pub(crate) fn open(root: &Path, id: &str) -> Result<Self, CommandError> {
        check_id(id)?;
        let path = root.join(id);
        if path.is_dir() {
            Ok(Self { path })
        } else {
            Err(CommandError::NoContainer)
        }
    }

    pub(crate) fn load(&self) -> Result<Record, CommandError> {
        let path = self.path.join("state.json");
        let text = match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(CommandError::NoContainer);
            }
            result => result.map_err(CommandError::file(&path))?,
        };
        serde_json::from_slice(&text).map_err(|source| CommandError::Json { path, source })
    }

    /// Replaces `state.json` as a whole.
    pub(crate) fn save(&self, record: &Record) -> Result<(), CommandError> {
        let (path, new) = (
            self.path.join("state.json"),
            self.path.join("state.json.new"),
        );
        let text = serde_json::to_vec(record).map_err(|source| CommandError::Json {
            path: path.clone(),
            source,
        })?;
        fs::File::create(&new)
            .and_then(|mut file| file.write_all(&text))
            .and_then(|()| fs::rename(&new, &path))
            .map_err(CommandError::file(path))
    }

    /// The start socket by way of a descriptor: its own path may be longer than an
    /// address of a socket can be. The descriptor must live while the path is used.
    pub(crate) fn socket(&self) -> Result<(OwnedFd, PathBuf), CommandError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(&self.path, flags, Mode::empty()).map_err(|error| {
            CommandError::File {
                path: self.path.clone(),
                source: error.into(),
            }
        })?;
        let path = format!("/proc/self/fd/{}/start.sock", directory.as_raw_fd());
        Ok((directory, path.into()))
    }

    pub(crate) fn waits_for_start(&self) -> bool {
        self.path.join("start.sock").exists()
    }

    pub(crate) fn forget_socket(&self) {
        let _ = fs::remove_file(self.path.join("start.sock"));
    }

    pub(crate) fn remove(&self) -> Result<(), CommandError> {
        fs::remove_dir_all(&self.path).map_err(CommandError::file(&self.path))
    }
}

impl Record {
    /// The first process, unless it has ended.
    pub(crate) fn process(&self) -> Option<OwnedFd> {
        let pidfd = pidfd_open(Pid::from_raw(self.pid)?, PidfdFlags::empty()).ok()?;
        // Asked after the descriptor is there: the number cannot change its owner now.
        (start_time(self.pid)? == self.start_time).then_some(pidfd)
    }

    pub(crate) fn status(&self, directory: &RecordDirectory) -> Status {
        if self.process().is_none() {
            return Status::Stopped;
        }
        if directory.waits_for_start() {
            return Status::Created;
        }
        let frozen = Cgroup::open(&self.cgroup)
            .and_then(|group| group.freezer_state())
            .is_ok_and(|state| !matches!(state, FreezerState::Thawed));
        if frozen {
            Status::Paused
        } else {
            Status::Running
        }
    }

    pub(crate) fn state(&self, status: Status) -> State {
        State {
            oci_version: SPEC_VERSION.to_owned(),
            id: self.id.clone(),
            status,
            pid: Some(if status == Status::Stopped {
                0
            } else {
                self.pid
            }),
            bundle: self.bundle.clone(),
            annotations: self.spec.annotations.clone(),
        }
    }
}

/// Field 22 of proc_pid_stat(5); `None` for a process that is gone or a zombie.
pub(crate) fn start_time(pid: i32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?;
    (!matches!(state, "Z" | "X")).then(|| fields.nth(18)?.parse().ok())?
}
