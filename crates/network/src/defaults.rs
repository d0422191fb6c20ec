//! The three networks that are always there, and the host's settings they need.

use crate::{
    AddressPool, Driver, IpamConfig, NetworkConfig, NetworkError, NetworkInfo, Networks,
    claim::Claim,
    drivers::Segment,
    host::{ALIAS, Host},
    ipam,
    messages::Refusal,
    networks::kernel,
    options,
    records::NetworkRecord,
    registry::Network,
};
use corten_base::{Id, Timestamp};
use ipnet::{IpNet, Ipv4Net};
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::Path,
};

const IP_FORWARD: &str = "/proc/sys/net/ipv4/ip_forward";
/// Stands in the exec root once we have switched forwarding on.
const FORWARD_MARK: &str = "forwarding-was-off";
/// Bridges when another engine has `docker0`: this and a number.
const FURTHER_BRIDGES: &str = "corten";

/// Switches forwarding on. True if it was off before us: then, as Docker does, what is
/// neither from nor to a container may still not pass.
pub(crate) fn enable_forwarding(config: &NetworkConfig) -> Result<bool, NetworkError> {
    let mark = config.exec_dir.join(FORWARD_MARK);
    if !config.ip_forward {
        return Ok(false);
    }
    let now = std::fs::read_to_string(IP_FORWARD).unwrap_or_default();
    if now.trim() == "1" {
        return Ok(mark.exists());
    }
    let failed = |path: &Path, source| NetworkError::File {
        step: "writing",
        path: path.to_owned(),
        source,
    };
    std::fs::write(&mark, "").map_err(|source| failed(&mark, source))?;
    std::fs::write(IP_FORWARD, "1").map_err(|source| failed(Path::new(IP_FORWARD), source))?;
    Ok(true)
}

impl Networks {
    /// Reads the records, adds what is missing, and puts the bridges into shape.
    pub(crate) fn restore_networks(&mut self) -> Result<(), NetworkError> {
        if self.config.bridge.is_empty() {
            let claim = claim_bridge(&self.host, &self.config.default_bridge_name)?;
            self.bridge_claim = Some(claim);
        }
        let mut records = self.records.networks()?;
        let kept = serde_json::to_string(&records).unwrap_or_default();
        let is_default =
            |record: &NetworkRecord| record.info.options.contains_key(options::DEFAULT);
        let before = records.iter().find(|record| is_default(record)).cloned();
        records.retain(|record| !is_default(record));
        for (name, driver) in [("none", Driver::Null), ("host", Driver::Host)] {
            if !records.iter().any(|record| record.info.driver == driver) {
                records.push(without_links(name, driver));
            }
        }
        if self.config.bridge != "none" {
            records.push(self.default_bridge(before, &records)?);
        }
        if serde_json::to_string(&records).unwrap_or_default() != kept {
            self.records.keep_networks(records.clone())?;
        }
        for record in records {
            if let Err(error) = self.restore_bridge(&record) {
                if record.info.options.contains_key(options::DEFAULT) {
                    return Err(error);
                }
                // A plugin that does not run yet, a link that was pulled out: the others are
                // not to suffer; who is connected to it is told.
                let (network, error) = (&record.info.name, corten_base::chain(&error));
                tracing::error!(network, error, "a network cannot be used now");
            }
            let network = Network::new(record);
            self.registry().networks.insert(network.id(), network);
        }
        Ok(())
    }

    /// Makes what a network needs on the host, or brings it back into shape.
    pub(crate) fn restore_bridge(&self, record: &NetworkRecord) -> Result<(), NetworkError> {
        let info = &record.info;
        if info.config_only || matches!(info.driver, Driver::Host | Driver::Null) {
            return Ok(());
        }
        if info.enable_ipv6 && self.config.ip_forward && !info.internal {
            enable_ipv6_forwarding();
        }
        let segment = Segment::new(&Network::new(record.clone()), self.config.mtu);
        self.driver_of(&info.driver)?.ensure(&segment)
    }

    /// The default bridge as the flags say; its ID and subnet stay over restarts.
    fn default_bridge(
        &self,
        before: Option<NetworkRecord>,
        others: &[NetworkRecord],
    ) -> Result<NetworkRecord, NetworkError> {
        let config = &self.config;
        let foreign = !config.bridge.is_empty();
        let name = if foreign {
            config.bridge.clone()
        } else {
            match &self.bridge_claim {
                Some(claim) => claim.name.clone(),
                None => config.default_bridge_name.clone(),
            }
        };
        let (subnet, gateway) = if foreign {
            address_of_link(&self.host, &name)?
        } else {
            self.default_subnet(before.as_ref(), &name, others)?
        };
        let gateway = match config.default_gateway {
            Some(std::net::IpAddr::V4(gateway)) => gateway,
            Some(_) | None => gateway,
        };
        let range = config
            .fixed_cidr
            .map(|net| net.to_string())
            .unwrap_or_default();
        let mut ipam = vec![IpamConfig {
            subnet: subnet.to_string(),
            ip_range: range,
            gateway: gateway.to_string(),
            auxiliary_addresses: BTreeMap::new(),
        }];
        if config.ipv6 {
            let mut row = self.default_subnet_6(before.as_ref(), &name, others)?;
            if let Some(gateway) = config.default_gateway_6 {
                row.gateway = gateway.to_string();
            }
            ipam.push(row);
        }
        let values = [
            (options::DEFAULT, "true".to_owned()),
            (options::ICC, config.icc.to_string()),
            (options::MASQUERADE, config.ip_masq.to_string()),
            (
                options::HOST_BINDING,
                config.default_publish_address.to_string(),
            ),
            (options::NAME, name.clone()),
            (options::MTU, config.mtu.to_string()),
        ];
        let mut info = without_links("bridge", Driver::Bridge).info;
        if let Some(before) = before {
            info.id = before.info.id;
            info.created = before.info.created;
        }
        info.ipam = Some(ipam);
        info.enable_ipv6 = config.ipv6;
        info.options = values.map(|(key, value)| (key.to_owned(), value)).into();
        Ok(NetworkRecord {
            info,
            bridge: name,
            owned: !foreign,
            subnet_chosen: false,
            subnets_given: Vec::new(),
            parent: String::new(),
            remote_pools: Vec::new(),
        })
    }

    /// `--bip6`, `--fixed-cidr-v6`, else what it was, else the first free one of the pools.
    fn default_subnet_6(
        &self,
        before: Option<&NetworkRecord>,
        bridge: &str,
        others: &[NetworkRecord],
    ) -> Result<IpamConfig, NetworkError> {
        let row = |subnet: IpNet| IpamConfig {
            subnet: subnet.to_string(),
            gateway: first_address(subnet).to_string(),
            ..IpamConfig::default()
        };
        match (self.config.bip6, self.config.fixed_cidr_v6) {
            (Some(bip), range) => {
                let subnet = bip.trunc();
                if let Some(range) = range.filter(|range| !subnet.contains(range)) {
                    let text = format!("fixed-cidr-v6 {range} is not a part of bip6 {bip}");
                    return Err(NetworkError::Invalid(Refusal(text)));
                }
                return Ok(IpamConfig {
                    subnet: subnet.to_string(),
                    ip_range: range.map(|net| net.trunc().to_string()).unwrap_or_default(),
                    gateway: bip.addr().to_string(),
                    ..IpamConfig::default()
                });
            }
            (None, Some(subnet)) => return Ok(row(IpNet::V6(subnet.trunc()))),
            (None, None) => {}
        }
        let used = self.used_subnets(others, bridge)?;
        let rows = before.and_then(|record| record.info.ipam.as_ref());
        let kept = rows.into_iter().flatten().find(|row| {
            let net = row.subnet.parse::<IpNet>();
            let is_free = |net: IpNet| !used.iter().any(|other| ipam::overlap(net, *other));
            net.is_ok_and(|net| matches!(net, IpNet::V6(_)) && is_free(net))
        });
        match kept {
            Some(kept) => Ok(kept.clone()),
            None => ipam::choose(&self.pools(), true, &used).map(row),
        }
    }

    /// `--bip`, else what it was, else the first free one of the pools.
    fn default_subnet(
        &self,
        before: Option<&NetworkRecord>,
        bridge: &str,
        others: &[NetworkRecord],
    ) -> Result<(Ipv4Net, Ipv4Addr), NetworkError> {
        match self.config.bip {
            Some(IpNet::V4(bip)) => return Ok((bip.trunc(), bip.addr())),
            Some(IpNet::V6(bip)) => {
                let text = format!("invalid bip {bip}: the default bridge has IPv4 only");
                return Err(NetworkError::Invalid(Refusal(text)));
            }
            None => {}
        }
        let used = self.used_subnets(others, bridge)?;
        let kept = before
            .and_then(|record| {
                record
                    .info
                    .ipam
                    .as_ref()?
                    .first()?
                    .subnet
                    .parse::<Ipv4Net>()
                    .ok()
            })
            .filter(|net| {
                !used
                    .iter()
                    .any(|other| ipam::overlap((*net).into(), *other))
            });
        let subnet = match kept {
            Some(subnet) => subnet,
            None => match ipam::choose(&self.pools(), false, &used)? {
                IpNet::V4(net) => net,
                IpNet::V6(_) => return Err(NetworkError::PoolsExhausted),
            },
        };
        let first = subnet.hosts().next().unwrap_or(subnet.network());
        Ok((subnet, first))
    }

    /// The pools that new networks' subnets come from.
    pub(crate) fn pools(&self) -> Vec<AddressPool> {
        let mut pools = match self.config.default_address_pools.as_slice() {
            [] => ipam::default_pools(),
            pools => pools.to_vec(),
        };
        // Docker 28: IPv6 needs no set-up.
        if !pools.iter().any(|pool| matches!(pool.base, IpNet::V6(_))) {
            let host = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
            pools.push(ipam::local_pool(host.trim()));
        }
        pools
    }

    /// What a new subnet must not overlap: other networks and the host's routes, without
    /// those of the bridge it is meant for.
    pub(crate) fn used_subnets(
        &self,
        others: &[NetworkRecord],
        except: &str,
    ) -> Result<Vec<IpNet>, NetworkError> {
        let failed = |source| kernel("listing the host's routes", source);
        let mut used = self.host.used_subnets().map_err(failed)?;
        let link = self.host.route().link(except).map_err(failed)?;
        if let Some(link) = link {
            let own = self.host.route().addresses().map_err(failed)?;
            let own: Vec<_> = own
                .into_iter()
                .filter(|a| a.index == link.index)
                .map(|a| a.net.trunc())
                .collect();
            used.retain(|net| !own.contains(net));
        }
        used.extend(crate::create::subnets_of(others));
        Ok(used)
    }
}

/// The first host address of a subnet.
pub(crate) fn first_address(subnet: IpNet) -> IpAddr {
    match subnet {
        IpNet::V4(net) => net.hosts().next().unwrap_or(net.network()).into(),
        // Without the routers' common address, RFC 4291 § 2.6.1.
        IpNet::V6(net) => Ipv6Addr::from(u128::from(net.network()) | 1).into(),
    }
}

/// Switches IPv6 forwarding on. Links that take their address from a router's announcements
/// go on doing so, which forwarding would end by itself.
fn enable_ipv6_forwarding() {
    const ALL: &str = "/proc/sys/net/ipv6/conf/all/forwarding";
    if std::fs::read_to_string(ALL).is_ok_and(|now| now.trim() == "1") {
        return;
    }
    let links = std::fs::read_dir("/proc/sys/net/ipv6/conf")
        .into_iter()
        .flatten();
    for link in links.flatten() {
        let path = link.path().join("accept_ra");
        if std::fs::read_to_string(&path).is_ok_and(|now| now.trim() == "1")
            && let Err(error) = std::fs::write(&path, "2")
        {
            tracing::warn!(path = %path.display(), %error, "router announcements end here");
        }
    }
    if let Err(error) = std::fs::write(ALL, "1") {
        tracing::warn!(path = ALL, %error, "IPv6 is not forwarded");
    }
}

/// `docker0`, unless it is another engine's: then `corten0` and so on, so that both can run.
fn claim_bridge(host: &Host, wanted: &str) -> Result<Claim, NetworkError> {
    let claim = Claim::first_free("bridge", wanted, FURTHER_BRIDGES, |name| {
        let link = host.route().link(name);
        let link = link.map_err(|source| kernel("looking for the bridge", source))?;
        Ok::<_, NetworkError>(link.is_none_or(|link| link.alias == ALIAS))
    })?;
    let text = || format!("every name for a bridge like {wanted} is taken: give one by --bridge");
    claim.ok_or_else(|| NetworkError::Conflict(Refusal(text())))
}

/// Subnet and address of a bridge that the user has made (`--bridge`).
fn address_of_link(host: &Host, name: &str) -> Result<(Ipv4Net, Ipv4Addr), NetworkError> {
    let failed = |source| kernel("reading the bridge's address", source);
    let refuse = |text: String| NetworkError::Invalid(Refusal(text));
    let mut route = host.route();
    let link = route.link(name).map_err(failed)?.ok_or_else(|| {
        refuse(format!(
            "bridge device with non default name {name} must be created manually"
        ))
    })?;
    let addresses = route.addresses().map_err(failed)?;
    let found = addresses.into_iter().find_map(|address| match address.net {
        IpNet::V4(net) if address.index == link.index => Some((net.trunc(), net.addr())),
        _ => None,
    });
    found.ok_or_else(|| {
        refuse(format!(
            "the bridge {name} has no IPv4 address: give it one"
        ))
    })
}

fn without_links(name: &str, driver: Driver) -> NetworkRecord {
    let info = NetworkInfo {
        id: Id::random(),
        name: name.to_owned(),
        created: Timestamp::now(),
        driver,
        enable_ipv4: true,
        enable_ipv6: false,
        internal: false,
        attachable: false,
        config_only: false,
        config_from: String::new(),
        ipam_driver: "default".into(),
        ipam_options: None,
        ipam: None,
        options: BTreeMap::new(),
        labels: BTreeMap::new(),
        endpoints: BTreeMap::new(),
    };
    NetworkRecord {
        info,
        bridge: String::new(),
        owned: false,
        subnet_chosen: false,
        subnets_given: Vec::new(),
        parent: String::new(),
        remote_pools: Vec::new(),
    }
}
