//! What can go wrong with volumes.

use crate::messages;
use corten_base::{Kind, KindOf};
use corten_store::StoreError;
use std::{io, path::PathBuf};
use thiserror::Error;

/// A failed operation on a volume.
#[derive(Debug, Error)]
pub enum VolumeError {
    /// There is no such volume.
    #[error("{}", messages::no_such_volume(.operation, .name))]
    NotFound {
        /// `get`, `remove`.
        operation: &'static str,
        /// As asked for.
        name: String,
    },
    /// Containers have it.
    #[error("{}", messages::in_use(.operation, .name, .users))]
    InUse {
        /// `remove`, `rename`.
        operation: &'static str,
        /// The volume.
        name: String,
        /// IDs of containers.
        users: Vec<String>,
    },
    /// There is no such driver.
    #[error("{}", messages::no_plugin(.operation, .name, .driver))]
    NoDriver {
        /// `create`, `get`.
        operation: &'static str,
        /// The volume.
        name: String,
        /// The driver.
        driver: String,
    },
    /// The name has one character.
    #[error("{}", messages::name_too_short(.0))]
    NameTooShort(String),
    /// The name is no plain file name.
    #[error("{}", messages::name_invalid(.0))]
    NameInvalid(String),
    /// The local driver has no such option.
    #[error("{}", messages::invalid_option(.name, .option))]
    InvalidOption {
        /// The volume.
        name: String,
        /// The option.
        option: String,
    },
    /// An option needs another.
    #[error("{}", messages::missing_option(.name, .option))]
    MissingOption {
        /// The volume.
        name: String,
        /// The one that is missing.
        option: &'static str,
    },
    /// Another driver has a volume of this name.
    #[error("{}", messages::name_taken(.name))]
    NameTaken {
        /// The name.
        name: String,
    },
    /// A new name that another volume has.
    #[error("{operation} {name}: a volume named {new} already exists")]
    Exists {
        /// `rename`, `clone`, …
        operation: &'static str,
        /// The volume.
        name: String,
        /// The name that is taken.
        new: String,
    },
    /// What only local volumes without a mount of their own can have done to them.
    #[error("{operation} {name}: only volumes of the local driver without mount options can be {}", .operation.done())]
    NotPlain {
        /// What was asked.
        operation: PlainOperation,
        /// The volume.
        name: String,
    },
    /// A limit that is no size.
    #[error("{}", messages::invalid_size(.name, .size))]
    InvalidSize {
        /// The volume.
        name: String,
        /// As asked for.
        size: String,
    },
    /// The file system has no project quotas.
    #[error("{}", messages::no_quota(.name))]
    NoQuota {
        /// The volume.
        name: String,
    },
    /// A limit beside a mount, whose files are another file system's.
    #[error(
        "create {name}: option \"size\" limits the files of a volume of its own, not what \"type\" and \"device\" mount; mount options belong into \"o\""
    )]
    SizeOfMount {
        /// The volume.
        name: String,
    },
    /// The limit of its files cannot be set.
    #[error("failed to set quota limit of {bytes} bytes for volume {name}")]
    Limit {
        /// The volume.
        name: String,
        /// As asked for.
        bytes: u64,
        /// Why.
        source: io::Error,
    },
    /// What the options ask for cannot be mounted.
    #[error("{}", messages::mounting(.path, .reason))]
    Mount {
        /// The volume's directory.
        path: PathBuf,
        /// Docker's sentence.
        reason: String,
    },
    /// A plugin refused, in its own words.
    #[error("{operation} {name}: {reason}")]
    Plugin {
        /// `create`, `mount`, …
        operation: &'static str,
        /// The volume.
        name: String,
        /// What the plugin said.
        reason: String,
    },
    /// A mount was found below a volume that shall be removed.
    #[error("remove {name}: {path} is a mount point; unmount it first")]
    MountBelow {
        /// The volume.
        name: String,
        /// The mount point.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("{operation} {path}")]
    Io {
        /// `creating`, `removing`, `copying`, …
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The records.
    #[error("{operation} volume {name}")]
    Store {
        /// `recording`, `forgetting`, `loading`.
        operation: &'static str,
        /// The volume; empty: all.
        name: String,
        /// Why.
        source: Box<StoreError>,
    },
}

impl KindOf for VolumeError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotFound { .. } | Self::NoDriver { .. } => Kind::NotFound,
            Self::InUse { .. }
            | Self::MountBelow { .. }
            | Self::NameTaken { .. }
            | Self::Exists { .. } => Kind::Conflict,
            Self::NameTooShort(_)
            | Self::NameInvalid(_)
            | Self::InvalidOption { .. }
            | Self::InvalidSize { .. }
            | Self::NoQuota { .. }
            | Self::SizeOfMount { .. }
            | Self::NotPlain { .. }
            | Self::MissingOption { .. } => Kind::InvalidParameter,
            Self::Limit { .. }
            | Self::Mount { .. }
            | Self::Plugin { .. }
            | Self::Io { .. }
            | Self::Store { .. } => Kind::Internal,
        }
    }
}

/// What is done to plain volumes only, beyond Docker's operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlainOperation {
    /// Another name.
    Rename,
}

impl PlainOperation {
    fn done(self) -> &'static str {
        match self {
            Self::Rename => "renamed",
        }
    }
}

impl std::fmt::Display for PlainOperation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Rename => "rename",
        })
    }
}
