//! `POST /containers/{id}/start`.

use super::{
    intent::with_sandbox_of,
    process::Donors,
    propagation,
    start_error::{FAILED, start_error},
    user_namespace::UserNamespace,
};
use crate::{
    Engine, EngineError, Result, StartOptions,
    handle::{Handle, Life},
    health, messages,
    spec::{self, IpcNamespace, NetworkNamespace, PidNamespace, SpecInput, devices},
};
use corten_model::{Change, Container, MountKind, Refusal};
use corten_oci::RootMount;
use corten_shim_proto::{
    ExternalRuntime, Log, StartRequest, Started, Stdin,
    client::{self, Events, ShimClient, ShimError, SpawnOptions},
};
use std::{
    os::fd::{AsFd, OwnedFd},
    path::PathBuf,
    sync::Arc,
};

impl Engine {
    /// `POST /containers/{id}/start`; [`Kind::NotModified`](corten_base::Kind::NotModified) when it runs already.
    pub async fn container_start(
        self: &Arc<Self>,
        name: &str,
        options: StartOptions,
    ) -> Result<()> {
        if !options.checkpoint.is_empty() || !options.checkpoint_directory.is_empty() {
            return Err(EngineError::Invalid(messages::no_checkpoints()));
        }
        let handle = self.table.find(name)?;
        let _owner = handle.lock.lock().await;
        {
            let mut volatile = handle.volatile();
            volatile.detach_keys = options.detach_keys;
            volatile.backoff_milliseconds = 0;
            volatile.restart_timer = None;
        }
        self.start(&handle, true).await
    }

    /// Starts a container. The caller holds its lock.
    pub(crate) async fn start(self: &Arc<Self>, handle: &Arc<Handle>, by_user: bool) -> Result<()> {
        if self.is_closing() {
            return Err(EngineError::Closing);
        }
        let record = handle.record();
        record.state.may_start().map_err(|refusal| match refusal {
            Refusal::AlreadyRunning => EngineError::NotModified(messages::not_stopped(&record.id)),
            Refusal::Paused => EngineError::Conflict(messages::start_paused()),
            Refusal::Dead => EngineError::Conflict(messages::start_dead()),
            _ => EngineError::Conflict(messages::start_removing()),
        })?;
        // The last run's network and control groups go first.
        drop(handle.teardown.lock().await);
        match self.start_process(handle, &record).await {
            Ok((mut next, started, events)) => {
                let change = Change::Started {
                    pid: started.pid as i32,
                    at: started.at,
                };
                if let Ok(state) = record.state.after(change) {
                    next.state = state;
                }
                // At once: who finds it running without health takes it for healthy.
                next.state.health = health::at_the_start(&record);
                next = with_sandbox_of(next, started.pid);
                next.stopped_by_user = false;
                if by_user {
                    next.restart_count = 0;
                }
                let next = handle.replace(next);
                handle.life.send_modify(|life| life.running = true);
                self.save_later(next.clone()).await?;
                corten_base::step("start.recorded");
                for point in next.mounts.iter().filter(|it| it.kind == MountKind::Volume) {
                    let attributes = [
                        ("container", next.id.to_string()),
                        ("destination", point.destination.display().to_string()),
                        ("propagation", point.propagation.to_string()),
                        ("read/write", point.rw.to_string()),
                    ];
                    self.volume_event(&point.name, "mount", &point.driver, attributes);
                }
                for network in next.network_settings.networks.keys() {
                    self.network_event(&next, network, "connect");
                }
                corten_base::step("start.done");
                self.container_event(&next, "start", []);
                self.tell_parents(&next);
                self.supervise(handle.clone(), Some(events));
                self.begin_health_checks(handle).await;
                self.take_place_of_ended(handle).await;
                Ok(())
            }
            Err(error) => {
                self.remember_failure(handle, &record, &error).await;
                Err(error)
            }
        }
    }

    /// Everything from the network to the running process; what was made is taken back when
    /// a later step fails.
    async fn start_process(
        self: &Arc<Self>,
        handle: &Arc<Handle>,
        record: &Arc<Container>,
    ) -> Result<(Container, Started, Events)> {
        let socket = self.shim_socket(record.id);
        let spawning = client::spawn(SpawnOptions {
            binary: &self.shim,
            id: record.id.id(),
            socket: socket.clone(),
        });
        let engine = self.clone();
        let prepared = record.clone();
        let preparing = async {
            let donors = self.donors(&record.host_config).await?;
            let prepare = move || Ok((engine.prepare_start(&prepared, &donors)?, donors));
            self.pool.run(prepare).await
        };
        let (shim, prepared) = tokio::join!(spawning, preparing);
        // The specification names what is open in `donors`.
        let (prepared, donors) = prepared?;
        let result = match shim {
            Ok(shim) => self.run(handle, record, shim, prepared).await,
            Err(error) => Err(error.into()),
        };
        drop(donors);
        if result.is_err() {
            self.release_network(record.id).await;
            self.release_volumes(record).await;
        }
        result
    }

    async fn run(
        self: &Arc<Self>,
        handle: &Arc<Handle>,
        record: &Container,
        shim: ShimClient,
        prepared: Prepared,
    ) -> Result<(Container, Started, Events)> {
        let pending = handle.take_pending();
        let request = StartRequest {
            id: record.id.id(),
            spec: prepared.spec,
            root: prepared.root,
            id_mapped: prepared.users.is_some(),
            user: record.config.user.clone(),
            groups: record
                .host_config
                .group_add
                .iter()
                .flatten()
                .cloned()
                .chain(prepared.groups.iter().map(u32::to_string))
                .collect(),
            directory: self.container_directory(record.id),
            socket: shim.socket().to_owned(),
            netns: prepared.netns.is_some(),
            events: true,
            stdin: match (record.config.open_stdin, record.config.stdin_once) {
                (false, _) => Stdin::Closed,
                (true, false) => Stdin::Open,
                (true, true) => Stdin::Once,
            },
            log: prepared.log,
            attach: pending.iter().map(|it| it.options.clone()).collect(),
            runtime: prepared.runtime,
        };
        let netns = prepared.netns.as_ref().map(AsFd::as_fd);
        corten_base::step("start.shim");
        let started = shim.start_and_subscribe(request, netns).await;
        corten_base::step("start.runs");
        let (started, streams, events) = match started {
            Ok(started) => started,
            Err(error) => {
                if !matches!(error, ShimError::Failed(_)) {
                    self.end_abandoned(handle).await;
                }
                return Err(start_error(error));
            }
        };
        for (attach, stream) in pending.into_iter().zip(streams) {
            // A client that has left meanwhile: its stream is dropped.
            drop(attach.stream.send(stream));
        }
        handle.set_shim(Some(Arc::new(shim)));
        handle.volatile().oom_killed = false;
        Ok((prepared.record, started, events))
    }

    /// The blocking half of a start.
    fn prepare_start(&self, record: &Container, donors: &Donors) -> Result<Prepared> {
        let mut next = record.clone();
        // Before anything is set up for nothing.
        self.external_runtime(&record.host_config.runtime)?;
        let root = self.snapshots.mounts(&record.id.to_string())?;
        corten_base::step("start.sources");
        for point in record.mounts.iter().filter(|it| it.kind == MountKind::Bind) {
            make_source(&point.source, point.create_source)?;
            propagation::check(&point.source, point.propagation)?;
        }
        let joined = self.join_namespaces(record, donors)?;
        corten_base::step("start.users");
        let mut users = self.enter_users(&mut next, donors)?;
        corten_base::step("start.network");
        let own = users.as_mut().and_then(|it| it.network.take());
        let network = self
            .set_up_network(&mut next, own, donors)
            .inspect_err(|_| {
                self.release_network_now(record.id);
            })?;
        self.mount_volumes(&mut next)
            .and_then(|sources| {
                let made = Made {
                    root,
                    joined,
                    users,
                    network,
                    sources,
                };
                self.finish_preparation(record, next, made)
            })
            .inspect_err(|_| {
                self.release_network_now(record.id);
                self.release_volumes_now(record);
            })
    }

    fn finish_preparation(
        &self,
        record: &Container,
        mut next: Container,
        made: Made,
    ) -> Result<Prepared> {
        let Made {
            root,
            joined,
            users,
            network,
            sources,
        } = made;
        corten_base::step("start.files");
        let files = self.write_files(&mut next, &network)?;
        corten_base::step("start.prepared");
        let log = self.log(&mut next)?;
        let devices = if record.host_config.privileged {
            devices::gather_all()
        } else {
            let asked = record
                .host_config
                .resources
                .devices
                .as_deref()
                .unwrap_or_default();
            devices::gather(asked)?
        };
        next.app_armor_profile = self.host.apparmor.profile(&record.host_config)?;
        let init = self.init_program(record)?;
        let images = self.image_layers(record)?;
        let users_path = users.as_ref().map(UserNamespace::path);
        let mut spec = spec::runtime_spec(&SpecInput {
            container: &sources.put_into(&next),
            users: users_path.as_deref(),
            settings: &self.config,
            kernel: self.host.kernel,
            files: &files,
            devices: &devices,
            network: match network.netns {
                Some(_) => NetworkNamespace::Given,
                None => NetworkNamespace::Host,
            },
            network_is_shared: network.shared,
            ipc: joined.ipc,
            pid: joined.pid,
            init: init.as_deref(),
            images: &images,
            block_device: &devices::block_device,
        })?;
        self.intend(&next)?;
        let groups = self.inject_devices(record, &mut spec)?;
        Ok(Prepared {
            record: next,
            root,
            spec,
            groups,
            netns: network.netns,
            log,
            runtime: self.external_runtime(&record.host_config.runtime)?,
            users,
            _sources: sources,
        })
    }

    fn join_namespaces(&self, record: &Container, donors: &Donors) -> Result<Joined> {
        let host_config = &record.host_config;
        let other = |mode: &str| {
            mode.strip_prefix("container:")
                .map(|name| self.table.find(name))
        };
        let pid = match host_config.pid_mode.as_str() {
            "host" => PidNamespace::Host,
            mode => match other(mode) {
                None => PidNamespace::Own,
                Some(found) => {
                    let failed = |reason: String| EngineError::Failed(messages::join_pid(reason));
                    let found = found.map_err(|error| failed(error.to_string()))?.record();
                    let Some(process) = donors.get(&found.id) else {
                        return Err(failed(messages::not_running(&found.id).to_string()));
                    };
                    PidNamespace::Of(process.path("ns/pid"))
                }
            },
        };
        let ipc = match host_config.ipc_mode.as_str() {
            "host" => IpcNamespace::Host,
            "none" => IpcNamespace::None,
            mode => match other(mode) {
                None => IpcNamespace::Own,
                Some(found) => {
                    let failed = |reason: String| EngineError::Failed(messages::join_ipc(reason));
                    let found = found.map_err(|error| failed(error.to_string()))?.record();
                    let Some(process) = donors.get(&found.id) else {
                        return Err(failed(messages::not_running(&found.id).to_string()));
                    };
                    if !["shareable", "host"].contains(&found.host_config.ipc_mode.as_str()) {
                        return Err(failed(messages::ipc_not_shareable(&found.id).to_string()));
                    }
                    IpcNamespace::Of {
                        path: process.path("ns/ipc"),
                        shared_memory: process.path("root/dev/shm"),
                    }
                }
            },
        };
        Ok(Joined { pid, ipc })
    }

    /// The program that `--init` puts before the command.
    fn init_program(&self, record: &Container) -> Result<Option<PathBuf>> {
        if !record.host_config.init.unwrap_or(self.config.init) {
            return Ok(None);
        }
        if let Some(path) = &self.config.init_path {
            return Ok(Some(path.clone()));
        }
        self.beside("corten-init").map(Some)
    }

    /// What a start that failed has written is shown all the same.
    fn keep_files(&self, next: &mut Container) {
        let directory = self.container_directory(next.id);
        if !directory.join("hosts").exists() {
            return;
        }
        next.files_directory = directory.clone();
        if next.host_config.log_config.driver == "json-file" {
            next.log_path = directory.join(format!("{}-json.log", next.id));
        }
    }

    async fn remember_failure(
        self: &Arc<Self>,
        handle: &Arc<Handle>,
        record: &Arc<Container>,
        error: &EngineError,
    ) {
        // Whoever attached before the start gets an end.
        drop(handle.take_pending());
        let exit_code = match error {
            EngineError::Start { exit_code, .. } => *exit_code,
            _ => FAILED,
        };
        let change = Change::StartFailed {
            exit_code,
            error: corten_base::chain(error),
        };
        let Ok(state) = record.state.after(change) else {
            return;
        };
        let mut next = Container {
            state,
            ..Container::clone(record)
        };
        self.keep_files(&mut next);
        let next = handle.replace(next);
        // Nobody waits for the end of what never ran: only the record changes.
        handle.life.send_modify(|life: &mut Life| {
            life.running = false;
            life.exit_code = exit_code;
        });
        if let Err(error) = self.save_later(next.clone()).await {
            let error = corten_base::chain(&error);
            tracing::error!(container = %record.id, error, "a failed start is not on record");
        }
        if next.host_config.auto_remove {
            let engine = self.clone();
            let handle = handle.clone();
            tokio::spawn(async move { engine.remove_by_itself(handle).await });
        }
    }
}

/// What was made for a container before its files and its specification.
struct Made {
    root: RootMount,
    joined: Joined,
    users: Option<UserNamespace>,
    network: super::network::SetUp,
    sources: super::volumes::Sources,
}

/// What a start needs beside the shim.
struct Prepared {
    record: Container,
    root: RootMount,
    spec: corten_oci::runtime::Spec,
    /// Of devices.
    groups: Vec<u32>,
    netns: Option<OwnedFd>,
    log: Log,
    runtime: Option<ExternalRuntime>,
    /// Kept open until the container is in it.
    users: Option<UserNamespace>,
    /// Kept open until the container has its mounts.
    _sources: super::volumes::Sources,
}

struct Joined {
    pid: PidNamespace,
    ipc: IpcNamespace,
}

/// `-v` makes a missing directory, `--mount` wants it there.
fn make_source(path: &std::path::Path, create: bool) -> Result<()> {
    if !create {
        return match path.exists() {
            true => Ok(()),
            false => Err(EngineError::Invalid(messages::mount_source_missing(
                path.display(),
            ))),
        };
    }
    match std::fs::create_dir_all(path) {
        Ok(()) => Ok(()),
        // A file, or something below one: the mount itself says what is wrong.
        Err(_) if path.exists() => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => Ok(()),
        Err(source) => Err(EngineError::File {
            operation: "creating the mount source",
            path: path.to_owned(),
            source,
        }),
    }
}
