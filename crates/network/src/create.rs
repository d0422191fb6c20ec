//! Networks that users make, and their end.

use crate::{
    Driver, IpamConfig, NetworkError, NetworkInfo, NetworkRequest, Networks,
    defaults::first_address,
    ipam,
    messages::{self, Refusal},
    records::NetworkRecord,
    registry::{Network, OPTION_NAME},
};
use corten_base::{Id, Timestamp};
use ipnet::{IpNet, Ipv4Net};
use std::{collections::BTreeMap, net::Ipv4Addr};

/// Names that belong to the networks that are always there.
const PREDEFINED: [&str; 4] = ["bridge", "host", "none", "default"];

impl Networks {
    /// Makes a network.
    pub fn create(&self, request: &NetworkRequest) -> Result<NetworkInfo, NetworkError> {
        check(request)?;
        self.registry().check_name(&request.name)?;
        let id = Id::random();
        let (ipam, subnet_chosen) = self.settle_subnet(request)?;
        let bridge = request.options.get(OPTION_NAME).cloned();
        let bridge = bridge.unwrap_or_else(|| format!("br-{}", id.short()));
        let info = NetworkInfo {
            id,
            name: request.name.clone(),
            created: Timestamp::now(),
            driver: Driver::Bridge,
            enable_ipv4: true,
            enable_ipv6: false,
            internal: request.internal,
            attachable: request.attachable,
            config_only: false,
            config_from: String::new(),
            ipam_driver: "default".into(),
            ipam_options: Some(request.ipam_options.clone().unwrap_or_default()),
            ipam: Some(vec![ipam]),
            options: request.options.clone(),
            labels: request.labels.clone(),
            endpoints: BTreeMap::new(),
        };
        let record = NetworkRecord {
            info: info.clone(),
            bridge,
            owned: true,
            subnet_chosen,
        };
        let records = {
            let mut registry = self.registry();
            // Again, under the lock that also adds it.
            registry.check_name(&request.name)?;
            registry.networks.insert(id, Network::new(record.clone()));
            registry.network_records()
        };
        let made = self
            .records
            .keep_networks(records)
            .and_then(|()| self.restore_bridge(&record))
            .and_then(|()| self.restore_firewall());
        if let Err(error) = made {
            if let Err(second) = self.forget(id) {
                tracing::warn!(error = %second, "taking back a half-made network");
            }
            return Err(error);
        }
        Ok(info)
    }

    /// Removes a network without endpoints.
    pub fn remove(&self, name_or_id: &str) -> Result<NetworkInfo, NetworkError> {
        let info = {
            let registry = self.registry();
            let network = registry.find(name_or_id)?;
            let name = network.name();
            if *network.driver() != Driver::Bridge || network.is_default_bridge() {
                let text = format!("{name} is a pre-defined network and cannot be removed");
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

    fn forget(&self, id: Id) -> Result<(), NetworkError> {
        let (network, records) = {
            let mut registry = self.registry();
            let Some(network) = registry.networks.remove(&id) else {
                return Ok(());
            };
            (network, registry.network_records())
        };
        let kept = self.records.keep_networks(records);
        let firewall = self.restore_firewall();
        let link = if network.record.owned {
            self.host
                .delete_link(&network.record.bridge)
                .map_err(|source| NetworkError::Kernel {
                    network: network.name().to_owned(),
                    step: "deleting the bridge",
                    source,
                })
        } else {
            Ok(())
        };
        kept.and(firewall).and(link)
    }

    /// The wanted subnet, or the first free one of the pools.
    fn settle_subnet(&self, request: &NetworkRequest) -> Result<(IpamConfig, bool), NetworkError> {
        let others = self.registry().network_records();
        let Some(wanted) = request.ipam.iter().find(|config| !config.subnet.is_empty()) else {
            let used = self.used_subnets(&others, "")?;
            let subnet = ipam::choose(&self.pools(), &used)?;
            let (subnet, gateway) = (subnet.to_string(), first_address(subnet).to_string());
            return Ok((
                IpamConfig {
                    subnet,
                    gateway,
                    ..Default::default()
                },
                false,
            ));
        };
        let net: Ipv4Net = wanted
            .subnet
            .parse()
            .map_err(|_| refused_subnet(&wanted.subnet))?;
        let taken = others
            .iter()
            .flat_map(|record| record.info.ipam.iter().flatten());
        let taken = taken.filter_map(|config| config.subnet.parse::<Ipv4Net>().ok());
        if taken
            .into_iter()
            .any(|other| ipam::overlap(net, other.trunc()))
        {
            return Err(NetworkError::Forbidden(Refusal(
                "invalid pool request: Pool overlaps with other one on this address space".into(),
            )));
        }
        let edges = [net.network(), net.broadcast()];
        if net.prefix_len() < 31
            && let Ok(gateway) = wanted.gateway.parse::<Ipv4Addr>()
            && edges.contains(&gateway)
        {
            return Err(NetworkError::GatewayTaken { gateway });
        }
        Ok((wanted.clone(), true))
    }
}

fn invalid(text: impl Into<String>) -> NetworkError {
    NetworkError::Invalid(Refusal(text.into()))
}

fn refused_subnet(text: &str) -> NetworkError {
    invalid(format!(
        "invalid network config:\ninvalid subnet {text}: invalid CIDR block notation"
    ))
}

/// What Docker refuses, and what this build does not do.
fn check(request: &NetworkRequest) -> Result<(), NetworkError> {
    let name = request.name.as_str();
    if name.trim().is_empty() {
        return Err(invalid("invalid name: name is empty"));
    }
    if PREDEFINED.contains(&name) {
        let text = format!("operation is not permitted on predefined {name} network ");
        return Err(NetworkError::Forbidden(Refusal(text)));
    }
    match request.driver.as_str() {
        "" | "bridge" | "default" => {}
        driver @ ("host" | "null") => {
            let text = format!("only one instance of {driver:?} network is allowed");
            return Err(NetworkError::Forbidden(Refusal(text)));
        }
        driver => {
            return Err(NetworkError::NoSuchDriver {
                name: driver.into(),
            });
        }
    }
    let unsupported = |text: &str| Err(NetworkError::Unsupported(Refusal(text.into())));
    if request.enable_ipv6 == Some(true) {
        return unsupported(
            "IPv6 networks are not supported yet: create the network without --ipv6",
        );
    }
    if request.enable_ipv4 == Some(false) {
        return unsupported("networks without IPv4 are not supported yet");
    }
    let ipam_driver = request.ipam_driver.as_str();
    if !matches!(ipam_driver, "" | "default") {
        return Err(NetworkError::NoSuchDriver {
            name: ipam_driver.into(),
        });
    }
    check_ipam(&request.ipam)
}

fn check_ipam(all: &[IpamConfig]) -> Result<(), NetworkError> {
    let mut problems: Vec<String> = all.iter().flat_map(problems_of).collect();
    if all.len() > 1 {
        problems.push("several subnets on one network are not supported yet".into());
    }
    if problems.is_empty() {
        return Ok(());
    }
    Err(invalid(messages::problems(
        "invalid network config",
        &problems,
    )))
}

fn problems_of(config: &IpamConfig) -> Vec<String> {
    let mut problems = Vec::new();
    let net = match config.subnet.parse::<IpNet>() {
        Ok(IpNet::V4(net)) => net,
        Ok(IpNet::V6(net)) => {
            return vec![format!(
                "invalid subnet {net}: IPv6 networks are not supported yet"
            )];
        }
        Err(_) => {
            return vec![format!(
                "invalid subnet {}: invalid CIDR block notation",
                config.subnet
            )];
        }
    };
    if net != net.trunc() {
        problems.push(format!(
            "invalid subnet {net}: it should be {}",
            net.trunc()
        ));
    }
    let inside = |text: &str| text.parse().map(|address: Ipv4Addr| net.contains(&address));
    let outside = format!("parent subnet {net} doesn't contain this address");
    if !config.gateway.is_empty() {
        match inside(&config.gateway) {
            Ok(true) => {}
            Ok(false) => problems.push(format!("invalid gateway {}: {outside}", config.gateway)),
            Err(_) => problems.push(format!(
                "invalid gateway {}: invalid address",
                config.gateway
            )),
        }
    }
    for (name, text) in &config.auxiliary_addresses {
        match inside(text) {
            Ok(true) => {}
            Ok(false) => problems.push(format!("invalid auxiliary address {name}: {outside}")),
            Err(_) => problems.push(format!("invalid auxiliary address {name}: invalid address")),
        }
    }
    if !config.ip_range.is_empty() {
        let range = &config.ip_range;
        match range.parse::<Ipv4Net>() {
            Ok(part) if net.contains(&part) => {}
            Ok(_) => problems.push(format!(
                "invalid ip-range {range}: parent subnet {net} doesn't contain ip-range"
            )),
            Err(_) => {
                problems.push(format!(
                    "invalid ip-range {range}: invalid CIDR block notation"
                ));
            }
        }
    }
    problems
}
