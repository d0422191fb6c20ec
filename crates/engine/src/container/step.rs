//! A process of a build: run on a root file system, without a container object.
//!
//! It has what every container has (namespaces, masks, capabilities, seccomp, control
//! group, network) and none of a container's records; a step that a killed daemon leaves
//! behind is a stranger to the next one, which ends and removes it.

use super::{
    network::cleared, process::Donors, start_error::start_error, user_namespace::UserNamespace,
};
use crate::{
    Engine, EngineError, Result,
    spec::{self, IpcNamespace, NetworkNamespace, PidNamespace, SpecInput, devices},
};
use corten_base::{Id, Timestamp};
use corten_build::{ExecRequest, Executor, Network, OutputStream, StepOutput};
use corten_model::{
    Container, ContainerConfig, ContainerId, EndpointSettings, HostConfig, ImageId,
    NetworkSettings, State, Ulimit,
};
use corten_shim_proto::{
    AttachOptions, Event, Log, StartRequest, Stdin,
    client::{self, Events, ShimClient, SpawnOptions},
};
use futures_util::{FutureExt, future::BoxFuture};
use std::{
    os::fd::{AsFd, OwnedFd},
    path::PathBuf,
    sync::{Arc, OnceLock, Weak},
};
use tokio::{io::AsyncReadExt, net::UnixStream, sync::mpsc};

/// The builder's way to the engine, which has the builder itself.
#[derive(Default)]
pub(crate) struct StepRunner {
    engine: OnceLock<Weak<Engine>>,
}

impl StepRunner {
    /// Told once, when the engine is there.
    pub(crate) fn serve(&self, engine: &Arc<Engine>) {
        // Only `Engine::open` does it.
        let _ = self.engine.set(Arc::downgrade(engine));
    }
}

impl Executor for StepRunner {
    fn run(
        &self,
        request: ExecRequest,
        output: mpsc::Sender<StepOutput>,
    ) -> BoxFuture<'_, corten_build::Result<i64>> {
        async move {
            let engine = self.engine.get().and_then(Weak::upgrade);
            let engine = engine.ok_or(corten_build::Error::Cancelled)?;
            let started = |error: EngineError| corten_build::Error::Start {
                command: String::new(),
                reason: corten_base::chain(&error),
            };
            Box::pin(engine.run_step(request, output))
                .await
                .map_err(started)
        }
        .boxed()
    }

    fn clean(&self, id: Id) {
        if let Some(engine) = self.engine.get().and_then(Weak::upgrade) {
            engine.remove_directory(ContainerId::from(id));
        }
    }
}

/// A step's process and what was made for it; dropped early, all of it is ended.
struct Running {
    engine: Arc<Engine>,
    id: ContainerId,
    shim: Option<ShimClient>,
    over: bool,
}

impl Running {
    /// Takes back what was made. The process has ended.
    async fn clean(mut self) {
        self.over = true;
        self.engine.release_network(self.id).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let (engine, id, shim) = (self.engine.clone(), self.id, self.shim.take());
        tokio::spawn(async move {
            if let Some(shim) = shim
                && let Err(error) = shim.shutdown().await
            {
                let error = corten_base::chain(&error);
                tracing::debug!(step = %id, error, "the process of a step was gone already");
            }
            engine.release_network(id).await;
            engine.remove_directory(id);
        });
    }
}

impl Engine {
    /// Runs a process to its end.
    async fn run_step(
        self: &Arc<Self>,
        request: ExecRequest,
        output: mpsc::Sender<StepOutput>,
    ) -> Result<i64> {
        let id = ContainerId::from(request.id);
        let mut running = Running {
            engine: self.clone(),
            id,
            shim: None,
            over: false,
        };
        let directory = self.container_directory(id);
        std::fs::create_dir_all(&directory).map_err(|source| EngineError::File {
            operation: "creating",
            path: directory.clone(),
            source,
        })?;
        corten_base::step("step.spawn");
        let spawning = client::spawn(SpawnOptions {
            binary: &self.shim,
            id: id.id(),
            socket: self.shim_socket(id),
        });
        let (engine, asked) = (self.clone(), request.clone());
        let preparing = async {
            let record = self.step_record(&asked)?;
            let donors = self.donors(&record.host_config).await?;
            let prepare = move || engine.prepare_step(&asked, record, &donors);
            self.pool.run(prepare).await
        };
        let (shim, prepared) = tokio::join!(spawning, preparing);
        let (shim, prepared) = (shim?, prepared?);
        let PreparedStep { spec, netns, users } = prepared;
        corten_base::step("step.start");
        let start = StartRequest {
            id: id.id(),
            spec,
            root: request.root,
            id_mapped: users.is_some(),
            user: request.user,
            groups: Vec::new(),
            directory,
            socket: shim.socket().to_owned(),
            netns: netns.is_some(),
            events: true,
            stdin: Stdin::Closed,
            log: Log::None,
            // A build's steps are ours to make.
            runtime: None,
            attach: vec![AttachOptions {
                stdout: true,
                stderr: true,
                ..AttachOptions::default()
            }],
        };
        let started = shim
            .start_and_subscribe(start, netns.as_ref().map(AsFd::as_fd))
            .await;
        drop(users);
        let (_, mut streams, events) = started.map_err(start_error)?;
        running.shim = Some(shim);
        corten_base::step("step.runs");
        let reading = async {
            match streams.pop() {
                Some(stream) => forward(stream, output).await,
                None => Ok(()),
            }
        };
        let (read, code) = tokio::join!(reading, exit(events));
        if let Err(error) = read {
            tracing::debug!(step = %id, %error, "the output of a step broke off");
        }
        let code = code?;
        corten_base::step("step.clean");
        running.clean().await;
        Ok(code)
    }

    /// Network and specification. Blocking.
    fn prepare_step(
        &self,
        request: &ExecRequest,
        mut record: Container,
        donors: &Donors,
    ) -> Result<PreparedStep> {
        // Before the process runs, so that a build with remapped users has them throughout.
        self.check_users(&record.host_config)?;
        record.id_map = self.choose_users(&record)?;
        let mut users = match &record.id_map {
            Some(map) => Some(self.make_users(map)?),
            None => None,
        };
        let own = users.as_mut().and_then(|it| it.network.take());
        let network = self.set_up_network(&mut record, own, donors)?;
        let files = self.write_files(&mut record, &network)?;
        record.app_armor_profile = self.host.apparmor.profile(&record.host_config)?;
        let devices = match record.host_config.privileged {
            true => devices::gather_all(),
            false => devices::gather(&[])?,
        };
        let users_path = users.as_ref().map(UserNamespace::path);
        let mut spec = spec::runtime_spec(&SpecInput {
            container: &record,
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
            ipc: IpcNamespace::Own,
            pid: PidNamespace::Own,
            init: None,
            images: &spec::ImageLayers::new(),
            block_device: &devices::block_device,
        })?;
        // HOSTNAME is no variable of a build step.
        if let Some(process) = &mut spec.process {
            process.env.clone_from(&request.env);
        }
        let mapped = users.is_some();
        spec.mounts
            .extend(request.mounts.iter().cloned().map(|mut mount| {
                // Layers and caches belong to whom the step sees as their owners.
                if mapped && matches!(mount.kind.as_str(), "bind" | "overlay") {
                    mount.options.push("idmap".into());
                }
                mount
            }));
        Ok(PreparedStep {
            spec,
            netns: network.netns,
            users,
        })
    }

    /// The record that a container with this process would have.
    fn step_record(&self, request: &ExecRequest) -> Result<Container> {
        let mode = match &request.network {
            Network::None => "none",
            Network::Host => "host",
            Network::Named(name) => name.as_str(),
        };
        let mut host_config = HostConfig {
            network_mode: mode.to_owned(),
            privileged: request.insecure,
            ipc_mode: "private".into(),
            extra_hosts: Some(request.extra_hosts.clone()),
            shm_size: request.shm_size_bytes as i64,
            ..HostConfig::default()
        };
        let resources = &mut host_config.resources;
        resources.memory = request.memory_bytes;
        resources.memory_swap = request.memory_swap_bytes;
        resources.cpu_shares = request.cpu_shares;
        resources.cpu_quota = request.cpu_quota;
        resources.cpu_period = request.cpu_period;
        resources.cpuset_cpus.clone_from(&request.cpuset_cpus);
        resources.cpuset_mems.clone_from(&request.cpuset_mems);
        resources.cgroup_parent.clone_from(&request.cgroup_parent);
        let ulimits = request.ulimits.iter().map(|limit| Ulimit {
            name: limit.name.clone(),
            soft: limit.soft,
            hard: limit.hard,
        });
        resources.ulimits = (!request.ulimits.is_empty()).then(|| ulimits.collect());
        self.fill_in(&mut host_config)?;
        let mode = host_config.network_mode.clone();
        let mut args = request.args.iter().cloned();
        let mut networks = NetworkSettings::default();
        networks.networks.insert(mode, EndpointSettings::default());
        Ok(Container {
            id: ContainerId::from(request.id),
            name: String::new(),
            created: Timestamp::now(),
            path: args.next().unwrap_or_default(),
            args: args.collect(),
            image: ImageId::default(),
            platform: "linux".into(),
            platform_request: String::new(),
            config: ContainerConfig {
                hostname: request.hostname.clone(),
                user: request.user.clone(),
                env: Some(request.env.clone()),
                working_dir: request.cwd.clone(),
                ..ContainerConfig::default()
            },
            host_config,
            network_settings: cleared(&networks),
            mounts: Vec::new(),
            layers: Vec::new(),
            state: State::default(),
            restart_count: 0,
            stopped_by_user: false,
            files_directory: PathBuf::new(),
            log_path: PathBuf::new(),
            image_manifest_descriptor: None,
            id_map: None,
            app_armor_profile: String::new(),
        })
    }
}

/// What a step's process is made of.
struct PreparedStep {
    spec: corten_oci::runtime::Spec,
    netns: Option<OwnedFd>,
    /// Kept open until the process is in it.
    users: Option<UserNamespace>,
}

/// The exit code, once the shim tells it.
async fn exit(mut events: Events) -> Result<i64> {
    loop {
        match events.next().await? {
            Some(Event::Exit { exit }) => return Ok(exit.code.into()),
            Some(_) => {}
            // The shim was killed, and the process with it.
            None => return Err(EngineError::CutShort("a build step")),
        }
    }
}

/// Hands output on, piece by piece, until its end.
async fn forward(mut stream: UnixStream, output: mpsc::Sender<StepOutput>) -> std::io::Result<()> {
    /// Bytes handed on at once.
    const PIECE: usize = 32 << 10;
    loop {
        let mut header = [0; 8];
        match stream.read_exact(&mut header).await {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        }
        let [kind, _, _, _, length @ ..] = header;
        let which = match kind {
            2 => OutputStream::Stderr,
            _ => OutputStream::Stdout,
        };
        let mut left = u32::from_be_bytes(length) as usize;
        while left > 0 {
            let mut piece = vec![0; left.min(PIECE)];
            stream.read_exact(&mut piece).await?;
            left -= piece.len();
            // Nobody listens any more: the process goes on, as with any container.
            let _ = output.send((which, piece)).await;
        }
    }
}
