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
    #[error("{}", messages::in_use(.name, .users))]
    InUse {
        /// The volume.
        name: String,
        /// IDs of containers.
        users: Vec<String>,
    },
    /// There is no such driver.
    #[error("{}", messages::no_plugin(.name, .driver))]
    NoDriver {
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
    /// The local driver of Corten mounts nothing but directories of the host.
    #[error(
        "create {name}: volume type {kind:?} is not supported by Corten yet: use type=none with o=bind and a device, or a tmpfs mount"
    )]
    UnsupportedType {
        /// The volume.
        name: String,
        /// The `type` option.
        kind: String,
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
            Self::InUse { .. } | Self::MountBelow { .. } => Kind::Conflict,
            Self::NameTooShort(_)
            | Self::NameInvalid(_)
            | Self::InvalidOption { .. }
            | Self::MissingOption { .. } => Kind::InvalidParameter,
            Self::UnsupportedType { .. } => Kind::NotImplemented,
            Self::Io { .. } | Self::Store { .. } => Kind::Internal,
        }
    }
}
