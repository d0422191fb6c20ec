//! `GET /containers/json`.

use super::links::LinkNames;
use crate::{
    Engine, ListOptions, Result,
    list_filter::{self, ListFilter},
    status_text,
};
use corten_model::{Container, ContainerSummary, PublishedPort};
use std::sync::Arc;

impl Engine {
    /// `GET /containers/json`, the last created first. Reads snapshots; only sizes need the
    /// disk.
    pub async fn container_list(
        self: &Arc<Self>,
        options: ListOptions,
    ) -> Result<Vec<ContainerSummary>> {
        let find = |name: &str| -> Result<Arc<Container>> { Ok(self.table.find(name)?.record()) };
        let image = |name: &str| self.images.resolve(name).ok();
        let filter = ListFilter::new(&options, &find, &image)?;
        let mut records: Vec<Arc<Container>> = self
            .table
            .all()
            .iter()
            .map(|handle| handle.record())
            .collect();
        records.sort_by_key(|record| std::cmp::Reverse((record.created, record.id)));
        let limit = usize::try_from(options.limit)
            .ok()
            .filter(|limit| *limit > 0);
        let mut list = Vec::new();
        let link_names = self.link_names();
        for record in records {
            if limit.is_some_and(|limit| list.len() >= limit) {
                break;
            }
            if !filter.matches(&record) {
                continue;
            }
            let mut summary = self.summary(&record, &link_names);
            if options.size {
                let writable = self.writable_size(record.id).await?;
                summary.size_rw = Some(writable);
                summary.size_root_fs = Some(writable + self.image_size(&record));
            }
            list.push(summary);
        }
        Ok(list)
    }

    fn summary(&self, record: &Container, link_names: &LinkNames) -> ContainerSummary {
        let links = link_names.get(&record.name).into_iter().flatten();
        ContainerSummary {
            id: record.id,
            names: [format!("/{}", record.name)]
                .into_iter()
                .chain(links.cloned())
                .collect(),
            image: self.image_name(record),
            image_id: record.image.clone(),
            command: list_filter::command_line(record),
            created: record.created,
            ports: published(record),
            size_rw: None,
            size_root_fs: None,
            labels: record.config.labels.clone(),
            status: record.state.status,
            status_text: status_text::status_text(&record.state),
            network_mode: record.host_config.network_mode.clone(),
            annotations: record.host_config.annotations.clone(),
            network_settings: record.network_settings.clone(),
            mounts: record.mounts.clone(),
            image_manifest_descriptor: record.image_manifest_descriptor.clone(),
        }
    }

    /// The name the user gave, unless it means another image by now.
    fn image_name(&self, record: &Container) -> String {
        let name = &record.config.image;
        // The name may have the image for another platform than this machine's.
        let is_kept = || {
            let id = record.image.as_str().parse().ok();
            id.is_some_and(|id| self.images.kept_manifest(name, &id).is_some())
        };
        match self.images.resolve(name) {
            Ok(image) if image.id.to_string() == record.image.as_str() => name.clone(),
            Ok(_) if is_kept() => name.clone(),
            _ if name.is_empty() => String::new(),
            _ => record.image.to_string(),
        }
    }
}

fn published(record: &Container) -> Vec<PublishedPort> {
    let mut list = Vec::new();
    for (port, bindings) in &record.network_settings.ports {
        let unpublished = PublishedPort {
            host_ip: None,
            container_port: port.number,
            host_port: None,
            protocol: port.protocol,
        };
        match bindings.as_deref() {
            None | Some([]) => list.push(unpublished),
            Some(bindings) => list.extend(bindings.iter().map(|binding| PublishedPort {
                host_ip: Some(binding.host_ip.clone()),
                host_port: binding.host_port.parse().ok(),
                ..unpublished.clone()
            })),
        }
    }
    list
}
