//! What Corten does with volumes beyond Docker: archives of their files, copies, snapshots,
//! other names.

use crate::{
    ByteStream, Engine, EngineError, Result, messages,
    streams::{BodyReader, from_blocking_writer},
};
use corten_archive::{ExtractOptions, PackOptions};
use corten_base::{Id, Timestamp};
use corten_model::{ContainerId, Status, VolumeInfo};
use corten_volume::{CreateRequest, SNAPSHOT_LABEL, WithinLimits};
use rustix::fs::{Mode, OFlags};
use std::{
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
    sync::Arc,
};

/// A copy of a volume in a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VolumeCopy {
    /// To go on with.
    Clone,
    /// To keep: containers can only read it.
    Snapshot,
}

/// A volume that is read or written without a container; nobody removes it meanwhile.
struct InUse {
    engine: Arc<Engine>,
    name: String,
    user: String,
    path: PathBuf,
}

impl Drop for InUse {
    fn drop(&mut self) {
        if let Err(error) = self.engine.volumes.unmount(&self.name, &self.user) {
            let error = corten_base::chain(&error);
            tracing::warn!(volume = self.name, error, "a volume stays mounted");
        }
        self.engine.volumes.release(&self.user);
    }
}

impl InUse {
    fn open(&self) -> Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::open(&self.path, flags, Mode::empty()).map_err(|errno| EngineError::File {
            operation: "opening",
            path: self.path.clone(),
            source: errno.into(),
        })
    }
}

impl Engine {
    fn use_volume(self: &Arc<Self>, name: &str) -> Result<InUse> {
        // As a container's, so that its end and that of others are told apart.
        let user = Id::random().to_string();
        self.volumes.acquire(name, &user)?;
        let mut used = InUse {
            engine: self.clone(),
            name: name.to_owned(),
            user,
            path: PathBuf::new(),
        };
        used.path = self.volumes.mount(name, &used.user)?;
        Ok(used)
    }

    /// The files of a volume as a tar stream.
    pub async fn volume_export(self: &Arc<Self>, name: &str) -> Result<ByteStream> {
        let (engine, owned) = (self.clone(), name.to_owned());
        let opened = self.pool.run(move || {
            let used = engine.use_volume(&owned)?;
            Ok((used.open()?, used))
        });
        let (root, used) = opened.await?;
        Ok(from_blocking_writer(self.streams.clone(), move |writer| {
            let options = PackOptions::default();
            corten_archive::pack(root.as_fd(), Path::new("/"), writer, &options)?;
            drop(used);
            Ok(())
        }))
    }

    /// Fills a volume that is new or empty from a tar stream, which may be compressed.
    pub async fn volume_import(
        self: &Arc<Self>,
        name: &str,
        body: ByteStream,
    ) -> Result<VolumeInfo> {
        let (engine, owned) = (self.clone(), name.to_owned());
        let reader = BodyReader::new(body);
        let imported = self.streams.run(move || {
            let (volume, new) = engine.volumes.create(CreateRequest {
                name: owned.clone(),
                ..CreateRequest::default()
            })?;
            let filled = engine.use_volume(&owned).and_then(|used| {
                if !is_empty(&used.path) {
                    return Err(EngineError::Conflict(messages::import_not_empty(&owned)));
                }
                let root = used.open()?;
                let options = ExtractOptions::default();
                let _within = WithinLimits::new();
                corten_archive::extract(reader, root.as_fd(), Path::new("/"), &options)?;
                Ok(())
            });
            if let Err(error) = filled {
                if new && let Err(second) = engine.volumes.remove(&owned) {
                    let error = corten_base::chain(&second);
                    tracing::warn!(volume = owned, error, "half an import stays");
                }
                return Err(error);
            }
            Ok((volume, new))
        });
        let (volume, new) = imported.await?;
        if new {
            self.volume_event(&volume.name, "create", &volume.driver, []);
        }
        self.volume_facts(volume).await
    }

    /// A copy of a volume's files in a new volume. With `pause` the containers that run with
    /// the volume stand still meanwhile.
    pub async fn volume_copy(
        self: &Arc<Self>,
        name: &str,
        new: &str,
        kind: VolumeCopy,
        pause: bool,
    ) -> Result<VolumeInfo> {
        let source = self.volume_inspect(name).await?;
        let mut labels = source.labels.unwrap_or_default();
        labels.remove(corten_volume::ANONYMOUS_LABEL);
        labels.remove(SNAPSHOT_LABEL);
        let (operation, new) = match kind {
            VolumeCopy::Clone if new.is_empty() => {
                return Err(EngineError::Invalid(messages::copy_needs_name()));
            }
            VolumeCopy::Clone => ("clone", new.to_owned()),
            VolumeCopy::Snapshot => {
                labels.insert(SNAPSHOT_LABEL.to_owned(), name.to_owned());
                let made_up = || format!("{name}-{}", compact(Timestamp::now()));
                let new = Some(new.to_owned()).filter(|it| !it.is_empty());
                ("snapshot", new.unwrap_or_else(made_up))
            }
        };
        let paused = match pause {
            true => self.pause_users(name).await,
            false => Vec::new(),
        };
        let (engine, owned) = (self.clone(), name.to_owned());
        let copied = self.streams.run(move || {
            let used = engine.use_volume(&owned)?;
            let labels = Some(labels).filter(|it| !it.is_empty());
            let volumes = &engine.volumes;
            Ok(volumes.duplicate(operation, &owned, &new, &used.path, labels)?)
        });
        let copied = copied.await;
        for container in paused {
            if let Err(error) = self.container_unpause(&container.to_string()).await {
                let error = corten_base::chain(&error);
                tracing::warn!(%container, error, "a container stays paused");
            }
        }
        let volume = copied?;
        self.volume_event(&volume.name, "create", &volume.driver, []);
        self.volume_facts(volume).await
    }

    /// Pauses those that run with the volume; answers whom. One that ends or is paused
    /// already needs nothing.
    async fn pause_users(self: &Arc<Self>, name: &str) -> Vec<ContainerId> {
        let mut paused = Vec::new();
        for user in self.volumes.users(name) {
            let Ok(handle) = self.table.find(&user) else {
                continue;
            };
            if handle.record().state.status == Status::Running
                && self.container_pause(&user).await.is_ok()
            {
                paused.push(handle.id);
            }
        }
        paused
    }

    /// Another name for a volume that no container has.
    pub async fn volume_rename(self: &Arc<Self>, name: &str, new: &str) -> Result<()> {
        let (engine, owned, new) = (self.clone(), name.to_owned(), new.to_owned());
        let renamed = self
            .pool
            .run(move || Ok(engine.volumes.rename(&owned, &new)?));
        let volume = renamed.await?;
        let old = ("oldName", name.to_owned());
        self.volume_event(&volume.name, "rename", &volume.driver, [old]);
        Ok(())
    }
}

fn is_empty(path: &Path) -> bool {
    std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}

/// `20261121-171525`
fn compact(time: Timestamp) -> String {
    let text = time.to_string();
    let digits: String = text.chars().take(19).filter(char::is_ascii_digit).collect();
    match digits.split_at_checked(8) {
        Some((date, clock)) => format!("{date}-{clock}"),
        None => digits,
    }
}
