//! What can go wrong with control groups.

use corten_base::{Kind, KindOf};
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// A failure of this room. Every variant names the file.
#[derive(Debug, Error)]
pub enum CgroupError {
    /// The host has no control groups mounted.
    #[error("no control groups are mounted on this host")]
    NotMounted,
    /// `/proc/self/mountinfo` cannot be read.
    #[error("reading the mount table")]
    MountTable(#[source] io::Error),
    /// The path has `..`, or is empty.
    #[error("invalid cgroup path {0:?}: it must be absolute, without \"..\"")]
    InvalidPath(PathBuf),
    /// A directory cannot be made.
    #[error("creating the control group {path}")]
    Create {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be opened.
    #[error("opening {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be read.
    #[error("reading {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The kernel refuses a value.
    #[error("writing {value:?} to {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What was written.
        value: String,
        /// Why.
        source: io::Error,
    },
    /// A limit was asked for whose controller the host has not mounted or not enabled.
    #[error("the {controller} controller is not available: {limit} cannot be set")]
    MissingController {
        /// The controller.
        controller: &'static str,
        /// The limit, as the specification names it.
        limit: &'static str,
    },
    /// A value that no kernel takes.
    #[error("invalid {limit}: {value:?}")]
    InvalidValue {
        /// The limit, as the specification names it.
        limit: &'static str,
        /// The value.
        value: String,
    },
    /// The limit is below what is used already (`checkBeforeUpdate`).
    #[error("memory limit {limit_bytes} is below the {used_bytes} bytes in use")]
    BelowUsage {
        /// What was asked for.
        limit_bytes: i64,
        /// What is used.
        used_bytes: u64,
    },
    /// The device program cannot be loaded or attached.
    #[error("setting the device rules of {path}")]
    Devices {
        /// The group.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The processes did not come to rest in time.
    #[error("freezing {path}: the processes did not stop in time")]
    FreezeTimeout {
        /// The group.
        path: PathBuf,
    },
    /// A process did not go away in time, so the group stays.
    #[error("removing the control group {path}")]
    Delete {
        /// The group.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl KindOf for CgroupError {
    fn kind(&self) -> Kind {
        match self {
            Self::InvalidPath(_) | Self::InvalidValue { .. } | Self::BelowUsage { .. } => {
                Kind::InvalidParameter
            }
            // The kernel's EINVAL and ERANGE mean that the caller's value is no good.
            Self::Write { source, .. } if is_invalid(source) => Kind::InvalidParameter,
            Self::MissingController { .. } => Kind::NotImplemented,
            Self::NotMounted
            | Self::MountTable(_)
            | Self::Create { .. }
            | Self::Open { .. }
            | Self::Read { .. }
            | Self::Write { .. }
            | Self::Devices { .. }
            | Self::FreezeTimeout { .. }
            | Self::Delete { .. } => Kind::Internal,
        }
    }
}

fn is_invalid(error: &io::Error) -> bool {
    let errno = rustix::io::Errno::from_io_error(error);
    matches!(
        errno,
        Some(rustix::io::Errno::INVAL | rustix::io::Errno::RANGE)
    )
}
