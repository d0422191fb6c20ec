//! `GET /distribution/{name}/json` and `GET /images/search`.

use crate::skip::empty;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a registry holds under a name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(
    default,
    rename = "registry.DistributionInspect",
    rename_all = "PascalCase"
)]
pub struct DistributionInspect {
    /// The manifest or index.
    pub descriptor: Descriptor,
    /// Platforms it is for.
    pub platforms: Option<Vec<Platform>>,
}

/// An OCI descriptor as Docker's API shows it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename = "v1.Descriptor", rename_all = "camelCase")]
pub struct Descriptor {
    /// Media type.
    pub media_type: String,
    /// Digest.
    pub digest: String,
    /// Bytes.
    pub size: i64,
    /// Other places.
    #[serde(skip_serializing_if = "empty")]
    pub urls: Vec<String>,
    /// Annotations.
    #[serde(skip_serializing_if = "empty")]
    pub annotations: BTreeMap<String, String>,
    /// Platform.
    #[serde(skip_serializing_if = "empty")]
    pub platform: Option<Platform>,
}

/// An OCI platform.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename = "v1.Platform")]
pub struct Platform {
    /// GOARCH.
    pub architecture: String,
    /// GOOS.
    pub os: String,
    /// Windows only.
    #[serde(rename = "os.version", skip_serializing_if = "empty")]
    pub os_version: String,
    /// Windows only.
    #[serde(rename = "os.features", skip_serializing_if = "empty")]
    pub os_features: Vec<String>,
    /// `v7`, `v8`, …
    #[serde(skip_serializing_if = "empty")]
    pub variant: String,
}

/// One hit of a search.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename = "registry.SearchResult")]
pub struct SearchResult {
    /// Stars.
    pub star_count: i64,
    /// Whether the registry vouches for it.
    pub is_official: bool,
    /// The repository's name.
    pub name: String,
    /// Deprecated, false.
    pub is_automated: bool,
    /// One line.
    pub description: String,
}
