//! When the daemon comes up: records and what is there are brought into accord.
//!
//! ```text
//! record  shim      exit.json   ─▶
//! runs    answers   –              connected again, followed
//! runs    gone      of this run    the exit is finished now
//! runs    gone      none           lost: exited with 255
//! any     answers   –              (record says stopped: a start was not recorded) followed
//! none    answers   –              killed, removed
//! none    –         directory      removed
//! ```

use crate::{
    Engine, Result,
    container::{FirstProcess, cleared, exit::exit_of_run, image_mounts, intent::with_sandbox_of},
    engine::ContainerRecord,
    handle::Handle,
    spec::cgroup_path,
};
use corten_base::Timestamp;
use corten_model::{Change, Container, ContainerId, MountKind, State, Status};
use corten_network::LiveContainer;
use corten_shim_proto::client::ShimClient;
use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// How long a shim may take to answer at the start of the daemon.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// A run whose shim vanished ends with this status.
const LOST: i64 = 255;

impl Engine {
    pub(crate) async fn reconcile(self: &Arc<Self>) -> Result<()> {
        let engine = self.clone();
        let records = self
            .pool
            .run(move || Ok(engine.store.all::<ContainerRecord>()?))
            .await?;
        let mut handles = Vec::new();
        for (_, ContainerRecord(record)) in records {
            let handle = Handle::new(record);
            let record = handle.record();
            if let Err(error) = self.table.reserve(&record.name, record.id) {
                tracing::warn!(container = %record.id, %error, "two containers have one name");
            }
            if let Some(map) = &record.id_map {
                self.user_ranges.keep(record.id, map);
            }
            let directory = self.container_directory(record.id);
            if let Err(error) = corten_store::clear_unfinished(&directory) {
                let error = corten_base::chain(&error);
                tracing::warn!(container = %record.id, error, "a temporary file stays");
            }
            for point in record
                .mounts
                .iter()
                .filter(|it| it.kind == MountKind::Volume)
            {
                if let Err(error) = self.volumes.acquire(&point.name, &record.id.to_string()) {
                    let error = corten_base::chain(&error);
                    tracing::warn!(container = %record.id, error, "a volume is missing");
                }
            }
            self.table.insert(handle.clone());
            handles.push(handle);
        }
        corten_base::step("boot.meet");
        let meetings = handles.iter().map(|handle| self.meet(handle.clone()));
        let met = futures_util::future::join_all(meetings).await;
        let live: Vec<Arc<Handle>> = handles
            .iter()
            .zip(&met)
            .filter(|(_, met)| **met)
            .map(|(it, _)| it.clone())
            .collect();
        corten_base::step("boot.strangers");
        self.remove_strangers(&handles).await;
        corten_base::step("boot.networks");
        self.reconcile_networks(&live).await?;
        self.reconcile_volumes(&live).await?;
        corten_base::step("boot.done");
        for handle in live {
            self.wait_again(&handle).await?;
            self.supervise(handle.clone(), None);
            self.begin_health_checks(&handle).await;
        }
        let absent = || handles.iter().zip(&met).filter(|(_, met)| !**met);
        for (handle, _) in absent() {
            handle.volatile().starts_at_boot = self.wants_start_at_boot(&handle.record());
        }
        for (handle, _) in absent() {
            self.after_absence(handle.clone());
        }
        Ok(())
    }

    /// Whether the container runs; its record says so afterwards.
    async fn meet(self: &Arc<Self>, handle: Arc<Handle>) -> bool {
        let record = handle.record();
        let socket = self.shim_socket(record.id);
        let connecting = async {
            if !socket.exists() {
                return None;
            }
            let shim = ShimClient::connect(&socket).await.ok()?;
            let state = shim.state().await.ok()?;
            Some((shim, state))
        };
        let found = tokio::time::timeout(CONNECT_PATIENCE, connecting)
            .await
            .ok()
            .flatten();
        let Some((shim, state)) = found else {
            drop(fs::remove_file(&socket));
            drop(fs::remove_dir_all(socket.with_extension("runtime")));
            self.finish_absent(&handle).await;
            return false;
        };
        let Some(pid) = state.pid.filter(|_| state.exit.is_none()) else {
            // It ended and waits to tell it: `follow` hears it.
            handle.set_shim(Some(Arc::new(shim)));
            return record.state.has_process();
        };
        let status = match state.status {
            corten_shim_proto::Status::Paused => Status::Paused,
            _ => Status::Running,
        };
        // A start that was not recorded any more: its addresses, its ports and its log stand
        // in what it intended.
        let record = match record.state.has_process() {
            true => Container::clone(&record),
            false => with_sandbox_of(
                self.intended(record.id)
                    .unwrap_or_else(|| Container::clone(&record)),
                pid,
            ),
        };
        let next = State {
            status,
            pid: pid as i32,
            started_at: state.started_at,
            error: String::new(),
            exit_code: 0,
            ..record.state.clone()
        };
        handle.volatile().oom_killed = state.oom;
        handle.set_shim(Some(Arc::new(shim)));
        self.settle(
            &handle,
            Container {
                state: next,
                ..record
            },
        )
        .await;
        handle.life.send_modify(|life| life.running = true);
        true
    }

    /// No shim answers: a record that says the container runs is finished.
    async fn finish_absent(self: &Arc<Self>, handle: &Arc<Handle>) {
        let record = handle.record();
        if record.state.has_process() {
            let directory = self.container_directory(record.id);
            let exit = exit_of_run(&directory, record.id, record.state.started_at);
            if exit.is_none() {
                self.end_abandoned(handle).await;
            }
            let exit_code = exit.as_ref().map_or(LOST, |exit| exit.code.into());
            let change = Change::Exited {
                exit_code,
                oom_killed: exit.as_ref().is_some_and(|exit| exit.oom_killed),
                at: exit.map_or_else(Timestamp::now, |exit| exit.at),
                restarting: false,
            };
            // A plugin has not heard of the end; what is mounted here is settled for all.
            for point in record
                .mounts
                .iter()
                .filter(|it| it.kind == MountKind::Volume)
            {
                self.volumes.adopt(&point.name, &record.id.to_string());
            }
            self.release_volumes(&record).await;
            if let Ok(state) = record.state.after(change) {
                let network_settings = cleared(&record.network_settings);
                let next = Container {
                    state,
                    network_settings,
                    ..Container::clone(&record)
                };
                self.settle(handle, next).await;
            }
        } else if matches!(record.state.status, Status::Restarting | Status::Removing) {
            let status = match record.state.status {
                Status::Removing => Status::Dead,
                _ => Status::Exited,
            };
            let state = State {
                status,
                ..record.state.clone()
            };
            self.settle(
                handle,
                Container {
                    state,
                    ..Container::clone(&record)
                },
            )
            .await;
        }
        let record = handle.record();
        handle.life.send_modify(|life| {
            life.running = false;
            life.exit_code = record.state.exit_code;
        });
    }

    async fn settle(self: &Arc<Self>, handle: &Arc<Handle>, next: Container) {
        if *handle.record() == next {
            return;
        }
        let next = handle.replace(next);
        if let Err(error) = self.save_later(next).await {
            let error = corten_base::chain(&error);
            tracing::error!(container = %handle.id, error, "a container's state is not on record");
        }
    }

    /// Restart policies and `--rm` of containers that do not run.
    fn after_absence(self: &Arc<Self>, handle: Arc<Handle>) {
        let record = handle.record();
        let ran = !record.state.started_at.is_zero();
        let engine = self.clone();
        if ran && record.host_config.auto_remove {
            tokio::spawn(async move { engine.remove_by_itself(handle).await });
        } else if handle.volatile().starts_at_boot {
            tokio::spawn(async move { engine.start_at_boot(&handle).await });
        }
    }

    /// What is mounted for containers that run stays, and nothing else.
    async fn reconcile_volumes(self: &Arc<Self>, live: &[Arc<Handle>]) -> Result<()> {
        for handle in live {
            let record = handle.record();
            for point in record
                .mounts
                .iter()
                .filter(|it| it.kind == MountKind::Volume)
            {
                self.volumes.adopt(&point.name, &record.id.to_string());
            }
        }
        let engine = self.clone();
        let settled = self.pool.run(move || {
            engine.volumes.settle_mounts();
            Ok(())
        });
        settled.await
    }

    async fn reconcile_networks(self: &Arc<Self>, live: &[Arc<Handle>]) -> Result<()> {
        let looks = live.iter().map(|handle| process_of_live(handle));
        let processes = futures_util::future::join_all(looks).await;
        let container = |(handle, process): (&Arc<Handle>, &Option<FirstProcess>)| {
            let record = handle.record();
            let mode = record.host_config.network_mode.as_str();
            let own = mode != "host" && !mode.starts_with("container:");
            let opened = process.as_ref().filter(|_| own);
            LiveContainer {
                id: handle.id.to_string(),
                netns: opened.and_then(|process| process.namespace("net").ok()),
            }
        };
        let containers: Vec<_> = live.iter().zip(&processes).map(container).collect();
        let engine = self.clone();
        let done = self
            .pool
            .run(move || Ok(engine.networks.reconcile(containers)?))
            .await?;
        for problem in &done.problems {
            tracing::warn!(problem, "reconciling networks");
        }
        for (handle, process) in live.iter().zip(&processes) {
            if let Some(process) = process {
                self.settle_endpoints(handle, process).await?;
            }
        }
        Ok(())
    }

    /// Shims, snapshots and directories of containers that are not on record, and control
    /// groups of those that do not run.
    async fn remove_strangers(self: &Arc<Self>, handles: &[Arc<Handle>]) {
        let known: HashSet<String> = handles.iter().map(|handle| handle.id.to_string()).collect();
        for (path, id) in ids_in(&self.config.exec_root.join("shims"), ".sock") {
            if known.contains(&id) {
                continue;
            }
            tracing::info!(container = id, "ending a shim without record");
            if let Ok(shim) = ShimClient::connect(&path).await
                && let Err(error) = shim.shutdown().await
            {
                let error = corten_base::chain(&error);
                tracing::warn!(container = id, error, "a shim without record stays");
            }
            drop(fs::remove_file(&path));
            drop(fs::remove_dir_all(path.with_extension("runtime")));
        }
        let stopped: Vec<String> = handles
            .iter()
            .filter(|handle| handle.shim().is_none())
            .map(|handle| cgroup_path(&handle.record(), &self.config))
            .collect();
        let engine = self.clone();
        let cleared = self.pool.run(move || {
            for path in &stopped {
                clear_control_groups(Path::new(path));
            }
            for key in engine
                .snapshots
                .keys()?
                .iter()
                .filter(|key| !known.contains(image_mounts::owner(key)))
            {
                tracing::info!(container = key, "removing a snapshot without record");
                if image_mounts::owner(key) == key {
                    engine.snapshots.remove(key)?;
                } else {
                    engine.release_image(key);
                }
            }
            for (_, id) in ids_in(&engine.config.data_root.join("containers"), "") {
                if !known.contains(&id)
                    && let Ok(id) = id.parse::<ContainerId>()
                {
                    tracing::info!(container = %id, "removing a directory without record");
                    clear_control_groups(&engine.own_control_group(&id.to_string()));
                    engine.remove_directory(id);
                }
            }
            Ok(())
        });
        if let Err(error) = cleared.await {
            let error = corten_base::chain(&error);
            tracing::warn!(error, "leftovers stay");
        }
    }

    /// The control group of a container that did not choose another parent.
    fn own_control_group(&self, id: &str) -> PathBuf {
        let parent = match self.config.cgroup_parent.as_str() {
            "" => "corten",
            parent => parent.trim_matches('/'),
        };
        Path::new("/").join(parent).join(id)
    }
}

/// The first process of a container whose shim answered a moment ago. One that does not
/// answer any more keeps neither the others nor the daemon waiting.
async fn process_of_live(handle: &Handle) -> Option<FirstProcess> {
    let found = tokio::time::timeout(CONNECT_PATIENCE, handle.first_process()).await;
    let problem = match found {
        Ok(Ok(process)) => return process,
        Ok(Err(error)) => corten_base::chain(&error),
        Err(_) => "its shim does not answer".to_owned(),
    };
    tracing::warn!(container = %handle.id, problem, "its network is not looked at");
    None
}

/// The control groups of a container that does not run: a killed shim left them. Blocking.
fn clear_control_groups(path: &Path) {
    let deleted = corten_cgroup::Cgroup::open(path).and_then(|group| group.delete());
    if let Err(error) = deleted {
        let error = corten_base::chain(&error);
        tracing::debug!(path = %path.display(), error, "no control groups to delete");
    }
}

/// Entries of a directory that are named by an ID and `suffix`.
fn ids_in(directory: &Path, suffix: &str) -> Vec<(PathBuf, String)> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let id = name.strip_suffix(suffix)?.to_owned();
            id.parse::<ContainerId>().ok()?;
            Some((entry.path(), id))
        })
        .collect()
}
