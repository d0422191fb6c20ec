//! What goes into and comes out of [`crate::Images`].

use crate::{BuildOrigin, Credentials, ManifestSummary, Origins, RegistryConfig};
use corten_base::Timestamp;
use corten_oci::{Descriptor, Digest, ImageConfig, Platform, Reference};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

/// How the room is opened.
#[derive(Debug, Clone)]
pub struct Config {
    /// Registries, mirrors, proxies.
    pub registries: RegistryConfig,
    /// Layers of one pull fetched at a time (`max-concurrent-downloads`); Docker's default
    /// is 3, ours [`Config::DOWNLOADS`].
    pub max_concurrent_downloads: usize,
    /// Layers of one push sent at a time (`max-concurrent-uploads`).
    pub max_concurrent_uploads: usize,
    /// How often a layer is tried (`max-download-attempts`).
    pub max_download_attempts: u32,
    /// The platform to choose from an index.
    pub platform: Platform,
    /// Keep the compressed blob of each layer beside its files, so that every registry gets
    /// the very digests that were pulled. It takes a third of the layers' room again.
    pub keep_layer_blobs: bool,
}

impl Config {
    /// Default of `max_concurrent_downloads`: all layers of a usual image.
    pub const DOWNLOADS: usize = 16;
    /// Default of `max_concurrent_uploads`, Docker's.
    pub const UPLOADS: usize = 5;
    /// Default of `max_download_attempts`, Docker's.
    pub const ATTEMPTS: u32 = 5;
}

impl Default for Config {
    fn default() -> Self {
        Self {
            registries: RegistryConfig::default(),
            max_concurrent_downloads: Self::DOWNLOADS,
            max_concurrent_uploads: Self::UPLOADS,
            max_download_attempts: Self::ATTEMPTS,
            platform: Platform::host(),
            keep_layer_blobs: false,
        }
    }
}

/// An image on this machine.
#[derive(Debug, Clone)]
pub struct Image {
    /// The digest of the configuration's bytes.
    pub id: Digest,
    /// The configuration.
    pub config: Arc<ImageConfig>,
    /// The image it was committed or built from on this machine.
    pub parent: Option<Digest>,
    /// Bytes of all layers, unpacked.
    pub size_bytes: u64,
    /// When it was last tagged here.
    pub last_tag_time: Timestamp,
}

impl Image {
    /// Diff IDs, the lowest first, as the snapshot room wants them.
    pub fn layers(&self) -> &[Digest] {
        self.config.diff_ids()
    }
}

/// What to pull.
#[derive(Debug, Clone)]
pub struct PullRequest {
    /// By tag or by digest (`or_latest` is applied unless `all_tags`).
    pub reference: Reference,
    /// Every tag of the repository.
    pub all_tags: bool,
    /// Instead of this machine's.
    pub platform: Option<Platform>,
    /// Leave the name to the image that has it: what comes is named by its manifest's digest.
    pub keep_name: bool,
    /// For the registry.
    pub credentials: Option<Credentials>,
}

/// What was pulled.
#[derive(Debug, Clone)]
pub struct Pulled {
    /// Names that were recorded, with their images. An event `pull` belongs to each.
    pub images: Vec<(Reference, Digest)>,
}

/// What to push.
#[derive(Debug, Clone)]
pub struct PushRequest {
    /// The name; without a tag `latest` unless `all_tags`.
    pub reference: Reference,
    /// Every local tag of the repository.
    pub all_tags: bool,
    /// Only if the image is for this platform.
    pub platform: Option<Platform>,
    /// For the registry.
    pub credentials: Option<Credentials>,
}

/// What to verify.
#[derive(Debug, Clone, Default)]
pub struct VerifyRequest {
    /// Names or IDs; none: every image.
    pub names: Vec<String>,
    /// Also mend what is damaged.
    pub repair: bool,
    /// For registries, by their domain.
    pub credentials: Vec<(String, Credentials)>,
}

impl VerifyRequest {
    pub(crate) fn credentials_for(&self, domain: &str) -> Option<Credentials> {
        let mut known = self.credentials.iter();
        let found = known.find(|(server, _)| server == domain);
        found.map(|(_, credentials)| credentials.clone())
    }
}

/// What was verified.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verified {
    /// Images.
    pub images: usize,
    /// Layers, each once.
    pub layers: usize,
    /// Parts found damaged.
    pub damaged: usize,
    /// Of these, parts that are whole again.
    pub repaired: usize,
}

/// How an archive is loaded.
#[derive(Debug, Clone, Default)]
pub struct LoadRequest {
    /// No progress of layers.
    pub quiet: bool,
    /// Only images for this platform.
    pub platform: Option<Platform>,
}

/// What was loaded; an event `load` belongs to each.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The images, with the names they got.
    pub images: Vec<(Digest, Vec<Reference>)>,
}

/// A file system tree that becomes an image (`docker import`).
#[derive(Debug, Clone, Default)]
pub struct ImportRequest {
    /// A name for it.
    pub reference: Option<Reference>,
    /// A remark; `Imported from -` when empty.
    pub message: String,
    /// Dockerfile instructions applied to the configuration.
    pub changes: Vec<String>,
    /// The platform it is for.
    pub platform: Option<Platform>,
}

/// A container that becomes an image (`docker commit`).
#[derive(Debug, Clone)]
pub struct CommitRequest {
    /// The image the container was made from.
    pub parent: Option<Digest>,
    /// The container's writable directory (overlay's upper).
    pub upper: PathBuf,
    /// Mount points in it that the engine made (relative), left out.
    pub exclude: Vec<PathBuf>,
    /// The container's ID, for the history.
    pub container_id: String,
    /// The configuration that the image shall have, before `changes`.
    pub config: corten_oci::RunConfig,
    /// The container's command, which the history shows.
    pub command: Vec<String>,
    /// Name for the image.
    pub reference: Option<Reference>,
    /// Who.
    pub author: String,
    /// A remark.
    pub comment: String,
    /// Dockerfile instructions applied to the configuration.
    pub changes: Vec<String>,
}

/// A built image: its layers are unpacked and held by the caller.
#[derive(Debug, Clone)]
pub struct BuiltRequest {
    /// The configuration, whose digest becomes the image's ID.
    pub config: ImageConfig,
    /// Names for the image, each with a tag.
    pub names: Vec<Reference>,
    /// The build, where it is kept in a history.
    pub origin: Option<BuildOrigin>,
}

/// Which images to list. All that is given must fit.
#[derive(Debug, Clone, Default)]
pub struct ListRequest {
    /// Also images without a name that others are made from.
    pub all: bool,
    /// `dangling=`: with or without names.
    pub dangling: Option<bool>,
    /// `label=` `name` or `name=value`.
    pub labels: Vec<String>,
    /// `label!=`.
    pub labels_not: Vec<String>,
    /// `before=` name or ID.
    pub before: Vec<String>,
    /// `since=` name or ID.
    pub since: Vec<String>,
    /// `reference=` shell patterns; any may match.
    pub references: Vec<String>,
    /// `until=`: created before this.
    pub until: Option<Timestamp>,
    /// Find out the shared sizes (`shared-size=1`).
    pub shared_size: bool,
    /// What names keep beside their images (`manifests=1`): names of one image that keep
    /// different things are lines of their own then.
    pub manifests: bool,
}

/// An index that a name keeps.
#[derive(Debug, Clone)]
pub struct IndexSummary {
    /// The index.
    pub descriptor: Descriptor,
    /// Everything that it lists.
    pub manifests: Vec<ManifestSummary>,
}

/// A line of an image list.
#[derive(Debug, Clone)]
pub struct Summary {
    /// The image.
    pub image: Image,
    /// `nginx:latest`, sorted.
    pub repo_tags: Vec<String>,
    /// `nginx@sha256:…`, sorted.
    pub repo_digests: Vec<String>,
    /// Bytes in layers that other images have too, if asked for.
    pub shared_size_bytes: Option<u64>,
    /// What its names keep, if asked for.
    pub index: Option<IndexSummary>,
    /// How it came here.
    pub origins: Origins,
}

/// What `inspect` shows.
#[derive(Debug, Clone)]
pub struct Inspect {
    /// The image.
    pub image: Image,
    /// `nginx:latest`, sorted.
    pub repo_tags: Vec<String>,
    /// `nginx@sha256:…`, sorted.
    pub repo_digests: Vec<String>,
    /// `GraphDriver.Name`.
    pub driver: &'static str,
    /// `GraphDriver.Data`: `UpperDir` (the topmost layer) and `LowerDir` (those below).
    pub driver_data: BTreeMap<String, String>,
    /// The manifest or index it was pulled by, where known.
    pub descriptor: Option<Descriptor>,
    /// What the name keeps.
    pub index: Option<IndexSummary>,
    /// How it came here.
    pub origins: Origins,
}

/// A step of an image's history, the newest first in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryStep {
    /// The image that ends with this step, if it is on this machine.
    pub id: Option<Digest>,
    /// When.
    pub created: Timestamp,
    /// By which command.
    pub created_by: String,
    /// Names of that image.
    pub tags: Vec<String>,
    /// Bytes of the step's layer.
    pub size_bytes: u64,
    /// A remark.
    pub comment: String,
}

/// A container, as far as removing images must know it.
#[derive(Debug, Clone)]
pub struct ImageUser {
    /// The container's full ID.
    pub container_id: String,
    /// Its image.
    pub image: Digest,
    /// Whether it runs.
    pub running: bool,
}

/// How an image is removed.
#[derive(Debug, Clone, Copy)]
pub struct RemoveOptions {
    /// Even if stopped containers use it or it has several names.
    pub force: bool,
    /// Also parents that nothing else needs (Docker's default; `noprune` turns it off).
    pub prune: bool,
}

/// What a removal did, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// A name is gone; an event `untag` belongs to it.
    Untagged {
        /// The familiar form.
        name: String,
        /// The image it stood for.
        image: Digest,
        /// That image's labels: by the time of the event it may be gone.
        labels: BTreeMap<String, String>,
    },
    /// An image is gone; an event `delete` belongs to it.
    Image(Digest),
    /// A manifest of an index that stays is gone, with what it lists.
    Manifest(Digest),
    /// A layer is gone: its chain ID.
    Layer(Digest),
}

/// What a prune did.
#[derive(Debug, Clone, Default)]
pub struct Pruned {
    /// In order.
    pub removed: Vec<Removed>,
    /// Bytes of the layers that are gone.
    pub reclaimed_bytes: u64,
}

/// What a registry says of a name (`GET /distribution/{name}/json`).
#[derive(Debug, Clone)]
pub struct DistributionInspect {
    /// The manifest or index.
    pub descriptor: Descriptor,
    /// What it is made for.
    pub platforms: Vec<Platform>,
}

/// What a check of credentials gave.
#[derive(Debug, Clone)]
pub struct Login {
    /// `Login Succeeded`.
    pub status: String,
    /// A refresh token to keep instead of the password, if the server gives one.
    pub identity_token: String,
}
