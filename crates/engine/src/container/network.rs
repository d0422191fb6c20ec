//! A container's networks: connecting at start, release.

use super::{
    endpoint::{endpoint_request, endpoint_settings},
    ports::ports,
    process::{Donors, FirstProcess},
};
use crate::{Engine, EngineError, Result, messages};
use corten_base::step;
use corten_model::{Container, ContainerId, EndpointSettings, EventKind, NetworkSettings, Status};
use corten_network::Netns;
use std::{net::IpAddr, os::fd::OwnedFd, path::PathBuf, sync::Arc};

/// What the network side of a start has made.
#[derive(Default)]
pub(super) struct SetUp {
    /// To be joined; `None`: the host's.
    pub(super) netns: Option<OwnedFd>,
    /// It is another container's.
    pub(super) shared: bool,
    /// That container's files.
    pub(super) files_of: Option<PathBuf>,
    /// Of all endpoints, in their order.
    pub(super) addresses: Vec<IpAddr>,
    /// Linked containers, for /etc/hosts.
    pub(super) links: Vec<(IpAddr, Vec<String>)>,
    /// The embedded name server answers in there.
    pub(super) names: bool,
}

impl Engine {
    /// Makes the namespace, unless it is `made` already, and the endpoints, and writes them
    /// into `next`. Blocking.
    pub(super) fn set_up_network(
        &self,
        next: &mut Container,
        made: Option<Netns>,
        donors: &Donors,
    ) -> Result<SetUp> {
        if let Some(name) = next.host_config.network_mode.strip_prefix("container:") {
            return self.join_network(name, donors);
        }
        let failed = |error: corten_network::NetworkError| EngineError::NetworkSetUp {
            message: messages::network_setup(corten_base::chain(&error)),
            kind: corten_base::KindOf::kind(&error),
        };
        let linked = self.linked(next)?;
        let host = next.host_config.network_mode == "host";
        let netns = match (host, made) {
            (true, _) => None,
            (false, Some(made)) => Some(made),
            (false, None) => Some(self.networks.sandbox().map_err(failed)?),
        };
        let mut settings = NetworkSettings {
            networks: next.network_settings.networks.clone(),
            ..NetworkSettings::default()
        };
        let mut addresses = Vec::new();
        let published = match host {
            true => Vec::new(),
            false => self.publishes_now(next)?,
        };
        // By name, as dockerd: neither the mode's own network nor a priority comes first.
        for (name, endpoint) in &mut settings.networks {
            step("start.connect");
            let mut request = endpoint_request(next, name, &endpoint.config, published.clone())?;
            if name == "bridge" {
                request.linked_ports = linked.iter().flat_map(|it| it.ports()).collect();
            }
            let made = self
                .networks
                .connect(netns.as_ref(), &request)
                .map_err(failed)?;
            addresses.extend(made.ipv4.map(IpAddr::V4));
            addresses.extend(made.ipv6.map(IpAddr::V6));
            *endpoint = endpoint_settings(&endpoint.config, &made);
        }
        let id = next.id.to_string();
        let names = self.networks.needs_names(&id);
        if let (true, Some(netns)) = (names, &netns) {
            step("start.names");
            let request = self.names_request(next)?;
            self.networks.serve_names(netns, &request).map_err(failed)?;
        }
        settings.sandbox_id = corten_base::Id::random().to_string();
        // The process that holds the namespace is known when it runs; see `start`.
        settings.sandbox_key = "/proc/self/ns/net".into();
        settings.linked_environment = linked
            .iter()
            .flat_map(|it| it.environment(&next.name))
            .collect();
        if !host {
            settings.ports = ports(next, &self.networks.ports(&id));
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
            links: linked.iter().map(|it| it.hosts_entry()).collect(),
            names,
        })
    }

    fn join_network(&self, name: &str, donors: &Donors) -> Result<SetUp> {
        let other = self
            .table
            .find(name)
            .map_err(|error| EngineError::Failed(messages::join_network_missing(error)))?
            .record();
        let Some(process) = donors.get(&other.id) else {
            let state = match other.state.has_process() {
                true => Status::Exited,
                false => other.state.status,
            };
            return Err(EngineError::Conflict(messages::join_network_stopped(
                name, state,
            )));
        };
        let mut set_up = SetUp {
            shared: true,
            files_of: Some(other.files_directory.clone()),
            ..SetUp::default()
        };
        if other.host_config.network_mode != "host" {
            let opened = process.namespace("net");
            set_up.netns = Some(opened.map_err(|error| {
                EngineError::Failed(messages::network_setup(corten_base::chain(&error)))
            })?);
        }
        Ok(set_up)
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
        let driver = match self.networks.driver(&id) {
            Ok(driver) => driver.as_str().to_owned(),
            Err(_) => "bridge".to_owned(),
        };
        let attributes = [
            ("container", record.id.to_string()),
            ("name", network.to_owned()),
            ("type", driver),
        ];
        let attributes = attributes
            .map(|(key, value)| (key.to_owned(), value))
            .into();
        self.events
            .publish(EventKind::Network, action, id, attributes);
    }
}

/// The network namespace of a container's first process; `None`: the host's.
pub(super) fn namespace(record: &Container, process: &FirstProcess) -> Result<Option<Netns>> {
    if record.host_config.network_mode == "host" {
        return Ok(None);
    }
    let failed = |error: &dyn std::error::Error| {
        EngineError::Failed(messages::network_setup(corten_base::chain(error)))
    };
    let namespace = process.namespace("net").map_err(|error| failed(&error))?;
    let namespace = Netns::from_fd(namespace).map_err(|error| failed(&error))?;
    Ok(Some(namespace))
}

/// The container does not run any more: what was asked for stays, what it had goes.
pub(crate) fn cleared(settings: &NetworkSettings) -> NetworkSettings {
    let networks = settings.networks.iter().map(|(name, endpoint)| {
        let kept = EndpointSettings {
            config: endpoint.config.clone(),
            network_id: endpoint.network_id,
            dns_names: endpoint.dns_names.clone(),
            ..EndpointSettings::default()
        };
        (name.clone(), kept)
    });
    NetworkSettings {
        networks: networks.collect(),
        ..NetworkSettings::default()
    }
}
