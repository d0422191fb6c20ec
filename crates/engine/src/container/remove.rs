//! `DELETE /containers/{id}`, `POST /containers/prune`.

use super::stop::{KILL_PATIENCE, wait_for_exit};
use crate::{
    Engine, EngineError, PruneReport, RemoveOptions, Result, engine::ContainerRecord,
    handle::Handle, messages, signal, time_filter,
};
use corten_base::step;
use corten_model::{Change, Container, EventKind, Filters, Refusal, Status};
use std::{collections::BTreeMap, sync::Arc};

impl Engine {
    /// `DELETE /containers/{id}`.
    pub async fn container_remove(
        self: &Arc<Self>,
        name: &str,
        options: RemoveOptions,
    ) -> Result<()> {
        if options.link {
            return self.remove_link(name).await;
        }
        let handle = self.table.find(name)?;
        self.remove(&handle, name, options).await
    }

    /// `--rm`: a failure is reported here, nobody else hears of it.
    pub(crate) async fn remove_by_itself(self: &Arc<Self>, handle: Arc<Handle>) {
        let options = RemoveOptions {
            volumes: true,
            ..RemoveOptions::default()
        };
        let name = handle.record().name.clone();
        match self.remove(&handle, &name, options).await {
            Ok(()) | Err(EngineError::Conflict(_)) => {}
            Err(error) => {
                let error = corten_base::chain(&error);
                tracing::warn!(container = %handle.id, error, "automatic removal failed");
            }
        }
    }

    async fn remove(
        self: &Arc<Self>,
        handle: &Arc<Handle>,
        name: &str,
        options: RemoveOptions,
    ) -> Result<()> {
        if options.force && handle.record().state.is_running() {
            self.force_stop(handle).await?;
        }
        let owner = handle.lock.lock().await;
        let record = handle.record();
        let state = record
            .state
            .after(Change::Remove { force: false })
            .map_err(|refusal| {
                EngineError::Conflict(match refusal {
                    Refusal::Paused => messages::remove_paused(name),
                    Refusal::Restarting => messages::remove_restarting(name),
                    Refusal::Removing => messages::removal_in_progress(name),
                    _ => messages::remove_running(name),
                })
            })?;
        handle.replace(Container {
            state,
            ..Container::clone(&record)
        });
        drop(owner);
        drop(handle.take_pending());
        drop(handle.teardown.lock().await);
        step("remove.begin");
        let engine = self.clone();
        let removed = record.clone();
        let result = self
            .pool
            .run(move || engine.unmake(&removed, options.volumes))
            .await;
        if let Err(error) = result {
            let _owner = handle.lock.lock().await;
            let record = handle.record();
            if let Ok(state) = record.state.after(Change::RemoveFailed) {
                handle.replace(Container {
                    state,
                    ..Container::clone(&record)
                });
            }
            return Err(error);
        }
        step("remove.done");
        self.table.remove(handle.id);
        self.user_ranges.give_back(handle.id);
        handle.life.send_modify(|life| {
            life.running = false;
            life.removed = true;
        });
        self.container_event(&record, "destroy", []);
        Ok(())
    }

    async fn force_stop(self: &Arc<Self>, handle: &Arc<Handle>) -> Result<()> {
        if handle.record().state.status == Status::Restarting {
            self.mark_stopped(handle).await;
            return Ok(());
        }
        // `--rm` shall not run beside this removal.
        handle.volatile().restarting_by_user = true;
        let killed = self
            .container_kill(&handle.id.to_string(), &signal::KILL.to_string())
            .await;
        match killed {
            // It ended by itself: its exit is about to be known.
            Ok(()) | Err(EngineError::Conflict(_)) => {
                wait_for_exit(handle, KILL_PATIENCE).await;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// What a removal does on disk. The records go first and together: what is left behind
    /// by a crash is found without a record at the next start, and removed. Blocking.
    fn unmake(&self, record: &Container, volumes: bool) -> Result<()> {
        let id = record.id.to_string();
        self.release_network_now(record.id);
        let anonymous = || record.mounts.iter().filter(|it| it.anonymous && volumes);
        let names: Vec<&str> = anonymous().map(|it| it.name.as_str()).collect();
        let taken = self.volumes.take_out(&id, &names);
        step("remove.record");
        let deleted = self.store.removal(|transaction| {
            self.volumes.forget(transaction, &taken)?;
            transaction.delete::<ContainerRecord>(&id)
        });
        if let Err(error) = deleted {
            self.volumes.put_back(taken);
            return Err(error.into());
        }
        step("remove.snapshot");
        let thrown = self.snapshots.remove(&id);
        self.release_images(record.id, &record.mounts);
        step("remove.directory");
        self.remove_directory(record.id);
        self.volumes.release(&id);
        let cleared = self.volumes.clear(taken);
        for point in anonymous() {
            let removed = match cleared.contains(&point.name) {
                true => Ok(()),
                false => self.volumes.remove(&point.name),
            };
            match removed {
                Ok(()) => self.volume_event(&point.name, "destroy", &point.driver, []),
                Err(error) => {
                    let error = corten_base::chain(&error);
                    tracing::debug!(volume = point.name, error, "an anonymous volume stays");
                }
            }
        }
        if let Err(error) = thrown {
            // Found without a record at the next start.
            let error = corten_base::chain(&error);
            tracing::warn!(container = id, error, "a snapshot stays");
        }
        Ok(())
    }

    /// `POST /containers/prune`.
    pub async fn container_prune(self: &Arc<Self>, filters: Filters) -> Result<PruneReport> {
        filters.validate(&["label", "label!", "until"])?;
        let until = time_filter::until(&filters)?;
        let mut report = PruneReport::default();
        for handle in self.table.all() {
            let record = handle.record();
            let old = until.is_none_or(|until| record.created < until);
            let labels = &record.config.labels;
            let chosen = filters.labels("label", labels)
                && (!filters.contains("label!") || !filters.labels("label!", labels));
            if record.state.is_running() || !old || !chosen {
                continue;
            }
            let size = self.writable_size(record.id).await.unwrap_or(0);
            let removed = self
                .remove(&handle, &record.name, RemoveOptions::default())
                .await;
            match removed {
                Ok(()) => {
                    report.deleted.push(record.id.to_string());
                    report.space_reclaimed += size;
                }
                Err(error) => {
                    let error = corten_base::chain(&error);
                    tracing::warn!(container = %record.id, error, "pruning a container failed");
                }
            }
        }
        let reclaimed = BTreeMap::from([("reclaimed".into(), report.space_reclaimed.to_string())]);
        self.events
            .publish(EventKind::Container, "prune", "", reclaimed);
        Ok(report)
    }
}
