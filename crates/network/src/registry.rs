//! What is known: networks, endpoints, addresses, ports. Pure bookkeeping under one lock
//! that is not held across calls to the kernel, but for binding the sockets of ports.

use crate::{
    Driver, Endpoint, IpamConfig, NamesRequest, NetworkError, NetworkInfo, PublishRequest,
    firewall::{Contents, GuardedFamily, GuardedNetwork, Published},
    ipam::Subnet,
    messages::Refusal,
    options::{self, BridgeOptions, GatewayMode},
    ports::PortTable,
    records::{Kept, NetworkRecord},
};
use corten_base::Id;
use ipnet::IpNet;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

/// A network with what is going on in it.
#[derive(Debug)]
pub(crate) struct Network {
    pub record: NetworkRecord,
    /// Options as read; those of a record that an older version wrote and this one would
    /// refuse count as not given.
    pub options: BridgeOptions,
    /// Empty for host and none.
    pub subnets: Vec<Pool>,
}

/// A subnet of a network.
#[derive(Debug)]
pub(crate) struct Pool {
    pub subnet: Subnet,
    pub gateway: Option<IpAddr>,
    /// Whether the user chose it, so that addresses may be chosen, too.
    pub chosen: bool,
}

/// An address with what belongs to it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Given {
    pub address: IpAddr,
    pub prefix_length: u8,
    pub gateway: Option<IpAddr>,
}

impl Pool {
    /// From a row of the network's configuration. Docker does not show a gateway that was
    /// not asked for beside a subnet that was: it is the range's first address.
    fn new(config: &IpamConfig, has_gateway: bool, chosen: bool) -> Option<Self> {
        let net: IpNet = config.subnet.parse().ok()?;
        let mut subnet = Subnet::new(net, config.ip_range.parse().ok());
        let gateway = match config.gateway.parse() {
            Ok(gateway) => Some(gateway).inspect(|gateway| {
                subnet.take(*gateway);
            }),
            Err(_) if has_gateway => subnet.allocate(),
            Err(_) => None,
        };
        let auxiliary = config.auxiliary_addresses.values();
        for address in auxiliary.filter_map(|text| text.parse().ok()) {
            subnet.take(address);
        }
        Some(Self {
            subnet,
            gateway,
            chosen,
        })
    }
}

impl Network {
    /// From its record.
    pub fn new(record: NetworkRecord) -> Self {
        let info = &record.info;
        let options = BridgeOptions::parse(&info.options).unwrap_or_else(|error| {
            tracing::warn!(network = info.name, %error, "options that cannot be read");
            BridgeOptions::parse(&BTreeMap::new()).expect("no options are no wrong ones")
        });
        let rows = info.ipam.as_deref().unwrap_or_default();
        let pool = |config: &IpamConfig| {
            let ipv6 = config.subnet.contains(':');
            let wanted = if ipv6 {
                info.enable_ipv6
            } else {
                info.enable_ipv4
            };
            let has_gateway = options.mode(ipv6) != GatewayMode::Isolated;
            let chosen = record.is_chosen(config);
            wanted
                .then(|| Pool::new(config, has_gateway, chosen))
                .flatten()
        };
        let subnets = match info.config_only {
            false => rows.iter().filter_map(pool).collect(),
            true => Vec::new(),
        };
        Self {
            options,
            subnets,
            record,
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
        self.record.info.options.contains_key(options::DEFAULT)
    }

    /// Whether it leads to the outside.
    pub fn is_external(&self) -> bool {
        !self.record.info.internal && !matches!(self.driver(), Driver::Host | Driver::Null)
    }

    /// The largest packet, in bytes.
    pub fn mtu(&self, default: u32) -> u32 {
        self.options.mtu.unwrap_or(default)
    }

    /// The gateway of one family, if the network leads anywhere.
    pub fn gateway(&self, ipv6: bool) -> Option<IpAddr> {
        let mut pools = self.subnets.iter();
        pools.find_map(|pool| pool.gateway.filter(|it| it.is_ipv6() == ipv6))
    }

    /// The subnets of one family.
    pub fn pools(&self, ipv6: bool) -> impl Iterator<Item = &Pool> {
        let of_family = move |pool: &&Pool| matches!(pool.subnet.net(), IpNet::V6(_)) == ipv6;
        self.subnets.iter().filter(of_family)
    }

    /// Takes an address of one family, a certain one if it is given.
    pub fn take(&mut self, ipv6: bool, wanted: Option<IpAddr>) -> Result<Given, NetworkError> {
        let given = |pool: &Pool, address| Given {
            address,
            prefix_length: pool.subnet.net().prefix_len(),
            gateway: pool.gateway,
        };
        let of_family = |pool: &&mut Pool| matches!(pool.subnet.net(), IpNet::V6(_)) == ipv6;
        let mut pools = self.subnets.iter_mut().filter(of_family);
        if let Some(wanted) = wanted {
            let taken = pools
                .find(|pool| pool.subnet.contains(wanted))
                .and_then(|pool| pool.subnet.take(wanted).then(|| given(pool, wanted)));
            return taken
                .ok_or_else(|| NetworkError::Forbidden(Refusal("Address already in use".into())));
        }
        let found = pools.find_map(|pool| {
            let address = pool.subnet.allocate()?;
            Some(given(pool, address))
        });
        found.ok_or_else(|| NetworkError::NoAddresses {
            network: self.record.info.name.clone(),
            id: self.record.info.id,
            family: if ipv6 { "IPv6" } else { "IPv4" },
        })
    }

    /// Takes an address that an endpoint of an earlier run has.
    pub fn retake(&mut self, address: IpAddr) {
        self.subnets.iter_mut().for_each(|pool| {
            pool.subnet.take(address);
        });
    }

    /// Gives an address back.
    pub fn free(&mut self, address: IpAddr) {
        for pool in &mut self.subnets {
            pool.subnet.free(address);
        }
    }

    /// What the firewall has to know of it; nothing of what is no bridge.
    fn guarded(&self) -> Option<GuardedNetwork> {
        if *self.driver() != Driver::Bridge || self.record.bridge.is_empty() {
            return None;
        }
        let family = |ipv6| {
            let subnet = self.pools(ipv6).next()?.subnet.net();
            let host = match ipv6 {
                true => self.options.host_6.map(IpAddr::V6),
                false => self.options.host_4.map(IpAddr::V4),
            };
            Some(GuardedFamily {
                subnet,
                mode: self.options.mode(ipv6),
                host,
            })
        };
        Some(GuardedNetwork {
            bridge: self.record.bridge.clone(),
            families: [family(false), family(true)]
                .into_iter()
                .flatten()
                .collect(),
            masquerade: self.options.masquerade,
            icc: self.options.icc,
            internal: self.record.info.internal,
            trusted: self.options.trusted.clone(),
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
    /// What containers publish, by container ID.
    pub requests: BTreeMap<String, Vec<PublishRequest>>,
    /// Containers whose names lead to others while others bear them; see
    /// [`crate::Networks::stand_aside`].
    pub aside: BTreeSet<String>,
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

    /// What is to be kept of a container.
    pub fn kept(&self, container_id: &str) -> Kept {
        Kept {
            endpoints: self
                .endpoints
                .get(container_id)
                .cloned()
                .unwrap_or_default(),
            names: self.names.get(container_id).cloned(),
            publish: self.requests.get(container_id).cloned().unwrap_or_default(),
        }
    }

    /// Whether no other network has the bridge.
    pub fn check_bridge(&self, record: &NetworkRecord) -> Result<(), NetworkError> {
        let same =
            |other: &&Network| !record.bridge.is_empty() && other.record.bridge == record.bridge;
        match self.networks.values().find(same) {
            Some(other) => Err(NetworkError::Forbidden(Refusal(format!(
                "cannot create network {} ({bridge}): conflicts with network {} ({bridge}): networks have same bridge name",
                record.info.id,
                other.id(),
                bridge = record.bridge,
            )))),
            None => Ok(()),
        }
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
        let endpoints = || self.endpoints.values().flatten();
        Contents {
            networks: self
                .networks
                .values()
                .filter_map(Network::guarded)
                .collect(),
            ports: endpoints().flat_map(Published::of).collect(),
            links: endpoints().flat_map(crate::firewall::links_of).collect(),
            apart: endpoints()
                .filter(|endpoint| self.is_apart(endpoint))
                .map(|endpoint| endpoint.host_interface.clone())
                .collect(),
            forward_ours_only,
        }
    }

    /// Whether an endpoint is on a bridge that keeps its containers apart.
    pub fn is_apart(&self, endpoint: &Endpoint) -> bool {
        let network = self.networks.get(&endpoint.network_id);
        network.is_some_and(|it| *it.driver() == Driver::Bridge && !it.options.icc)
    }

    /// What the firewall has to know of one network.
    pub fn guarded(&self, network: Id) -> Option<GuardedNetwork> {
        self.networks.get(&network)?.guarded()
    }

    /// The records of all networks.
    pub fn network_records(&self) -> Vec<NetworkRecord> {
        self.networks
            .values()
            .map(|network| network.record.clone())
            .collect()
    }
}
