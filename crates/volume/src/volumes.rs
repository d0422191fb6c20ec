//! The table of volumes and who uses them.

use crate::{
    VolumeError,
    local::LocalMount,
    plugin::{Plugin, PluginVolume, Plugins},
};
use corten_base::Timestamp;
use corten_store::{Record, Store};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The driver that is always there.
pub const LOCAL_DRIVER: &str = "local";

/// Docker marks volumes that nobody named with this label.
pub const ANONYMOUS_LABEL: &str = "com.docker.volume.anonymous";

/// A volume, as it stands on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Its name.
    pub name: String,
    /// `local`, or the name of a plugin.
    pub driver: String,
    /// Creation.
    pub created: Timestamp,
    /// User's labels; `None` where Docker shows `null`.
    #[serde(default)]
    pub labels: Option<BTreeMap<String, String>>,
    /// The driver's options; `None` where Docker shows `null`.
    #[serde(default)]
    pub options: Option<BTreeMap<String, String>>,
    /// Its directory may still have this name: a renaming was cut short.
    #[serde(default)]
    pub(crate) renamed_from: Option<String>,
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

    /// Kept as it was: containers can only read it.
    pub fn is_snapshot(&self) -> bool {
        let labels = self.labels.as_ref();
        labels.is_some_and(|labels| labels.contains_key(crate::SNAPSHOT_LABEL))
    }

    /// Files on this host, made and removed here.
    pub fn is_local(&self) -> bool {
        self.driver == LOCAL_DRIVER
    }

    /// What is mounted over its directory while it is in use.
    pub(crate) fn local_mount(&self) -> Option<LocalMount> {
        LocalMount::of(self.options.as_ref()).filter(|_| self.is_local())
    }
}

/// All volumes of this host.
pub struct Volumes {
    pub(crate) root: PathBuf,
    pub(crate) store: Arc<Store>,
    pub(crate) plugins: Plugins,
    table: Mutex<BTreeMap<String, Entry>>,
}

pub(crate) struct Entry {
    pub(crate) volume: Volume,
    /// IDs of containers that have it.
    pub(crate) users: BTreeSet<String>,
    /// IDs of those that run with it. Held while it is mounted or unmounted, which may take
    /// long where the files are far away; the table is never locked inside.
    pub(crate) mounted: Arc<Mutex<BTreeSet<String>>>,
    /// Not so one that was made for a container that is not on record either: see
    /// [`Volumes::record_with`].
    pub(crate) recorded: bool,
}

impl Entry {
    pub(crate) fn new(volume: Volume) -> Self {
        Self {
            volume,
            users: BTreeSet::new(),
            mounted: Arc::default(),
            recorded: true,
        }
    }
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
            .map(|(name, volume)| (name, Entry::new(volume)))
            .collect();
        let volumes = Self {
            root: root.to_owned(),
            store,
            plugins: Plugins::default(),
            table: Mutex::new(table),
        };
        volumes.finish_renames()?;
        volumes.clear_leftovers();
        Ok(volumes)
    }

    /// The directory with a local volume's files, as `inspect` shows it.
    pub fn mountpoint(&self, name: &str) -> PathBuf {
        self.root.join(name).join("_data")
    }

    /// What a plugin says of a volume of its own. `None`: the volume is local.
    pub fn details(&self, volume: &Volume) -> Result<Option<PluginVolume>, VolumeError> {
        if volume.is_local() {
            return Ok(None);
        }
        let plugin = self.plugin(volume)?;
        plugin.get(&volume.name).map(Some)
    }

    /// `local` or `global`, as the driver says.
    pub fn scope(&self, volume: &Volume) -> String {
        if volume.is_local() {
            return "local".to_owned();
        }
        match self.plugin(volume) {
            Ok(plugin) => plugin.scope(),
            Err(_) => "local".to_owned(),
        }
    }

    /// Names of the drivers that are there.
    pub fn drivers(&self) -> Vec<String> {
        let plugins = self.plugins.names();
        let plugins = plugins
            .into_iter()
            .filter(|it| self.plugins.find(it).is_some());
        [LOCAL_DRIVER.to_owned()]
            .into_iter()
            .chain(plugins)
            .collect()
    }

    /// As [`Self::open`], with plugins looked for in these directories only.
    pub fn open_with_plugins(
        root: &Path,
        store: Arc<Store>,
        directories: Vec<PathBuf>,
    ) -> Result<Self, VolumeError> {
        let mut volumes = Self::open(root, store)?;
        volumes.plugins = Plugins::in_directories(directories);
        Ok(volumes)
    }

    /// A plugin's volume that nobody made here becomes known under its driver.
    pub(crate) fn adopt_foreign(&self, name: &str) -> Result<Option<Volume>, VolumeError> {
        if self.plugins.names().is_empty() {
            return Ok(None);
        }
        let mut all = self.foreign().into_iter();
        let Some((driver, found)) = all.find(|(_, it)| it.name == name) else {
            return Ok(None);
        };
        let volume = Volume {
            name: found.name,
            driver,
            created: found
                .created_at
                .parse()
                .unwrap_or_else(|_| Timestamp::now()),
            labels: None,
            options: None,
            renamed_from: None,
        };
        self.record(&volume)?;
        let mut table = self.table();
        table
            .entry(volume.name.clone())
            .or_insert_with(|| Entry::new(volume.clone()));
        Ok(Some(volume))
    }

    /// Volumes that plugins have and nobody made here, by driver.
    pub fn foreign(&self) -> Vec<(String, PluginVolume)> {
        let all = self.plugins.volumes().into_iter();
        all.filter(|(_, it)| !self.table().contains_key(&it.name))
            .collect()
    }

    pub(crate) fn plugin(&self, volume: &Volume) -> Result<Plugin, VolumeError> {
        let found = self.plugins.find(&volume.driver);
        found.ok_or_else(|| VolumeError::NoDriver {
            operation: "get",
            name: volume.name.clone(),
            driver: volume.driver.clone(),
        })
    }

    /// One volume, also one that only a plugin knows.
    pub fn inspect(&self, name: &str) -> Result<Volume, VolumeError> {
        if let Some(entry) = self.table().get(name) {
            return Ok(entry.volume.clone());
        }
        self.adopt_foreign(name)?
            .ok_or_else(|| VolumeError::NotFound {
                operation: "get",
                name: name.to_owned(),
            })
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

    /// Bytes of a volume's files, each inode once. -1: they are not here.
    pub fn size(&self, volume: &Volume) -> i64 {
        if !volume.is_local() || volume.local_mount().is_some() {
            return -1;
        }
        crate::tree::size(&self.mountpoint(&volume.name)) as i64
    }

    pub(crate) fn table(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
