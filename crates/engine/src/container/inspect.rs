//! `GET /containers/{id}/json`.

use crate::{Engine, Result, handle::Handle};
use corten_model::{Container, ContainerId, ContainerInspect, GraphDriver, Status};
use corten_oci::RootMount;
use std::{path::PathBuf, sync::Arc};

impl Engine {
    /// `GET /containers/{id}/json`. Reads a snapshot; only sizes need the disk.
    pub async fn container_inspect(
        self: &Arc<Self>,
        name: &str,
        size: bool,
    ) -> Result<ContainerInspect> {
        let handle = self.table.find(name)?;
        let record = handle.record();
        let (size_rw, size_root_fs) = match size {
            false => (None, None),
            true => {
                let writable = self.writable_size(record.id).await?;
                (Some(writable), Some(writable + self.image_size(&record)))
            }
        };
        let running: Vec<_> = {
            let execs = handle.execs();
            execs
                .iter()
                .filter(|(_, it)| it.is_running())
                .map(|(id, _)| *id)
                .collect()
        };
        let exec_ids = Some(running).filter(|it| !it.is_empty());
        let file = |name: &str| match record.files_directory.as_os_str().is_empty() {
            true => PathBuf::new(),
            false => record.files_directory.join(name),
        };
        Ok(ContainerInspect {
            resolv_conf_path: file("resolv.conf"),
            hostname_path: file("hostname"),
            hosts_path: file("hosts"),
            driver: self.snapshots.name().to_owned(),
            mount_label: String::new(),
            process_label: String::new(),
            exec_ids,
            graph_driver: self.graph_driver(&record),
            size_rw,
            size_root_fs,
            container: shown(&handle, &record),
        })
    }

    fn graph_driver(&self, record: &Container) -> GraphDriver {
        let mut driver = GraphDriver {
            name: self.snapshots.name().to_owned(),
            data: Default::default(),
        };
        let id = record.id.to_string();
        let Ok(RootMount::Overlay {
            lower,
            upper: Some(upper),
            work: Some(work),
        }) = self.snapshots.mounts(&id)
        else {
            return driver;
        };
        let text = |path: &PathBuf| path.display().to_string();
        let lower: Vec<String> = lower.iter().map(text).collect();
        driver.data.insert("ID".into(), id);
        driver.data.insert("LowerDir".into(), lower.join(":"));
        driver
            .data
            .insert("MergedDir".into(), text(&upper.with_file_name("merged")));
        driver.data.insert("UpperDir".into(), text(&upper));
        driver.data.insert("WorkDir".into(), text(&work));
        driver
    }

    /// Bytes in the writable layer.
    pub(crate) async fn writable_size(self: &Arc<Self>, id: ContainerId) -> Result<u64> {
        let engine = self.clone();
        self.streams
            .run(move || Ok(engine.snapshots.usage(&id.to_string())?.size_bytes))
            .await
    }

    /// Bytes of the image's layers; 0 when the image is gone.
    pub(crate) fn image_size(&self, record: &Container) -> u64 {
        let id = record.image.as_str().parse().ok();
        id.and_then(|id| self.images.get(&id).ok())
            .map_or(0, |image| image.size_bytes)
    }
}

/// The record; between the two runs of a restart the container counts as running, by which
/// Compose knows that its end is none.
fn shown(handle: &Handle, record: &Container) -> Container {
    let mut container = record.clone();
    if container.state.status == Status::Exited && handle.volatile().coming_back {
        container.state.status = Status::Running;
    }
    container
}
