//! Repositories that are caches of other registries'.
//!
//! ```text
//!  tag ── asked less than `tag-seconds` ago ──> ours
//!   │ else HEAD upstream: same digest ──> ours, asked now
//!   │                     another     ──> fetched, kept, served
//!   └ upstream silent: ours, however old; nothing here: 502
//!  blob ── ours, or fetched once for everybody who waits, kept, served meanwhile
//! ```

use crate::{
    config::{Config, UpstreamConfig},
    error::{Code, Error, Result},
    layout, manifests,
    metrics::add,
    name::{RepositoryName, Tag, Target},
    records::{StoredManifest, now_seconds},
    registry::Registry,
    serve::ServeError,
    storage::ByteStream,
};
use bytes::Bytes;
use corten_base::Redacted;
use corten_distribution::{
    Access, BlobReader, Config as ClientConfig, Credentials, InsecureRegistry, ProxyConfig,
    Registries, RegistryRules, Repository,
};
use corten_oci::{Descriptor, Digest, Reference};
use futures_util::{StreamExt, stream};
use http::StatusCode;
use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::{mpsc, watch};

/// Chunks between a download and the client that began it.
const TEE_CHUNKS: usize = 16;
/// A client slower than this is cut off, so that the download goes on for the others.
const TEE_TIME: Duration = Duration::from_secs(30);
/// Failures in a row that end a download.
const ATTEMPTS: u32 = 5;

/// The registries this one caches.
pub(crate) struct Upstreams {
    list: Vec<Upstream>,
    // Lock: held for look-ups only.
    fetching: Mutex<HashMap<(RepositoryName, Digest), watch::Receiver<bool>>>,
}

struct Upstream {
    config: UpstreamConfig,
    registries: Registries,
    credentials: Option<Credentials>,
}

/// A blob that came from an upstream or will.
pub(crate) enum Fetched {
    /// The storage has it.
    Here,
    /// Its bytes, as they come.
    Coming(ByteStream, u64),
}

impl Upstreams {
    pub fn open(config: &Config) -> Result<Self, ServeError> {
        let open = |upstream: &UpstreamConfig| {
            let read = |path: &std::path::PathBuf| {
                std::fs::read_to_string(path).map_err(|source| ServeError::File {
                    path: path.clone(),
                    source,
                })
            };
            let password = upstream.password_file.as_ref().map(read).transpose()?;
            let insecure = match upstream.insecure {
                true => vec![InsecureRegistry::Host(upstream.registry.clone())],
                false => Vec::new(),
            };
            let rules = RegistryRules {
                token_servers: upstream.token_servers.clone(),
                ..RegistryRules::default()
            };
            let registries = Registries::new(ClientConfig {
                insecure,
                registries: [(upstream.registry.clone(), rules)].into(),
                proxies: ProxyConfig::from_environment(),
                user_agent: "corten-registry".into(),
                ..ClientConfig::default()
            });
            let credentials = (!upstream.username.is_empty()).then(|| Credentials {
                username: upstream.username.clone(),
                password: Redacted::new(password.unwrap_or_default().trim().to_owned()),
                server_address: upstream.registry.clone(),
                ..Credentials::default()
            });
            Ok(Upstream {
                config: upstream.clone(),
                registries: registries.map_err(ServeError::Upstream)?,
                credentials,
            })
        };
        Ok(Self {
            list: config
                .upstreams
                .iter()
                .map(open)
                .collect::<Result<_, ServeError>>()?,
            fetching: Mutex::default(),
        })
    }

    /// The upstream of a repository and its name there.
    fn find<'a>(&'a self, name: &'a RepositoryName) -> Option<(&'a Upstream, &'a str)> {
        let split = name.as_str().split_once('/');
        let named = split.and_then(|(prefix, rest)| {
            let upstream = self.list.iter().find(|u| u.config.prefix == prefix)?;
            Some((upstream, rest))
        });
        let any = || self.list.iter().find(|u| u.config.prefix.is_empty());
        named.or_else(|| Some((any()?, name.as_str())))
    }

    /// Whether a repository is a cache.
    pub fn serves(&self, name: &RepositoryName) -> bool {
        self.find(name).is_some()
    }

    /// How long unused content of a cached repository is kept.
    pub fn keep_time(&self, name: &RepositoryName) -> Option<Duration> {
        let (upstream, _) = self.find(name)?;
        Some(Duration::from_secs(upstream.config.keep_seconds))
    }

    /// The name here of a repository of the registry `domain`, as containerd asks mirrors
    /// for it (`?ns=docker.io`).
    pub fn local_name(&self, domain: &str, name: &RepositoryName) -> Option<RepositoryName> {
        let upstream = self.list.iter().find(|u| u.config.registry == domain)?;
        match upstream.config.prefix.as_str() {
            "" => Some(name.clone()),
            prefix => RepositoryName::parse(&format!("{prefix}/{name}")).ok(),
        }
    }
}

impl Upstream {
    async fn repository(&self, name: &str) -> Result<Arc<Repository>> {
        let whole = format!("{}/{name}", self.config.registry);
        let reference: Reference = whole
            .parse()
            .map_err(|error| Error::with(Code::NameInvalid, format!("{error}")))?;
        let credentials = self.credentials.clone();
        let repository = self
            .registries
            .repository(&reference, credentials, Access::Pull);
        Ok(Arc::new(repository.await))
    }
}

fn is_missing(error: &corten_distribution::Error) -> bool {
    let status = error.registry().map(|refused| refused.status);
    status == Some(StatusCode::NOT_FOUND)
}

impl Registry {
    /// A manifest of a cached repository.
    pub(crate) async fn cached_manifest(
        &self,
        name: &RepositoryName,
        target: &Target,
    ) -> Result<Option<StoredManifest>> {
        let metrics = &self.0.metrics;
        let Some((upstream, remote)) = self.0.upstreams.find(name) else {
            return self.find_manifest(name, target).await;
        };
        let ours = self.find_manifest(name, target).await?;
        let tag = match target {
            Target::Digest(_) if ours.is_some() => {
                add(&metrics.cache_hits, 1);
                return Ok(ours);
            }
            Target::Digest(_) => None,
            Target::Tag(tag) => Some(tag),
        };
        if let (Some(tag), Some(ours)) = (tag, &ours) {
            let record = self.tag_record(name, tag).await?;
            let age = record.and_then(|record| record.checked_ago());
            if age.is_some_and(|age| age.as_secs() < upstream.config.tag_seconds) {
                add(&metrics.cache_hits, 1);
                return Ok(Some(ours.clone()));
            }
        }
        match self
            .fetch_manifest(upstream, remote, name, target, tag, &ours)
            .await
        {
            Ok(manifest) => Ok(Some(manifest)),
            Err(Error::Upstream(error)) if is_missing(&error) => {
                if let Some(tag) = tag {
                    self.0.storage.remove(&layout::tag(name, tag)).await?;
                }
                Ok(None)
            }
            Err(Error::Upstream(error)) if ours.is_some() => {
                tracing::warn!(%name, %target, %error, "an upstream fails; what is here is served");
                Ok(ours)
            }
            Err(error) => Err(error),
        }
    }

    async fn fetch_manifest(
        &self,
        upstream: &Upstream,
        remote: &str,
        name: &RepositoryName,
        target: &Target,
        tag: Option<&Tag>,
        ours: &Option<StoredManifest>,
    ) -> Result<StoredManifest> {
        let metrics = &self.0.metrics;
        let repository = upstream.repository(remote).await?;
        let text = target.to_string();
        if let (Some(tag), Some(ours)) = (tag, ours) {
            let there = repository.resolve(&text).await.map_err(Error::Upstream)?;
            if there.is_some_and(|there| there.digest == ours.digest) {
                self.put_tag(name, tag, ours, Some(now_seconds())).await?;
                add(&metrics.cache_hits, 1);
                return Ok(ours.clone());
            }
        }
        add(&metrics.cache_misses, 1);
        let fetched = repository.manifest(&text).await.map_err(Error::Upstream)?;
        let kind = fetched.descriptor.media_type.clone();
        let checked = manifests::check(Some(&kind), &fetched.bytes)?;
        let manifest = StoredManifest {
            digest: fetched.descriptor.digest,
            record: checked.record,
            bytes: fetched.bytes,
        };
        self.keep_manifest(name, &manifest).await?;
        if let Some(tag) = tag {
            self.put_tag(name, tag, &manifest, Some(now_seconds()))
                .await?;
        }
        Ok(manifest)
    }

    /// The tags the upstream has; `None` when it is silent or the repository is our own.
    pub(crate) async fn upstream_tags(&self, name: &RepositoryName) -> Result<Option<Vec<String>>> {
        let Some((upstream, remote)) = self.0.upstreams.find(name) else {
            return Ok(None);
        };
        match upstream.repository(remote).await?.tags().await {
            Ok(mut tags) => {
                tags.sort();
                Ok(Some(tags))
            }
            Err(error) => {
                tracing::warn!(%name, %error, "an upstream fails; the tags that are here are listed");
                Ok(None)
            }
        }
    }

    /// The size of a blob that only the upstream has.
    pub(crate) async fn upstream_blob_size(
        &self,
        name: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<u64>> {
        let Some((upstream, remote)) = self.0.upstreams.find(name) else {
            return Ok(None);
        };
        let repository = upstream.repository(remote).await?;
        repository.blob_size(digest).await.map_err(Error::Upstream)
    }

    /// Fetches a blob that is not here. The first who asks gets the bytes as they come;
    /// others wait until the storage has it. `None`: the upstream does not have it.
    pub(crate) async fn fetch_blob(
        &self,
        name: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<Fetched>> {
        let Some((upstream, remote)) = self.0.upstreams.find(name) else {
            return Ok(None);
        };
        add(&self.0.metrics.cache_misses, 1);
        let key = (name.clone(), digest.clone());
        let (done, waiting) = {
            let fetching = &self.0.upstreams.fetching;
            let mut fetching = fetching.lock().unwrap_or_else(PoisonError::into_inner);
            match fetching.get(&key) {
                Some(running) => (None, running.clone()),
                None => {
                    let (done, waiting) = watch::channel(false);
                    fetching.insert(key.clone(), waiting.clone());
                    (Some(done), waiting)
                }
            }
        };
        let Some(done) = done else {
            return self.wait_for(waiting).await.map(Some);
        };
        // From here on the entry goes away with the guard, whatever happens.
        let guard = Fetching {
            registry: self.clone(),
            key,
            done,
        };
        let repository = upstream.repository(remote).await?;
        let size = repository
            .blob_size(digest)
            .await
            .map_err(Error::Upstream)?;
        let Some(size) = size else {
            return Ok(None);
        };
        let blob = Descriptor::new("application/octet-stream", digest.clone(), size);
        let reader = repository.blob(&blob, 0, ATTEMPTS).await;
        let reader = reader.map_err(Error::Upstream)?;
        let (tee, coming) = mpsc::channel(TEE_CHUNKS);
        tokio::spawn(guard.download(reader, tee));
        let coming = stream::unfold(coming, |mut coming| async move {
            coming.recv().await.map(|chunk| (chunk, coming))
        });
        Ok(Some(Fetched::Coming(coming.boxed(), size)))
    }

    async fn wait_for(&self, mut waiting: watch::Receiver<bool>) -> Result<Fetched> {
        // An error means that the download ended without success.
        match waiting.wait_for(|done| *done).await {
            Ok(_) => Ok(Fetched::Here),
            Err(_) => Err(Error::at(
                Code::Unavailable,
                StatusCode::BAD_GATEWAY,
                "the download from the upstream registry failed",
            )),
        }
    }
}

/// A download under way; others wait for its end.
struct Fetching {
    registry: Registry,
    key: (RepositoryName, Digest),
    done: watch::Sender<bool>,
}

impl Fetching {
    async fn download(self, reader: BlobReader, tee: mpsc::Sender<io::Result<Bytes>>) {
        let (name, digest) = (&self.key.0, &self.key.1);
        let kept = async {
            let upload = self.registry.begin_upload(name, digest.algorithm()).await?;
            let none = stream::empty().boxed();
            let registry = &self.registry;
            let appended = registry
                .append(name, &upload, None, teed(reader, tee))
                .await;
            let kept = match appended {
                Ok(_) => registry
                    .finish_upload(name, &upload, digest, None, none)
                    .await
                    .map(drop),
                Err(error) => Err(error),
            };
            if kept.is_err() {
                // A wrong digest has removed it already.
                let _ = registry.cancel_upload(name, &upload).await;
            }
            kept
        };
        match kept.await {
            Ok(()) => drop(self.done.send(true)),
            Err(error) => {
                tracing::warn!(%name, %digest, error = corten_base::chain(&error), "a download failed");
            }
        }
    }
}

impl Drop for Fetching {
    fn drop(&mut self) {
        let fetching = &self.registry.0.upstreams.fetching;
        let mut fetching = fetching.lock().unwrap_or_else(PoisonError::into_inner);
        fetching.remove(&self.key);
    }
}

/// The bytes of a download, also sent to the client that waits for them.
fn teed(reader: BlobReader, tee: mpsc::Sender<io::Result<Bytes>>) -> ByteStream {
    stream::unfold((reader, Some(tee)), |(mut reader, mut tee)| async move {
        let chunk = match reader.next().await {
            Ok(None) => return None,
            Ok(Some(bytes)) => Ok(bytes),
            Err(error) => Err(error.to_string()),
        };
        let copy = chunk.clone().map_err(io::Error::other);
        if let Some(open) = &tee {
            let sent = tokio::time::timeout(TEE_TIME, open.send(copy)).await;
            if !matches!(sent, Ok(Ok(()))) {
                tee = None;
            }
        }
        Some((chunk.map_err(io::Error::other), (reader, tee)))
    })
    .boxed()
}
