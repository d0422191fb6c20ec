//! `POST /containers/create`.

use super::{merge, mounts, verify, verify_resources};
use crate::{
    CreateRequest, Created, Engine, EngineError, Result, engine::ContainerRecord, handle::Handle,
    messages, names,
};
use corten_base::{Timestamp, Undo};
use corten_images::Image;
use corten_model::{
    Container, ContainerConfig, ContainerId, EndpointConfig, EndpointSettings, HostConfig, ImageId,
    MountKind, MountPoint, NetworkSettings, State,
};
use corten_oci::{Descriptor, Platform};
use corten_volume::CreateRequest as VolumeRequest;
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

/// How often a made-up name may be taken already.
const NAME_ATTEMPTS: u32 = 20;

impl Engine {
    /// `POST /containers/create`.
    pub async fn container_create(self: &Arc<Self>, request: CreateRequest) -> Result<Created> {
        let CreateRequest {
            name,
            platform,
            mut config,
            mut host_config,
            endpoints,
        } = request;
        verify::verify_config(&config)?;
        let mut warnings =
            verify_resources::discard_unsupported(&mut host_config.resources, &self.host);
        verify::verify_host_config(&host_config, &config, &self.host)?;
        self.check_storage_options(&host_config)?;
        self.check_runtime(&host_config.runtime)?;
        self.check_users(&host_config)?;
        self.check_joined(&host_config)?;
        self.fill_in(&mut host_config)?;
        if host_config.network_mode == "host"
            && host_config
                .port_bindings
                .as_ref()
                .is_some_and(|it| !it.is_empty())
        {
            warnings.push("Published ports are discarded when using host network mode".to_owned());
        }
        let address = config.mac_address.as_deref().unwrap_or_default();
        if !address.is_empty() {
            warnings.push(messages::mac_address_deprecated().to_string());
        }

        let image = match config.image.as_str() {
            "" => None,
            name => Some(self.image_for(name, platform.as_deref()).await?),
        };
        let (image, manifest) = image.unzip();
        let manifest = manifest.flatten();
        if let Some(run) = image.as_ref().and_then(|it| it.config.config.as_ref()) {
            merge::merge(&mut config, run);
        }
        let app_armor_profile = self.host.apparmor.asked(&host_config)?;
        let (path, args) =
            merge::command(&config).ok_or_else(|| EngineError::Invalid(messages::no_command()))?;
        merge::tidy(&mut config);

        let id = ContainerId::random();
        if config.hostname.is_empty() {
            config.hostname = self.default_hostname(&host_config, id);
        }
        let network_settings = self.network_settings(&config, &host_config, endpoints)?;
        let points = mounts::mount_points(&config, &host_config)?;
        self.find_images(&points)?;
        if points.iter().any(|it| it.kind == MountKind::Image) {
            warnings.push(messages::image_mount_experimental().to_string());
        }
        let layers = image
            .as_ref()
            .map(|it| it.layers().to_vec())
            .unwrap_or_default();
        let name = self.take_name(name.as_deref(), id)?;
        if let Err(error) = self.register_links(&mut host_config, &name) {
            self.table.release(&name, id);
            return Err(error);
        }
        if let Some(image) = &image {
            self.images.use_image(&image.id);
        }
        let record = Container {
            id,
            name,
            created: Timestamp::now(),
            path,
            args,
            image: image
                .as_ref()
                .map(|it| ImageId::new(&it.id))
                .unwrap_or_default(),
            platform: "linux".into(),
            platform_request: platform.unwrap_or_default(),
            config,
            host_config,
            network_settings,
            mounts: points,
            layers: layers.iter().map(ToString::to_string).collect(),
            state: State::default(),
            restart_count: 0,
            stopped_by_user: false,
            files_directory: PathBuf::new(),
            log_path: PathBuf::new(),
            image_manifest_descriptor: manifest.and_then(|it| serde_json::to_value(it).ok()),
            id_map: None,
            app_armor_profile,
        };
        let engine = self.clone();
        let made = self.pool.run(move || engine.make(record)).await?;
        corten_base::step("create.done");
        let handle = Handle::new(made);
        self.table.insert(handle.clone());
        self.container_event(&handle.record(), "create", []);
        Ok(Created { id, warnings })
    }

    /// The image that a name means, or has for a platform, and its manifest where the name
    /// keeps an index.
    async fn image_for(
        &self,
        name: &str,
        asked: Option<&str>,
    ) -> Result<(Image, Option<Descriptor>)> {
        let image = self.images.resolve(name)?;
        let Some(asked) = asked.filter(|it| !it.is_empty()) else {
            let manifest = self.images.kept_manifest(name, &image.id);
            return Ok((image, manifest));
        };
        let wanted: Platform = asked.parse()?;
        let found = self.images.for_platform(name, &wanted).await?;
        let missing = || {
            let found = image.config.platform();
            EngineError::NotFound(messages::platform_mismatch(name, found, wanted))
        };
        found.ok_or_else(missing)
    }

    /// What happens on disk, taken back when a step fails. Blocking.
    fn make(&self, mut record: Container) -> Result<Container> {
        let (container, id, name) = (record.id, record.id.to_string(), record.name.clone());
        let mut undo = Undo::new();
        undo.push(|| self.table.release(&name, container));
        record.id_map = self.choose_users(&record)?;
        undo.push(|| self.user_ranges.give_back(container));
        let layers: Vec<_> = record
            .layers
            .iter()
            .filter_map(|it| it.parse().ok())
            .collect();

        corten_base::step("create.directory");
        std::fs::create_dir_all(self.container_directory(record.id)).map_err(|source| {
            EngineError::File {
                operation: "creating",
                path: self.container_directory(record.id),
                source,
            }
        })?;
        undo.push(|| self.remove_directory(container));
        corten_base::step("create.snapshot");
        self.snapshots.prepare(&id, &layers)?;
        undo.push(|| {
            if let Err(error) = self.snapshots.remove(&id) {
                tracing::warn!(
                    container = id,
                    error = corten_base::chain(&error),
                    "a snapshot stays"
                );
            }
        });
        self.limit_storage(&record)?;

        corten_base::step("create.volumes");
        let mut points = std::mem::take(&mut record.mounts);
        points.extend(self.mounts_of_others(&record, &points)?);
        let held = self.hold_images(container, &mut points);
        let taken = points.clone();
        undo.push(move || self.release_images(container, &taken));
        held?;
        let made = std::cell::RefCell::new(Vec::new());
        let result = self.make_volumes(&mut points, &id, &layers, &made);
        let result = result.and_then(|()| {
            corten_base::step("create.record");
            record.mounts = points;
            self.save_with_volumes(&record)
        });
        if let Err(error) = result {
            self.volumes.release(&id);
            for name in made.into_inner() {
                if let Err(error) = self.volumes.remove(&name) {
                    tracing::warn!(
                        volume = name,
                        error = corten_base::chain(&error),
                        "a volume stays"
                    );
                }
            }
            return Err(error);
        }
        undo.release();
        Ok(record)
    }

    /// The container and the volumes that were made for it, on record together.
    fn save_with_volumes(&self, record: &Container) -> Result<()> {
        let volumes = || {
            let points = record.mounts.iter();
            let points = points.filter(|it| it.kind == MountKind::Volume);
            points.map(|it| it.name.as_str())
        };
        let stored = ContainerRecord(record.clone());
        self.store.transaction(|transaction| {
            self.volumes.record_with(transaction, volumes())?;
            transaction.put(&record.id.to_string(), &stored)
        })?;
        self.volumes.recorded(volumes());
        self.copy_record(&stored);
        Ok(())
    }

    /// Makes the volumes that are missing, refers to all, and fills new ones from the image.
    fn make_volumes(
        &self,
        points: &mut [MountPoint],
        container: &str,
        layers: &[corten_oci::Digest],
        made: &std::cell::RefCell<Vec<String>>,
    ) -> Result<()> {
        let mut root = None;
        for point in points.iter_mut().filter(|it| it.kind == MountKind::Volume) {
            let options = point
                .request
                .as_ref()
                .and_then(|it| it.volume_options.clone());
            let options = options.unwrap_or_default();
            let (volume, new) = self.volumes.create(VolumeRequest {
                name: point.name.clone(),
                driver: point.driver.clone(),
                options: options.driver_options,
                labels: options.labels,
                user: Some(container.to_owned()),
            })?;
            if new {
                made.borrow_mut().push(volume.name.clone());
                self.volume_event(&volume.name, "create", &volume.driver, []);
            }
            point.source = match volume.is_local() {
                true => self.volumes.mountpoint(&volume.name),
                // A plugin tells when it mounts it.
                false => PathBuf::new(),
            };
            if volume.is_snapshot() {
                point.rw = false;
                point.copy_up = false;
            }
            point.name = volume.name;
            point.driver = volume.driver;
            if point.copy_up {
                if root.is_none() {
                    root = Some(corten_snapshot::open_root(&self.snapshots.view(layers)?)?);
                }
                if let Some(root) = &root {
                    corten_base::step("create.copy_up");
                    self.copy_up(root, point, container)?;
                }
            }
        }
        Ok(())
    }

    /// `--volumes-from`: the other containers' mounts, the last one's at each place, but those
    /// at places that are taken already.
    fn mounts_of_others(&self, record: &Container, own: &[MountPoint]) -> Result<Vec<MountPoint>> {
        let mut list: Vec<MountPoint> = Vec::new();
        for spec in record.host_config.volumes_from.iter().flatten() {
            if spec.is_empty() {
                return Err(EngineError::Invalid(messages::empty_volumes_from()));
            }
            let (name, mode) = spec.split_once(':').unwrap_or((spec, ""));
            let read_only = mounts::read_only_of_others(mode)
                .ok_or_else(|| EngineError::Invalid(messages::invalid_mode(mode)))?;
            let other = self
                .table
                .find(name)
                .map_err(|_| EngineError::Invalid(messages::no_such_container(name)))?;
            for point in &other.record().mounts {
                let taken = |it: &MountPoint| it.destination == point.destination;
                if own.iter().any(taken) {
                    continue;
                }
                list.retain(|it| !taken(it));
                list.push(MountPoint {
                    rw: point.rw && !read_only,
                    copy_up: false,
                    mode: String::new(),
                    ..point.clone()
                });
            }
        }
        Ok(list)
    }

    /// The networks a container will be in: the mode's, and those named beside it.
    fn network_settings(
        &self,
        config: &ContainerConfig,
        host_config: &HostConfig,
        endpoints: BTreeMap<String, EndpointConfig>,
    ) -> Result<NetworkSettings> {
        let mode = host_config.network_mode.as_str();
        if mode.starts_with("container:") {
            super::endpoint::refuse_addresses(mode, &endpoints)?;
            return Ok(NetworkSettings::default());
        }
        if config.network_disabled {
            return Ok(NetworkSettings::default());
        }
        let mode = self.network_name(mode);
        let mut networks = BTreeMap::new();
        for (name, endpoint) in endpoints {
            let name = match name.as_str() {
                "default" => mode.clone(),
                other => self.network_name(other),
            };
            networks.entry(name).or_insert(endpoint);
        }
        let primary = networks.entry(mode).or_default();
        if let Some(address) = config.mac_address.as_ref().filter(|it| !it.is_empty()) {
            primary.mac_address.clone_from(address);
        }
        for (network, endpoint) in &networks {
            self.check_endpoint(network, endpoint)?;
        }
        let settings = |config| EndpointSettings {
            config,
            ..EndpointSettings::default()
        };
        Ok(NetworkSettings {
            networks: networks
                .into_iter()
                .map(|(name, it)| (name, settings(it)))
                .collect(),
            ..NetworkSettings::default()
        })
    }

    /// A network that is not there is told of at start, as dockerd does.
    fn check_endpoint(&self, network: &str, endpoint: &EndpointConfig) -> Result<()> {
        let address = &endpoint.mac_address;
        if !address.is_empty() && address.parse::<corten_network::MacAddress>().is_err() {
            return Err(EngineError::Invalid(messages::invalid_mac(
                network, address,
            )));
        }
        for link in endpoint.links.iter().flatten() {
            super::endpoint::parse_link(link)?;
        }
        let Ok(found) = self.networks.inspect(network) else {
            return Ok(());
        };
        let problems = self.endpoint_problems(&found, endpoint)?;
        if problems.is_empty() {
            return Ok(());
        }
        let problems = corten_network::messages::problems(super::connect::PROBLEMS, &problems);
        Err(EngineError::Invalid(messages::invalid_endpoint(
            network, problems,
        )))
    }

    fn take_name(&self, asked: Option<&str>, id: ContainerId) -> Result<String> {
        if let Some(asked) = asked.filter(|it| !it.is_empty()) {
            let name = asked.strip_prefix('/').unwrap_or(asked);
            if !names::is_valid(name) {
                return Err(EngineError::Invalid(messages::invalid_name(asked)));
            }
            self.table.reserve(name, id)?;
            return Ok(name.to_owned());
        }
        for attempt in 0..NAME_ATTEMPTS {
            let name = names::random(attempt);
            if self.table.reserve(&name, id).is_ok() {
                return Ok(name);
            }
        }
        let name = id.short();
        self.table.reserve(&name, id)?;
        Ok(name)
    }
}
