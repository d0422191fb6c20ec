//! Volumes that come and go with a container, on record in the container's transaction.
//!
//! So a kill leaves both or neither: a volume that was half filled from an image, or whose
//! container is gone, is found without a record at the next start and removed.

use crate::{
    VolumeError, local,
    volumes::{Entry, Volume, Volumes},
};
use corten_base::step;
use corten_store::{StoreError, Transaction};

/// Volumes on their way out, with their container.
#[must_use]
pub struct TakenOut(Vec<Entry>);

impl Volumes {
    /// A volume that somebody else uses by now is on record, whatever becomes of the
    /// container that it was made for.
    pub(crate) fn settle_record(&self, volume: &Volume) -> Result<(), VolumeError> {
        let pending = |entry: &Entry| !entry.recorded;
        if !self.table().get(&volume.name).is_some_and(pending) {
            return Ok(());
        }
        self.record(volume)?;
        self.recorded([volume.name.as_str()].into_iter());
        Ok(())
    }

    /// Records those of `names` that are not on record yet, in the transaction that records
    /// the container they were made for; [`Volumes::recorded`] follows.
    pub fn record_with<'a>(
        &self,
        transaction: &Transaction<'_>,
        names: impl Iterator<Item = &'a str>,
    ) -> Result<(), StoreError> {
        let table = self.table();
        for entry in names.filter_map(|name| table.get(name)) {
            if !entry.recorded {
                transaction.put(&entry.volume.name, &entry.volume)?;
            }
        }
        Ok(())
    }

    /// The transaction that they were recorded in is durable.
    pub fn recorded<'a>(&self, names: impl Iterator<Item = &'a str>) {
        let mut table = self.table();
        for name in names {
            if let Some(entry) = table.get_mut(name) {
                entry.recorded = true;
            }
        }
    }

    /// Takes those of `names` out of the table that are nothing but a directory and that
    /// nobody but `container` has: nobody can begin to use them now. [`Volumes::forget`],
    /// then [`Volumes::put_back`] or [`Volumes::clear`] follows.
    pub fn take_out(&self, container: &str, names: &[&str]) -> TakenOut {
        let mut table = self.table();
        let mut taken = Vec::new();
        for name in names {
            let free = table.get(*name).is_some_and(|entry| {
                let plain = entry.volume.is_local() && entry.volume.local_mount().is_none();
                plain && entry.users.iter().all(|user| user == container)
            });
            if free && local::mount_below(&self.root.join(name)).is_none() {
                taken.extend(table.remove(*name));
            }
        }
        TakenOut(taken)
    }

    /// Deletes the records of what was taken out, in the transaction that deletes its
    /// container's.
    pub fn forget(
        &self,
        transaction: &Transaction<'_>,
        taken: &TakenOut,
    ) -> Result<(), StoreError> {
        for entry in &taken.0 {
            transaction.delete::<Volume>(&entry.volume.name)?;
        }
        Ok(())
    }

    /// The transaction failed: everything as it was.
    pub fn put_back(&self, taken: TakenOut) {
        let entries = taken.0.into_iter();
        self.table()
            .extend(entries.map(|entry| (entry.volume.name.clone(), entry)));
    }

    /// Removes the files of forgotten volumes, and tells their names. What stays is removed
    /// at the next start.
    pub fn clear(&self, taken: TakenOut) -> Vec<String> {
        let names = taken.0.into_iter().map(|entry| entry.volume.name);
        let removed = names.inspect(|name| {
            step("volume-remove.directory");
            if let Err(error) = self.remove_files(name) {
                let error = corten_base::chain(&error);
                tracing::warn!(volume = name, error, "the files of a volume stay");
            }
        });
        removed.collect()
    }
}
