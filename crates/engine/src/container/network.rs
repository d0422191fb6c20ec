//! A container's networks: connecting at start, the files that tell of them, release.

use super::ports::{ports, publish_requests};
use crate::{Engine, EngineError, Result, messages, spec::ContainerFiles};
use corten_model::{Container, ContainerId, EndpointSettings, EventKind, NetworkSettings};
use corten_network::{
    Endpoint, EndpointRequest,
    files::{self, Hosts, ResolvConf},
};
use std::{
    fs,
    net::IpAddr,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::Arc,
};

/// What the network side of a start has made.
pub(super) struct SetUp {
    /// To be joined; `None`: the host's.
    pub(super) netns: Option<OwnedFd>,
    /// It is another container's.
    pub(super) shared: bool,
    /// That container's files.
    files_of: Option<PathBuf>,
    addresses: Vec<IpAddr>,
}

impl Engine {
    /// Makes the namespace and the endpoints, and writes them into `next`. Blocking.
    pub(super) fn set_up_network(&self, next: &mut Container) -> Result<SetUp> {
        if let Some(name) = next.host_config.network_mode.strip_prefix("container:") {
            return self.join_network(name);
        }
        let failed = |error: corten_network::NetworkError| EngineError::NetworkSetUp {
            message: messages::network_setup(corten_base::chain(&error)),
            kind: corten_base::KindOf::kind(&error),
        };
        let mode = next.host_config.network_mode.clone();
        let host = mode == "host";
        let netns = if host {
            None
        } else {
            Some(self.networks.sandbox().map_err(failed)?)
        };
        let mut settings = NetworkSettings {
            networks: next.network_settings.networks.clone(),
            ..NetworkSettings::default()
        };
        let mut addresses = Vec::new();
        let mut bound = Vec::new();
        // The mode's own network is the first interface.
        let mut names: Vec<String> = settings.networks.keys().cloned().collect();
        names.sort_by_key(|name| *name != mode);
        for (index, name) in names.iter().enumerate() {
            let Some(endpoint) = settings.networks.get_mut(name) else {
                continue;
            };
            let mut request = endpoint_request(next, name, endpoint)?;
            if index == 0 && !host {
                request.ports = publish_requests(next)?;
            }
            let made = self
                .networks
                .connect(netns.as_ref(), &request)
                .map_err(failed)?;
            addresses.extend(made.ipv4.map(IpAddr::V4));
            addresses.extend(made.ipv6.map(IpAddr::V6));
            bound.extend(made.ports.iter().copied());
            *endpoint = endpoint_settings(endpoint, &made);
        }
        settings.sandbox_id = corten_base::Id::random().to_string();
        // The process that holds the namespace is known when it runs; see `start`.
        settings.sandbox_key = "/proc/self/ns/net".into();
        if !host {
            settings.ports = ports(next, &bound);
        }
        next.network_settings = settings;
        let netns = netns
            .map(|it| it.try_clone_fd())
            .transpose()
            .map_err(|error| {
                EngineError::Failed(messages::network_setup(corten_base::chain(&error)))
            })?;
        Ok(SetUp {
            netns,
            shared: false,
            files_of: None,
            addresses,
        })
    }

    fn join_network(&self, name: &str) -> Result<SetUp> {
        let other = self
            .table
            .find(name)
            .map_err(|error| EngineError::Failed(messages::join_network_missing(error)))?
            .record();
        if !other.state.has_process() {
            let state = other.state.status;
            return Err(EngineError::Conflict(messages::join_network_stopped(
                name, state,
            )));
        }
        let mut set_up = SetUp {
            netns: None,
            shared: true,
            files_of: Some(other.files_directory.clone()),
            addresses: Vec::new(),
        };
        if other.host_config.network_mode != "host" {
            let path = PathBuf::from(format!("/proc/{}/ns/net", other.state.pid));
            let namespace = fs::File::open(&path).map_err(|source| EngineError::File {
                operation: "opening",
                path,
                source,
            })?;
            set_up.netns = Some(namespace.into());
        }
        Ok(set_up)
    }

    /// Writes /etc/resolv.conf, /etc/hostname and /etc/hosts of the container. Blocking.
    pub(super) fn write_files(
        &self,
        next: &mut Container,
        set_up: &SetUp,
    ) -> Result<ContainerFiles> {
        let directory = match &set_up.files_of {
            Some(other) => other.clone(),
            None => self.container_directory(next.id),
        };
        next.files_directory = directory.clone();
        let paths = ContainerFiles {
            resolv_conf: Some(directory.join("resolv.conf")),
            hostname: Some(directory.join("hostname")),
            hosts: Some(directory.join("hosts")),
        };
        if set_up.files_of.is_some() {
            return Ok(paths);
        }
        write(
            &directory.join("resolv.conf"),
            &self.resolv_conf(next, set_up)?,
        )?;
        write(
            &directory.join("hostname"),
            &files::hostname(&next.config.hostname),
        )?;
        write(&directory.join("hosts"), &self.hosts(next, set_up)?)?;
        Ok(paths)
    }

    fn resolv_conf(&self, next: &Container, set_up: &SetUp) -> Result<String> {
        let chosen = |own: &Option<Vec<String>>, daemon: &[String]| match own.as_deref() {
            None | Some([]) => daemon.to_vec(),
            Some(own) => own.to_vec(),
        };
        let host_config = &next.host_config;
        let servers = chosen(&host_config.dns, &self.config.dns)
            .iter()
            .map(|it| {
                it.parse::<IpAddr>()
                    .map_err(|_| EngineError::Invalid(messages::invalid_dns(it)))
            })
            .collect::<Result<Vec<_>>>()?;
        let host_path = "/etc/resolv.conf";
        Ok(files::resolv_conf(&ResolvConf {
            host: &fs::read_to_string(host_path).unwrap_or_default(),
            host_path,
            servers: &servers,
            search: &chosen(&host_config.dns_search, &self.config.dns_search),
            options: &chosen(&host_config.dns_options, &self.config.dns_options),
            host_network: set_up.netns.is_none(),
            ..ResolvConf::default()
        }))
    }

    fn hosts(&self, next: &Container, set_up: &SetUp) -> Result<String> {
        let gateway = match self.config.host_gateway {
            Some(address) => vec![address],
            None => self.networks.host_gateways(),
        };
        let host = match set_up.netns {
            Some(_) => None,
            None => fs::read_to_string("/etc/hosts").ok(),
        };
        files::hosts(&Hosts {
            hostname: &next.config.hostname,
            domainname: &next.config.domainname,
            addresses: set_up.addresses.clone(),
            extra: next.host_config.extra_hosts.as_deref().unwrap_or_default(),
            host_gateway: gateway,
            host_file: host.as_deref(),
            links: Vec::new(),
        })
        .map_err(|error| EngineError::Invalid(messages::plain(error)))
    }

    /// Takes a container's endpoints back. What fails is reported; the next start of the
    /// daemon tries again.
    pub(crate) fn release_network_now(&self, id: ContainerId) {
        if let Err(error) = self.networks.release(&id.to_string()) {
            let error = corten_base::chain(&error);
            tracing::warn!(container = %id, error, "the network of a container stays");
        }
    }

    pub(crate) async fn release_network(self: &Arc<Self>, id: ContainerId) {
        let engine = self.clone();
        let released = self.pool.run(move || {
            engine.release_network_now(id);
            Ok(())
        });
        if let Err(error) = released.await {
            tracing::warn!(container = %id, %error, "the network of a container stays");
        }
    }

    pub(crate) fn network_event(&self, record: &Container, network: &str, action: &str) {
        let Some(endpoint) = record.network_settings.networks.get(network) else {
            return;
        };
        let id = endpoint
            .network_id
            .map(|id| id.to_string())
            .unwrap_or_default();
        let kind = match network {
            "none" => "null",
            "host" => "host",
            _ => "bridge",
        };
        let attributes = [
            ("container", record.id.to_string()),
            ("name", network.to_owned()),
            ("type", kind.to_owned()),
        ];
        let attributes = attributes
            .map(|(key, value)| (key.to_owned(), value))
            .into();
        self.events
            .publish(EventKind::Network, action, id, attributes);
    }
}

/// The container does not run any more: what was asked for stays, what it had goes.
pub(crate) fn cleared(settings: &NetworkSettings) -> NetworkSettings {
    let networks = settings.networks.iter().map(|(name, endpoint)| {
        let kept = EndpointSettings {
            config: endpoint.config.clone(),
            network_id: endpoint.network_id,
            ..EndpointSettings::default()
        };
        (name.clone(), kept)
    });
    NetworkSettings {
        networks: networks.collect(),
        ..NetworkSettings::default()
    }
}

fn endpoint_request(
    record: &Container,
    network: &str,
    endpoint: &EndpointSettings,
) -> Result<EndpointRequest> {
    let config = &endpoint.config;
    let mac = match config.mac_address.as_str() {
        "" => None,
        text => Some(
            text.parse()
                .map_err(|_| EngineError::Invalid(messages::invalid_mac(network, text)))?,
        ),
    };
    let ipam = config.ipam.clone().unwrap_or_default();
    let wrong = |text: &str| EngineError::Invalid(messages::invalid_address(text));
    let ipv4 = match ipam.ipv4_address.as_str() {
        "" => None,
        text => Some(text.parse().map_err(|_| wrong(text))?),
    };
    let ipv6 = match ipam.ipv6_address.as_str() {
        "" => None,
        text => Some(text.parse().map_err(|_| wrong(text))?),
    };
    Ok(EndpointRequest {
        container_id: record.id.to_string(),
        container_name: record.name.clone(),
        network: network.to_owned(),
        mac,
        ipv4,
        ipv6,
        aliases: config.aliases.clone().unwrap_or_default(),
        ..EndpointRequest::default()
    })
}

fn endpoint_settings(asked: &EndpointSettings, made: &Endpoint) -> EndpointSettings {
    EndpointSettings {
        config: asked.config.clone(),
        mac_address: made.mac.map(|it| it.to_string()).unwrap_or_default(),
        network_id: Some(made.network_id.into()),
        endpoint_id: made.endpoint_id.to_string(),
        gateway: made.gateway,
        ip_address: made.ipv4,
        ip_prefix_length: made.ipv4_prefix_length,
        ipv6_gateway: made.ipv6_gateway,
        global_ipv6_address: made.ipv6,
        global_ipv6_prefix_length: made.ipv6_prefix_length,
        dns_names: None,
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    corten_base::step("file.write");
    fs::write(path, text).map_err(|source| EngineError::File {
        operation: "writing",
        path: path.to_owned(),
        source,
    })
}
