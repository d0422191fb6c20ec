//! A copy of a volume: its files as they are, with owners, modes, links and attributes.

use crate::{
    CreateRequest, VolumeError,
    copy_up::copy_tree,
    volumes::{LOCAL_DRIVER, Volume, Volumes},
};
use corten_sys::projects::WithinLimits;
use std::{collections::BTreeMap, path::Path};

/// Whose copy a volume is.
pub const SNAPSHOT_LABEL: &str = "io.corten.volume.snapshot-of";

impl Volumes {
    /// Makes the volume `new` with the files that are at `source`; `labels` are its own,
    /// a limit of its size that of the volume `name`.
    /// Where the file system can share blocks between files, none is copied. What others
    /// write meanwhile may or may not be in it.
    pub fn duplicate(
        &self,
        operation: &'static str,
        name: &str,
        new: &str,
        source: &Path,
        labels: Option<BTreeMap<String, String>>,
    ) -> Result<Volume, VolumeError> {
        let options = self.inspect(name)?.options_of_copies();
        if self.inspect(new).is_ok() {
            return Err(VolumeError::Exists {
                operation,
                name: name.to_owned(),
                new: new.to_owned(),
            });
        }
        let (volume, _) = self.create(CreateRequest {
            name: new.to_owned(),
            driver: LOCAL_DRIVER.into(),
            options,
            labels,
            ..CreateRequest::default()
        })?;
        let within = WithinLimits::new();
        if let Err(error) = copy_tree(source, &self.mountpoint(&volume.name)) {
            if let Err(second) = self.remove(&volume.name) {
                let error = corten_base::chain(&second);
                tracing::warn!(volume = volume.name, error, "half a copy stays");
            }
            return Err(error);
        }
        drop(within);
        Ok(volume)
    }
}
