//! /etc/resolv.conf, /etc/hostname and /etc/hosts of a container: written at its start,
//! and kept up when its networks change while it runs.

use super::network::SetUp;
use crate::{Engine, EngineError, Result, messages, spec::ContainerFiles};
use corten_model::Container;
use corten_network::{
    NamesRequest,
    files::{self, Hosts, ResolvConf},
};
use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
};

/// What a container's resolv.conf is made of.
pub(super) struct Resolver {
    host: String,
    path: &'static str,
    servers: Vec<IpAddr>,
    search: Vec<String>,
    options: Vec<String>,
}

impl Resolver {
    pub(super) fn input(&self, host_network: bool, embedded: bool, ipv6: bool) -> ResolvConf<'_> {
        ResolvConf {
            host: &self.host,
            host_path: self.path,
            servers: &self.servers,
            search: &self.search,
            options: &self.options,
            host_network,
            embedded,
            ipv6,
        }
    }
}

impl Engine {
    /// Writes the three files. Blocking.
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
        let resolver = self.resolver(next)?;
        let ipv6 = set_up.addresses.iter().any(IpAddr::is_ipv6);
        let input = resolver.input(set_up.netns.is_none(), set_up.names, ipv6);
        write(&directory.join("resolv.conf"), &files::resolv_conf(&input))?;
        write(
            &directory.join("hostname"),
            &files::hostname(&next.config.hostname),
        )?;
        write(&directory.join("hosts"), &self.hosts(next, set_up)?)?;
        Ok(paths)
    }

    pub(super) fn resolver(&self, record: &Container) -> Result<Resolver> {
        let chosen = |own: &Option<Vec<String>>, daemon: &[String]| match own.as_deref() {
            None | Some([]) => daemon.to_vec(),
            Some(own) => own.to_vec(),
        };
        let host_config = &record.host_config;
        let servers = chosen(&host_config.dns, &self.config.dns)
            .iter()
            .map(|it| {
                it.parse::<IpAddr>()
                    .map_err(|_| EngineError::Invalid(messages::invalid_dns(it)))
            })
            .collect::<Result<Vec<_>>>()?;
        let (host, path) = host_resolver(record.host_config.network_mode == "host");
        Ok(Resolver {
            host,
            path,
            servers,
            search: chosen(&host_config.dns_search, &self.config.dns_search),
            options: chosen(&host_config.dns_options, &self.config.dns_options),
        })
    }

    /// What the embedded name server is told.
    pub(super) fn names_request(&self, record: &Container) -> Result<NamesRequest> {
        let resolver = self.resolver(record)?;
        let input = resolver.input(false, true, true);
        Ok(NamesRequest {
            container_id: record.id.to_string(),
            servers: files::name_servers(&input),
            host_gateway: self.host_gateway(),
            ndots_set: files::sets_ndots(&input),
        })
    }

    fn host_gateway(&self) -> Vec<IpAddr> {
        match self.config.host_gateway {
            Some(address) => vec![address],
            None => self.networks.host_gateways(),
        }
    }

    fn hosts(&self, next: &Container, set_up: &SetUp) -> Result<String> {
        let host = match set_up.netns {
            Some(_) => None,
            None => fs::read_to_string("/etc/hosts").ok(),
        };
        files::hosts(&Hosts {
            hostname: &next.config.hostname,
            domainname: &next.config.domainname,
            addresses: set_up.addresses.clone(),
            extra: next.host_config.extra_hosts.as_deref().unwrap_or_default(),
            host_gateway: self.host_gateway(),
            host_file: host.as_deref(),
            links: set_up.links.clone(),
        })
        .map_err(|error| EngineError::Invalid(messages::plain(error)))
    }

    /// The container has gained a network where names are served: its resolv.conf asks the
    /// embedded server from now on. Blocking.
    pub(super) fn ask_embedded(&self, record: &Container, ipv6: bool) -> Result<()> {
        let resolver = self.resolver(record)?;
        let text = files::resolv_conf(&resolver.input(false, true, ipv6));
        write(&record.files_directory.join("resolv.conf"), &text)
    }
}

/// The host's settings and where they stand: a resolver of the host's own, which only the
/// host reaches, tells its servers elsewhere.
fn host_resolver(on_host: bool) -> (String, &'static str) {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let text = read(files::HOST_PATH);
    match files::host_path(&text) {
        other if other != files::HOST_PATH && !on_host => (read(other), other),
        _ => (text, files::HOST_PATH),
    }
}

/// Lines for the addresses of another network.
pub(super) fn add_addresses(record: &Container, addresses: &[IpAddr]) {
    let config = &record.config;
    let names = files::host_names(&config.hostname, &config.domainname);
    edit(record, |mut text| {
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        for address in addresses {
            text.push_str(&format!("{address}\t{names}\n"));
        }
        text
    });
}

/// The lines of addresses that are gone.
pub(super) fn remove_addresses(record: &Container, addresses: &[IpAddr]) {
    let config = &record.config;
    let own = files::host_names(&config.hostname, &config.domainname);
    let gone = |line: &str| {
        let mut words = line.split_whitespace();
        let address = words.next().and_then(|it| it.parse::<IpAddr>().ok());
        address.is_some_and(|it| addresses.contains(&it)) && words.eq(own.split_whitespace())
    };
    edit(record, |text| {
        let kept = text.lines().filter(|line| !gone(line));
        kept.map(|line| format!("{line}\n")).collect()
    });
}

/// Another address for a name.
pub(super) fn replace_name(record: &Container, name: &str, address: IpAddr) {
    let replaced = |line: &str| {
        let mut words = line.split_whitespace();
        let (_, first) = (words.next(), words.next());
        match (first == Some(name), line.split_once('\t')) {
            (true, Some((_, names))) => format!("{address}\t{names}\n"),
            _ => format!("{line}\n"),
        }
    };
    edit(record, |text| text.lines().map(replaced).collect());
}

/// The file is bound into the container: it is written in its place. What the user has done
/// to it meanwhile stays; a failure leaves it as it is.
fn edit(record: &Container, change: impl FnOnce(String) -> String) {
    let path: PathBuf = record.files_directory.join("hosts");
    let edited = fs::read_to_string(&path)
        .map(|text| (change(text.clone()), text))
        .and_then(|(new, old)| match new == old {
            true => Ok(()),
            false => fs::write(&path, new),
        });
    if let Err(error) = edited {
        tracing::warn!(path = %path.display(), %error, "a container's hosts are old");
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
