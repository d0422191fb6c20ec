//! `--link` on the default bridge: names in /etc/hosts, variables in the environment, and
//! ports that stay open where the network keeps its containers apart.
//!
//! A container's record keeps its links as an inspection shows them,
//! `/child:/parent/alias`.

use super::endpoint::parse_link;
use crate::{Engine, EngineError, Result, messages};
use corten_model::{Container, HostConfig, Port, Protocol};
use corten_network::LinkedPort;
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

/// What containers are called by those that have links to them: `/parent/alias`.
pub(super) type LinkNames = HashMap<String, Vec<String>>;

/// The network on which links work this way.
const DEFAULT_BRIDGE: &str = "bridge";

/// A container that another one knows by a name.
pub(super) struct Linked {
    pub(super) alias: String,
    pub(super) child: Arc<Container>,
    address: Ipv4Addr,
}

impl Linked {
    /// The line in /etc/hosts: alias, host name, name.
    pub(super) fn hosts_entry(&self) -> (IpAddr, Vec<String>) {
        let mut names = vec![self.alias.clone(), self.child.config.hostname.clone()];
        if self.alias != self.child.name {
            names.push(self.child.name.clone());
        }
        (self.address.into(), names)
    }

    /// What the other container exposes.
    pub(super) fn ports(&self) -> Vec<LinkedPort> {
        let port = |port: &Port| LinkedPort {
            address: self.address,
            protocol: match port.protocol {
                Protocol::Tcp => corten_network::Protocol::Tcp,
                Protocol::Udp => corten_network::Protocol::Udp,
                Protocol::Sctp => corten_network::Protocol::Sctp,
            },
            port: port.number,
        };
        self.child.config.exposed_ports.iter().map(port).collect()
    }

    /// dockerd: `ALIAS_PORT_80_TCP=…` for each exposed port, `ALIAS_ENV_…` for each variable.
    pub(super) fn environment(&self, parent: &str) -> Vec<String> {
        let name = self.alias.to_uppercase().replace('-', "_");
        let mut exposed: Vec<&Port> = self.child.config.exposed_ports.iter().collect();
        exposed.sort_by_key(|port| (port.number, port.protocol != Protocol::Tcp));
        let address = self.address;
        let url = |port: &Port| format!("{}://{address}:{}", port.protocol, port.number);
        let prefix = |port: &Port| {
            let protocol = port.protocol.to_string().to_uppercase();
            format!("{name}_PORT_{}_{protocol}", port.number)
        };
        let mut list = Vec::new();
        if let Some(first) = exposed.first() {
            list.push(format!("{name}_PORT={}", url(first)));
        }
        let mut run: Vec<&Port> = Vec::new();
        for (index, port) in exposed.iter().enumerate() {
            let prefix_of = prefix(port);
            list.push(format!("{prefix_of}={}", url(port)));
            list.push(format!("{prefix_of}_ADDR={address}"));
            list.push(format!("{prefix_of}_PORT={}", port.number));
            list.push(format!("{prefix_of}_PROTO={}", port.protocol));
            let follows = run.last().is_some_and(|last| {
                port.number == last.number + 1 && port.protocol == last.protocol
            });
            if follows {
                run.push(port);
                if index + 1 < exposed.len() {
                    continue;
                }
            }
            if let [first, .., last] = run[..] {
                let prefix = prefix(first);
                list.push(format!("{prefix}_START={}", url(first)));
                list.push(format!("{prefix}_PORT_START={}", first.number));
                list.push(format!("{prefix}_END={}", url(last)));
                list.push(format!("{prefix}_PORT_END={}", last.number));
            }
            run = vec![port];
        }
        list.push(format!("{name}_NAME=/{parent}/{}", self.alias));
        for variable in self.child.config.env.iter().flatten() {
            if let Some((key, value)) = variable.split_once('=')
                && !["HOME", "PATH"].contains(&key)
            {
                list.push(format!("{name}_ENV_{key}={value}"));
            }
        }
        list
    }
}

impl Engine {
    /// At creation: the links as the record keeps them.
    pub(super) fn register_links(&self, host_config: &mut HostConfig, parent: &str) -> Result<()> {
        let Some(links) = host_config.links.take().filter(|it| !it.is_empty()) else {
            return Ok(());
        };
        if host_config.network_mode == "host" {
            return Err(EngineError::Invalid(messages::links_and_host_network()));
        }
        let mut kept = Vec::new();
        for link in &links {
            let (name, alias) = parse_link(link)?;
            let child = self.table.find(&name);
            let child = child
                .map_err(|error| EngineError::Invalid(messages::link_missing(&name, error)))?;
            let child = child.record();
            if child.host_config.network_mode == "host" {
                return Err(EngineError::Invalid(messages::links_and_host_network()));
            }
            kept.push(format!("/{}:/{parent}/{alias}", child.name));
        }
        host_config.links = Some(kept);
        Ok(())
    }

    /// At start, on the default bridge: who is linked. All of them must run.
    pub(super) fn linked(&self, record: &Container) -> Result<Vec<Linked>> {
        let networks = &record.network_settings.networks;
        if !networks.contains_key(DEFAULT_BRIDGE) {
            return Ok(Vec::new());
        }
        let mut all = Vec::new();
        for link in record.host_config.links.iter().flatten() {
            let (name, alias) = parse_link(link)?;
            let stopped =
                || EngineError::Invalid(messages::link_not_running(&name, &record.name, &alias));
            let child = self.table.find(&name).map_err(|_| stopped())?.record();
            if !child.state.has_process() {
                return Err(stopped());
            }
            let endpoint = child.network_settings.networks.get(DEFAULT_BRIDGE);
            if let Some(address) = endpoint.and_then(|it| it.ip_address) {
                all.push(Linked {
                    alias,
                    child,
                    address,
                });
            }
        }
        Ok(all)
    }

    /// `/parent/alias` for each link, by the name of the container it leads to.
    pub(super) fn link_names(&self) -> LinkNames {
        let mut names = LinkNames::new();
        for handle in self.table.all() {
            let record = handle.record();
            let links = record.host_config.links.iter().flatten();
            for (target, name) in links.filter_map(|link| link.strip_prefix('/')?.split_once(':')) {
                names
                    .entry(target.to_owned())
                    .or_default()
                    .push(name.to_owned());
            }
        }
        names.values_mut().for_each(|names| names.sort());
        names
    }

    /// `rm --link parent/alias`: the other container stays, the name goes.
    pub(super) async fn remove_link(self: &Arc<Self>, text: &str) -> Result<()> {
        let missing = || EngineError::NoSuchContainer(text.to_owned());
        let bare = text.trim_start_matches('/');
        let Some((parent, alias)) = bare.split_once('/') else {
            self.table.find(bare)?;
            return Err(EngineError::Failed(messages::remove_link()));
        };
        let handle = self.table.find(parent).map_err(|_| missing())?;
        let _owner = handle.lock.lock().await;
        let record = handle.record();
        let end = format!(":/{}/{alias}", record.name);
        let mut links = record.host_config.links.clone().unwrap_or_default();
        let before = links.len();
        links.retain(|it| !it.ends_with(&end));
        if links.len() == before {
            return Err(missing());
        }
        let mut next = Container::clone(&record);
        next.host_config.links = Some(links).filter(|it| !it.is_empty());
        let next = handle.replace(next);
        self.save_later(next).await
    }

    /// A container has another name: the links that speak of it do, too.
    pub(super) async fn rename_links(self: &Arc<Self>, old: &str, new: &str) -> Result<()> {
        for handle in self.table.all() {
            let renamed = |links: &Vec<String>| -> Vec<String> {
                let child = format!("/{old}:");
                let parent = format!(":/{old}/");
                let rename = |link: &String| match link.strip_prefix(&child) {
                    Some(rest) => format!("/{new}:{rest}"),
                    None => link.replacen(&parent, &format!(":/{new}/"), 1),
                };
                links.iter().map(rename).collect()
            };
            let before = handle.record().host_config.links.clone();
            let after = before.as_ref().map(renamed);
            if before == after {
                continue;
            }
            let owner = handle.lock.lock().await;
            let mut next = Container::clone(&handle.record());
            next.host_config.links = next.host_config.links.as_ref().map(renamed);
            let next = handle.replace(next);
            drop(owner);
            self.save_later(next).await?;
        }
        Ok(())
    }

    /// A linked container runs again, perhaps with another address: those that know it by a
    /// name learn it. Blocking.
    pub(super) fn tell_parents(&self, child: &Container) {
        let endpoint = child.network_settings.networks.get(DEFAULT_BRIDGE);
        let Some(address) = endpoint.and_then(|it| it.ip_address) else {
            return;
        };
        for name in self.link_names().remove(&child.name).unwrap_or_default() {
            let Some((parent, alias)) = name.trim_start_matches('/').split_once('/') else {
                continue;
            };
            let Ok(parent) = self.table.find(parent) else {
                continue;
            };
            let parent = parent.record();
            if parent.state.has_process() {
                super::network_files::replace_name(&parent, alias, address.into());
            }
        }
    }
}
