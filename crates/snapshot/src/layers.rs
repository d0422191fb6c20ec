//! Unpacked layers, by diff ID.
//!
//! ```text
//!  sha256/<hex>/          fs/ and layer.json: stands on any layers; maybe tar-split.zst,
//!                         what the files do not tell of their tar
//!  sha256/<hex>+<chain>/  the same, settled on the layers with this chain ID
//!  sha256/<hex>/          layer.tar, layer.erofs and layer.json: indexed, see `indexed`
//!  tmp/<n>/               being made              trash/   being removed
//!  snapshots/<key>.json   which layers a snapshot stands on
//!  empty/, roots/<m>-<u>-<g>/   directories without files, see `overlay`
//! ```

use crate::{
    Error, Result,
    disk::{self, spread_below, sync_directory},
    error::On,
    indexed::{self, Mounts},
    layer::{Form, Layer, UNPACKED, visible},
    lease::State,
    pending::PendingLayer,
    trash::Trash,
};
use corten_base::Timestamp;
use corten_oci::Digest;
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// What is known about a layer that has been unpacked.
#[derive(Debug, Clone)]
pub struct NewLayer {
    /// SHA-256 of its uncompressed tar, verified.
    pub diff_id: Digest,
    /// For a layer that had to be settled: the diff IDs of the layers below it, bottom
    /// first; it stands on exactly those. None: it may stand on any.
    pub settled_on: Option<Vec<Digest>>,
    /// Bytes of its files, as Docker counts a layer's size.
    pub size_bytes: u64,
    /// The layer says what the root directory itself is like.
    pub has_root: bool,
    /// The layer hides everything below it.
    pub root_opaque: bool,
}

/// Figures of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileSystem {
    /// Its size.
    pub total_bytes: u64,
    /// What anybody may still write.
    pub available_bytes: u64,
}

/// `layer.json`.
#[derive(Serialize, Deserialize)]
struct Record {
    format: u32,
    diff_id: Digest,
    size_bytes: u64,
    has_root: bool,
    root_opaque: bool,
    #[serde(default)]
    form: Form,
    /// There is a record of its tar.
    #[serde(default, skip_serializing_if = "is_false")]
    split: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

const FORMAT: u32 = 1;
/// Layers in a directory. Cheap to clone; all clones are one store.
#[derive(Clone)]
pub struct LayerStore {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub directory: PathBuf,
    pub form: Form,
    pub mounts: Mounts,
    pub trash: Trash,
    pub next: AtomicU64,
    state: Mutex<State>,
    /// Told whenever a layer leaves `State::removing`.
    pub freed: Condvar,
}

impl Inner {
    pub fn state(&self) -> MutexGuard<'_, State> {
        // The state is valid between any two statements, so a panic elsewhere spoils nothing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn layers(&self) -> PathBuf {
        self.directory.join("sha256")
    }

    pub fn snapshots(&self) -> PathBuf {
        self.directory.join("snapshots")
    }
}

impl LayerStore {
    /// Opens the store in `directory`, which is made if missing, and throws away what an
    /// earlier process left half done.
    pub fn open(directory: &Path) -> Result<Self> {
        Self::open_as(directory, Form::Unpacked)
    }

    /// As [`Self::open`]; new layers are to be kept in `form`. Those that are there stay
    /// as they are, and stacks may have both.
    ///
    /// # Errors
    /// [`Error::NoErofs`] for [`Form::Indexed`] where the kernel cannot do it.
    pub fn open_as(directory: &Path, form: Form) -> Result<Self> {
        for name in ["sha256", "tmp", "snapshots", "roots", "views", "empty"] {
            disk::private_directory(&directory.join(name))?;
        }
        for name in ["sha256", "tmp"] {
            spread_below(&directory.join(name));
        }
        let trash = Trash::open(&directory.join("trash"))?;
        for name in ["tmp", "views"] {
            let left = directory.join(name);
            for entry in fs::read_dir(&left).on("reading", &left)? {
                trash.throw(&entry.on("reading", &left)?.path())?;
            }
        }
        disk::clear_unfinished(&directory.join("snapshots"))?;
        let inner = Inner {
            directory: directory.into(),
            form,
            mounts: Mounts::default(),
            trash,
            // Never a name that an earlier opening, still letting go, may throw away.
            next: AtomicU64::new(Timestamp::now().unix_nanoseconds() as u64),
            state: Mutex::default(),
            freed: Condvar::new(),
        };
        let store = Self {
            inner: Arc::new(inner),
        };
        if form == Form::Indexed {
            indexed::check(&store)?;
        }
        Ok(store)
    }

    /// How new layers are to be kept.
    pub fn form(&self) -> Form {
        self.inner.form
    }

    /// The layer that is the last of `chain` (diff IDs, bottom first) standing on the
    /// others, if it is unpacked.
    pub fn find(&self, chain: &[Digest]) -> Result<Option<Layer>> {
        let Some((diff_id, below)) = chain.split_last() else {
            return Ok(None);
        };
        for name in [name(diff_id, None), name(diff_id, Some(below))] {
            if let Some(layer) = self.read(&name)? {
                return Ok(Some(layer));
            }
        }
        Ok(None)
    }

    pub(crate) fn read(&self, name: &str) -> Result<Option<Layer>> {
        let directory = self.inner.layers().join(name);
        let record: Option<Record> = disk::read_record(&directory.join("layer.json"))?;
        Ok(record.map(|record| Layer {
            diff_id: record.diff_id,
            directory: directory.clone(),
            form: record.form,
            split: record.split,
            size_bytes: record.size_bytes,
            has_root: record.has_root,
            root_opaque: record.root_opaque,
        }))
    }

    /// All layers of `chain`, bottom first. Fails with [`Error::LayerNotFound`].
    pub fn stack(&self, chain: &[Digest]) -> Result<Vec<Layer>> {
        let mut layers = Vec::with_capacity(chain.len());
        for end in 1..=chain.len() {
            let missing = || Error::LayerNotFound {
                diff_id: chain[end - 1].clone(),
            };
            layers.push(self.find(&chain[..end])?.ok_or_else(missing)?);
        }
        Ok(layers)
    }

    /// The directories of `chain` (diff IDs, bottom first), the uppermost first, without
    /// those that a root-opaque layer hides: what overlay and a view of the layers take.
    /// A layer that is there twice shows nothing below its upper place, and overlay wants
    /// each directory once.
    pub fn directories(&self, chain: &[Digest]) -> Result<Vec<PathBuf>> {
        let layers = self.stack(chain)?;
        let mut directories: Vec<PathBuf> = Vec::with_capacity(layers.len());
        for layer in visible(&layers) {
            let path = self.directory(layer)?;
            if !directories.contains(&path) {
                directories.push(path);
            }
        }
        Ok(directories)
    }

    /// Where the layers of `chain` (diff IDs, bottom first) that can be seen are kept, the
    /// uppermost first: what an administrator is told.
    pub fn places(&self, chain: &[Digest]) -> Result<Vec<PathBuf>> {
        let layers = self.stack(chain)?;
        let place = |layer: &Layer| match layer.form {
            Form::Unpacked => layer.directory.join(UNPACKED),
            Form::Indexed => layer.directory.clone(),
        };
        Ok(visible(&layers).map(place).collect())
    }

    /// The directory that a layer shows, for this process and those that it starts mounts
    /// for. An indexed layer is mounted, once for all.
    pub(crate) fn directory(&self, layer: &Layer) -> Result<PathBuf> {
        match layer.form {
            Form::Unpacked => Ok(layer.directory.join(UNPACKED)),
            Form::Indexed => self.inner.mounts.path(&layer.directory),
        }
    }

    /// A temporary directory to unpack a layer into.
    pub fn begin(&self) -> Result<PendingLayer> {
        let number = self.inner.next.fetch_add(1, Ordering::Relaxed);
        let directory = self.inner.directory.join("tmp").join(number.to_string());
        corten_base::step("layer.begin");
        disk::private_directory(&directory)?;
        PendingLayer::new(self.inner.trash.clone(), directory)
    }

    /// Makes unpacked layers durable and gives them their names: one flush of the file
    /// system for all. A layer that somebody else committed meanwhile is taken from there.
    pub fn commit(&self, layers: Vec<(PendingLayer, NewLayer)>) -> Result<()> {
        if layers.is_empty() {
            return Ok(());
        }
        corten_base::step("layer.describe");
        for (pending, layer) in &layers {
            self.describe(pending, layer)?;
        }
        self.flush()?;
        for (pending, layer) in layers {
            let to = self
                .inner
                .layers()
                .join(name(&layer.diff_id, layer.settled_on.as_deref()));
            corten_base::step("layer.name");
            match fs::rename(&pending.directory, &to) {
                // Dropping the pending layer throws the second copy away.
                Err(_) if to.join("layer.json").exists() => {}
                renamed => renamed.on("renaming", &pending.directory)?,
            }
        }
        corten_base::step("layer.named");
        sync_directory(&self.inner.layers())
    }

    /// Puts a layer unpacked anew in the place of a damaged one, or of one that is lost. The
    /// exchange is one step: there is a layer at any moment. Nothing may be mounted on it.
    pub fn replace(&self, pending: PendingLayer, layer: &NewLayer) -> Result<()> {
        let to = self
            .inner
            .layers()
            .join(name(&layer.diff_id, layer.settled_on.as_deref()));
        self.describe(&pending, layer)?;
        self.flush()?;
        corten_base::step("layer.replace");
        let exchange = rustix::fs::RenameFlags::EXCHANGE;
        let (from, here) = (&pending.directory, rustix::fs::CWD);
        match rustix::fs::renameat_with(here, from, here, &to, exchange) {
            // Dropping the pending layer throws away what is damaged.
            Err(rustix::io::Errno::NOENT) => fs::rename(from, &to).on("renaming", from)?,
            exchanged => exchanged.on("exchanging", from)?,
        }
        corten_base::step("layer.replaced");
        self.inner.mounts.forget(&to);
        sync_directory(&self.inner.layers())
    }

    fn describe(&self, pending: &PendingLayer, layer: &NewLayer) -> Result<()> {
        let record = Record {
            format: FORMAT,
            diff_id: layer.diff_id.clone(),
            size_bytes: layer.size_bytes,
            has_root: layer.has_root,
            root_opaque: layer.root_opaque,
            form: pending.form,
            split: pending.split,
        };
        disk::write_record(&pending.directory.join("layer.json"), &record)
    }

    /// Brings to disk whatever was written so far: [`LayerStore::commit`] finds the less to
    /// do. Blocking.
    ///
    /// # Errors
    /// What could not be written may be lost: nothing that was unpacked before this call
    /// may be committed then.
    pub fn flush(&self) -> Result<()> {
        let directory = &self.inner.directory;
        let file = File::open(directory).on("opening", directory)?;
        corten_base::step("layer.flush");
        rustix::fs::syncfs(&file).on("flushing", directory)
    }

    /// The number of the file system that the layers lie on (stat(2), st_dev).
    pub fn device(&self) -> Result<u64> {
        let directory = &self.inner.directory;
        let found = rustix::fs::stat(directory).on("looking at", directory)?;
        Ok(found.st_dev)
    }

    /// How full the file system is that the layers lie on.
    pub fn file_system(&self) -> Result<FileSystem> {
        let directory = &self.inner.directory;
        let found = rustix::fs::statvfs(directory).on("looking at", directory)?;
        Ok(FileSystem {
            total_bytes: found.f_blocks.saturating_mul(found.f_frsize),
            available_bytes: found.f_bavail.saturating_mul(found.f_frsize),
        })
    }

    /// Every layer, in no order. One diff ID may be there several times, settled on
    /// different layers.
    pub fn list(&self) -> Result<Vec<Layer>> {
        let mut layers = Vec::new();
        for name in self.names()? {
            // Removed since the directory was read: no matter.
            layers.extend(self.read(&name)?);
        }
        Ok(layers)
    }

    /// A layer with this diff ID, on whatever layers, that can give its tar.
    pub fn with_tar(&self, diff_id: &Digest) -> Result<Option<Layer>> {
        if let Some(layer) = self.read(diff_id.hex())?
            && layer.has_tar()
        {
            return Ok(Some(layer));
        }
        let settled = format!("{}+", diff_id.hex());
        for name in self.names()? {
            if name.starts_with(&settled)
                && let Some(layer) = self.read(&name)?
                && layer.has_tar()
            {
                return Ok(Some(layer));
            }
        }
        Ok(None)
    }

    pub(crate) fn names(&self) -> Result<Vec<String>> {
        let directory = self.inner.layers();
        let mut names = Vec::new();
        for entry in fs::read_dir(&directory).on("reading", &directory)? {
            let name = entry.on("reading", &directory)?.file_name();
            names.extend(name.into_string().ok());
        }
        Ok(names)
    }
}

/// The name of a layer's directory.
pub(crate) fn name(diff_id: &Digest, settled_on: Option<&[Digest]>) -> String {
    match settled_on {
        None => diff_id.hex().to_owned(),
        Some(below) => format!("{}+{}", diff_id.hex(), &chain_id(below)[..32]),
    }
}

/// The digits that name a stack of layers.
// OCI image-spec 1.1 config.md § Layer ChainID; the empty stack is a word of ours.
pub(crate) fn chain_id(chain: &[Digest]) -> String {
    let Some((first, rest)) = chain.split_first() else {
        return "0".repeat(64);
    };
    let id = rest.iter().fold(first.clone(), |id, next| {
        Digest::of(format!("{id} {next}").as_bytes())
    });
    id.hex().to_owned()
}
