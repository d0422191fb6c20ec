//! The builder: from a request to a result.

use crate::{
    BuildRequest, Cache, Error, ProgressSender, Result,
    archive_context::read_text,
    cache_mount::CacheMounts,
    context::{Context, Contexts, Temporary, told, transfer},
    executor::Executor,
    fetch::RemoteContext,
    key::Key,
    materials::Material,
    request::ContextSource,
    session::{LocalRequest, Session},
};
use corten_dockerfile::Patterns;
use corten_images::Images;
use corten_oci::Digest;
use corten_snapshot::Snapshotter;
use corten_sys::root::Root;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::sync::Semaphore;

/// Processes of steps at the same time, in all builds: more than any machine has use for,
/// fewer than would bring one down.
const STEPS: usize = 64;

/// How a builder is opened.
#[derive(Debug, Clone)]
pub struct BuilderConfig {
    /// Contexts and cache mounts; on the file system of the layers.
    pub directory: PathBuf,
    /// Secrets of running steps, and small contexts; should be memory (`/run`). Emptied
    /// when opened.
    pub memory: PathBuf,
    /// Bytes that the cache may have: layers of steps and cache mounts. Above, what was not
    /// used for longest goes, when a build is over. 0: there is no bound.
    pub cache_bytes_max: u64,
}

impl BuilderConfig {
    /// What `cache_bytes_max` is when nobody says.
    pub const CACHE_BYTES_MAX: u64 = 20 << 30;
}

/// The builder. Cheap to clone.
#[derive(Clone)]
pub struct Builder(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub images: Images,
    pub snapshots: Arc<dyn Snapshotter>,
    pub executor: Arc<dyn Executor>,
    pub cache: Cache,
    pub mounts: CacheMounts,
    pub bytes_max: u64,
    pub contexts: Arc<Contexts>,
    pub steps: Semaphore,
}

impl Inner {
    /// Runs blocking work on the runtime's blocking threads.
    pub async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        match tokio::task::spawn_blocking(work).await {
            Ok(result) => result,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // The runtime is shutting down.
            Err(_) => Err(Error::Cancelled),
        }
    }
}

impl Builder {
    /// Opens the builder. Blocking.
    ///
    /// # Errors
    /// Directories that cannot be made.
    pub fn open(
        config: BuilderConfig,
        cache: Cache,
        images: Images,
        snapshots: Arc<dyn Snapshotter>,
        executor: Arc<dyn Executor>,
    ) -> Result<Self> {
        let contexts = Contexts::open(&config.directory, &config.memory)?;
        Ok(Self(Arc::new(Inner {
            images,
            snapshots,
            executor,
            mounts: contexts.cache_mounts(cache.store())?,
            cache,
            bytes_max: config.cache_bytes_max,
            contexts: Arc::new(contexts),
            steps: Semaphore::new(STEPS),
        })))
    }

    pub(crate) fn contexts(&self) -> &Arc<Contexts> {
        &self.0.contexts
    }

    pub(crate) fn images(&self) -> &Images {
        &self.0.images
    }

    /// The cache.
    pub fn cache(&self) -> &Cache {
        &self.0.cache
    }

    /// The cache mounts.
    pub fn cache_mounts(&self) -> &CacheMounts {
        &self.0.mounts
    }

    /// The request with its context here, where that has to be fetched.
    pub(crate) async fn remote_context(
        &self,
        request: &BuildRequest,
        session: &dyn Session,
        progress: &ProgressSender,
    ) -> Result<Option<RemoteRequest>> {
        let ContextSource::Remote(url) = &request.context else {
            return Ok(None);
        };
        let (file, keep) = (&request.filename, request.keep_git_dir());
        let fetching = self.0.fetch_context(url, file, keep, session, progress);
        let (fetched, material) = fetching.await?;
        let (context, temporary) = match fetched {
            RemoteContext::Archive(archive) => (ContextSource::Archive(archive), None),
            RemoteContext::Checkout(temporary, directory) => {
                (ContextSource::Directory(directory), Some(temporary))
            }
        };
        let request = BuildRequest {
            context,
            ..request.clone()
        };
        Ok(Some(RemoteRequest {
            request,
            material,
            _temporary: temporary,
        }))
    }

    /// The Dockerfile's text, and the context with its `.dockerignore`.
    pub(crate) async fn load(
        &self,
        request: &BuildRequest,
        session: &dyn Session,
        progress: &ProgressSender,
    ) -> Result<(String, Arc<Context>)> {
        let name = Path::new(&request.filename);
        let base = name
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let own_ignore = format!("{}.dockerignore", request.filename);
        let digest = definition_digest(request);
        let definition = request.definition();
        let title = format!("[internal] load build definition from {base}");
        let wanted = vec![request.filename.clone(), own_ignore.clone()];
        let (text, own) = told(progress, &title, &digest, async {
            let found = self
                .read(
                    definition,
                    &wanted,
                    "transferring dockerfile:",
                    session,
                    progress,
                    &digest,
                )
                .await?;
            let own = found[1].clone();
            Ok((request.dockerfile.clone().or_else(|| found[0].clone()), own))
        })
        .await?;
        // The step has come to its end, as with BuildKit.
        let text = text.ok_or_else(|| {
            let file = &request.filename;
            Error::NotFound(format!(
                "failed to read dockerfile: open {file}: no such file or directory"
            ))
        })?;
        let mut key = Key::new("dockerignore");
        key.digest(&digest);
        let digest = key.finish();
        let ignore_name = if own.is_some() {
            own_ignore
        } else {
            ".dockerignore".into()
        };
        let ignore = told(progress, "[internal] load .dockerignore", &digest, async {
            if own.is_some() {
                return Ok(own);
            }
            let wanted = vec![".dockerignore".to_owned()];
            let mut found = self
                .read(
                    &request.context,
                    &wanted,
                    "transferring context:",
                    session,
                    progress,
                    &digest,
                )
                .await?;
            Ok(found.pop().flatten())
        })
        .await?;
        let patterns =
            Patterns::parse_file(&ignore.unwrap_or_default()).map_err(|source| Error::Ignore {
                name: ignore_name,
                source,
            })?;
        Ok((
            text,
            Context::new("context", request.context.clone(), patterns),
        ))
    }

    /// Small files of a context, none where it does not have them.
    async fn read(
        &self,
        context: &ContextSource,
        names: &[String],
        label: &str,
        session: &dyn Session,
        progress: &ProgressSender,
        vertex: &Digest,
    ) -> Result<Vec<Option<String>>> {
        let temporary;
        let directory = match context {
            ContextSource::Directory(directory) => directory,
            ContextSource::Archive(archive) => {
                let (archive, names) = (archive.clone(), names.to_vec());
                return self.0.blocking(move || archive.read(&names)).await;
            }
            ContextSource::Local(name) => {
                temporary = self.0.contexts.temporary()?;
                let request = LocalRequest {
                    name: name.clone(),
                    include: Vec::new(),
                    exclude: Vec::new(),
                    follow: names.to_vec(),
                };
                let request = (request, None);
                transfer(session, request, &temporary.0, label, vertex, progress).await?;
                &temporary.0
            }
            ContextSource::Empty
            | ContextSource::Image(_)
            | ContextSource::Layout { .. }
            | ContextSource::Result { .. }
            | ContextSource::Remote(_) => {
                return Ok(names.iter().map(|_| None).collect());
            }
        };
        let root =
            Root::open(directory).map_err(|error| Error::path("opening", directory, error))?;
        names.iter().map(|name| read_text(&root, name)).collect()
    }
}

/// A request whose context was fetched.
pub(crate) struct RemoteRequest {
    pub request: BuildRequest,
    /// What the context turned out to be.
    pub material: Option<Material>,
    _temporary: Option<Temporary>,
}

/// A build that failed, with the Dockerfile for the message.
#[derive(Debug)]
pub struct Failure {
    /// Why.
    pub error: Error,
    /// The Dockerfile's path.
    pub file: String,
    /// Its text, line by line; empty when it was not read.
    pub source: Arc<[String]>,
    /// What the checks had found until then.
    pub warnings: Vec<corten_dockerfile::Warning>,
}

impl Failure {
    /// A failure before a Dockerfile was there.
    pub fn early(error: Error) -> Self {
        Self {
            error,
            file: String::new(),
            source: Arc::new([]),
            warnings: Vec::new(),
        }
    }

    /// The lines at fault with those around them, as BuildKit's clients print them.
    pub fn excerpt(&self) -> Option<String> {
        /// Lines shown before and after.
        const AROUND: usize = 3;
        let at = self
            .error
            .location()
            .filter(|at| at.start > 0 && at.start <= self.source.len())?;
        let end = at.end.min(self.source.len());
        let (first, last) = (
            at.start.saturating_sub(AROUND).max(1),
            (end + AROUND).min(self.source.len()),
        );
        let mut text = format!("{}:{}\n--------------------\n", self.file, at.start);
        for number in first..=last {
            let mark = if (at.start..=end).contains(&number) {
                ">>>"
            } else {
                "   "
            };
            text.push_str(&format!(
                "{number:4} | {mark} {}\n",
                self.source[number - 1]
            ));
        }
        text.push_str("--------------------\n");
        Some(text)
    }
}

pub(crate) fn definition_digest(request: &BuildRequest) -> Digest {
    let mut key = Key::new("definition");
    key.text(&request.filename);
    key.finish()
}
