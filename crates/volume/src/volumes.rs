//! The table of volumes and who uses them.

use crate::VolumeError;
use corten_base::Timestamp;
use corten_store::{Record, Store};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The only driver so far.
pub const LOCAL_DRIVER: &str = "local";

/// Docker marks volumes that nobody named with this label.
pub const ANONYMOUS_LABEL: &str = "com.docker.volume.anonymous";

/// A volume, as it stands on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Its name.
    pub name: String,
    /// `local`.
    pub driver: String,
    /// Creation.
    pub created: Timestamp,
    /// User's labels; `None` where Docker shows `null`.
    #[serde(default)]
    pub labels: Option<BTreeMap<String, String>>,
    /// The driver's options; `None` where Docker shows `null`.
    #[serde(default)]
    pub options: Option<BTreeMap<String, String>>,
}

impl Record for Volume {
    const KIND: &'static str = "volume";
}

impl Volume {
    /// Nobody named it.
    pub fn is_anonymous(&self) -> bool {
        self.labels
            .as_ref()
            .is_some_and(|labels| labels.contains_key(ANONYMOUS_LABEL))
    }

    /// The host's directory that the volume stands for (`type=none`, `o=bind`).
    pub fn bound_directory(&self) -> Option<&Path> {
        self.options.as_ref()?.get("device").map(Path::new)
    }
}

/// All volumes of this host.
pub struct Volumes {
    pub(crate) root: PathBuf,
    pub(crate) store: Arc<Store>,
    table: Mutex<BTreeMap<String, Entry>>,
}

pub(crate) struct Entry {
    pub(crate) volume: Volume,
    /// IDs of containers that have it.
    pub(crate) users: BTreeSet<String>,
}

impl Volumes {
    /// Reads the records. `root` is made if it is missing.
    pub fn open(root: &Path, store: Arc<Store>) -> Result<Self, VolumeError> {
        std::fs::create_dir_all(root).map_err(|source| VolumeError::Io {
            operation: "creating",
            path: root.to_owned(),
            source,
        })?;
        let records = store.all::<Volume>().map_err(|source| VolumeError::Store {
            operation: "loading",
            name: String::new(),
            source: Box::new(source),
        })?;
        let table = records
            .into_iter()
            .map(|(name, volume)| {
                (
                    name,
                    Entry {
                        volume,
                        users: BTreeSet::new(),
                    },
                )
            })
            .collect();
        let volumes = Self {
            root: root.to_owned(),
            store,
            table: Mutex::new(table),
        };
        volumes.clear_leftovers();
        Ok(volumes)
    }

    /// The directory with a volume's files, as `inspect` shows it.
    pub fn mountpoint(&self, name: &str) -> PathBuf {
        self.root.join(name).join("_data")
    }

    /// The directory that is mounted into containers.
    pub fn directory(&self, volume: &Volume) -> PathBuf {
        match volume.bound_directory() {
            Some(directory) => directory.to_owned(),
            None => self.mountpoint(&volume.name),
        }
    }

    /// One volume.
    pub fn inspect(&self, name: &str) -> Result<Volume, VolumeError> {
        match self.table().get(name) {
            Some(entry) => Ok(entry.volume.clone()),
            None => Err(VolumeError::NotFound {
                operation: "get",
                name: name.to_owned(),
            }),
        }
    }

    /// Every volume, by name.
    pub fn list(&self) -> Vec<Volume> {
        self.table()
            .values()
            .map(|entry| entry.volume.clone())
            .collect()
    }

    /// Containers that have the volume.
    pub fn users(&self, name: &str) -> Vec<String> {
        self.table()
            .get(name)
            .map(|it| it.users.iter().cloned().collect())
            .unwrap_or_default()
    }

    /// A container has the volume from now on: it cannot be removed. Unknown volumes are
    /// refused.
    pub fn acquire(&self, name: &str, container: &str) -> Result<(), VolumeError> {
        match self.table().get_mut(name) {
            Some(entry) => {
                entry.users.insert(container.to_owned());
                Ok(())
            }
            None => Err(VolumeError::NotFound {
                operation: "get",
                name: name.to_owned(),
            }),
        }
    }

    /// A container is gone, and its references with it.
    pub fn release(&self, container: &str) {
        for entry in self.table().values_mut() {
            entry.users.remove(container);
        }
    }

    /// Bytes of a volume's files, each inode once.
    pub fn size(&self, volume: &Volume) -> u64 {
        crate::tree::size(&self.directory(volume))
    }

    pub(crate) fn table(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
