//! Networks that users make, and their end.

use crate::{
    Driver, IpamConfig, NetworkError, NetworkInfo, NetworkRequest, Networks,
    check_request::{PREDEFINED, check},
    drivers::Segment,
    ipam,
    messages::Refusal,
    options::{BridgeOptions, GatewayMode},
    records::NetworkRecord,
    registry::Network,
    remote_ipam::is_remote,
};
use corten_base::{Id, Timestamp, step::step};
use ipnet::IpNet;
use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{MutexGuard, PoisonError},
};

impl Networks {
    /// Makes a network.
    pub fn create(&self, request: &NetworkRequest) -> Result<NetworkInfo, NetworkError> {
        let request = &self.with_configuration(request)?;
        check(request)?;
        self.registry().check_name(&request.name)?;
        let id = Id::random();
        let changing = self.changing();
        let mut record = self.plan_network(id, request)?;
        step("network.create.links");
        let entered = self.enter(&mut record);
        let records = entered.inspect_err(|_| self.release_remote_subnets(&record))?;
        let kept = self.records.keep_networks(records);
        drop(changing);
        let made = kept
            .and_then(|()| {
                step("network.create.bridge");
                self.create_links(&record)
            })
            .and_then(|()| {
                step("network.create.firewall");
                self.guard(id)
            });
        step("network.create.done");
        if let Err(error) = made {
            if let Err(second) = self.forget(id) {
                tracing::warn!(error = %second, "taking back a half-made network");
            }
            return Err(error);
        }
        Ok(record.info)
    }

    fn changing(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a network into the books; all records that are to be kept then.
    fn enter(&self, record: &mut NetworkRecord) -> Result<Vec<NetworkRecord>, NetworkError> {
        if !record.info.config_only {
            // A driver may refuse, and may add to the record what it will need.
            self.driver_of(&record.info.driver)?.check(record)?;
        }
        let mut registry = self.registry();
        // Again, under the lock that also adds it.
        registry.check_name(&record.info.name)?;
        registry.check_bridge(record)?;
        let network = Network::new(record.clone());
        registry.networks.insert(record.info.id, network);
        Ok(registry.network_records())
    }

    fn create_links(&self, record: &NetworkRecord) -> Result<(), NetworkError> {
        if record.info.config_only {
            return Ok(());
        }
        let segment = Segment::new(&Network::new(record.clone()), self.config.mtu);
        self.driver_of(&record.info.driver)?.create(&segment)?;
        self.restore_bridge(record)
    }

    /// Removes a network without endpoints.
    pub fn remove(&self, name_or_id: &str) -> Result<NetworkInfo, NetworkError> {
        let info = {
            let registry = self.registry();
            let network = registry.find(name_or_id)?;
            let name = network.name();
            if PREDEFINED.contains(&name) {
                let text = format!("{name} is a pre-defined network and cannot be removed");
                return Err(NetworkError::Forbidden(Refusal(text)));
            }
            let used = |other: &Network| other.record.info.config_from == name;
            if network.record.info.config_only && registry.networks.values().any(used) {
                let text = format!(
                    "error while removing network: configuration network {name:?} is in use"
                );
                return Err(NetworkError::Forbidden(Refusal(text)));
            }
            let active: Vec<String> = registry
                .endpoints_of(network.id())
                .map(|e| format!("name:{:?} id:{:?}", e.container_name, e.endpoint_id.short()))
                .collect();
            if !active.is_empty() {
                return Err(NetworkError::Forbidden(Refusal(format!(
                    "error while removing network: network {name} has active endpoints ({})",
                    active.join(", ")
                ))));
            }
            registry.info(network)
        };
        self.forget(info.id)?;
        Ok(info)
    }

    /// Takes everything about a network back, in the order: record, rules, links.
    fn forget(&self, id: Id) -> Result<(), NetworkError> {
        let changing = self.changing();
        let (network, guarded, records) = {
            let mut registry = self.registry();
            let guarded = registry.guarded(id);
            let Some(network) = registry.networks.remove(&id) else {
                return Ok(());
            };
            (network, guarded, registry.network_records())
        };
        step("network.remove.record");
        let kept = self.records.keep_networks(records);
        drop(changing);
        step("network.remove.firewall");
        let firewall = guarded.map_or(Ok(()), |guarded| self.unguard(&guarded));
        step("network.remove.links");
        let link = match network.record.info.config_only {
            true => Ok(()),
            false => self
                .driver_of(network.driver())
                .and_then(|driver| driver.remove(&network.record)),
        };
        self.release_remote_subnets(&network.record);
        step("network.remove.done");
        kept.and(firewall).and(link)
    }

    /// The request with what the network named by `config_from` says in place.
    fn with_configuration(&self, request: &NetworkRequest) -> Result<NetworkRequest, NetworkError> {
        let mut request = request.clone();
        if request.config_from.is_empty() {
            return Ok(request);
        }
        let refuse = |text: &str| Err(NetworkError::Forbidden(Refusal(text.into())));
        if request.config_only {
            return refuse(
                "a configuration network cannot depend on another configuration network",
            );
        }
        let registry = self.registry();
        let source = registry.find(&request.config_from).ok();
        let Some(source) = source.filter(|source| source.record.info.config_only) else {
            let name = &request.config_from;
            let text = format!("configuration network {name:?} does not exist");
            return Err(NetworkError::NotFoundWord(Refusal(text)));
        };
        if !request.ipam.is_empty() || !matches!(request.ipam_driver.as_str(), "" | "default") {
            return refuse(
                "user specified configurations are not supported if the network depends on a configuration network",
            );
        }
        if !request.options.is_empty() {
            return refuse(
                "network driver options are not supported if the network depends on a configuration network",
            );
        }
        let info = &source.record.info;
        request.ipam_driver = info.ipam_driver.clone();
        request.ipam_options = info.ipam_options.clone();
        request.ipam = info.ipam.clone().unwrap_or_default();
        request.options = info.options.clone();
        request.enable_ipv4 = Some(info.enable_ipv4);
        request.enable_ipv6 = Some(info.enable_ipv6);
        for (label, value) in &info.labels {
            let labels = request.labels.entry(label.clone());
            labels.or_insert_with(|| value.clone());
        }
        request.config_from = info.name.clone();
        Ok(request)
    }

    /// Settles everything about a network that does not need the driver.
    fn plan_network(
        &self,
        id: Id,
        request: &NetworkRequest,
    ) -> Result<NetworkRecord, NetworkError> {
        let driver = match request.driver.as_str() {
            _ if request.config_only => Driver::Null,
            "" | "default" => Driver::Bridge,
            name => Driver::from(name.to_owned()),
        };
        let mut given = request.options.clone();
        let defaults = self.config.default_options.get(driver.as_str());
        for (name, value) in defaults.into_iter().flatten() {
            given.entry(name.clone()).or_insert_with(|| value.clone());
        }
        let options = match driver {
            Driver::Bridge | Driver::Macvlan | Driver::Ipvlan => BridgeOptions::parse(&given)?,
            _ => BridgeOptions::parse(&BTreeMap::new())?,
        };
        let info = NetworkInfo {
            id,
            name: request.name.clone(),
            created: Timestamp::now(),
            enable_ipv4: request.enable_ipv4.unwrap_or(true),
            enable_ipv6: request.enable_ipv6.unwrap_or(false),
            internal: request.internal,
            attachable: request.attachable,
            config_only: request.config_only,
            config_from: request.config_from.clone(),
            ipam_driver: match request.ipam_driver.as_str() {
                "" => "default".into(),
                name => name.to_owned(),
            },
            ipam_options: request.ipam_options.clone(),
            ipam: Some(request.ipam.clone()),
            options: given,
            labels: request.labels.clone(),
            endpoints: BTreeMap::new(),
            driver,
        };
        let bridge = match info.driver {
            Driver::Bridge => options
                .name
                .clone()
                .unwrap_or_else(|| format!("br-{}", id.short())),
            _ => String::new(),
        };
        let mut record = NetworkRecord {
            owned: info.driver == Driver::Bridge && !self.host.has_foreign_link(&bridge)?,
            bridge,
            subnet_chosen: request.ipam.iter().any(|row| !row.subnet.is_empty()),
            subnets_given: Vec::new(),
            parent: String::new(),
            remote_pools: Vec::new(),
            info,
        };
        match record.info.config_only {
            true => {}
            false if is_remote(&record.info.ipam_driver) => {
                self.settle_remote_subnets(&mut record)?;
            }
            false => self.settle_subnets(&mut record, &options)?,
        }
        Ok(record)
    }

    /// Checks the wanted subnets, and chooses one of the pools for a family that has none.
    fn settle_subnets(
        &self,
        record: &mut NetworkRecord,
        options: &BridgeOptions,
    ) -> Result<(), NetworkError> {
        let others = self.registry().network_records();
        let info = &mut record.info;
        let rows = info.ipam.get_or_insert_default();
        rows.retain(|row| !row.subnet.is_empty());
        let wanted: Vec<IpNet> = rows
            .iter()
            .filter_map(|row| row.subnet.parse().ok())
            .collect();
        let taken = subnets_of(&others);
        let used = |net: &IpNet| match net {
            IpNet::V4(_) => info.enable_ipv4,
            IpNet::V6(_) => info.enable_ipv6,
        };
        for (at, net) in wanted.iter().enumerate().filter(|(_, net)| used(net)) {
            let mut all = taken.iter().chain(&wanted[..at]);
            if all.any(|other| ipam::overlap(*net, *other)) {
                return Err(NetworkError::Forbidden(Refusal(
                    "invalid pool request: Pool overlaps with other one on this address space"
                        .into(),
                )));
            }
        }
        if info.driver == Driver::Bridge
            && [false, true].iter().any(|ipv6| {
                let of_family = |net: &&IpNet| matches!(net, IpNet::V6(_)) == *ipv6;
                wanted.iter().filter(of_family).count() > 1
            })
        {
            return Err(NetworkError::Forbidden(Refusal(
                "bridge driver doesn't support multiple subnets".into(),
            )));
        }
        for (ipv6, enabled) in [(false, info.enable_ipv4), (true, info.enable_ipv6)] {
            let has = wanted.iter().any(|net| matches!(net, IpNet::V6(_)) == ipv6);
            if !enabled || has {
                continue;
            }
            let used = self.used_subnets(&others, "")?;
            let subnet = ipam::choose(&self.pools(), ipv6, &used)?;
            let mut row = IpamConfig {
                subnet: subnet.to_string(),
                ..Default::default()
            };
            if options.mode(ipv6) != GatewayMode::Isolated {
                row.gateway = crate::defaults::first_address(subnet).to_string();
            }
            record.subnets_given.push(row.subnet.clone());
            let rows = info.ipam.get_or_insert_default();
            rows.push(row);
        }
        check_addresses(record)
    }
}

/// The subnets that networks have.
pub(crate) fn subnets_of(records: &[NetworkRecord]) -> Vec<IpNet> {
    let mut all = Vec::new();
    for info in records.iter().map(|record| &record.info) {
        let nets = info
            .ipam
            .iter()
            .flatten()
            .filter_map(|row| row.subnet.parse::<IpNet>().ok());
        all.extend(nets.map(|net| net.trunc()).filter(|net| match net {
            _ if info.config_only => false,
            IpNet::V4(_) => info.enable_ipv4,
            IpNet::V6(_) => info.enable_ipv6,
        }));
    }
    all
}

/// Gateways and auxiliary addresses have to be free.
fn check_addresses(record: &NetworkRecord) -> Result<(), NetworkError> {
    for row in record.info.ipam.iter().flatten() {
        let Ok(net) = row.subnet.parse::<IpNet>() else {
            continue;
        };
        let mut subnet = ipam::Subnet::new(net, row.ip_range.parse().ok());
        if let Ok(gateway) = row.gateway.parse::<IpAddr>() {
            if !subnet.take(gateway) {
                return Err(NetworkError::GatewayTaken { gateway });
            }
        } else {
            subnet.allocate();
        }
        for (name, text) in &row.auxiliary_addresses {
            if let Ok(address) = text.parse()
                && !subnet.take(address)
            {
                return Err(NetworkError::AuxiliaryTaken {
                    name: name.clone(),
                    address,
                });
            }
        }
    }
    Ok(())
}
