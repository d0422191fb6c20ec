//! Another name for a volume that nobody has.
//!
//! ```text
//! record of the new name, with the old one in it ─▶ directory ─▶ old record gone
//!   ─▶ the old name out of the record
//! ```
//! Cut short anywhere, the next start of the daemon finishes it.

use crate::{
    PlainOperation, VolumeError,
    create::check_name,
    volumes::{Entry, Volume, Volumes},
};
use corten_base::step;
use std::{fs, io};

/// Stands among a volume's users while it is renamed.
const RENAMING: &str = "(a renaming)";

impl Volumes {
    /// Gives a volume another name. Refused while a container has it, and for volumes
    /// whose driver knows them by name.
    pub fn rename(&self, name: &str, new: &str) -> Result<Volume, VolumeError> {
        check_name(new)?;
        let before = {
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
                    operation: "rename",
                    name: name.to_owned(),
                    users,
                });
            }
            if !entry.volume.is_local() {
                return Err(VolumeError::NotPlain {
                    operation: PlainOperation::Rename,
                    name: name.to_owned(),
                });
            }
            if table.contains_key(new) {
                return Err(VolumeError::Exists {
                    operation: "rename",
                    name: name.to_owned(),
                    new: new.to_owned(),
                });
            }
            let volume = entry.volume.clone();
            // Both names are taken by this renaming: nobody uses or removes either.
            for taken in [name, new] {
                let entry = table.entry(taken.to_owned());
                let entry = entry.or_insert_with(|| Entry::new(volume.clone()));
                entry.users.insert(RENAMING.to_owned());
            }
            volume
        };
        let mut renamed = Volume {
            name: new.to_owned(),
            renamed_from: Some(name.to_owned()),
            ..before.clone()
        };
        let done = self.move_to(&mut renamed);
        let kept = match &done {
            Ok(()) => renamed.clone(),
            Err(_) => before,
        };
        let mut table = self.table();
        table.remove(name);
        table.remove(new);
        table.insert(kept.name.clone(), Entry::new(kept));
        done.map(|()| renamed)
    }

    fn move_to(&self, volume: &mut Volume) -> Result<(), VolumeError> {
        let Some(old) = volume.renamed_from.clone() else {
            return Ok(());
        };
        self.record(volume)?;
        step("volume-rename.directory");
        let (from, to) = (self.root.join(&old), self.root.join(&volume.name));
        match fs::rename(&from, &to) {
            Ok(()) => {}
            // A renaming that is finished after a restart may have come this far already.
            Err(error) if error.kind() == io::ErrorKind::NotFound && to.exists() => {}
            Err(source) => {
                let undone = self.store.delete::<Volume>(&volume.name);
                if let Err(error) = undone {
                    let error = corten_base::chain(&error);
                    tracing::warn!(volume = volume.name, error, "a record stays");
                }
                return Err(VolumeError::Io {
                    operation: "renaming",
                    path: from,
                    source,
                });
            }
        }
        step("volume-rename.forget");
        self.store
            .delete::<Volume>(&old)
            .map_err(|source| VolumeError::Store {
                operation: "forgetting",
                name: old,
                source: Box::new(source),
            })?;
        volume.renamed_from = None;
        self.record(volume)?;
        step("volume-rename.done");
        Ok(())
    }

    /// What a daemon that died left half renamed.
    pub(crate) fn finish_renames(&self) -> Result<(), VolumeError> {
        let unfinished: Vec<Volume> = self
            .list()
            .into_iter()
            .filter(|it| it.renamed_from.is_some())
            .collect();
        for mut volume in unfinished {
            let old = volume.renamed_from.clone().unwrap_or_default();
            self.move_to(&mut volume)?;
            let mut table = self.table();
            table.remove(&old);
            table.insert(volume.name.clone(), Entry::new(volume));
        }
        Ok(())
    }
}
