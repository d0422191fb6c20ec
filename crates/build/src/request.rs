//! What is asked of a build, and what it answers.

use crate::{ArchiveContext, cache_manifest::CachedStep, materials::Materials};
use corten_oci::{Digest, ImageConfig, Platform, Reference};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

/// Where the files of a build come from.
#[derive(Debug, Clone)]
pub enum ContextSource {
    /// From the client, under this name of its session.
    Local(String),
    /// A directory of this machine, filled for this build alone.
    Directory(PathBuf),
    /// A stream that a client sent, as it came.
    Archive(ArchiveContext),
    /// Another image.
    Image(String),
    /// An image of a layout in a store of the client's.
    Layout {
        /// The store's ID in the session.
        store: String,
        /// Of its manifest or index.
        digest: Digest,
    },
    /// What another build came to.
    Result {
        /// Diff IDs, bottom first.
        layers: Vec<Digest>,
        /// The image's configuration, where it is one.
        config: Option<Box<ImageConfig>>,
    },
    /// From the network: a git repository, or an archive or single Dockerfile at a URL.
    Remote(String),
    /// There are none.
    Empty,
}

/// Whether base images are asked for at their registry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PullMode {
    /// When they are not here.
    #[default]
    Missing,
    /// Always.
    Always,
}

/// A resource limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ulimit {
    /// `nofile` and the like.
    pub name: String,
    /// The limit in force.
    pub soft: i64,
    /// Its ceiling.
    pub hard: i64,
}

/// One build.
#[derive(Debug, Clone)]
pub struct BuildRequest {
    /// The main context.
    pub context: ContextSource,
    /// The Dockerfile's text, if it is known already; else it is read.
    pub dockerfile: Option<String>,
    /// The Dockerfile's path in its context.
    pub filename: String,
    /// Where the Dockerfile is, when not in the main context.
    pub dockerfile_context: Option<ContextSource>,
    /// Further contexts by name.
    pub named_contexts: BTreeMap<String, ContextSource>,
    /// The stage; the last one when empty.
    pub target: String,
    /// `--build-arg`; without a value: taken from nowhere.
    pub arguments: BTreeMap<String, String>,
    /// `--label`.
    pub labels: BTreeMap<String, String>,
    /// The platform, this machine's by default.
    pub platform: Option<Platform>,
    /// Use no record of the cache.
    pub no_cache: bool,
    /// Use none for these stages.
    pub no_cache_stages: Vec<String>,
    /// Base images.
    pub pull: PullMode,
    /// `--network`; empty is `default`.
    pub network: String,
    /// `--add-host`, `name:address`.
    pub extra_hosts: Vec<String>,
    /// `--shm-size`.
    pub shm_size_bytes: u64,
    /// `--ulimit`.
    pub ulimits: Vec<Ulimit>,
    /// `--memory`.
    pub memory_bytes: i64,
    /// `--memory-swap`.
    pub memory_swap_bytes: i64,
    /// `--cpu-shares`.
    pub cpu_shares: i64,
    /// `--cpu-quota`.
    pub cpu_quota: i64,
    /// `--cpu-period`.
    pub cpu_period: i64,
    /// `--cpuset-cpus`.
    pub cpuset_cpus: String,
    /// `--cpuset-mems`.
    pub cpuset_mems: String,
    /// `--cgroup-parent`.
    pub cgroup_parent: String,
    /// What the client allows: the host's network.
    pub allow_host_network: bool,
    /// What the client allows: all capabilities.
    pub allow_insecure: bool,
    /// Seconds since 1970 that times are set to (`SOURCE_DATE_EPOCH`).
    pub source_date_epoch: Option<i64>,
    /// Only check the Dockerfile.
    pub check_only: bool,
    /// Tell the Dockerfile's instructions ([`crate::Event::Instructions`]).
    pub tell_instructions: bool,
    /// Images whose configuration says which steps their layers are.
    pub cache_from: Vec<CacheSource>,
    /// Say so in the configuration of the result.
    pub inline_cache: bool,
}

/// Where results of earlier builds may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheSource {
    /// An image of this machine.
    Local(String),
    /// An image at a registry.
    Registry(String),
    /// A cache in a store of the client's.
    Client {
        /// The store's ID in the session.
        store: String,
        /// Of its manifest.
        digest: String,
    },
    /// Another kind, which can give nothing; its name.
    Unknown(String),
}

impl BuildRequest {
    /// Where the Dockerfile is.
    pub(crate) fn definition(&self) -> &ContextSource {
        self.dockerfile_context.as_ref().unwrap_or(&self.context)
    }

    /// Whether repositories of contexts keep `.git` (`BUILDKIT_CONTEXT_KEEP_GIT_DIR`).
    pub(crate) fn keep_git_dir(&self) -> bool {
        let value = self.arguments.get("BUILDKIT_CONTEXT_KEEP_GIT_DIR");
        value.is_some_and(|it| matches!(it.as_str(), "1" | "true" | "TRUE" | "True" | "t" | "T"))
    }
}

impl Default for BuildRequest {
    fn default() -> Self {
        Self {
            context: ContextSource::Empty,
            dockerfile: None,
            filename: "Dockerfile".into(),
            dockerfile_context: None,
            named_contexts: BTreeMap::new(),
            target: String::new(),
            arguments: BTreeMap::new(),
            labels: BTreeMap::new(),
            platform: None,
            no_cache: false,
            no_cache_stages: Vec::new(),
            pull: PullMode::Missing,
            network: String::new(),
            extra_hosts: Vec::new(),
            shm_size_bytes: 0,
            ulimits: Vec::new(),
            memory_bytes: 0,
            memory_swap_bytes: 0,
            cpu_shares: 0,
            cpu_quota: 0,
            cpu_period: 0,
            cpuset_cpus: String::new(),
            cpuset_mems: String::new(),
            cgroup_parent: String::new(),
            allow_host_network: false,
            allow_insecure: false,
            source_date_epoch: None,
            check_only: false,
            tell_instructions: false,
            cache_from: Vec::new(),
            inline_cache: false,
        }
    }
}

/// A finished build that has not been exported yet. Its layers stay until it is dropped.
pub struct BuildResult {
    /// The image's configuration, layers and history included.
    pub config: ImageConfig,
    /// Diff IDs, bottom first.
    pub layers: Vec<Digest>,
    /// The platform that was asked for.
    pub platform: Platform,
    /// Layers of the image that the build stands on; the others are the build's own.
    pub base_layers: usize,
    /// Lines of the history that are that image's.
    pub base_history: usize,
    /// Seconds since 1970 that the request sets times to.
    pub source_date_epoch: Option<i64>,
    /// What the checks found.
    pub warnings: Vec<corten_dockerfile::Warning>,
    /// The Dockerfile's text, line by line, for messages.
    pub source: Arc<[String]>,
    /// What it was made of.
    pub materials: Arc<Materials>,
    /// What the build has done, for caches elsewhere.
    pub(crate) steps: Arc<[CachedStep]>,
    pub(crate) _lease: Arc<corten_snapshot::LayerLease>,
}

/// Names as builds tell them: whole, but without a tag that nobody wrote.
pub fn shown_names(names: &[String]) -> Vec<String> {
    let whole = |name: &String| match name.parse::<Reference>() {
        Ok(reference) => reference.to_string(),
        Err(_) => name.clone(),
    };
    names.iter().map(whole).collect()
}

/// Names as users write them, each with a tag.
pub(crate) fn references(names: &[String]) -> crate::Result<Vec<Reference>> {
    names
        .iter()
        .map(|name| {
            let invalid =
                |error| crate::Error::Invalid(format!("invalid reference {name:?}: {error}"));
            name.parse::<Reference>()
                .map(Reference::or_latest)
                .map_err(invalid)
        })
        .collect()
}
