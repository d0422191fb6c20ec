//! Mounts: what was asked for and what a container has.

use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, path::PathBuf, str::FromStr};

/// Where a mount's data come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MountKind {
    /// A path of the host.
    #[default]
    Bind,
    /// A volume.
    Volume,
    /// Memory.
    Tmpfs,
    /// The files of an image.
    Image,
    /// A Windows named pipe; refused.
    Npipe,
    /// A cluster volume; refused.
    Cluster,
}

/// Mount propagation, mount_namespaces(7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Propagation {
    /// Not asked for; shown as "".
    #[default]
    Unset,
    /// `private`
    Private,
    /// `rprivate`
    Rprivate,
    /// `shared`
    Shared,
    /// `rshared`
    Rshared,
    /// `slave`
    Slave,
    /// `rslave`
    Rslave,
}

/// One entry of `HostConfig.Mounts`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MountRequest {
    /// Kind.
    pub kind: MountKind,
    /// Host path, volume name, image reference; empty for tmpfs and anonymous volumes.
    pub source: String,
    /// Path in the container.
    pub target: String,
    /// Not writable.
    pub read_only: bool,
    /// `default`, `consistent`, `cached`, `delegated`; of no effect on Linux.
    pub consistency: String,
    /// For binds.
    pub bind_options: Option<BindOptions>,
    /// For volumes.
    pub volume_options: Option<VolumeOptions>,
    /// For images.
    pub image_options: Option<ImageOptions>,
    /// For tmpfs.
    pub tmpfs_options: Option<TmpfsOptions>,
}

/// Options of a bind.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct BindOptions {
    /// Propagation.
    pub propagation: Propagation,
    /// Do not take mounts below the source along.
    pub non_recursive: bool,
    /// Create the source directory when it is missing.
    pub create_mountpoint: bool,
    /// Read-only applies to the topmost mount only.
    pub read_only_non_recursive: bool,
    /// Fail when read-only cannot apply to mounts below.
    pub read_only_force_recursive: bool,
    /// Whose the host's files are in the container.
    pub id_map: Option<IdMap>,
}

/// Owners on either side of a bind. An ID in no range is nobody's.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct IdMap {
    /// Users.
    pub uids: Vec<IdRange>,
    /// Groups.
    pub gids: Vec<IdRange>,
}

/// IDs that follow each other on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct IdRange {
    /// The first in the container.
    pub container: u32,
    /// The first on the host.
    pub host: u32,
    /// How many.
    pub size: u32,
}

/// Options of a volume mount.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct VolumeOptions {
    /// Do not copy the image's files into an empty volume.
    pub no_copy: bool,
    /// Labels of a volume that is created for this mount.
    pub labels: Option<BTreeMap<String, String>>,
    /// Driver of a volume that is created for this mount; empty: local.
    pub driver_name: String,
    /// The driver's options.
    pub driver_options: Option<BTreeMap<String, String>>,
    /// Path inside the volume.
    pub subpath: String,
}

/// Options of an image mount.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageOptions {
    /// Path inside the image.
    pub subpath: String,
}

/// Options of a tmpfs mount.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TmpfsOptions {
    /// Limit in bytes; 0: none.
    pub size_bytes: i64,
    /// Permission bits of the root; `None`: 1777.
    pub mode: Option<u32>,
    /// Extra mount options, `["noexec"]` or `["uid", "1000"]`.
    pub options: Option<Vec<Vec<String>>>,
}

/// A mount that a container has, as `inspect` shows it, and what start needs to know.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MountPoint {
    /// Kind.
    pub kind: MountKind,
    /// The volume's name; empty otherwise.
    pub name: String,
    /// Path on the host.
    pub source: PathBuf,
    /// Path in the container.
    pub destination: PathBuf,
    /// `local` for volumes.
    pub driver: String,
    /// The mode as it was written (`ro`, `z`, …).
    pub mode: String,
    /// Writable.
    pub rw: bool,
    /// Propagation.
    pub propagation: Propagation,
    /// What it was made from, when it came from `HostConfig.Mounts`.
    pub request: Option<MountRequest>,
    /// Copy the image's files into the volume while it is empty.
    pub copy_up: bool,
    /// Create the source when it is missing (`-v` does, `--mount` does not).
    pub create_source: bool,
    /// The volume was created for this container without a name.
    pub anonymous: bool,
}

impl MountKind {
    /// As in Docker's JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bind => "bind",
            Self::Volume => "volume",
            Self::Tmpfs => "tmpfs",
            Self::Image => "image",
            Self::Npipe => "npipe",
            Self::Cluster => "cluster",
        }
    }
}

impl fmt::Display for MountKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for MountKind {
    type Err = String;

    /// The unknown name is handed back.
    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "bind" => Self::Bind,
            "volume" => Self::Volume,
            "tmpfs" => Self::Tmpfs,
            "image" => Self::Image,
            "npipe" => Self::Npipe,
            "cluster" => Self::Cluster,
            other => return Err(other.to_owned()),
        })
    }
}

impl Propagation {
    /// As in Docker's JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unset => "",
            Self::Private => "private",
            Self::Rprivate => "rprivate",
            Self::Shared => "shared",
            Self::Rshared => "rshared",
            Self::Slave => "slave",
            Self::Rslave => "rslave",
        }
    }
}

impl fmt::Display for Propagation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Propagation {
    type Err = String;

    /// The unknown name is handed back.
    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "" => Self::Unset,
            "private" => Self::Private,
            "rprivate" => Self::Rprivate,
            "shared" => Self::Shared,
            "rshared" => Self::Rshared,
            "slave" => Self::Slave,
            "rslave" => Self::Rslave,
            other => return Err(other.to_owned()),
        })
    }
}
