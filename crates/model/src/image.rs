//! Images as lists and `inspect` show them, and the progress of work on them.

use crate::{ContainerConfig, GraphDriver, ImageId};
use corten_base::{Redacted, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A line of an image list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ImageSummary {
    /// ID.
    pub id: ImageId,
    /// ID of the parent, empty for images that were not built here.
    pub parent_id: String,
    /// `nginx:latest`.
    pub repo_tags: Vec<String>,
    /// `nginx@sha256:…`.
    pub repo_digests: Vec<String>,
    /// Creation.
    pub created: Timestamp,
    /// Bytes of all layers.
    pub size: i64,
    /// Bytes in layers of other images too; -1: not computed.
    pub shared_size: i64,
    /// Labels.
    pub labels: Option<BTreeMap<String, String>>,
    /// Containers made from it; -1: not computed.
    pub containers: i64,
    /// Descriptor of the manifest or index, as JSON, where known.
    pub descriptor: Option<serde_json::Value>,
    /// Manifests of the index that it is in, where asked for.
    pub manifests: Vec<ImageManifest>,
    /// How it came here.
    pub identity: ImageIdentity,
}

/// How an image came to this machine, whatever names it has had since. The newest last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ImageIdentity {
    /// Repositories that it was pulled from: `docker.io/library/nginx`.
    pub pulls: Vec<String>,
    /// Builds that gave it.
    pub builds: Vec<ImageBuild>,
}

/// A build that gave an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImageBuild {
    /// What the history of builds has it under; none, where it is in none.
    pub reference: Option<String>,
    /// When it ended.
    pub at: Timestamp,
}

/// What `inspect` shows of an image.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ImageInspect {
    /// ID.
    pub id: ImageId,
    /// `nginx:latest`.
    pub repo_tags: Vec<String>,
    /// `nginx@sha256:…`.
    pub repo_digests: Vec<String>,
    /// ID of the parent, mostly empty.
    pub parent: String,
    /// Comment of the last step.
    pub comment: String,
    /// Creation, where the image says it.
    pub created: Option<Timestamp>,
    /// Deprecated; mostly empty.
    pub docker_version: String,
    /// Author.
    pub author: String,
    /// Configuration.
    pub config: Option<ContainerConfig>,
    /// `amd64`.
    pub architecture: String,
    /// `v7`, where there is one.
    pub variant: String,
    /// `linux`.
    pub os: String,
    /// Windows only.
    pub os_version: String,
    /// Bytes of all layers.
    pub size: i64,
    /// Where the layers lie.
    pub graph_driver: GraphDriver,
    /// Diff IDs, bottom first.
    pub layers: Vec<String>,
    /// Last tag on this host.
    pub last_tag_time: Timestamp,
    /// Descriptor of the manifest or index, as JSON, where known.
    pub descriptor: Option<serde_json::Value>,
    /// Manifests of the index that it is in, where asked for.
    pub manifests: Vec<ImageManifest>,
    /// How it came here.
    pub identity: ImageIdentity,
}

/// One manifest of an index.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ImageManifest {
    /// As the index lists it.
    pub descriptor: corten_oci::Descriptor,
    /// Whether it is here with all that it lists.
    pub available: bool,
    /// Bytes of blobs.
    pub content_size: i64,
    /// Bytes of blobs and of unpacked files.
    pub total_size: i64,
    /// What it is of.
    pub kind: ImageManifestKind,
}

/// What a manifest is of.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum ImageManifestKind {
    /// An image.
    Image {
        /// What it is made for.
        platform: corten_oci::Platform,
        /// Bytes of unpacked files.
        unpacked_size: i64,
        /// IDs of containers made from it.
        containers: Vec<String>,
    },
    /// What is said about the manifest of this digest.
    Attestation(String),
    /// Something else.
    Unknown,
}

/// A step of an image's history.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ImageHistoryItem {
    /// ID, or `<missing>`.
    pub id: String,
    /// When.
    pub created: Timestamp,
    /// By which command.
    pub created_by: String,
    /// Tags of the image at this step.
    pub tags: Option<Vec<String>>,
    /// Bytes of its layer.
    pub size: i64,
    /// Comment.
    pub comment: String,
}

/// A line of an image removal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum ImageDeleteItem {
    /// A name is gone.
    Untagged(String),
    /// An image or a layer is gone.
    Deleted(String),
}

/// A message of a long work's stream (pull, push, load, import).
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Progress {
    /// What the line is about: a layer's short ID or a tag; empty: the whole work.
    pub id: String,
    /// `Downloading`, `Pull complete`, …
    pub status: String,
    /// How far.
    pub detail: Option<ProgressDetail>,
    /// Plain output instead of a status (`Loaded image: …`).
    pub stream: String,
    /// Facts for programs, as JSON.
    pub aux: Option<serde_json::Value>,
    /// The work failed; this is the last message.
    pub error: Option<String>,
}

/// How far a piece of work has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct ProgressDetail {
    /// Done.
    pub current: u64,
    /// In all, where known.
    pub total: Option<u64>,
    /// `Extracting` counts seconds instead of bytes.
    pub seconds: bool,
}

/// What a registry has under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageDistribution {
    /// The manifest or index.
    pub descriptor: corten_oci::Descriptor,
    /// What it is made for.
    pub platforms: Vec<corten_oci::Platform>,
}

/// A repository that a registry's search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSearchHit {
    /// The repository.
    pub name: String,
    /// One line about it.
    pub description: String,
    /// How many like it.
    pub star_count: i64,
    /// Whether the registry vouches for it.
    pub is_official: bool,
    /// Of old: whether the registry built it.
    pub is_automated: bool,
}

/// Credentials for a registry.
#[derive(Debug, Clone, Default)]
pub struct RegistryAuth {
    /// User.
    pub username: String,
    /// Password.
    pub password: Redacted<String>,
    /// `base64(user:password)`, as older clients send it.
    pub auth: Redacted<String>,
    /// An OAuth2 refresh token.
    pub identity_token: Redacted<String>,
    /// A bearer token sent as it is.
    pub registry_token: Redacted<String>,
    /// For this registry.
    pub server_address: String,
}

/// What happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// 0
    Modified,
    /// 1
    Added,
    /// 2
    Deleted,
}

/// A line of `docker diff`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FilesystemChange {
    /// Absolute path in the container.
    pub path: String,
    /// What.
    pub kind: ChangeKind,
}
