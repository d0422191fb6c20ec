//! Making volumes.

use crate::{
    VolumeError, local,
    name::is_valid_name,
    volumes::{ANONYMOUS_LABEL, Entry, LOCAL_DRIVER, Volume, Volumes},
};
use corten_base::{Id, Timestamp, step};
use rustix::fs::{Mode, OFlags};
use std::{collections::BTreeMap, fs, io, os::unix::fs::DirBuilderExt, path::Path};

/// What to make.
#[derive(Debug, Clone, Default)]
pub struct CreateRequest {
    /// Empty: 64 random digits, and marked as anonymous.
    pub name: String,
    /// Empty: `local`.
    pub driver: String,
    /// The driver's options: `type`, `o`, `device`, `size`.
    pub options: Option<BTreeMap<String, String>>,
    /// Labels.
    pub labels: Option<BTreeMap<String, String>>,
    /// A container that has it from the first moment, so that no prune can take it. A new
    /// volume is on record with the container: see [`Volumes::record_with`].
    pub user: Option<String>,
}

impl Volumes {
    /// Makes a volume, or answers the one that has this name already, whatever its labels
    /// and options (as Docker does).
    pub fn create(&self, request: CreateRequest) -> Result<(Volume, bool), VolumeError> {
        let CreateRequest {
            mut name,
            driver,
            options,
            mut labels,
            user,
        } = request;
        if name.is_empty() {
            name = Id::random().to_string();
            labels
                .get_or_insert_default()
                .insert(ANONYMOUS_LABEL.into(), String::new());
        }
        let foreign = !driver.is_empty() && driver != LOCAL_DRIVER;
        let plugin = match foreign {
            false => None,
            true => Some(self.plugins.find(&driver).ok_or_else(|| {
                let (name, driver) = (name.clone(), driver.clone());
                VolumeError::NoDriver {
                    operation: "create",
                    name,
                    driver,
                }
            })?),
        };
        let known = match self.existing(&name, user.as_deref()) {
            None if driver.is_empty() && self.adopt_foreign(&name)?.is_some() => {
                self.existing(&name, user.as_deref())
            }
            known => known,
        };
        if let Some(volume) = known {
            if !driver.is_empty() && volume.driver != driver {
                return Err(VolumeError::NameTaken { name });
            }
            if user.is_none() {
                self.settle_record(&volume)?;
            }
            return Ok((volume, false));
        }
        let options = options.filter(|options| !options.is_empty());
        if plugin.is_none() {
            check_name(&name)?;
            if let Some(options) = &options {
                local::check(&name, options, &self.root)?;
            }
        }
        let volume = Volume {
            name: name.clone(),
            driver: if foreign { driver } else { LOCAL_DRIVER.into() },
            created: Timestamp::now(),
            labels,
            options,
            renamed_from: None,
        };
        // The directory first: a record without one would be a volume that cannot be used,
        // a directory without record is removed at the next start.
        step("volume-create.directory");
        match &plugin {
            Some(plugin) => plugin.create(&name, volume.options.as_ref())?,
            None => {
                self.make_directory(&name)?;
                if let Err(error) = self.hold_limit(&volume) {
                    drop(self.remove_files(&name));
                    return Err(error);
                }
            }
        }
        let recorded = user.is_none() || plugin.is_some();
        if recorded {
            step("volume-create.record");
            self.record(&volume)?;
        }
        step("volume-create.done");
        let mut table = self.table();
        let entry = table.entry(name).or_insert_with(|| Entry {
            recorded,
            ..Entry::new(volume)
        });
        entry.users.extend(user);
        Ok((entry.volume.clone(), true))
    }

    pub(crate) fn record(&self, volume: &Volume) -> Result<(), VolumeError> {
        self.store
            .put(&volume.name, volume)
            .map_err(|source| VolumeError::Store {
                operation: "recording",
                name: volume.name.clone(),
                source: Box::new(source),
            })
    }

    fn existing(&self, name: &str, user: Option<&str>) -> Option<Volume> {
        let mut table = self.table();
        let entry = table.get_mut(name)?;
        entry.users.extend(user.map(str::to_owned));
        Some(entry.volume.clone())
    }

    /// Docker: the volume's directory is 0701, its `_data` 0755; both belong to root.
    pub(crate) fn make_directory(&self, name: &str) -> Result<(), VolumeError> {
        let directory = self.root.join(name);
        make(&directory, 0o701)?;
        make(&directory.join("_data"), 0o755)?;
        let flushed = rustix::fs::open(&directory, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .and_then(rustix::fs::fsync);
        flushed.map_err(|errno| VolumeError::Io {
            operation: "flushing",
            path: directory,
            source: errno.into(),
        })
    }

    /// Directories of volumes whose record was never written, or deleted already.
    pub(crate) fn clear_leftovers(&self) {
        let Ok(entries) = fs::read_dir(&self.root) else {
            return;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let known = name
                .to_str()
                .is_some_and(|name| self.table().contains_key(name));
            if known || !entry.file_type().is_ok_and(|it| it.is_dir()) {
                continue;
            }
            let path = entry.path();
            match self.remove_files(&name) {
                Ok(()) => tracing::info!(path = %path.display(), "removed a volume without record"),
                Err(error) => {
                    let error = corten_base::chain(&error);
                    tracing::warn!(path = %path.display(), error, "a volume without record stays");
                }
            }
        }
    }
}

fn make(path: &Path, mode: u32) -> Result<(), VolumeError> {
    match fs::DirBuilder::new().mode(mode).create(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(VolumeError::Io {
            operation: "creating",
            path: path.to_owned(),
            source,
        }),
    }
}

pub(crate) fn check_name(name: &str) -> Result<(), VolumeError> {
    if name.len() == 1 {
        return Err(VolumeError::NameTooShort(name.to_owned()));
    }
    if !is_valid_name(name) {
        return Err(VolumeError::NameInvalid(name.to_owned()));
    }
    Ok(())
}
