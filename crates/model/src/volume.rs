//! Volumes.

use corten_base::Timestamp;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf};

/// A volume.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VolumeInfo {
    /// Name; 64 digits for anonymous ones.
    pub name: String,
    /// `local`, or the name of a plugin.
    pub driver: String,
    /// Its files.
    pub mountpoint: PathBuf,
    /// Creation.
    pub created: Timestamp,
    /// User's labels; `None` where Docker shows `null`.
    pub labels: Option<BTreeMap<String, String>>,
    /// The driver's options; `None` where Docker shows `null`.
    pub options: Option<BTreeMap<String, String>>,
    /// `local` or `global`.
    pub scope: String,
    /// What a plugin tells of it.
    #[serde(default)]
    pub status: BTreeMap<String, serde_json::Value>,
    /// In `system df` only.
    pub usage: Option<VolumeUsage>,
}

/// Use of a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeUsage {
    /// Bytes; -1: not computed.
    pub size: i64,
    /// Containers that have it.
    pub reference_count: i64,
}
