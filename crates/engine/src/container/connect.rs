//! `POST /networks/{id}/connect` and `/disconnect`, for containers that run and for those
//! that do not.
//!
//! ```text
//! connect:    endpoint in the kernel ─▶ record ─▶ hosts, resolv.conf ─▶ event
//! disconnect: endpoint out of the kernel ─▶ record ─▶ hosts ─▶ event
//! ```
//! A daemon that dies between endpoint and record has answered nobody: its successor takes
//! an endpoint away that the record does not name, and a network out of the record that the
//! container has no endpoint in.

use super::{
    endpoint::{dns_names, endpoint_request, endpoint_settings, parse_link},
    network::namespace,
    network_files,
    ports::ports,
    process::FirstProcess,
};
use crate::{Engine, EngineError, Result, handle::Handle, messages};
use corten_base::step;
use corten_model::{Container, EndpointConfig, EndpointSettings, Status};
use corten_network::{Driver, Endpoint, NetworkError, NetworkInfo};
use std::{net::IpAddr, sync::Arc};

/// What stands above a list of problems.
pub(super) const PROBLEMS: &str = "invalid endpoint settings";

impl Engine {
    /// `POST /networks/{id}/connect`.
    pub async fn network_connect(
        self: &Arc<Self>,
        network: &str,
        container: &str,
        config: EndpointConfig,
    ) -> Result<()> {
        if container.is_empty() {
            return Err(EngineError::Invalid(messages::empty_name()));
        }
        // dockerd: a container that is not there is told before a network that is not.
        let handle = self.table.find(container)?;
        let network = self.networks.inspect(network)?;
        let _owner = handle.lock.lock().await;
        let record = handle.record();
        self.may_connect(&record, &network, &config)?;
        let id = record.id.to_string();
        if !record.state.has_process() {
            // dockerd: what was asked for first stays.
            if record.network_settings.networks.contains_key(&network.name) {
                return Ok(());
            }
            let mut next = Container::clone(&record);
            let names = dns_names(
                next.id,
                &next.name,
                &next.config.hostname,
                &network,
                &config,
            );
            next.network_settings.networks.insert(
                network.name,
                EndpointSettings {
                    config,
                    dns_names: names,
                    ..EndpointSettings::default()
                },
            );
            let next = handle.replace(next);
            return self.save_later(next).await;
        }
        let process = handle.first_process().await?;
        let process =
            process.ok_or_else(|| EngineError::Conflict(messages::not_running(record.id)))?;
        let engine = self.clone();
        let (before, info) = (record.clone(), network.clone());
        let next = self
            .pool
            .run(move || {
                let next = engine.connect_now(&before, &process, &info, config)?;
                step("network-connect.record");
                match engine.save(&next) {
                    Ok(()) => Ok(next),
                    Err(error) => {
                        engine.disconnect_now(&before, &info.name);
                        Err(error)
                    }
                }
            })
            .await?;
        step("network-connect.done");
        let next = handle.replace(next);
        tracing::debug!(container = id, network = network.name, "connected");
        self.network_event(&next, &network.name, "connect");
        Ok(())
    }

    /// What Docker refuses, in its words.
    fn may_connect(
        &self,
        record: &Container,
        network: &NetworkInfo,
        config: &EndpointConfig,
    ) -> Result<()> {
        if record.state.status == Status::Removing {
            return Err(EngineError::Conflict(messages::connect_removing(record.id)));
        }
        let invalid = |sentence| Err(EngineError::Invalid(sentence));
        let mac = &config.mac_address;
        if !mac.is_empty() && mac.parse::<corten_network::MacAddress>().is_err() {
            return invalid(messages::invalid_mac_address(mac));
        }
        for link in config.links.iter().flatten() {
            parse_link(link)?;
        }
        let mode = record.host_config.network_mode.as_str();
        if mode == "host" && network.driver == Driver::Host {
            return Ok(());
        }
        if mode == "host" || mode.starts_with("container:") {
            return invalid(messages::connect_shared());
        }
        if network.driver == Driver::Host {
            return invalid(messages::connect_to_host());
        }
        let others = record.network_settings.networks.keys();
        let private = |name: &str| name == "none";
        let mut others = others.filter(|it| **it != network.name).peekable();
        if others.peek().is_some() && (private(&network.name) || others.any(|it| private(it))) {
            return invalid(messages::connect_private());
        }
        let problems = self.endpoint_problems(network, config)?;
        if !problems.is_empty() {
            let problems = corten_network::messages::problems(PROBLEMS, &problems);
            return invalid(messages::plain(problems));
        }
        if record.state.has_process()
            && record.network_settings.networks.contains_key(&network.name)
        {
            return Err(EngineError::Forbidden(messages::already_connected(
                &record.name,
                &network.name,
            )));
        }
        Ok(())
    }

    /// The record with the endpoint in it. Blocking.
    fn connect_now(
        &self,
        record: &Container,
        process: &FirstProcess,
        network: &NetworkInfo,
        config: EndpointConfig,
    ) -> Result<Container> {
        let netns = namespace(record, process)?;
        let id = record.id.to_string();
        let had_names = self.networks.needs_names(&id);
        let request =
            endpoint_request(record, &network.name, &config, self.publishes_now(record)?)?;
        step("network-connect.endpoint");
        let made = self
            .networks
            .connect(netns.as_ref(), &request)
            .map_err(|error| refused(error, &network.name))?;
        let mut next = Container::clone(record);
        let settings = &mut next.network_settings;
        settings
            .networks
            .insert(network.name.clone(), endpoint_settings(&config, &made));
        let done = match (&netns, had_names || !self.networks.needs_names(&id)) {
            (Some(netns), false) => self.names_request(record).and_then(|request| {
                self.networks.serve_names(netns, &request)?;
                let ipv6 = self
                    .networks
                    .endpoints(&id)
                    .iter()
                    .any(|it| it.ipv6.is_some());
                self.ask_embedded(record, ipv6)
            }),
            _ => Ok(()),
        };
        if let Err(error) = done {
            self.disconnect_now(record, &network.name);
            return Err(error);
        }
        next.network_settings.ports = ports(&next, &self.networks.ports(&id));
        network_files::add_addresses(&next, &addresses(&made));
        Ok(next)
    }

    /// `POST /networks/{id}/disconnect`.
    pub async fn network_disconnect(
        self: &Arc<Self>,
        network: &str,
        container: &str,
        force: bool,
    ) -> Result<()> {
        // Docker's order: of two unknown names, the container's is told.
        let found = match self.table.find(container) {
            Err(error) if !force => return Err(error),
            found => found,
        };
        let network = self.networks.inspect(network)?;
        let Ok(handle) = found else {
            return self.disconnect_stranger(network, container).await;
        };
        let _owner = handle.lock.lock().await;
        let record = handle.record();
        let name = network.name.as_str();
        if record.host_config.network_mode == "host" && network.driver == Driver::Host {
            return Err(EngineError::Invalid(messages::disconnect_from_host()));
        }
        let running = record.state.has_process();
        if !record.network_settings.networks.contains_key(name) {
            return Err(EngineError::Failed(match running {
                true => messages::not_connected(record.id, name),
                false => messages::not_connected_stopped(record.id, name),
            }));
        }
        if !running {
            let next = without(&record, name);
            let next = handle.replace(next);
            return self.save_later(next).await;
        }
        let engine = self.clone();
        let (before, owned) = (record.clone(), name.to_owned());
        let next = self.pool.run(move || {
            let id = before.id.to_string();
            let endpoints = engine.networks.endpoints(&id);
            let gone = endpoints.iter().find(|it| it.network_name == owned);
            let gone = gone.map(addresses).unwrap_or_default();
            step("network-disconnect.endpoint");
            engine.networks.disconnect(&id, &owned)?;
            let mut next = without(&before, &owned);
            next.network_settings.ports = ports(&next, &engine.networks.ports(&id));
            network_files::remove_addresses(&next, &gone);
            step("network-disconnect.record");
            engine.save(&next)?;
            Ok(next)
        });
        let next = next.await?;
        step("network-disconnect.done");
        self.network_event(&record, name, "disconnect");
        handle.replace(next);
        Ok(())
    }

    /// A container that is on no record, as a crash might leave it.
    async fn disconnect_stranger(
        self: &Arc<Self>,
        network: NetworkInfo,
        container: &str,
    ) -> Result<()> {
        let found = network
            .endpoints
            .values()
            .find(|it| it.container_name == container || it.container_id.starts_with(container));
        let Some(id) = found.map(|it| it.container_id.clone()) else {
            return Err(EngineError::NotFound(messages::no_endpoint(container)));
        };
        let engine = self.clone();
        self.pool
            .run(move || Ok(engine.networks.disconnect(&id, &network.id.to_string())?))
            .await
    }

    fn disconnect_now(&self, record: &Container, network: &str) {
        if let Err(error) = self.networks.disconnect(&record.id.to_string(), network) {
            let error = corten_base::chain(&error);
            tracing::warn!(container = %record.id, network, error, "half an endpoint stays");
        }
    }

    /// At the start of the daemon: endpoints of a container that runs, and its record, agree
    /// again. Those of one that has just ended are taken back with its end.
    pub(crate) async fn settle_endpoints(
        self: &Arc<Self>,
        handle: &Arc<Handle>,
        process: &FirstProcess,
    ) -> Result<()> {
        let _owner = handle.lock.lock().await;
        let record = handle.record();
        let mode = record.host_config.network_mode.as_str();
        if mode == "host" || mode.starts_with("container:") {
            return Ok(());
        }
        let Ok(links) = process.links() else {
            return Ok(());
        };
        let (engine, before) = (self.clone(), record.clone());
        let settled = self.pool.run(move || {
            let id = before.id.to_string();
            let mut next = Container::clone(&before);
            let made = engine.networks.endpoints(&id);
            let known = &before.network_settings.networks;
            for endpoint in made
                .iter()
                .filter(|it| !known.contains_key(&it.network_name))
            {
                let network = endpoint.network_name.as_str();
                tracing::info!(
                    container = id,
                    network,
                    "taking back what was half connected"
                );
                engine.disconnect_now(&before, network);
                network_files::remove_addresses(&before, &addresses(endpoint));
            }
            let whole = |it: &&Endpoint| it.interface.is_empty() || links.contains(&it.interface);
            for name in known.keys() {
                let found = made.iter().find(|it| it.network_name == *name);
                if found.is_some_and(|it| !whole(&it)) {
                    engine.disconnect_now(&before, name);
                }
                if found.filter(whole).is_none() {
                    tracing::info!(container = id, network = name, "finishing a disconnection");
                    next = without(&next, name);
                }
            }
            if next != *before {
                next.network_settings.ports = ports(&next, &engine.networks.ports(&id));
                engine.save(&next)?;
            }
            Ok(next)
        });
        handle.replace(settled.await?);
        Ok(())
    }
}

/// dockerd names the network in this sentence only when a container is created or started.
fn refused(error: NetworkError, network: &str) -> EngineError {
    let heading = format!("invalid config for network {network}: ");
    match error.to_string().strip_prefix(&heading) {
        Some(problems) => EngineError::Invalid(messages::plain(problems)),
        None => error.into(),
    }
}

fn without(record: &Container, network: &str) -> Container {
    let mut next = Container::clone(record);
    next.network_settings.networks.remove(network);
    next
}

fn addresses(endpoint: &Endpoint) -> Vec<IpAddr> {
    let ipv4 = endpoint.ipv4.map(IpAddr::V4);
    let ipv6 = endpoint.ipv6.map(IpAddr::V6);
    ipv4.into_iter().chain(ipv6).collect()
}
