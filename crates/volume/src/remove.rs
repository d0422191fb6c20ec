//! Removing volumes.

use crate::{
    VolumeError, tree,
    volumes::{Volume, Volumes},
};

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
        {
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
                    name: name.to_owned(),
                    users,
                });
            }
            let directory = self.root.join(name);
            if let Some(path) = tree::mount_below(&directory) {
                return Err(VolumeError::MountBelow {
                    name: name.to_owned(),
                    path,
                });
            }
            // Out of the table under the lock: nobody can begin to use it now.
            table.remove(name);
        }
        // Record first: a directory without record is cleared at the next start, a record
        // without directory would be a broken volume.
        self.store
            .delete::<Volume>(name)
            .map_err(|source| VolumeError::Store {
                operation: "forgetting",
                name: name.to_owned(),
                source: Box::new(source),
            })?;
        tree::remove(&self.root.join(name))
    }

    /// Removes every volume that nobody has and that `matches`.
    pub fn prune(&self, matches: impl Fn(&Volume) -> bool) -> Pruned {
        let mut pruned = Pruned::default();
        for volume in self.list() {
            if !matches(&volume) || !self.users(&volume.name).is_empty() {
                continue;
            }
            let bytes = match volume.bound_directory() {
                Some(_) => 0,
                None => self.size(&volume),
            };
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
