//! The pid file: a lock held while the daemon lives, so that a second daemon is refused
//! and a file left by one that died is not mistaken for a living one.

use rustix::fs::{FlockOperation, flock};
use std::{
    fs::File,
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
};
use thiserror::Error;

/// The lock; dropping it lets it go and leaves the file.
pub struct PidFile {
    path: PathBuf,
    _file: File,
}

/// The pid file cannot be ours.
#[derive(Debug, Error)]
pub enum PidFileError {
    /// Another daemon lives. Docker's sentence.
    #[error(
        "ensure cortend is not running or delete {path}: process with PID {pid} is still running"
    )]
    Running {
        /// The file.
        path: PathBuf,
        /// What stands in it.
        pid: String,
    },
    /// The file cannot be written.
    #[error("writing the pid file {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl PidFile {
    /// Takes the lock and writes this process's ID.
    pub fn take(path: &Path) -> Result<Self, PidFileError> {
        let failed = |source: io::Error| PidFileError::Io {
            path: path.to_owned(),
            source,
        };
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(failed)?;
        }
        let mut options = File::options();
        let options = options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(path).map_err(failed)?;
        if let Err(error) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
            if error != rustix::io::Errno::WOULDBLOCK {
                return Err(failed(error.into()));
            }
            let mut pid = String::new();
            // Only for the message: the lock says that it lives.
            let _ = file.read_to_string(&mut pid);
            let pid = pid.trim().to_owned();
            return Err(PidFileError::Running {
                path: path.to_owned(),
                pid,
            });
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| write!(file, "{}", std::process::id()))
            .map_err(failed)?;
        Ok(Self {
            path: path.to_owned(),
            _file: file,
        })
    }

    /// Takes the file away, at an orderly end.
    pub fn remove(self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "removing the pid file");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_daemon_is_refused_and_a_dead_one_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("run/pid");
        std::fs::create_dir(directory.path().join("run")).unwrap();
        std::fs::write(&path, "999999").unwrap();
        let first = PidFile::take(&path).unwrap();
        let pid = std::process::id().to_string();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), pid);
        let refused = PidFile::take(&path).err().unwrap().to_string();
        assert!(refused.ends_with(&format!("process with PID {pid} is still running")));
        first.remove();
        assert!(!path.exists());
    }
}
