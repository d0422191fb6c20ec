//! Volumes in use: where their files are for as long as a container runs with them.

use crate::{
    VolumeError,
    local::{self, is_mounted},
    volumes::{Volume, Volumes},
};
use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

type Mounted = Arc<Mutex<BTreeSet<String>>>;

impl Volumes {
    /// Makes a volume's files reachable for a container and answers where they are. Ends
    /// with [`Self::unmount`]; twice by one container is once.
    pub fn mount(&self, name: &str, container: &str) -> Result<PathBuf, VolumeError> {
        let (volume, mounted) = self.entry(name)?;
        let path = self.mountpoint(name);
        if !volume.is_local() {
            let plugin = self.plugin(&volume)?;
            let mut mounted = lock(&mounted);
            let path = plugin.mount(name, container)?;
            mounted.insert(container.to_owned());
            return Ok(path);
        }
        let Some(wanted) = volume.local_mount() else {
            self.hold_limit(&volume)?;
            return Ok(path);
        };
        let mut mounted = lock(&mounted);
        if !is_mounted(&path) {
            wanted.mount(&path)?;
        }
        mounted.insert(container.to_owned());
        Ok(path)
    }

    /// A container does not run with the volume any more; the last one takes the mount away.
    pub fn unmount(&self, name: &str, container: &str) -> Result<(), VolumeError> {
        let (volume, mounted) = self.entry(name)?;
        let mut mounted = lock(&mounted);
        if !mounted.remove(container) {
            return Ok(());
        }
        if !volume.is_local() {
            return self.plugin(&volume)?.unmount(name, container);
        }
        if mounted.is_empty() && volume.local_mount().is_some() {
            local::take_off(&self.mountpoint(name))?;
        }
        Ok(())
    }

    /// At the start of the daemon: this container runs, and has the volume mounted.
    pub fn adopt(&self, name: &str, container: &str) {
        if let Ok((volume, mounted)) = self.entry(name)
            && (!volume.is_local() || volume.local_mount().is_some())
        {
            lock(&mounted).insert(container.to_owned());
        }
    }

    /// At the start of the daemon, when every container that runs has been adopted: takes
    /// away the mounts of volumes that none of them has.
    pub fn settle_mounts(&self) {
        for volume in self.list() {
            let Ok((volume, mounted)) = self.entry(&volume.name) else {
                continue;
            };
            if volume.local_mount().is_none() || !lock(&mounted).is_empty() {
                continue;
            }
            if let Err(error) = local::take_off(&self.mountpoint(&volume.name)) {
                let error = corten_base::chain(&error);
                tracing::warn!(volume = volume.name, error, "a volume stays mounted");
            }
        }
    }

    fn entry(&self, name: &str) -> Result<(Volume, Mounted), VolumeError> {
        match self.table().get(name) {
            Some(entry) => Ok((entry.volume.clone(), entry.mounted.clone())),
            None => Err(VolumeError::NotFound {
                operation: "get",
                name: name.to_owned(),
            }),
        }
    }
}

fn lock(mounted: &Mounted) -> MutexGuard<'_, BTreeSet<String>> {
    mounted.lock().unwrap_or_else(PoisonError::into_inner)
}
