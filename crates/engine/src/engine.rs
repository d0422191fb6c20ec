//! The engine itself: its rooms and its tables.

use crate::{
    EngineConfig, EngineError, Result, blocking::Pool, container::step::StepRunner,
    events::EventLog, host::HostFacts, reload::LiveSettings, table::Table,
};
use corten_build::{Builder, BuilderConfig, Cache};
use corten_content::ContentStore;
use corten_images::{Images, Rooms};
use corten_model::{Container, ContainerId, EventKind};
use corten_network::Networks;
use corten_shim_proto::client::ShimBinary;
use corten_snapshot::{LayerStore, Overlay, Snapshotter};
use corten_store::{Record, Store};
use corten_volume::Volumes;
use std::{
    fs,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Threads for work of containers: mounts, netlink, records. More than CPUs, since much of
/// it waits for the kernel.
const CONTAINER_THREADS: usize = 16;

/// Threads for long work: copies, exports, logs that are followed.
const STREAM_THREADS: usize = 256;

/// The facade. Cheap to share.
pub struct Engine {
    pub(crate) config: EngineConfig,
    /// Those of the settings that may change.
    pub(crate) live: LiveSettings,
    pub(crate) host: HostFacts,
    /// A UUID that stays with the data root.
    pub(crate) id: String,
    pub(crate) store: Arc<Store>,
    pub(crate) images: Images,
    pub(crate) builder: Builder,
    pub(crate) builds: crate::build::Builds,
    pub(crate) snapshots: Arc<dyn Snapshotter>,
    pub(crate) networks: Arc<Networks>,
    pub(crate) volumes: Arc<Volumes>,
    pub(crate) table: Table,
    pub(crate) user_ranges: crate::users::ranges::UserRanges,
    pub(crate) events: EventLog,
    pub(crate) pool: Pool,
    pub(crate) streams: Pool,
    pub(crate) shim: ShimBinary,
    /// True once the daemon goes down: no restarts, no removals any more.
    pub(crate) closing: tokio::sync::watch::Sender<bool>,
}

/// How a container stands in the store.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub(crate) struct ContainerRecord(pub(crate) Container);

impl Record for ContainerRecord {
    const KIND: &'static str = "container";
}

/// Facts of the data root.
#[derive(serde::Serialize, serde::Deserialize)]
struct Installation {
    id: String,
}

impl Record for Installation {
    const KIND: &'static str = "installation";
}

impl Engine {
    /// Opens the rooms below the data root and reconciles what they remember with what
    /// runs. Needs a tokio runtime.
    pub async fn open(config: EngineConfig) -> Result<Arc<Self>> {
        let pool = Pool::new("work of a container", CONTAINER_THREADS);
        let opened = pool.run(move || Opened::open(config)).await?;
        let Opened {
            config,
            store,
            content,
            snapshots,
            networks,
            volumes,
            shim,
            id,
            cache,
        } = opened;
        let images = Images::open(
            images_config(&config),
            Rooms {
                store: store.clone(),
                content,
                layers: snapshots.layers().clone(),
                driver: snapshots.name(),
            },
        )
        .await?;
        let runner = Arc::new(StepRunner::default());
        let builder = Builder::open(
            BuilderConfig {
                directory: config.data_root.join("build"),
                memory: config.exec_root.join("build"),
                cache_bytes_max: config.build_cache_bytes_max,
            },
            cache,
            images.clone(),
            snapshots.clone(),
            runner.clone(),
        )?;
        let engine = Arc::new(Self {
            live: LiveSettings::new(&config),
            config,
            host: HostFacts::read(),
            id,
            store,
            images,
            builder,
            builds: Default::default(),
            snapshots,
            networks,
            volumes,
            table: Table::default(),
            user_ranges: Default::default(),
            events: EventLog::new(),
            pool,
            streams: Pool::new("a stream", STREAM_THREADS),
            shim,
            closing: tokio::sync::watch::Sender::new(false),
        });
        runner.serve(&engine);
        engine.reconcile().await?;
        engine.begin_cleanups();
        Ok(engine)
    }

    /// The settings it runs with.
    pub fn config(&self) -> &EngineConfig {
        &self.config
    }

    /// Ends the daemon's part in an orderly way: containers go on running.
    pub async fn close(&self) {
        self.closing.send_replace(true);
    }

    /// Waits until the daemon goes down.
    pub(crate) async fn closed(&self) {
        let mut closing = self.closing.subscribe();
        // The sender is this engine's own: it is there as long as somebody asks.
        drop(closing.wait_for(|closing| *closing).await.map(drop));
    }

    pub(crate) fn is_closing(&self) -> bool {
        *self.closing.borrow()
    }

    /// `containers/<id>` of the data root.
    pub(crate) fn container_directory(&self, id: ContainerId) -> PathBuf {
        self.config
            .data_root
            .join("containers")
            .join(id.to_string())
    }

    /// Where the container's shim listens.
    pub(crate) fn shim_socket(&self, id: ContainerId) -> PathBuf {
        self.config
            .exec_root
            .join("shims")
            .join(format!("{id}.sock"))
    }

    /// Makes a record durable, and puts its copy beside the container's data. Blocking.
    pub(crate) fn save(&self, record: &Container) -> Result<()> {
        let stored = ContainerRecord(record.clone());
        self.store.put(&record.id.to_string(), &stored)?;
        self.copy_record(&stored);
        Ok(())
    }

    /// The copy of a record beside the container's data. Blocking.
    pub(crate) fn copy_record(&self, stored: &ContainerRecord) {
        let record = &stored.0;
        let copy = self.record_copy(record.id);
        if let Err(error) = corten_store::replace_json(&copy, stored, false) {
            let error = corten_base::chain(&error);
            tracing::warn!(container = %record.id, error, "the copy of the record is old");
        }
    }

    pub(crate) async fn save_later(self: &Arc<Self>, record: Arc<Container>) -> Result<()> {
        let engine = self.clone();
        self.pool.run(move || engine.save(&record)).await
    }

    /// Removes a container's directory; what cannot be removed is reported and stays.
    pub(crate) fn remove_directory(&self, id: ContainerId) {
        let path = self.container_directory(id);
        match fs::remove_dir_all(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a container's directory stays");
            }
        }
    }

    /// Tells of something that happened to a container.
    pub(crate) fn container_event<const N: usize>(
        &self,
        record: &Container,
        action: &str,
        attributes: [(&str, String); N],
    ) {
        let mut all = record.config.labels.clone();
        all.insert("image".into(), record.config.image.clone());
        all.insert("name".into(), record.name.clone());
        all.extend(
            attributes
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value)),
        );
        self.events
            .publish(EventKind::Container, action, record.id.to_string(), all);
    }
}

/// What is opened on a blocking thread.
struct Opened {
    config: EngineConfig,
    store: Arc<Store>,
    content: ContentStore,
    snapshots: Arc<dyn Snapshotter>,
    networks: Arc<Networks>,
    volumes: Arc<Volumes>,
    shim: ShimBinary,
    id: String,
    cache: Cache,
}

impl Opened {
    fn open(config: EngineConfig) -> Result<Self> {
        // CVE-2021-41091: nobody on the host runs what lies in layers and volumes.
        private_directory(&config.data_root, 0o710)?;
        close_to_others(&config.data_root)?;
        private_directory(&config.data_root.join("containers"), 0o710)?;
        private_directory(&config.exec_root, 0o700)?;
        private_directory(&config.exec_root.join("shims"), 0o700)?;
        let store = Arc::new(Store::open(&config.data_root.join("state.db"))?);
        let content = ContentStore::open(&config.data_root.join("content"))?;
        let layers = LayerStore::open_as(&config.data_root.join("layers"), config.layer_form)?;
        // Before the image store, which collects what nobody keeps.
        let cache = Cache::open(store.clone(), layers.clone())?;
        let snapshots: Arc<dyn Snapshotter> =
            Arc::new(Overlay::open(layers, &config.data_root.join("containers"))?);
        let volumes = Arc::new(Volumes::open(
            &config.data_root.join("volumes"),
            store.clone(),
        )?);
        let networks = Arc::new(Networks::open(network_config(&config)?)?);
        let shim = ShimBinary::open(&shim_path(&config)?, config.shim_descriptors)?;
        let id = installation(&store)?;
        Ok(Self {
            config,
            store,
            content,
            snapshots,
            networks,
            volumes,
            shim,
            id,
            cache,
        })
    }
}

fn private_directory(path: &Path, mode: u32) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .map_err(|source| EngineError::File {
            operation: "creating",
            path: path.to_owned(),
            source,
        })
}

/// A directory that was there before may be open to all.
fn close_to_others(path: &Path) -> Result<()> {
    let failed = |source| EngineError::File {
        operation: "setting the mode of",
        path: path.to_owned(),
        source,
    };
    let mode = fs::metadata(path).map_err(failed)?.permissions().mode();
    if mode & 0o067 == 0 {
        return Ok(());
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o7710)).map_err(failed)
}

/// `corten-shim` beside this program, unless a path is given.
fn shim_path(config: &EngineConfig) -> Result<PathBuf> {
    if let Some(path) = &config.shim {
        return Ok(path.clone());
    }
    let program = std::env::current_exe().map_err(|source| EngineError::File {
        operation: "reading",
        path: "/proc/self/exe".into(),
        source,
    })?;
    Ok(program.with_file_name("corten-shim"))
}

fn installation(store: &Store) -> Result<String> {
    const KEY: &str = "this";
    if let Some(found) = store.get::<Installation>(KEY)? {
        return Ok(found.id);
    }
    let digits = corten_base::Id::random().to_string();
    let id = [
        &digits[..8],
        &digits[8..12],
        &digits[12..16],
        &digits[16..20],
        &digits[20..32],
    ];
    let id = id.join("-");
    store.put(KEY, &Installation { id: id.clone() })?;
    Ok(id)
}

/// Registries that look at who asks know Docker's name.
const USER_AGENT: &str = concat!(
    "docker/28.5.2 corten/",
    env!("CARGO_PKG_VERSION"),
    " os/linux"
);

pub(crate) fn images_config(config: &EngineConfig) -> corten_images::Config {
    let mut images = corten_images::Config::default();
    images.registries.mirrors = config.registry.mirrors.clone();
    let insecure = config
        .registry
        .insecure
        .iter()
        .filter_map(|it| it.parse().ok());
    images.registries.insecure = insecure.collect();
    images.registries.registries = config.registry.rules.clone();
    images.registries.certificates_dirs = config.registry.certificates.clone();
    images.registries.proxies = config.registry.proxies.clone();
    images.registries.user_agent = USER_AGENT.to_owned();
    images.max_download_attempts = config.registry.download_attempts;
    images.max_concurrent_downloads = config.max_concurrent_downloads;
    images.max_concurrent_uploads = config.max_concurrent_uploads;
    images.keep_layer_blobs = config.keep_layer_blobs;
    images
}

fn network_config(config: &EngineConfig) -> Result<corten_network::NetworkConfig> {
    let asked = &config.network;
    let wrong = |field: &str, value: &str| {
        EngineError::Invalid(crate::messages::invalid_setting(field, value))
    };
    let mut network = corten_network::NetworkConfig::new(
        config.data_root.join("network"),
        config.exec_root.join("network"),
    );
    network.bridge = asked.bridge.clone();
    if !asked.bip.is_empty() {
        network.bip = Some(asked.bip.parse().map_err(|_| wrong("bip", &asked.bip))?);
    }
    for pool in &asked.address_pools {
        let base = pool
            .base
            .parse()
            .map_err(|_| wrong("default-address-pools", &pool.base))?;
        let size = pool.size;
        network
            .default_address_pools
            .push(corten_network::AddressPool { base, size });
    }
    if asked.mtu != 0 {
        network.mtu = asked.mtu;
    }
    if let Some(address) = asked.host_binding {
        network.default_publish_address = address;
    }
    network.firewall = !asked.no_firewall;
    network.icc = !asked.no_inter_container;
    network.ip_masq = !asked.no_masquerade;
    if !asked.fixed_cidr.is_empty() {
        let cidr = asked.fixed_cidr.parse();
        network.fixed_cidr = Some(cidr.map_err(|_| wrong("fixed-cidr", &asked.fixed_cidr))?);
    }
    if !asked.default_gateway.is_empty() {
        let gateway = asked.default_gateway.parse();
        let gateway = gateway.map_err(|_| wrong("default-gateway", &asked.default_gateway))?;
        network.default_gateway = Some(gateway);
    }
    network.ipv6 = asked.ipv6;
    if !asked.bip6.is_empty() {
        network.bip6 = Some(asked.bip6.parse().map_err(|_| wrong("bip6", &asked.bip6))?);
    }
    if !asked.fixed_cidr_6.is_empty() {
        let cidr = asked.fixed_cidr_6.parse();
        network.fixed_cidr_v6 =
            Some(cidr.map_err(|_| wrong("fixed-cidr-v6", &asked.fixed_cidr_6))?);
    }
    if !asked.default_gateway_6.is_empty() {
        let gateway = asked.default_gateway_6.parse();
        network.default_gateway_6 =
            Some(gateway.map_err(|_| wrong("default-gateway-v6", &asked.default_gateway_6))?);
    }
    network.default_options = asked.default_options.clone();
    network.direct_routing = asked.direct_routing;
    network.ip_forward = !asked.no_forwarding;
    network.userland_proxy = !asked.no_userland_proxy;
    if asked.host_decides_ports {
        network.port_firewall = corten_network::PortFirewall::Host;
    }
    Ok(network)
}
