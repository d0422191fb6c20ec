//! Operations on volumes, delegated to the volume room.

use crate::{Engine, PruneReport, Result, VolumeCreateRequest};
use corten_model::{EventKind, Filters, VolumeInfo, VolumeUsage};
use corten_volume::{CreateRequest, PluginVolume, Volume};
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
            self.volume_event(&volume.name, "create", &volume.driver, []);
        }
        self.volume_facts(volume).await
    }

    /// `GET /volumes`.
    pub async fn volume_list(self: &Arc<Self>, filters: Filters) -> Result<Vec<VolumeInfo>> {
        filters.validate(&["dangling", "driver", "label", "name"])?;
        let dangling = match filters.contains("dangling") {
            true => Some(filters.flag("dangling", false)?),
            false => None,
        };
        let names = filters.patterns("name");
        let chosen = |volume: &VolumeInfo| {
            let labels = volume.labels.clone().unwrap_or_default();
            names.fit(&volume.name)
                && filters.exact("driver", &volume.driver)
                && filters.labels("label", &labels)
                && dangling.is_none_or(|it| it == self.volumes.users(&volume.name).is_empty())
        };
        let engine = self.clone();
        let all = self.pool.run(move || {
            let own = engine.volumes.list().into_iter();
            let mut all: Vec<VolumeInfo> = own.map(|it| engine.volume_info(it)).collect();
            all.extend(engine.volumes.foreign().into_iter().map(foreign_info));
            Ok(all)
        });
        Ok(all.await?.into_iter().filter(chosen).collect())
    }

    /// `GET /volumes/{name}`.
    pub async fn volume_inspect(self: &Arc<Self>, name: &str) -> Result<VolumeInfo> {
        let (engine, owned) = (self.clone(), name.to_owned());
        let found = self
            .pool
            .run(move || Ok(engine.volumes.inspect(&owned)?))
            .await?;
        self.volume_facts(found).await
    }

    /// With what a plugin tells of it.
    pub(crate) async fn volume_facts(self: &Arc<Self>, volume: Volume) -> Result<VolumeInfo> {
        if volume.is_local() {
            return Ok(self.volume_info(volume));
        }
        let engine = self.clone();
        let told = self.pool.run(move || {
            let details = engine.volumes.details(&volume)?.unwrap_or_default();
            let scope = engine.volumes.scope(&volume);
            Ok(VolumeInfo {
                mountpoint: details.mountpoint.into(),
                created: details.created_at.parse().unwrap_or(volume.created),
                status: details.status,
                scope,
                ..engine.volume_info(volume)
            })
        });
        told.await
    }

    /// `DELETE /volumes/{name}`; with `force` a missing one is no failure.
    pub async fn volume_remove(self: &Arc<Self>, name: &str, force: bool) -> Result<()> {
        let (engine, owned) = (self.clone(), name.to_owned());
        let removed = self.pool.run(move || {
            let driver = engine.volumes.inspect(&owned).map(|it| it.driver);
            Ok(driver.and_then(|driver| {
                engine.volumes.remove(&owned)?;
                Ok(driver)
            }))
        });
        match removed.await? {
            Ok(driver) => {
                self.volume_event(name, "destroy", &driver, []);
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
            self.volume_event(name, "destroy", corten_volume::LOCAL_DRIVER, []);
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
            mountpoint: match volume.is_local() {
                true => self.volumes.mountpoint(&volume.name),
                false => Default::default(),
            },
            name: volume.name,
            driver: volume.driver,
            created: volume.created,
            labels: volume.labels,
            options: volume.options,
            scope: "local".into(),
            status: BTreeMap::new(),
            usage: None,
        }
    }

    /// Every volume with its size and its users. Blocking for as long as the trees are big.
    pub(crate) async fn volumes_with_usage(self: &Arc<Self>) -> Result<Vec<VolumeInfo>> {
        let engine = self.clone();
        let measured = self.streams.run(move || {
            let list = engine.volumes.list().into_iter().map(|volume| {
                let usage = VolumeUsage {
                    size: engine.volumes.size(&volume),
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

/// A volume that only its plugin knows.
fn foreign_info((driver, volume): (String, PluginVolume)) -> VolumeInfo {
    VolumeInfo {
        name: volume.name,
        driver,
        mountpoint: volume.mountpoint.into(),
        created: volume.created_at.parse().unwrap_or_default(),
        labels: None,
        options: None,
        scope: "local".into(),
        status: volume.status,
        usage: None,
    }
}
