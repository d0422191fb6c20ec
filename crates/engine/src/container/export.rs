//! `GET /containers/{id}/export`, `GET /containers/{id}/changes`, `POST /commit`.

use crate::{
    ByteStream, CommitRequest, Engine, EngineError, Result, container::merge, handle::Handle,
    image, messages, streams::from_blocking_writer,
};
use corten_archive::{ChangeKind as Kind, LowerView, PackOptions};
use corten_model::{ChangeKind, Container, FilesystemChange, ImageId, Status};
use corten_oci::RootMount;
use std::{
    fs::File,
    os::fd::AsFd,
    path::{Path, PathBuf},
    sync::Arc,
};

/// What the engine and the runtime make in a container's root: Docker keeps these in a
/// layer of their own, so that nobody sees them.
const OURS: [&str; 11] = [
    "/dev",
    "/dev/console",
    "/dev/pts",
    "/dev/shm",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/resolv.conf",
    "/etc/mtab",
    "/proc",
    "/sys",
    "/sbin/docker-init",
];

impl Engine {
    /// `GET /containers/{id}/changes`.
    pub async fn container_diff(self: &Arc<Self>, name: &str) -> Result<Vec<FilesystemChange>> {
        let record = self.table.find(name)?.record();
        let engine = self.clone();
        let compared = self.streams.run(move || {
            let (upper, lower) = engine.layers(&record)?;
            let directory = open(&upper)?;
            let lower = LowerView::open(&lower)?;
            Ok(corten_archive::changes(directory.as_fd(), &lower, &[])?)
        });
        let all = compared.await?.into_iter().map(|change| FilesystemChange {
            path: change.path.to_string_lossy().into_owned(),
            kind: match change.kind {
                Kind::Modified => ChangeKind::Modified,
                Kind::Added => ChangeKind::Added,
                Kind::Deleted => ChangeKind::Deleted,
            },
        });
        Ok(without_ours(all.collect()))
    }

    /// `GET /containers/{id}/export`: the root file system without its mounts.
    pub async fn container_export(self: &Arc<Self>, name: &str) -> Result<ByteStream> {
        let record = self.table.find(name)?.record();
        let engine = self.clone();
        let exported = record.clone();
        let opened = self.pool.run(move || {
            // Read-only over the writable directory: a running container has it mounted.
            let (upper, mut lower) = engine.layers(&exported)?;
            lower.insert(0, upper);
            let view = RootMount::Overlay {
                lower,
                upper: None,
                work: None,
            };
            Ok(corten_snapshot::open_root(&view)?)
        });
        let root = opened.await?;
        self.container_event(&record, "export", []);
        Ok(from_blocking_writer(self.streams.clone(), move |writer| {
            corten_archive::pack(
                root.as_fd(),
                Path::new("/"),
                writer,
                &PackOptions::default(),
            )?;
            Ok(())
        }))
    }

    /// `POST /commit`.
    pub async fn container_commit(self: &Arc<Self>, request: CommitRequest) -> Result<ImageId> {
        if request.container.is_empty() {
            return Err(EngineError::Invalid(messages::empty_container_name()));
        }
        let handle = self.table.find(&request.container)?;
        let record = handle.record();
        let reference = match request.repository.as_str() {
            "" => None,
            repository => Some(image::target(repository, &request.tag)?),
        };
        let (upper, _) = self.layers(&record)?;
        // What a given configuration leaves open is the container's.
        let config = request.config.map_or_else(
            || record.config.clone(),
            |mut asked| {
                merge::merge(&mut asked, &image::run_config(&record.config));
                asked
            },
        );
        let commit = corten_images::CommitRequest {
            parent: record.image.as_str().parse().ok(),
            upper,
            exclude: OURS
                .iter()
                .map(|it| PathBuf::from(it.trim_start_matches('/')))
                .collect(),
            container_id: record.id.to_string(),
            config: image::run_config(&config),
            command: record.config.cmd.clone().unwrap_or_default(),
            reference: reference.clone(),
            author: request.author,
            comment: request.comment.clone(),
            changes: request.changes,
        };
        let frozen = request.pause && self.freeze_for_commit(&handle).await?;
        let committed = self.images.commit(commit).await;
        let committed =
            committed.map(|id| self.committed(&record, &request.comment, reference, id));
        if frozen {
            self.container_unpause(&record.id.to_string()).await?;
        }
        Ok(committed?)
    }

    /// Tells of the new image.
    fn committed(
        &self,
        record: &Container,
        comment: &str,
        reference: Option<corten_oci::Reference>,
        id: corten_oci::Digest,
    ) -> ImageId {
        let (text, name) = (id.to_string(), reference.map(|it| it.familiar()));
        self.image_event("create", &text, &text);
        if let Some(name) = &name {
            self.image_event("tag", &text, name);
        }
        let attributes = [
            ("comment", comment.to_owned()),
            ("imageID", text),
            ("imageRef", name.unwrap_or_default()),
        ];
        self.container_event(record, "commit", attributes);
        ImageId::new(id)
    }

    async fn freeze_for_commit(self: &Arc<Self>, handle: &Arc<Handle>) -> Result<bool> {
        if handle.record().state.status != Status::Running {
            return Ok(false);
        }
        match self.container_pause(&handle.id.to_string()).await {
            Ok(()) => Ok(true),
            // It ended this moment, or somebody else froze it.
            Err(EngineError::Conflict(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The writable directory, and the image's, the uppermost first.
    fn layers(&self, record: &Container) -> Result<(PathBuf, Vec<PathBuf>)> {
        match self.snapshots.mounts(&record.id.to_string())? {
            RootMount::Overlay {
                lower,
                upper: Some(upper),
                ..
            } => Ok((upper, lower)),
            RootMount::Overlay {
                lower, upper: None, ..
            } => Ok((self.container_directory(record.id), lower)),
            RootMount::Directory(directory) => Ok((directory, Vec::new())),
        }
    }
}

fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(|source| EngineError::File {
        operation: "opening",
        path: path.to_owned(),
        source,
    })
}

/// Drops what the engine made, and directories that changed only because of it.
fn without_ours(changes: Vec<FilesystemChange>) -> Vec<FilesystemChange> {
    let ours = |path: &str| OURS.contains(&path);
    let kept: Vec<FilesystemChange> = changes
        .iter()
        .filter(|change| !ours(&change.path))
        .cloned()
        .collect();
    let has_child = |list: &[FilesystemChange], parent: &str| {
        let prefix = format!("{}/", parent.trim_end_matches('/'));
        list.iter().any(|change| change.path.starts_with(&prefix))
    };
    let hollow = |change: &FilesystemChange| {
        change.kind == ChangeKind::Modified
            && has_child(&changes, &change.path)
            && !has_child(&kept, &change.path)
    };
    kept.iter()
        .filter(|change| !hollow(change))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_engine_made_is_no_change_of_the_container() {
        let change = |path: &str, kind| FilesystemChange {
            path: path.into(),
            kind,
        };
        let changes = vec![
            change("/etc", ChangeKind::Modified),
            change("/etc/hosts", ChangeKind::Added),
            change("/dev", ChangeKind::Modified),
            change("/dev/console", ChangeKind::Added),
            change("/root", ChangeKind::Modified),
            change("/root/x", ChangeKind::Added),
        ];
        let paths: Vec<String> = without_ours(changes)
            .into_iter()
            .map(|it| it.path)
            .collect();
        assert_eq!(paths, ["/root", "/root/x"]);
    }
}
