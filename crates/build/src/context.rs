//! Files of the client on this machine: brought over once a build, kept from build to
//! build so that only what changed comes again.

use crate::{
    ArchiveContext, Error, Result,
    build::Inner,
    cache_mount::{CacheMountUse, CacheMounts, context_id, key_of},
    fetch::RemoteContext,
    inventory::{Inventory, Synced},
    key::Key,
    materials::Material,
    progress::{Event, ProgressSender, Status, VertexState},
    request::ContextSource,
    session::{LocalRequest, Session},
    tree::Source,
};
use corten_base::{Id, Timestamp};
use corten_dockerfile::Patterns;
use corten_oci::Digest;
use corten_sys::root::Root;
use std::{
    collections::HashMap,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
    time::Duration,
};
use tokio::sync::{OnceCell, OwnedMutexGuard};

/// Directories of clients that are kept from build to build.
const KEPT_MAX: usize = 64;
/// A transfer that takes longer is told before it is done.
const QUIET: Duration = Duration::from_millis(150);

/// Steps whose reading of an archive is remembered; each takes 200 bytes.
const TURNED_OUT_MAX: usize = 16_384;

/// A context of a build.
pub(crate) struct Context {
    pub name: String,
    pub source: ContextSource,
    /// `.dockerignore`.
    pub ignore: Patterns,
    /// Paths that steps read; `None`: everything.
    pub follow: Mutex<Option<Vec<String>>>,
    loaded: OnceCell<Loaded>,
    /// What it turned out to be, when it came from the network.
    material: OnceLock<Material>,
}

/// A context that is here.
struct Loaded {
    files: Files,
    /// Of a client's directory that is kept: stands for the files until one changes.
    content: Option<Digest>,
    /// The client has left the ignored files out.
    filtered: bool,
}

enum Files {
    Directory {
        path: PathBuf,
        /// A directory of the client is used by one build at a time.
        _kept: Option<Kept>,
        /// Removed after the build.
        _temporary: Option<Temporary>,
    },
    Archive(ArchiveContext),
}

/// A directory that goes with the value.
pub(crate) struct Temporary(pub PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // What stays is removed when the builder opens again.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Where contexts are kept.
pub(crate) struct Contexts {
    directory: PathBuf,
    /// Should be memory.
    memory: PathBuf,
    // Lock: held for memory work only.
    locks: Mutex<HashMap<PathBuf, Weak<tokio::sync::Mutex<()>>>>,
    /// What steps turned out to read of an archive: keys by definition and archive, and
    /// the keys by content that they came to.
    // Lock: held for memory work only.
    turned_out: Mutex<HashMap<Digest, Digest>>,
    /// What kept directories were brought in line with, of those that nobody brings in
    /// line now.
    // Lock: held for memory work only.
    inventories: Mutex<HashMap<PathBuf, Inventory>>,
}

/// What says what a context's files are, so that nobody has to look at them again.
pub(crate) struct Content {
    pub digest: Digest,
    /// Whether it says so for ever, and not until the daemon ends.
    pub lasting: bool,
}

impl Contexts {
    /// Blocking.
    pub fn open(directory: &Path, memory: &Path) -> Result<Self> {
        if memory.exists() {
            std::fs::remove_dir_all(memory)
                .map_err(|error| Error::path("removing", memory, error))?;
        }
        private(memory)?;
        for name in ["tmp", "caches"] {
            let path = directory.join(name);
            if name == "tmp" && path.exists() {
                std::fs::remove_dir_all(&path)
                    .map_err(|error| Error::path("removing", &path, error))?;
            }
            private(&path)?;
        }
        forget_old(directory.join("contexts"));
        Ok(Self {
            directory: directory.to_owned(),
            memory: memory.to_owned(),
            locks: Mutex::default(),
            turned_out: Mutex::default(),
            inventories: Mutex::default(),
        })
    }

    /// The cache mounts, which lie beside the contexts. Blocking.
    pub fn cache_mounts(&self, store: Arc<corten_store::Store>) -> Result<CacheMounts> {
        let at = |name| self.directory.join(name);
        CacheMounts::open(store, &at("caches"), &at("tmp"))
    }

    /// The key by content of a step that read the same of the same archive before.
    pub fn recall(&self, quick: &Digest) -> Option<Digest> {
        let known = self.turned_out.lock();
        let known = known.unwrap_or_else(PoisonError::into_inner);
        known.get(quick).cloned()
    }

    /// Keeps what [`Contexts::recall`] answers.
    pub fn remember(&self, quick: Digest, content: Digest) {
        let known = self.turned_out.lock();
        let mut known = known.unwrap_or_else(PoisonError::into_inner);
        if known.len() >= TURNED_OUT_MAX {
            known.clear();
        }
        known.insert(quick, content);
    }

    fn inventories(&self) -> MutexGuard<'_, HashMap<PathBuf, Inventory>> {
        let inventories = self.inventories.lock();
        inventories.unwrap_or_else(PoisonError::into_inner)
    }

    /// A directory of this build alone.
    pub fn temporary(&self) -> Result<Temporary> {
        let path = self.directory.join("tmp").join(Id::random().to_string());
        private(&path)?;
        Ok(Temporary(path))
    }

    /// The same in memory, where making a file costs a tenth: for small contexts.
    pub fn memory(&self) -> Result<Temporary> {
        let path = self.memory.join(format!("context-{}", Id::random()));
        private(&path)?;
        Ok(Temporary(path))
    }

    /// A directory for secrets of one step.
    pub fn secrets(&self, step: Id) -> Result<Temporary> {
        let unique = Id::random().to_string();
        let path = self
            .memory
            .join(format!("{}-{}", step.short(), &unique[..8]));
        private(&path)?;
        Ok(Temporary(path))
    }

    /// The lock of a directory.
    pub fn lock(&self, path: &Path) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        locks.retain(|_, lock| lock.strong_count() > 0);
        match locks.get(path).and_then(Weak::upgrade) {
            Some(lock) => lock,
            None => {
                let lock = Arc::new(tokio::sync::Mutex::new(()));
                locks.insert(path.to_owned(), Arc::downgrade(&lock));
                lock
            }
        }
    }
}

impl Inner {
    /// A place for the client's directory: the one of its last build, or another one while
    /// that is in use or when nobody knows which directory it is.
    async fn place(&self, key: Option<String>, name: &str) -> Result<Place> {
        let lone = || {
            let temporary = self.contexts.temporary()?;
            Ok(Place {
                path: temporary.0.clone(),
                kept: None,
                temporary: Some(temporary),
            })
        };
        let Some(key) = key else { return lone() };
        let id = context_id(&format!("{key} {name}"));
        let lock = self.contexts.lock(&self.mounts.path(&id));
        let Ok(alone) = lock.try_lock_owned() else {
            return lone();
        };
        let (mounts, description) = (self.mounts.clone(), format!("local source for {name}"));
        let key = key_of(&id);
        let finding = move || mounts.context(&id, &description, KEPT_MAX);
        let (used, is_new) = self.blocking(finding).await?;
        if is_new {
            // Nor is there anything to be said about those that went meanwhile.
            let mut inventories = self.contexts.inventories();
            inventories.retain(|path, _| path != used.path() && path.is_dir());
        }
        Ok(Place {
            path: used.path().to_owned(),
            kept: Some(Kept {
                key,
                _used: used,
                _alone: alone,
            }),
            temporary: None,
        })
    }
}

/// A client's directory that outlives the build, which has it alone.
struct Kept {
    key: Digest,
    _used: CacheMountUse,
    _alone: OwnedMutexGuard<()>,
}

/// A directory: one that is kept, or one that goes with the build.
struct Place {
    path: PathBuf,
    kept: Option<Kept>,
    temporary: Option<Temporary>,
}

/// Older versions kept clients' directories without a record. They may have hundreds of
/// thousands of files, which nobody waits for.
fn forget_old(contexts: PathBuf) {
    if contexts.exists() {
        std::thread::spawn(move || {
            if let Err(error) = std::fs::remove_dir_all(&contexts) {
                tracing::warn!(path = %contexts.display(), %error, "contexts of an older version stay");
            }
        });
    }
}

pub(crate) fn private(path: &Path) -> Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| Error::path("creating", path, error))
}

impl Context {
    pub fn new(name: &str, source: ContextSource, ignore: Patterns) -> Arc<Self> {
        Arc::new(Self {
            name: name.to_owned(),
            source,
            ignore,
            follow: Mutex::new(Some(Vec::new())),
            loaded: OnceCell::new(),
            material: OnceLock::new(),
        })
    }

    /// What it turned out to be, when it came from the network.
    pub fn material(&self) -> Option<Material> {
        self.material.get().cloned()
    }

    /// A step reads this path of it.
    pub fn reads(&self, path: &str) {
        let mut follow = self.follow.lock().unwrap_or_else(PoisonError::into_inner);
        let clean = path.trim_start_matches("./").trim_matches('/');
        if clean.is_empty() || clean == "." || clean.split('/').any(|part| part == "..") {
            *follow = None;
        }
        if let Some(list) = follow.as_mut() {
            list.push(clean.to_owned());
        }
    }

    /// Brings the files here, unless somebody did already.
    async fn here(
        &self,
        inner: &Arc<Inner>,
        session: &dyn Session,
        vertex: &Digest,
        progress: &ProgressSender,
    ) -> Result<&Loaded> {
        self.loaded
            .get_or_try_init(|| self.load(inner, session, vertex, progress))
            .await
    }

    /// What the files are, once they are here, where that is known without looking at
    /// them: an archive's digest, and what of it is ignored; or what a client's directory
    /// was when somebody looked last.
    pub async fn content(
        &self,
        inner: &Arc<Inner>,
        session: &dyn Session,
        vertex: &Digest,
        progress: &ProgressSender,
    ) -> Result<Option<Content>> {
        let loaded = self.here(inner, session, vertex, progress).await?;
        Ok(match &loaded.files {
            Files::Directory { .. } => loaded.content.clone().map(|digest| Content {
                digest,
                lasting: false,
            }),
            Files::Archive(archive) => {
                let mut key = Key::new("context");
                archive.add_to(&mut key);
                key.texts(self.ignore.texts().iter().map(String::as_str));
                Some(Content {
                    digest: key.finish(),
                    lasting: true,
                })
            }
        })
    }

    /// The files, brought here by the first who asks.
    pub async fn open(
        &self,
        inner: &Arc<Inner>,
        session: &dyn Session,
        vertex: &Digest,
        progress: &ProgressSender,
    ) -> Result<Source> {
        let loaded = self.here(inner, session, vertex, progress).await?;
        let directory = loaded.directory(inner).await?;
        let root =
            Root::open(&directory).map_err(|error| Error::path("opening", &directory, error))?;
        Ok(Source {
            root,
            ignore: (!loaded.filtered && !self.ignore.is_empty()).then(|| self.ignore.clone()),
            name: self.name.clone(),
        })
    }

    /// Where the files lie, once they are here; none while ignored ones are among them.
    pub async fn directory(&self, inner: &Inner) -> Result<Option<PathBuf>> {
        match self.loaded.get() {
            Some(loaded) if loaded.filtered || self.ignore.is_empty() => {
                loaded.directory(inner).await.map(Some)
            }
            _ => Ok(None),
        }
    }

    async fn load(
        &self,
        inner: &Arc<Inner>,
        session: &dyn Session,
        vertex: &Digest,
        progress: &ProgressSender,
    ) -> Result<Loaded> {
        match &self.source {
            ContextSource::Directory(directory) => Ok(Loaded {
                content: None,
                files: Files::Directory {
                    path: directory.clone(),
                    _kept: None,
                    _temporary: None,
                },
                filtered: false,
            }),
            ContextSource::Archive(archive) => Ok(Loaded {
                content: None,
                files: Files::Archive(archive.clone()),
                filtered: false,
            }),
            ContextSource::Empty
            | ContextSource::Image(_)
            | ContextSource::Layout { .. }
            | ContextSource::Result { .. } => {
                let temporary = inner.contexts.temporary()?;
                Ok(Loaded {
                    content: None,
                    files: Files::Directory {
                        path: temporary.0.clone(),
                        _kept: None,
                        _temporary: Some(temporary),
                    },
                    filtered: true,
                })
            }
            ContextSource::Remote(url) => {
                let fetching = inner.fetch_context(url, "Dockerfile", false, session, progress);
                let (context, material) = fetching.await?;
                if let Some(material) = material {
                    // It is loaded once.
                    let _ = self.material.set(material);
                }
                let files = match context {
                    RemoteContext::Archive(archive) => Files::Archive(archive),
                    RemoteContext::Checkout(temporary, path) => Files::Directory {
                        path,
                        _kept: None,
                        _temporary: Some(temporary),
                    },
                };
                Ok(Loaded {
                    content: None,
                    files,
                    filtered: false,
                })
            }
            ContextSource::Local(name) => {
                let follow = self
                    .follow
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone();
                let request = LocalRequest {
                    name: name.clone(),
                    include: Vec::new(),
                    exclude: self.ignore.texts(),
                    follow: follow.unwrap_or_default(),
                };
                let key = session.key().map(|key| format!("{key} {name}"));
                let place = inner.place(key, name).await?;
                corten_base::step("build.receive");
                // Taken away until the directory is whole again.
                let last = inner.contexts.inventories().remove(&place.path);
                let label = "transferring context:";
                let bringing = transfer(
                    session,
                    (request, last),
                    &place.path,
                    label,
                    vertex,
                    progress,
                );
                let Synced { bytes, inventory } = bringing.await?;
                corten_base::step("build.received");
                let content = place.kept.is_some().then(|| inventory.content.clone());
                if let Some(kept) = &place.kept {
                    inner.note_context(kept.key.clone(), bytes > 0);
                    let mut inventories = inner.contexts.inventories();
                    inventories.insert(place.path.clone(), inventory);
                }
                Ok(Loaded {
                    content,
                    files: Files::Directory {
                        path: place.path,
                        _kept: place.kept,
                        _temporary: place.temporary,
                    },
                    filtered: true,
                })
            }
        }
    }
}

impl Loaded {
    /// An archive is unpacked by the first who asks.
    async fn directory(&self, inner: &Inner) -> Result<PathBuf> {
        match &self.files {
            Files::Directory { path, .. } => Ok(path.clone()),
            Files::Archive(archive) => {
                let archive = archive.clone();
                inner.blocking(move || archive.files()).await
            }
        }
    }
}

/// Brings files over and tells how far it is. The request is made with what the directory
/// was brought in line with before.
pub(crate) async fn transfer(
    session: &dyn Session,
    (request, last): (LocalRequest, Option<Inventory>),
    into: &Path,
    label: &str,
    vertex: &Digest,
    progress: &ProgressSender,
) -> Result<Synced> {
    let started = Timestamp::now();
    let status = |current: i64, completed| {
        Event::Status(Status {
            id: label.to_owned(),
            vertex: vertex.clone(),
            current,
            total: 0,
            started: Some(started),
            completed,
        })
    };
    let mut syncing = std::pin::pin!(session.sync(request, into, last));
    // What is quickly done is told once.
    let synced = match tokio::time::timeout(QUIET, &mut syncing).await {
        Ok(done) => done?,
        Err(_) => {
            progress.send(status(0, None)).await;
            syncing.await?
        }
    };
    progress
        .send(status(synced.bytes as i64, Some(Timestamp::now())))
        .await;
    Ok(synced)
}

/// Runs `work` as a step of its own that is not part of the graph.
pub(crate) async fn told<T>(
    progress: &ProgressSender,
    name: &str,
    digest: &Digest,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let mut state = VertexState {
        digest: digest.clone(),
        inputs: Vec::new(),
        name: name.to_owned(),
        started: Some(Timestamp::now()),
        completed: None,
        cached: false,
        error: String::new(),
    };
    progress.send(Event::Vertex(state.clone())).await;
    let done = work.await;
    state.completed = Some(Timestamp::now());
    if let Err(error) = &done {
        state.error = corten_base::chain(error);
    }
    progress.send(Event::Vertex(state)).await;
    done
}
