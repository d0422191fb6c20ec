//! Removing volumes.

use crate::{
    VolumeError, local,
    volumes::{Entry, Volume, Volumes},
};
use corten_base::step;

/// What a prune took away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Names.
    pub names: Vec<String>,
    /// Bytes of their files.
    pub reclaimed_bytes: u64,
}

impl Volumes {
    /// Removes a volume that nobody has.
    pub fn remove(&self, name: &str) -> Result<(), VolumeError> {
        let removed = {
            let mut table = self.table();
            let Some(entry) = table.get(name) else {
                return Err(VolumeError::NotFound {
                    operation: "get",
                    name: name.to_owned(),
                });
            };
            if !entry.users.is_empty() {
                let users = entry.users.iter().cloned().collect();
                return Err(VolumeError::InUse {
                    operation: "remove",
                    name: name.to_owned(),
                    users,
                });
            }
            let directory = self.root.join(name);
            if entry.volume.local_mount().is_some() {
                local::take_off(&self.mountpoint(name))?;
            }
            if let Some(path) = local::mount_below(&directory) {
                return Err(VolumeError::MountBelow {
                    name: name.to_owned(),
                    path,
                });
            }
            // Out of the table under the lock: nobody can begin to use it now.
            table.remove(name).map(|entry| entry.volume)
        };
        if let Some(volume) = removed.filter(|it| !it.is_local()) {
            let asked = self
                .plugin(&volume)
                .and_then(|plugin| plugin.remove(&volume.name));
            if let Err(error) = asked {
                self.table().insert(volume.name.clone(), Entry::new(volume));
                return Err(error);
            }
        }
        step("volume-remove.record");
        // Record first: a directory without record is cleared at the next start, a record
        // without directory would be a broken volume.
        self.store
            .delete::<Volume>(name)
            .map_err(|source| VolumeError::Store {
                operation: "forgetting",
                name: name.to_owned(),
                source: Box::new(source),
            })?;
        step("volume-remove.directory");
        self.remove_files(name)?;
        step("volume-remove.done");
        Ok(())
    }

    /// Removes every plain local volume that nobody has and that `matches`. Docker: those
    /// with options stay, their files are elsewhere.
    pub fn prune(&self, matches: impl Fn(&Volume) -> bool) -> Pruned {
        let mut pruned = Pruned::default();
        for volume in self.list() {
            let plain = volume.is_local() && volume.options.is_none();
            if !plain || !matches(&volume) || !self.users(&volume.name).is_empty() {
                continue;
            }
            let bytes = self.size(&volume).max(0) as u64;
            match self.remove(&volume.name) {
                Ok(()) => {
                    pruned.names.push(volume.name);
                    pruned.reclaimed_bytes += bytes;
                }
                Err(VolumeError::InUse { .. } | VolumeError::NotFound { .. }) => {}
                Err(error) => {
                    let error = corten_base::chain(&error);
                    tracing::warn!(volume = volume.name, error, "pruning a volume failed");
                }
            }
        }
        pruned
    }
}
