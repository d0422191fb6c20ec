use crate::skip::empty;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A mount in the long form (`--mount`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename = "mount.Mount", rename_all = "PascalCase")]
pub struct Mount {
    /// `bind`, `volume`, `tmpfs`, `image`, `npipe`, `cluster`.
    #[serde(skip_serializing_if = "empty")]
    pub r#type: String,
    /// Path of the host or name of a volume or image.
    #[serde(skip_serializing_if = "empty")]
    pub source: String,
    /// Path in the container.
    #[serde(skip_serializing_if = "empty")]
    pub target: String,
    /// Whether it is read-only.
    #[serde(skip_serializing_if = "empty")]
    pub read_only: bool,
    /// Not used on Linux.
    #[serde(skip_serializing_if = "empty")]
    pub consistency: String,
    /// Options of a bind mount.
    #[serde(skip_serializing_if = "empty")]
    pub bind_options: Option<BindOptions>,
    /// Options of a volume.
    #[serde(skip_serializing_if = "empty")]
    pub volume_options: Option<VolumeOptions>,
    /// Options of an image mount.
    #[serde(skip_serializing_if = "empty")]
    pub image_options: Option<ImageOptions>,
    /// Options of a tmpfs.
    #[serde(skip_serializing_if = "empty")]
    pub tmpfs_options: Option<TmpfsOptions>,
    /// Options of a cluster volume: none yet.
    #[serde(skip_serializing_if = "empty")]
    pub cluster_options: Option<super::Empty>,
}

/// Options of a bind mount.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename = "mount.BindOptions", rename_all = "PascalCase")]
pub struct BindOptions {
    /// `private`, `rprivate`, `shared`, `rshared`, `slave`, `rslave`.
    #[serde(skip_serializing_if = "empty")]
    pub propagation: String,
    /// Without the mounts below the source.
    #[serde(skip_serializing_if = "empty")]
    pub non_recursive: bool,
    /// Make the source directory when it is missing.
    #[serde(skip_serializing_if = "empty")]
    pub create_mountpoint: bool,
    /// Read-only for the topmost mount only.
    #[serde(skip_serializing_if = "empty")]
    pub read_only_non_recursive: bool,
    /// Fail where mounts below cannot be made read-only.
    #[serde(skip_serializing_if = "empty")]
    pub read_only_force_recursive: bool,
    /// Beyond Docker: who owns the files on either side.
    #[serde(rename = "IDMap", skip_serializing_if = "empty")]
    pub id_map: Option<IdMap>,
}

/// Whose the host's files are in the container. An ID that is in no range is nobody's, and
/// makes no files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct IdMap {
    /// Users.
    #[serde(rename = "UIDs")]
    pub uids: Vec<IdRange>,
    /// Groups.
    #[serde(rename = "GIDs")]
    pub gids: Vec<IdRange>,
}

/// IDs that follow each other on both sides.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct IdRange {
    /// The first in the container.
    pub container: u32,
    /// The first on the host.
    pub host: u32,
    /// How many.
    pub size: u32,
}

/// Options of a volume mount.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename = "mount.VolumeOptions", rename_all = "PascalCase")]
pub struct VolumeOptions {
    /// Do not copy the image's files into a new volume.
    #[serde(skip_serializing_if = "empty")]
    pub no_copy: bool,
    /// Labels of a volume that is made.
    #[serde(skip_serializing_if = "empty")]
    pub labels: BTreeMap<String, String>,
    /// A directory inside the volume.
    #[serde(skip_serializing_if = "empty")]
    pub subpath: String,
    /// Driver of a volume that is made.
    #[serde(skip_serializing_if = "empty")]
    pub driver_config: Option<VolumeDriverConfig>,
}

/// A volume driver and its options.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename = "mount.Driver", rename_all = "PascalCase")]
pub struct VolumeDriverConfig {
    /// Name of the driver.
    #[serde(skip_serializing_if = "empty")]
    pub name: String,
    /// Its options.
    #[serde(skip_serializing_if = "empty")]
    pub options: BTreeMap<String, String>,
}

/// Options of an image mount.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename = "mount.ImageOptions", rename_all = "PascalCase")]
pub struct ImageOptions {
    /// A directory inside the image.
    #[serde(skip_serializing_if = "empty")]
    pub subpath: String,
}

/// Options of a tmpfs mount.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename = "mount.TmpfsOptions", rename_all = "PascalCase")]
pub struct TmpfsOptions {
    /// Size in bytes; 0: no limit.
    #[serde(skip_serializing_if = "empty")]
    pub size_bytes: i64,
    /// Mode of its root; 0: 1777.
    #[serde(skip_serializing_if = "empty")]
    pub mode: u32,
    /// Mount options: `["uid", "1"]`, `["noexec"]`.
    #[serde(skip_serializing_if = "empty")]
    pub options: Vec<Vec<String>>,
}

/// A mount of an existing container, as lists and inspection show it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename = "container.MountPoint", rename_all = "PascalCase")]
pub struct MountPoint {
    /// `bind`, `volume`, `tmpfs`, `image`.
    #[serde(skip_serializing_if = "empty")]
    pub r#type: String,
    /// Name of the volume.
    #[serde(skip_serializing_if = "empty")]
    pub name: String,
    /// Path on the host.
    pub source: String,
    /// Path in the container.
    pub destination: String,
    /// Driver of the volume.
    #[serde(skip_serializing_if = "empty")]
    pub driver: String,
    /// Options as given: `ro`, `z`, …
    pub mode: String,
    /// Whether it is writable.
    #[serde(rename = "RW")]
    pub rw: bool,
    /// Propagation of a bind mount.
    pub propagation: String,
}
