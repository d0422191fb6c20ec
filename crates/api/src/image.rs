//! Images.

use crate::container::{Config, GraphDriver};
use crate::skip::empty;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One image in `GET /images/json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename = "image.Summary", rename_all = "PascalCase")]
pub struct Summary {
    /// Containers that use it; -1: not counted.
    pub containers: i64,
    /// Seconds since 1970.
    pub created: i64,
    /// `sha256:…`.
    pub id: String,
    /// Labels.
    pub labels: Option<BTreeMap<String, String>>,
    /// Image it was built from here, or empty.
    pub parent_id: String,
    /// The manifest or index; from 1.48.
    #[serde(skip_serializing_if = "empty")]
    pub descriptor: Option<crate::registry::Descriptor>,
    /// With `manifests=1`.
    #[serde(skip_serializing_if = "empty")]
    pub manifests: Vec<ManifestSummary>,
    /// With `identity=1`.
    #[serde(skip_serializing_if = "empty")]
    pub identity: Option<Identity>,
    /// `name@sha256:…`.
    pub repo_digests: Option<Vec<String>>,
    /// `name:tag`.
    pub repo_tags: Option<Vec<String>>,
    /// Bytes shared with other images; -1: not counted.
    pub shared_size: i64,
    /// Bytes of all layers.
    pub size: i64,
    /// Deprecated: only below 1.44.
    #[serde(skip_serializing_if = "empty")]
    pub virtual_size: i64,
}

/// The answer of `GET /images/{name}/json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename = "image.InspectResponse", rename_all = "PascalCase")]
pub struct Inspect {
    /// `sha256:…`.
    pub id: String,
    /// `name:tag`.
    pub repo_tags: Option<Vec<String>>,
    /// `name@sha256:…`.
    pub repo_digests: Option<Vec<String>>,
    /// Image it was built from here, or empty.
    pub parent: String,
    /// Of the last step.
    pub comment: String,
    /// RFC 3339; omitted when unknown.
    #[serde(skip_serializing_if = "empty")]
    pub created: String,
    /// Deprecated: below 1.44.
    #[serde(skip_serializing_if = "empty")]
    pub container: String,
    /// Deprecated: below 1.45.
    #[serde(skip_serializing_if = "empty")]
    pub container_config: Option<Config>,
    /// Deprecated; empty for new images.
    pub docker_version: String,
    /// Author.
    pub author: String,
    /// GOARCH.
    pub architecture: String,
    /// `v8`, …
    #[serde(skip_serializing_if = "empty")]
    pub variant: String,
    /// GOOS.
    pub os: String,
    /// Windows only.
    #[serde(skip_serializing_if = "empty")]
    pub os_version: String,
    /// Bytes of all layers.
    pub size: i64,
    /// Deprecated: only below 1.44.
    #[serde(skip_serializing_if = "empty")]
    pub virtual_size: i64,
    /// Where the layers lie.
    pub graph_driver: GraphDriver,
    /// The layers.
    #[serde(rename = "RootFS")]
    pub root_fs: RootFs,
    /// Facts of this store.
    pub metadata: Metadata,
    /// The manifest or index; from 1.48.
    #[serde(skip_serializing_if = "empty")]
    pub descriptor: Option<crate::registry::Descriptor>,
    /// With `manifests=1`.
    #[serde(skip_serializing_if = "empty")]
    pub manifests: Vec<ManifestSummary>,
    /// With `identity=1`.
    #[serde(skip_serializing_if = "empty")]
    pub identity: Option<Identity>,
    /// Defaults for containers.
    pub config: Option<ImageConfig>,
}

/// How an image came to the engine, whatever names it has had since; the field is that of
/// API 1.53. The newest last.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename = "image.Identity", rename_all = "PascalCase")]
pub struct Identity {
    /// Where it was pulled from.
    #[serde(skip_serializing_if = "empty")]
    pub pull: Vec<PullIdentity>,
    /// Builds that gave it.
    #[serde(skip_serializing_if = "empty")]
    pub build: Vec<BuildIdentity>,
}

/// A repository that an image was pulled from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename = "image.PullIdentity", rename_all = "PascalCase")]
pub struct PullIdentity {
    /// `docker.io/library/nginx`; of a mirror the repository that it stands for.
    pub repository: String,
}

/// A build that gave an image.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename = "image.BuildIdentity", rename_all = "PascalCase")]
pub struct BuildIdentity {
    /// What the history of builds has it under; classic builds are in none.
    #[serde(skip_serializing_if = "empty")]
    pub r#ref: String,
    /// RFC 3339.
    pub created_at: String,
}

/// One manifest of an index.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename = "image.ManifestSummary", rename_all = "PascalCase")]
pub struct ManifestSummary {
    /// Its digest.
    #[serde(rename = "ID")]
    pub id: String,
    /// As the index lists it.
    pub descriptor: crate::registry::Descriptor,
    /// Whether it is here with all that it lists.
    pub available: bool,
    /// Bytes here.
    pub size: ManifestSize,
    /// `image`, `attestation` or `unknown`.
    pub kind: String,
    /// Of an image.
    #[serde(skip_serializing_if = "empty")]
    pub image_data: Option<ImageProperties>,
    /// Of an attestation.
    #[serde(skip_serializing_if = "empty")]
    pub attestation_data: Option<AttestationProperties>,
}

/// Bytes of a manifest on this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ManifestSize {
    /// Of blobs.
    pub content: i64,
    /// Of blobs and of unpacked files.
    pub total: i64,
}

/// What there is to say of an image's manifest.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename = "image.ImageProperties", rename_all = "PascalCase")]
pub struct ImageProperties {
    /// What it is made for.
    pub platform: crate::registry::Platform,
    /// Of files.
    pub size: UnpackedSize,
    /// IDs of containers made from it.
    pub containers: Option<Vec<String>>,
}

/// Bytes of an image's files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct UnpackedSize {
    /// 0 when they are not unpacked.
    pub unpacked: i64,
}

/// What there is to say of an attestation's manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    default,
    rename = "image.AttestationProperties",
    rename_all = "PascalCase"
)]
pub struct AttestationProperties {
    /// The digest of the manifest that it is about.
    pub r#for: String,
}

/// An image's defaults for containers: the fields that mean something in an image, and
/// from 1.50 on only those.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename = "image.Config")]
pub struct ImageConfig {
    /// Every field by its name; sorted.
    #[serde(flatten)]
    pub fields: BTreeMap<String, serde_json::Value>,
}

/// The layers of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename = "image.RootFS", rename_all = "PascalCase")]
pub struct RootFs {
    /// `layers`.
    pub r#type: String,
    /// Diff IDs, lowest first.
    #[serde(skip_serializing_if = "empty")]
    pub layers: Vec<String>,
}

/// Facts of this store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename = "image.Metadata", rename_all = "PascalCase")]
pub struct Metadata {
    /// RFC 3339; Go's zero time when never tagged.
    #[serde(skip_serializing_if = "empty")]
    pub last_tag_time: String,
}

/// One entry of `GET /images/{name}/history`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    default,
    rename = "image.HistoryResponseItem",
    rename_all = "PascalCase"
)]
pub struct HistoryItem {
    /// Comment.
    pub comment: String,
    /// Seconds since 1970.
    pub created: i64,
    /// The instruction.
    pub created_by: String,
    /// The image's ID, or `<missing>`.
    pub id: String,
    /// Bytes of its layer.
    pub size: i64,
    /// Names of the image that ends here.
    pub tags: Option<Vec<String>>,
}

/// One entry of `DELETE /images/{name}`: exactly one field is set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename = "image.DeleteResponse", rename_all = "PascalCase")]
pub struct DeleteItem {
    /// ID of what is gone.
    #[serde(skip_serializing_if = "empty")]
    pub deleted: String,
    /// Name that is gone.
    #[serde(skip_serializing_if = "empty")]
    pub untagged: String,
}

/// The answer of `POST /images/prune`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename = "image.PruneReport", rename_all = "PascalCase")]
pub struct PruneReport {
    /// What is gone.
    pub images_deleted: Option<Vec<DeleteItem>>,
    /// Bytes.
    pub space_reclaimed: u64,
}

/// The answer of `POST /system/cleanup`, beyond Docker.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct CleanupReport {
    /// Images that went, or would.
    pub images: Vec<CleanupItem>,
    /// Bytes, of a dry run those that would come back.
    pub space_reclaimed: u64,
}

/// One image of a clean-up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct CleanupItem {
    /// Its ID.
    pub id: String,
    /// Its names.
    pub names: Vec<String>,
    /// When it was last used, RFC 3339.
    pub last_used: String,
    /// Bytes.
    pub size: u64,
    /// `age`, `size` or `disk`.
    pub reason: String,
}

/// The answer of `POST /commit`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    default,
    rename = "container.CommitResponse",
    rename_all = "PascalCase"
)]
pub struct CommitResponse {
    /// The image's ID.
    pub id: String,
}
