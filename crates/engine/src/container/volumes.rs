//! A container's volumes: mounted at its start, given back at its end.

use crate::{Engine, EngineError, Result, messages};
use corten_model::{Container, EventKind, MountKind, MountPoint};
use rustix::{
    fs::{Mode, OFlags, ResolveFlags, openat2},
    io::Errno,
};
use std::{
    os::fd::{AsFd, AsRawFd, OwnedFd},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Where the data of mount points is, as far as that is not what an inspection shows.
#[derive(Default)]
pub(super) struct Sources {
    /// By the place in the container's list of mount points.
    paths: Vec<(usize, PathBuf)>,
    /// What the paths go through: nobody can put another directory there meanwhile.
    _held: Vec<OwnedFd>,
}

impl Sources {
    /// The container as the runtime is to see it.
    pub(super) fn put_into(&self, record: &Container) -> Container {
        let mut seen = record.clone();
        for (place, path) in &self.paths {
            seen.mounts[*place].source.clone_from(path);
        }
        seen
    }
}

/// A volume that is mounted without its container running, until this is dropped.
pub(super) struct Borrowed {
    engine: Arc<Engine>,
    name: String,
    user: String,
    /// Where its files, or those of the subpath, are.
    pub(super) path: PathBuf,
    _held: Option<OwnedFd>,
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        if let Err(error) = self.engine.volumes.unmount(&self.name, &self.user) {
            let error = corten_base::chain(&error);
            tracing::warn!(volume = self.name, error, "a volume stays mounted");
        }
    }
}

impl Engine {
    /// Mounts the volume of a mount point of a container that does not run. `None`: it is
    /// no volume. Blocking, and so is the drop.
    pub(super) fn borrow_volume(
        self: &Arc<Self>,
        record: &Container,
        point: &MountPoint,
    ) -> Result<Option<Borrowed>> {
        if point.kind != MountKind::Volume {
            return Ok(None);
        }
        let user = format!("{} (a copy)", record.id);
        let path = self.volumes.mount(&point.name, &user)?;
        let mut borrowed = Borrowed {
            engine: self.clone(),
            name: point.name.clone(),
            user,
            path,
            _held: None,
        };
        if let Some(subpath) = subpath_of(point) {
            let held = open_below(&borrowed.path, subpath)?;
            borrowed.path = format!("/proc/self/fd/{}", held.as_raw_fd()).into();
            borrowed._held = Some(held);
        }
        Ok(Some(borrowed))
    }

    /// Makes the files of all volumes reachable. What was mounted when a later one fails is
    /// given back by [`Self::release_volumes_now`]. Blocking.
    pub(super) fn mount_volumes(&self, next: &mut Container) -> Result<Sources> {
        let id = next.id.to_string();
        let mut sources = Sources::default();
        for (place, point) in next.mounts.iter_mut().enumerate() {
            if point.kind != MountKind::Volume {
                continue;
            }
            corten_base::step("start.volume");
            point.source = self.volumes.mount(&point.name, &id)?;
            let Some(subpath) = subpath_of(point) else {
                continue;
            };
            let held = open_below(&point.source, subpath)?;
            // As the shim, another process, finds this very directory.
            let path = format!("/proc/{}/fd/{}", std::process::id(), held.as_raw_fd());
            sources.paths.push((place, path.into()));
            sources._held.push(held);
        }
        Ok(sources)
    }

    /// The image's files become a new volume's. Blocking.
    pub(super) fn copy_up(
        &self,
        root: &OwnedFd,
        point: &MountPoint,
        container: &str,
    ) -> Result<()> {
        if !corten_volume::has_directory(root.as_fd(), &point.destination)? {
            return Ok(());
        }
        let path = self.volumes.mount(&point.name, container)?;
        let copied = match subpath_of(point) {
            // Docker: what is inside a volume already is nobody's to fill.
            Some(_) => Ok(false),
            None => corten_volume::copy_up(root.as_fd(), &point.destination, &path),
        };
        self.volumes.unmount(&point.name, container)?;
        copied?;
        Ok(())
    }

    /// What fails is reported; the next start of the daemon tries again. Blocking.
    pub(super) fn release_volumes_now(&self, record: &Container) {
        let id = record.id.to_string();
        for point in &record.mounts {
            if point.kind != MountKind::Volume {
                continue;
            }
            if let Err(error) = self.volumes.unmount(&point.name, &id) {
                let error = corten_base::chain(&error);
                tracing::warn!(container = id, volume = point.name, error, "a volume stays");
            }
        }
    }

    pub(crate) async fn release_volumes(self: &Arc<Self>, record: &Arc<Container>) {
        if record.mounts.iter().all(|it| it.kind != MountKind::Volume) {
            return;
        }
        let (engine, record) = (self.clone(), record.clone());
        let id = record.id;
        let released = self.pool.run(move || {
            engine.release_volumes_now(&record);
            Ok(())
        });
        if let Err(error) = released.await {
            tracing::warn!(container = %id, %error, "the volumes of a container stay");
        }
    }

    /// Tells of something that happened to a volume.
    pub(crate) fn volume_event<const N: usize>(
        &self,
        name: &str,
        action: &str,
        driver: &str,
        attributes: [(&str, String); N],
    ) {
        let driver = ("driver", driver.to_owned());
        let attributes = attributes.into_iter().chain([driver]);
        let attributes = attributes
            .map(|(key, value)| (key.to_owned(), value))
            .collect();
        self.events
            .publish(EventKind::Volume, action, name, attributes);
    }
}

fn subpath_of(point: &MountPoint) -> Option<&str> {
    let options = point.request.as_ref()?.volume_options.as_ref()?;
    Some(options.subpath.as_str()).filter(|it| !it.is_empty())
}

/// A file or directory in a volume. Links are followed as far as they stay in it.
fn open_below(base: &Path, subpath: &str) -> Result<OwnedFd> {
    let full = base.join(subpath);
    let failed = |errno: Errno| EngineError::File {
        operation: "opening",
        path: full.clone(),
        source: errno.into(),
    };
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let directory = rustix::fs::open(base, flags | OFlags::DIRECTORY, Mode::empty());
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let directory = directory.map_err(failed)?;
    match openat2(directory, subpath, flags, Mode::empty(), resolve) {
        Ok(found) => Ok(found),
        Err(Errno::NOENT) => Err(EngineError::NotFound(messages::subpath_missing(
            full.display(),
        ))),
        Err(Errno::XDEV) => Err(EngineError::Invalid(messages::subpath_escapes(
            base.display(),
            subpath,
        ))),
        Err(errno) => Err(failed(errno)),
    }
}
