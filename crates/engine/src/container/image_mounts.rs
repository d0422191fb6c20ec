//! Images mounted in containers (`--mount type=image`).
//!
//! Each mount is a snapshot of its own beside the container's, whose upper directory stays
//! empty: it holds the layers, whatever becomes of the image's name, and is the uppermost
//! of the directories that are mounted, with the root's mode and owner.

use crate::{Engine, EngineError, Result, messages, spec::ImageLayers};
use corten_model::{Container, ContainerId, MountKind, MountPoint};
use corten_oci::RootMount;
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use std::{
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

/// Between the container's ID and the number of the mount point.
const MARK: &str = "-image-";

fn key(id: ContainerId, place: usize) -> String {
    format!("{id}{MARK}{place}")
}

/// The container that a snapshot's key belongs to.
pub(crate) fn owner(key: &str) -> &str {
    key.split_once(MARK).map_or(key, |(id, _)| id)
}

fn images(points: &[MountPoint]) -> impl Iterator<Item = (usize, &MountPoint)> {
    let numbered = points.iter().enumerate();
    numbered.filter(|(_, point)| point.kind == MountKind::Image)
}

impl Engine {
    /// Whether the images are there, in Docker's words.
    pub(super) fn find_images(&self, points: &[MountPoint]) -> Result<()> {
        for (_, point) in images(points) {
            self.images.resolve(&point.name)?;
        }
        Ok(())
    }

    /// Makes the layers stay. After a failure [`Self::release_images`] takes back what was
    /// done. Blocking.
    pub(super) fn hold_images(&self, id: ContainerId, points: &mut [MountPoint]) -> Result<()> {
        for (place, point) in points.iter_mut().enumerate() {
            if point.kind != MountKind::Image {
                continue;
            }
            let image = self.images.resolve(&point.name)?;
            let key = key(id, place);
            self.snapshots.prepare(&key, image.layers())?;
            point.source = self.image_directory(&key).join("overlay/merged");
        }
        Ok(())
    }

    fn image_directory(&self, key: &str) -> PathBuf {
        self.config.data_root.join("containers").join(key)
    }

    /// What fails is reported, and found again when the daemon starts. Blocking.
    pub(super) fn release_images(&self, id: ContainerId, points: &[MountPoint]) {
        for (place, _) in images(points) {
            self.release_image(&key(id, place));
        }
    }

    pub(crate) fn release_image(&self, key: &str) {
        if let Err(error) = self.snapshots.remove(key) {
            let error = corten_base::chain(&error);
            tracing::warn!(key, error, "a mounted image stays");
        }
        // Empty now, or never made.
        drop(std::fs::remove_dir(self.image_directory(key)));
    }

    /// The directories to mount. Blocking.
    pub(super) fn image_layers(&self, record: &Container) -> Result<ImageLayers> {
        let mut layers = ImageLayers::new();
        for (place, point) in images(&record.mounts) {
            let mounts = self.snapshots.mounts(&key(record.id, place))?;
            let options = point
                .request
                .as_ref()
                .and_then(|it| it.image_options.as_ref());
            if let Some(options) = options.filter(|it| !it.subpath.is_empty()) {
                let root = corten_snapshot::open_root(&mounts)?;
                check_part(&root, &point.source, &options.subpath)?;
            }
            let directories = match mounts {
                RootMount::Overlay { lower, upper, .. } => upper.into_iter().chain(lower).collect(),
                RootMount::Directory(directory) => vec![directory],
            };
            layers.insert(point.destination.clone(), directories);
        }
        Ok(layers)
    }
}

/// A missing part is told before the runtime is asked.
fn check_part(root: &OwnedFd, shown: &Path, subpath: &str) -> Result<()> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    match openat2(root, subpath, flags, Mode::empty(), resolve) {
        Ok(_) => Ok(()),
        Err(_) => Err(EngineError::NotFound(messages::subpath_missing(
            shown.join(subpath).display(),
        ))),
    }
}
