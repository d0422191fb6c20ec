//! What is known: networks, endpoints, addresses, ports. Pure bookkeeping under one lock
//! that is not held across calls to the kernel, but for binding the sockets of ports.

use crate::{
    Driver, Endpoint, NamesRequest, NetworkError, NetworkInfo,
    defaults::first_address,
    firewall::{Contents, GuardedNetwork, Published},
    ipam::Subnet,
    messages::Refusal,
    ports::PortTable,
    records::NetworkRecord,
};
use corten_base::Id;
use ipnet::Ipv4Net;
use std::{collections::BTreeMap, net::Ipv4Addr};

/// `com.docker.network.bridge.…` and `com.docker.network.driver.…`
pub(crate) const OPTION_DEFAULT: &str = "com.docker.network.bridge.default_bridge";
pub(crate) const OPTION_ICC: &str = "com.docker.network.bridge.enable_icc";
pub(crate) const OPTION_MASQUERADE: &str = "com.docker.network.bridge.enable_ip_masquerade";
pub(crate) const OPTION_HOST_IP: &str = "com.docker.network.bridge.host_binding_ipv4";
pub(crate) const OPTION_NAME: &str = "com.docker.network.bridge.name";
pub(crate) const OPTION_MTU: &str = "com.docker.network.driver.mtu";

/// A network with what is going on in it.
#[derive(Debug)]
pub(crate) struct Network {
    pub record: NetworkRecord,
    /// `None` for host and none.
    pub subnet: Option<Subnet>,
    pub gateway: Option<Ipv4Addr>,
}

impl Network {
    /// From its record.
    pub fn new(record: NetworkRecord) -> Self {
        let config = record.info.ipam.as_deref().unwrap_or_default().first();
        let net: Option<Ipv4Net> = config.and_then(|config| config.subnet.parse().ok());
        let range = config.and_then(|config| config.ip_range.parse().ok());
        let gateway = config.and_then(|config| config.gateway.parse().ok());
        // Docker does not show a gateway that was not asked for beside a subnet that was.
        let gateway = gateway.or_else(|| net.map(|net| first_address(net.trunc())));
        let mut subnet = net.map(|net| Subnet::new(net.trunc(), range));
        if let Some(subnet) = &mut subnet {
            let auxiliary = config.map(|config| config.auxiliary_addresses.values());
            let auxiliary = auxiliary
                .into_iter()
                .flatten()
                .filter_map(|text| text.parse().ok());
            gateway.into_iter().chain(auxiliary).for_each(|address| {
                subnet.take(address);
            });
        }
        Self {
            record,
            subnet,
            gateway,
        }
    }

    pub fn id(&self) -> Id {
        self.record.info.id
    }

    pub fn name(&self) -> &str {
        &self.record.info.name
    }

    pub fn driver(&self) -> &Driver {
        &self.record.info.driver
    }

    /// Whether containers on it find each other by name.
    pub fn serves_names(&self) -> bool {
        !self.is_default_bridge() && !matches!(self.driver(), Driver::Host | Driver::Null)
    }

    pub fn is_default_bridge(&self) -> bool {
        self.record.info.options.contains_key(OPTION_DEFAULT)
    }

    /// Whether it leads to the outside.
    pub fn is_external(&self) -> bool {
        !self.record.info.internal && !matches!(self.driver(), Driver::Host | Driver::Null)
    }

    /// A switch among the driver's options, on unless it says otherwise.
    pub fn switch(&self, option: &str) -> bool {
        !matches!(
            self.record.info.options.get(option).map(String::as_str),
            Some("false" | "0" | "f" | "F" | "FALSE" | "False")
        )
    }

    /// The largest packet, in bytes.
    pub fn mtu(&self, default: u32) -> u32 {
        let option = self.record.info.options.get(OPTION_MTU);
        option
            .and_then(|text| text.parse().ok())
            .filter(|mtu| *mtu > 0)
            .unwrap_or(default)
    }

    fn guarded(&self) -> Option<GuardedNetwork> {
        let subnet = self.subnet.as_ref()?.net();
        Some(GuardedNetwork {
            bridge: self.record.bridge.clone(),
            subnet,
            masquerade: self.switch(OPTION_MASQUERADE),
            icc: self.switch(OPTION_ICC),
            internal: self.record.info.internal,
        })
    }
}

/// Everything.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    pub networks: BTreeMap<Id, Network>,
    /// By container ID, in the order they were made.
    pub endpoints: BTreeMap<String, Vec<Endpoint>>,
    pub ports: PortTable,
    /// How names are served, by container ID.
    pub names: BTreeMap<String, NamesRequest>,
}

impl Registry {
    /// Docker's order: the name, the whole ID, a prefix of the ID that only one has.
    pub fn find(&self, wanted: &str) -> Result<&Network, NetworkError> {
        let name = if wanted == "default" {
            "bridge"
        } else {
            wanted
        };
        let not_found = || NetworkError::NotFound {
            name: wanted.to_owned(),
        };
        if name.is_empty() {
            return Err(not_found());
        }
        if let Some(network) = self
            .networks
            .values()
            .find(|network| network.name() == name)
        {
            return Ok(network);
        }
        let mut matches = self
            .networks
            .values()
            .filter(|network| network.id().to_string().starts_with(name));
        match (matches.next(), matches.next()) {
            (Some(network), None) => Ok(network),
            (Some(_), Some(_)) => Err(NetworkError::Ambiguous {
                name: wanted.to_owned(),
            }),
            (None, _) => Err(not_found()),
        }
    }

    /// As `network inspect` shows it.
    pub fn info(&self, network: &Network) -> NetworkInfo {
        let mut info = network.record.info.clone();
        info.endpoints = self
            .endpoints_of(network.id())
            .map(|endpoint| (endpoint.container_id.clone(), endpoint.clone()))
            .collect();
        info
    }

    /// The endpoints of one network.
    pub fn endpoints_of(&self, network: Id) -> impl Iterator<Item = &Endpoint> {
        self.endpoints
            .values()
            .flatten()
            .filter(move |endpoint| endpoint.network_id == network)
    }

    /// Whether no other network has the name.
    pub fn check_name(&self, name: &str) -> Result<(), NetworkError> {
        if self.networks.values().any(|network| network.name() == name) {
            let text = format!("network with name {name} already exists");
            return Err(NetworkError::Conflict(Refusal(text)));
        }
        Ok(())
    }

    /// What the firewall's table has to hold.
    pub fn firewall(&self, forward_ours_only: bool) -> Contents {
        let published = |endpoint: &Endpoint| {
            endpoint
                .ipv4
                .map(|address| Published::of(&endpoint.ports, address))
                .unwrap_or_default()
        };
        Contents {
            networks: self
                .networks
                .values()
                .filter_map(Network::guarded)
                .collect(),
            ports: self
                .endpoints
                .values()
                .flatten()
                .flat_map(published)
                .collect(),
            forward_ours_only,
        }
    }

    /// The records of all networks.
    pub fn network_records(&self) -> Vec<NetworkRecord> {
        self.networks
            .values()
            .map(|network| network.record.clone())
            .collect()
    }
}
