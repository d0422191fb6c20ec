//! Directories that are kept from build to build by name: cache mounts, which processes of
//! builds share by the names that Dockerfiles give them, and what clients have sent of
//! theirs, so that only what changed comes again.
//!
//! A directory gets its name when all that it begins with is in it, and its record before
//! that: a record without a directory is forgotten when the builder opens, a directory
//! without a record is removed.

use crate::{
    Error, Result,
    context::{Temporary, private},
    owner::Owner,
};
use corten_base::Timestamp;
use corten_oci::Digest;
use corten_store::{Record, Store};
use corten_sys::root::Root;
use rustix::fs::{Dir, FileType, Gid, Mode, OFlags, Uid};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, HashMap, HashSet, btree_map::Entry},
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Directories below each other that are looked at for their size.
const DEPTH_MAX: usize = 512;

/// What a kept directory is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeptKind {
    /// A cache mount, as in records of older versions.
    #[default]
    CacheMount,
    /// A client's directory.
    Context,
}

impl KeptKind {
    /// As BuildKit calls records of this kind.
    pub fn record_type(self) -> &'static str {
        match self {
            Self::CacheMount => "exec.cachemount",
            Self::Context => "source.local",
        }
    }
}

/// What is known of a cache mount, or of a client's directory; its key is the digest of its
/// name.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CacheMount {
    /// Its name: the `id` of the mount, with its name space before it.
    pub id: String,
    /// The mount as it was shown where it was made.
    pub description: String,
    /// When it was made.
    pub created: Timestamp,
    /// When a step last had it.
    pub last_used: Timestamp,
    /// How many steps had it.
    pub uses: u64,
    /// Bytes of its files when the last build that used it was over.
    pub size_bytes: u64,
    /// What it is.
    #[serde(default)]
    pub kind: KeptKind,
}

impl Record for CacheMount {
    const KIND: &'static str = "build-cache-mount";
}

/// The key of a name.
pub(crate) fn key_of(id: &str) -> Digest {
    Digest::of(id.as_bytes())
}

/// The name that a client's directory is kept under: no mount has it, since a name in a
/// Dockerfile has no such sign.
pub(crate) fn context_id(key: &str) -> String {
    format!("context\0{key}")
}

#[derive(Default)]
struct State {
    records: BTreeMap<Digest, CacheMount>,
    /// Steps, exports and imports that have it now.
    users: HashMap<Digest, usize>,
}

/// The cache mounts of a builder. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct CacheMounts(Arc<Inner>);

struct Inner {
    store: Arc<Store>,
    directory: PathBuf,
    /// On the same file system; emptied when the builder opens.
    temporary: PathBuf,
    // Lock: held for records and renames only.
    state: Mutex<State>,
}

/// How the directory of a cache mount begins.
pub(crate) struct Beginning {
    pub mode: u32,
    pub owner: Owner,
}

/// A cache mount in use: it is not removed until this is dropped.
pub struct CacheMountUse {
    mounts: CacheMounts,
    key: Digest,
    path: PathBuf,
}

impl CacheMountUse {
    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for CacheMountUse {
    fn drop(&mut self) {
        let mut state = self.mounts.state();
        if let Some(users) = state.users.get_mut(&self.key) {
            *users -= 1;
            if *users == 0 {
                state.users.remove(&self.key);
            }
        }
    }
}

impl CacheMounts {
    /// Blocking.
    pub(crate) fn open(store: Arc<Store>, directory: &Path, temporary: &Path) -> Result<Self> {
        let mut records = BTreeMap::new();
        for (key, record) in store.all::<CacheMount>()? {
            let Ok(digest) = key.parse::<Digest>() else {
                continue;
            };
            match directory.join(digest.hex()).is_dir() {
                true => drop(records.insert(digest, record)),
                false => drop(store.delete::<CacheMount>(&key)?),
            }
        }
        let known: HashSet<&str> = records.keys().map(Digest::hex).collect();
        let failed = |error| Error::path("reading", directory, error);
        for entry in std::fs::read_dir(directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if !entry
                .file_name()
                .to_str()
                .is_some_and(|it| known.contains(it))
            {
                let path = entry.path();
                std::fs::remove_dir_all(&path)
                    .map_err(|error| Error::path("removing", &path, error))?;
            }
        }
        Ok(Self(Arc::new(Inner {
            store,
            directory: directory.to_owned(),
            temporary: temporary.to_owned(),
            state: Mutex::new(State {
                records,
                users: HashMap::new(),
            }),
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the mount of this name lies.
    pub(crate) fn path(&self, id: &str) -> PathBuf {
        self.path_of(&key_of(id))
    }

    fn path_of(&self, key: &Digest) -> PathBuf {
        self.0.directory.join(key.hex())
    }

    /// Takes the mount of this name into use, if there is one. Blocking.
    pub fn find(&self, id: &str) -> Option<CacheMountUse> {
        self.take(&mut self.state(), key_of(id))
    }

    fn take(&self, state: &mut State, key: Digest) -> Option<CacheMountUse> {
        let record = state.records.get_mut(&key)?;
        record.last_used = Timestamp::now();
        record.uses += 1;
        *state.users.entry(key.clone()).or_default() += 1;
        Some(CacheMountUse {
            mounts: self.clone(),
            path: self.path_of(&key),
            key,
        })
    }

    /// A directory that becomes a mount by [`Self::name`].
    pub(crate) fn draft(&self, beginning: &Beginning) -> Result<PathBuf> {
        let unique = corten_base::Id::random().to_string();
        let path = self.0.temporary.join(unique);
        private(&path)?;
        let failed = |error| Error::path("changing", &path, error);
        let (uid, gid) = (beginning.owner.uid, beginning.owner.gid);
        rustix::fs::chown(&path, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
            .map_err(failed)?;
        rustix::fs::chmod(&path, Mode::from_raw_mode(beginning.mode)).map_err(failed)?;
        Ok(path)
    }

    /// Makes a draft the mount of a name, and takes that into use. One that somebody else
    /// made meanwhile is taken instead. Blocking.
    pub(crate) fn name(&self, id: &str, draft: &Path, description: &str) -> Result<CacheMountUse> {
        self.name_as(KeptKind::CacheMount, id, draft, description)
    }

    fn name_as(
        &self,
        kind: KeptKind,
        id: &str,
        draft: &Path,
        description: &str,
    ) -> Result<CacheMountUse> {
        let key = key_of(id);
        let path = self.path_of(&key);
        let mut state = self.state();
        if let Entry::Vacant(place) = state.records.entry(key.clone()) {
            let now = Timestamp::now();
            let record = CacheMount {
                id: id.to_owned(),
                description: description.to_owned(),
                created: now,
                last_used: now,
                uses: 0,
                size_bytes: 0,
                kind,
            };
            corten_base::step("cache_mount.record");
            self.0.store.put(&place.key().to_string(), &record)?;
            corten_base::step("cache_mount.name");
            std::fs::rename(draft, &path).map_err(|error| Error::path("naming", draft, error))?;
            place.insert(record);
        }
        // Before anybody may remove it.
        self.take(&mut state, key).ok_or(Error::Cancelled)
    }

    /// The directory that is kept of a client's, by its [`context_id`]. A new one is empty,
    /// which is told, and the oldest ones above
    /// `kept_max` go for it. Blocking.
    pub(crate) fn context(
        &self,
        id: &str,
        description: &str,
        kept_max: usize,
    ) -> Result<(CacheMountUse, bool)> {
        if let Some(used) = self.find(id) {
            return Ok((used, false));
        }
        let owner = Owner { uid: 0, gid: 0 };
        let draft = Temporary(self.draft(&Beginning { mode: 0o700, owner })?);
        let used = self.name_as(KeptKind::Context, id, &draft.0, description)?;
        let mut contexts = self.list();
        contexts.retain(|(_, record, _)| record.kind == KeptKind::Context);
        let excess = contexts.len().saturating_sub(kept_max);
        contexts.retain(|(_, _, in_use)| !in_use);
        contexts.sort_by_key(|(_, record, _)| record.last_used);
        for (key, _, _) in contexts.iter().take(excess) {
            self.remove(key)?;
        }
        Ok((used, true))
    }

    /// Puts on record when these were used. Blocking.
    pub(crate) fn save_uses(&self, keys: &[Digest]) -> Result<()> {
        for key in keys {
            let record = self.state().records.get(key).cloned();
            if let Some(record) = record {
                self.0.store.put(&key.to_string(), &record)?;
            }
        }
        Ok(())
    }

    /// Makes a mount with what `fill` puts into its directory. Blocking.
    ///
    /// # Errors
    /// [`Error::MountExists`], and those of `fill`.
    pub fn import<E: From<Error>>(
        &self,
        id: &str,
        fill: impl FnOnce(&Path) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let exists = || E::from(Error::MountExists { id: id.to_owned() });
        if id.is_empty() {
            return Err(Error::Invalid("a cache mount needs a name".into()).into());
        }
        if self.state().records.contains_key(&key_of(id)) {
            return Err(exists());
        }
        let draft = Temporary(self.draft(&Beginning {
            mode: 0o755,
            owner: Owner { uid: 0, gid: 0 },
        })?);
        fill(&draft.0)?;
        drop(self.name(
            id,
            &draft.0,
            &format!("cached mount with id \"/{id}\", imported"),
        )?);
        if draft.0.exists() {
            return Err(exists());
        }
        self.measure(&[key_of(id)])?;
        Ok(())
    }

    /// Every kept directory by its key, with whether somebody has it now.
    pub fn list(&self) -> Vec<(Digest, CacheMount, bool)> {
        let state = self.state();
        let used = |key| state.users.contains_key(key);
        let records = state.records.iter();
        records
            .map(|(key, record)| (key.clone(), record.clone(), used(key)))
            .collect()
    }

    /// Bytes of all of them, as far as they have been counted.
    pub fn size_bytes(&self) -> u64 {
        self.state().records.values().map(|it| it.size_bytes).sum()
    }

    /// Bytes that are free for users on the file system that the cache is on.
    ///
    /// # Errors
    /// The kernel's.
    pub fn free_bytes(&self) -> Result<u64> {
        let path = &self.0.directory;
        let free =
            rustix::fs::statvfs(path).map_err(|error| Error::path("reading", path, error))?;
        Ok(free.f_bavail.saturating_mul(free.f_frsize))
    }

    /// Counts the bytes of these mounts, and puts on record when they were used. Blocking,
    /// and as slow as they have files.
    pub fn measure(&self, keys: &[Digest]) -> Result<()> {
        for key in keys {
            let size = directory_bytes(&self.path_of(key));
            let mut state = self.state();
            if let Some(record) = state.records.get_mut(key) {
                record.size_bytes = size;
                self.0.store.put(&key.to_string(), &*record)?;
            }
        }
        Ok(())
    }

    /// Removes a mount, unless somebody has it now. Answers what it was. Blocking.
    pub fn remove(&self, key: &Digest) -> Result<Option<CacheMount>> {
        let mut state = self.state();
        if state.users.contains_key(key) || !state.records.contains_key(key) {
            return Ok(None);
        }
        let path = self.path_of(key);
        let gone = self.0.temporary.join(corten_base::Id::random().to_string());
        std::fs::rename(&path, &gone).map_err(|error| Error::path("removing", &path, error))?;
        corten_base::step("cache_mount.remove");
        self.0.store.delete::<CacheMount>(&key.to_string())?;
        let record = state.records.remove(key);
        drop(state);
        std::fs::remove_dir_all(&gone).map_err(|error| Error::path("removing", &gone, error))?;
        Ok(record)
    }
}

/// Bytes that the files of a directory take on disk; what cannot be read takes none. A
/// step may be changing it: nothing is followed.
fn directory_bytes(directory: &Path) -> u64 {
    let mut seen = HashSet::new();
    let mut total = 0_u64;
    let Ok(root) = Root::open(directory) else {
        return 0;
    };
    let mut waiting = vec![PathBuf::from("/")];
    while let Some(path) = waiting.pop() {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let opened = root.open_without_links(&path, flags).ok();
        let entries = opened.and_then(|it| Dir::read_from(it).ok());
        for entry in entries.into_iter().flatten().flatten() {
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let path = path.join(OsStr::from_bytes(name.to_bytes()));
            let Ok(stat) = root.stat_link(&path) else {
                continue;
            };
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                if path.components().count() < DEPTH_MAX {
                    waiting.push(path);
                }
            } else if stat.st_nlink < 2 || seen.insert(stat.st_ino) {
                total += stat.st_blocks as u64 * 512;
            }
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(directory: &Path) -> CacheMounts {
        let (caches, temporary) = (directory.join("caches"), directory.join("tmp"));
        private(&caches).unwrap();
        private(&temporary).unwrap();
        let store = Arc::new(Store::open(&directory.join("state.db")).unwrap());
        CacheMounts::open(store, &caches, &temporary).unwrap()
    }

    fn make(mounts: &CacheMounts, id: &str) -> CacheMountUse {
        let owner = Owner { uid: 0, gid: 0 };
        let beginning = Beginning { mode: 0o755, owner };
        let draft = mounts.draft(&beginning).unwrap();
        std::fs::write(draft.join("from"), id).unwrap();
        mounts.name(id, &draft, "shown").unwrap()
    }

    #[test]
    fn a_mount_is_there_again_after_a_restart_and_nothing_half_made_is() {
        let directory = tempfile::tempdir().unwrap();
        let used = make(&open(directory.path()), "go");
        std::fs::write(used.path().join("file"), vec![1; 10_000]).unwrap();
        // Whoever comes second takes what is there.
        let second = make(&used.mounts, "go");
        assert_eq!(second.path(), used.path());
        used.mounts.measure(&[key_of("go")]).unwrap();
        drop((used, second));
        let stray = directory.path().join("caches/stray");
        std::fs::create_dir(&stray).unwrap();
        let lost = make(&open(directory.path()), "lost");
        std::fs::remove_dir_all(lost.path()).unwrap();
        drop(lost);
        let mounts = open(directory.path());
        assert!(!stray.exists());
        let list = mounts.list();
        assert_eq!(list.len(), 1);
        let (key, mount, in_use) = &list[0];
        assert_eq!((mount.id.as_str(), *in_use), ("go", false));
        assert!((10_000..40_000).contains(&mount.size_bytes), "{mount:?}");
        let used = mounts.find("go").unwrap();
        assert!(mounts.remove(key).unwrap().is_none(), "somebody has it");
        drop(used);
        assert!(mounts.remove(key).unwrap().is_some());
        assert!(mounts.find("go").is_none());
        let left = std::fs::read_dir(directory.path().join("caches")).unwrap();
        assert_eq!(left.count(), 0);
    }

    #[test]
    fn no_more_directories_of_clients_are_kept_than_wanted_and_mounts_stay() {
        let directory = tempfile::tempdir().unwrap();
        let mounts = open(directory.path());
        drop(make(&mounts, "go"));
        let context = |name: &str| mounts.context(&context_id(name), "shown", 2).unwrap().0;
        let first = context("first");
        for name in ["second", "third", "fourth"] {
            drop(context(name));
        }
        assert!(first.path().is_dir(), "somebody has it");
        let there =
            ["first", "second", "third", "fourth"].map(|it| mounts.find(&context_id(it)).is_some());
        assert_eq!(there, [true, false, false, true]);
        assert!(mounts.find("go").is_some() && mounts.find("first").is_none());
    }
}
