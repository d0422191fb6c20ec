//! Volumes.

use crate::skip::empty;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One volume.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename = "volume.Volume", rename_all = "PascalCase")]
pub struct Volume {
    /// Of a cluster volume.
    #[serde(skip_serializing_if = "empty")]
    pub cluster_volume: Option<serde_json::Value>,
    /// RFC 3339.
    #[serde(skip_serializing_if = "empty")]
    pub created_at: String,
    /// Driver.
    pub driver: String,
    /// Labels.
    pub labels: Option<BTreeMap<String, String>>,
    /// Directory on the host.
    pub mountpoint: String,
    /// Name.
    pub name: String,
    /// Options of the driver.
    pub options: Option<BTreeMap<String, String>>,
    /// `local` or `global`.
    pub scope: String,
    /// Facts from the driver.
    #[serde(skip_serializing_if = "empty")]
    pub status: BTreeMap<String, serde_json::Value>,
    /// Only in `GET /system/df`.
    #[serde(skip_serializing_if = "empty")]
    pub usage_data: Option<UsageData>,
}

/// How much a volume takes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename = "volume.UsageData", rename_all = "PascalCase")]
pub struct UsageData {
    /// Containers that use it; -1: unknown.
    pub ref_count: i64,
    /// Bytes; -1: unknown.
    pub size: i64,
}

/// The answer of `GET /volumes`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename = "volume.ListResponse", rename_all = "PascalCase")]
pub struct ListResponse {
    /// Volumes.
    pub volumes: Option<Vec<Volume>>,
    /// Sentences for the user.
    pub warnings: Option<Vec<String>>,
}

/// The body of `POST /volumes/create`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename = "volume.CreateOptions", rename_all = "PascalCase")]
pub struct CreateRequest {
    /// Of a cluster volume.
    #[serde(skip_serializing_if = "empty")]
    pub cluster_volume_spec: Option<serde_json::Value>,
    /// Empty: `local`.
    #[serde(skip_serializing_if = "empty")]
    pub driver: String,
    /// Options of the driver.
    #[serde(skip_serializing_if = "empty")]
    pub driver_opts: BTreeMap<String, String>,
    /// Labels.
    #[serde(skip_serializing_if = "empty")]
    pub labels: BTreeMap<String, String>,
    /// Empty: a random one.
    #[serde(skip_serializing_if = "empty")]
    pub name: String,
}

/// The answer of `POST /volumes/prune`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename = "volume.PruneReport", rename_all = "PascalCase")]
pub struct PruneReport {
    /// Names of what is gone.
    pub volumes_deleted: Option<Vec<String>>,
    /// Bytes.
    pub space_reclaimed: u64,
}
