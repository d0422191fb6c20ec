//! Operations on volumes, delegated to the volume room.

use crate::{Engine, PruneReport, Result, VolumeCreateRequest};
use corten_model::{EventKind, Filters, VolumeInfo, VolumeUsage};
use corten_volume::{CreateRequest, Volume};
use std::{collections::BTreeMap, sync::Arc};

impl Engine {
    /// `POST /volumes/create`.
    pub async fn volume_create(
        self: &Arc<Self>,
        request: VolumeCreateRequest,
    ) -> Result<VolumeInfo> {
        let engine = self.clone();
        let request = CreateRequest {
            name: request.name,
            driver: request.driver,
            options: request.driver_options,
            labels: request.labels,
            user: None,
        };
        let (volume, new) = self
            .pool
            .run(move || Ok(engine.volumes.create(request)?))
            .await?;
        if new {
            self.volume_event(&volume.name, "create", []);
        }
        Ok(self.volume_info(volume))
    }

    /// `GET /volumes`.
    pub async fn volume_list(self: &Arc<Self>, filters: Filters) -> Result<Vec<VolumeInfo>> {
        filters.validate(&["dangling", "driver", "label", "name"])?;
        let dangling = match filters.contains("dangling") {
            true => Some(filters.flag("dangling", false)?),
            false => None,
        };
        let chosen = |volume: &Volume| {
            let labels = volume.labels.clone().unwrap_or_default();
            (!filters.contains("name") || filters.get("name").any(|it| volume.name.contains(it)))
                && filters.exact("driver", &volume.driver)
                && filters.labels("label", &labels)
                && dangling.is_none_or(|it| it == self.volumes.users(&volume.name).is_empty())
        };
        let list = self.volumes.list().into_iter().filter(chosen);
        Ok(list.map(|volume| self.volume_info(volume)).collect())
    }

    /// `GET /volumes/{name}`.
    pub async fn volume_inspect(self: &Arc<Self>, name: &str) -> Result<VolumeInfo> {
        Ok(self.volume_info(self.volumes.inspect(name)?))
    }

    /// `DELETE /volumes/{name}`; with `force` a missing one is no failure.
    pub async fn volume_remove(self: &Arc<Self>, name: &str, force: bool) -> Result<()> {
        let (engine, owned) = (self.clone(), name.to_owned());
        let removed = self
            .pool
            .run(move || Ok(engine.volumes.remove(&owned)))
            .await?;
        match removed {
            Ok(()) => {
                self.volume_event(name, "destroy", []);
                Ok(())
            }
            Err(corten_volume::VolumeError::NotFound { .. }) if force => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// `POST /volumes/prune`; anonymous ones only unless the filter `all` is set.
    pub async fn volume_prune(self: &Arc<Self>, filters: Filters) -> Result<PruneReport> {
        filters.validate(&["all", "label", "label!"])?;
        let all = filters.flag("all", false)?;
        let engine = self.clone();
        let pruned = self.streams.run(move || {
            Ok(engine.volumes.prune(|volume| {
                let labels = volume.labels.clone().unwrap_or_default();
                (all || volume.is_anonymous())
                    && filters.labels("label", &labels)
                    && (!filters.contains("label!") || !filters.labels("label!", &labels))
            }))
        });
        let pruned = pruned.await?;
        for name in &pruned.names {
            self.volume_event(name, "destroy", []);
        }
        let reclaimed = BTreeMap::from([("reclaimed".into(), pruned.reclaimed_bytes.to_string())]);
        self.events
            .publish(EventKind::Volume, "prune", "", reclaimed);
        Ok(PruneReport {
            deleted: pruned.names,
            space_reclaimed: pruned.reclaimed_bytes,
        })
    }

    fn volume_info(&self, volume: Volume) -> VolumeInfo {
        VolumeInfo {
            mountpoint: self.volumes.mountpoint(&volume.name),
            name: volume.name,
            driver: volume.driver,
            created: volume.created,
            labels: volume.labels,
            options: volume.options,
            scope: "local".into(),
            usage: None,
        }
    }

    /// Every volume with its size and its users. Blocking for as long as the trees are big.
    pub(crate) async fn volumes_with_usage(self: &Arc<Self>) -> Result<Vec<VolumeInfo>> {
        let engine = self.clone();
        let measured = self.streams.run(move || {
            let list = engine.volumes.list().into_iter().map(|volume| {
                let usage = VolumeUsage {
                    size: engine.volumes.size(&volume) as i64,
                    reference_count: engine.volumes.users(&volume.name).len() as i64,
                };
                VolumeInfo {
                    usage: Some(usage),
                    ..engine.volume_info(volume)
                }
            });
            Ok(list.collect())
        });
        measured.await
    }
}
