//! Addresses handed out by a plugin (`--ipam-driver NAME`).
//!
//! The plugin chooses subnets, gateways and addresses; the books here hold them as they hold
//! addresses of our own, so that everything behind them is the same. No lock is held while
//! a plugin is asked.
//!
//! Source: libnetwork's remote IPAM driver API (`IpamDriver.RequestPool`, …,
//! `ReleaseAddress`).

use crate::{
    Endpoint, EndpointRequest, IpamConfig, MacAddress, NetworkError, Networks, create::subnets_of,
    disconnect, drivers::random_mac, ipam, messages::Refusal, records::NetworkRecord,
};
use corten_plugin::Address;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::{net::IpAddr, path::PathBuf, time::Duration};

/// A plugin may ask somebody far away.
const PATIENCE: Duration = Duration::from_secs(30);
/// What `Plugin.Activate` must name.
const CAPABILITY: &str = "IpamDriver";
/// Options of an address, as libnetwork names them.
const ADDRESS_TYPE: &str = "RequestAddressType";
const GATEWAY: &str = "com.docker.network.gateway";
const MAC_ADDRESS: &str = "com.docker.network.endpoint.macaddress";

/// A subnet that a plugin has given to a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RemotePool {
    /// The plugin's name for it.
    pub id: String,
    /// The subnet.
    #[serde(with = "as_text")]
    pub subnet: IpNet,
    /// Addresses of it that are the network's own: gateways and auxiliary ones.
    pub addresses: Vec<IpAddr>,
}

/// The plugin.
struct RemoteIpam {
    name: String,
    address: Address,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Capabilities {
    #[serde(rename = "RequiresMACAddress")]
    requires_mac_address: bool,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct AddressSpaces {
    local_default_address_space: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PoolAnswer {
    #[serde(rename = "PoolID")]
    pool_id: String,
    #[serde(with = "as_text")]
    pool: IpNet,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AddressAnswer {
    #[serde(with = "as_text")]
    address: IpNet,
}

/// Whether a plugin hands the addresses out.
pub(crate) fn is_remote(ipam_driver: &str) -> bool {
    !matches!(ipam_driver, "" | "default")
}

impl RemoteIpam {
    fn find(directories: &[PathBuf], name: &str) -> Result<Self, NetworkError> {
        let missing = || NetworkError::NoSuchDriver {
            name: name.to_owned(),
        };
        let address = corten_plugin::find(directories, name).ok_or_else(missing)?;
        let implements = corten_plugin::activate(&address, PATIENCE)
            .map_err(|error| NetworkError::Failed(Refusal(format!("plugin {name:?}: {error}"))))?;
        if !implements.iter().any(|it| it == CAPABILITY) {
            return Err(missing());
        }
        Ok(Self {
            name: name.to_owned(),
            address,
        })
    }

    fn ask<T: for<'de> Deserialize<'de>>(
        &self,
        method: &str,
        body: &Value,
    ) -> Result<T, NetworkError> {
        let failed = |reason: String| {
            let name = &self.name;
            NetworkError::Failed(Refusal(format!(
                "{CAPABILITY}.{method} of {name}: {reason}"
            )))
        };
        let path = format!("/{CAPABILITY}.{method}");
        let (status, answer) =
            corten_plugin::post(&self.address, &path, body.to_string().as_bytes(), PATIENCE)
                .map_err(|error| failed(error.to_string()))?;
        let text = || String::from_utf8_lossy(&answer).trim().to_owned();
        let value: Value = serde_json::from_slice(&answer).map_err(|_| failed(text()))?;
        for key in ["Error", "Err"] {
            match value.get(key).and_then(Value::as_str) {
                Some(said) if !said.is_empty() => return Err(failed(said.to_owned())),
                _ => {}
            }
        }
        if status != 200 {
            return Err(failed(text()));
        }
        serde_json::from_value(value).map_err(|error| failed(error.to_string()))
    }

    fn address(
        &self,
        pool: &str,
        wanted: Option<IpAddr>,
        options: Value,
    ) -> Result<IpAddr, NetworkError> {
        let wanted = wanted.map(|it| it.to_string()).unwrap_or_default();
        let body = json!({"PoolID": pool, "Address": wanted, "Options": options});
        let answer: AddressAnswer = self.ask("RequestAddress", &body)?;
        Ok(answer.address.addr())
    }

    fn release_address(&self, pool: &str, address: IpAddr) -> Result<(), NetworkError> {
        let body = json!({"PoolID": pool, "Address": address.to_string()});
        self.ask("ReleaseAddress", &body).map(|_: Value| ())
    }

    /// A subnet with the addresses that are the network's own, and what it became of the row.
    fn pool(
        &self,
        space: &str,
        row: &IpamConfig,
        ipv6: bool,
        options: &Map<String, Value>,
    ) -> Result<(RemotePool, IpamConfig), NetworkError> {
        let body = json!({
            "AddressSpace": space, "Pool": row.subnet, "SubPool": row.ip_range,
            "Options": options, "V6": ipv6,
        });
        let answer: PoolAnswer = self.ask("RequestPool", &body)?;
        let mut pool = RemotePool {
            id: answer.pool_id,
            subnet: answer.pool,
            addresses: Vec::new(),
        };
        let filled = self.own_addresses(&mut pool, row, options);
        if filled.is_err() {
            self.release_pool(&pool);
        }
        filled.map(|row| (pool, row))
    }

    fn own_addresses(
        &self,
        pool: &mut RemotePool,
        row: &IpamConfig,
        options: &Map<String, Value>,
    ) -> Result<IpamConfig, NetworkError> {
        let mut row = row.clone();
        row.subnet = pool.subnet.to_string();
        let mut asked = options.clone();
        asked.insert(ADDRESS_TYPE.into(), GATEWAY.into());
        let gateway = self.address(&pool.id, row.gateway.parse().ok(), asked.into())?;
        pool.addresses.push(gateway);
        row.gateway = gateway.to_string();
        for address in row.auxiliary_addresses.values() {
            let given = self.address(&pool.id, address.parse().ok(), json!({}))?;
            pool.addresses.push(given);
        }
        Ok(row)
    }

    /// Gives a subnet back. What fails is reported: the network goes all the same.
    fn release_pool(&self, pool: &RemotePool) {
        let told = |released: Result<(), NetworkError>| {
            if let Err(error) = released {
                tracing::warn!(%error, subnet = %pool.subnet, "giving back to a plugin");
            }
        };
        for address in &pool.addresses {
            told(self.release_address(&pool.id, *address));
        }
        let body = json!({"PoolID": pool.id});
        told(self.ask("ReleasePool", &body).map(|_: Value| ()));
    }
}

impl Networks {
    fn remote_ipam(&self, name: &str) -> Result<RemoteIpam, NetworkError> {
        RemoteIpam::find(&self.config.plugin_directories, name)
    }

    /// Has the plugin choose the subnets of a network; all or none.
    pub(crate) fn settle_remote_subnets(
        &self,
        record: &mut NetworkRecord,
    ) -> Result<(), NetworkError> {
        let taken = subnets_of(&self.registry().network_records());
        let info = &mut record.info;
        let plugin = self.remote_ipam(&info.ipam_driver)?;
        let spaces: AddressSpaces = plugin.ask("GetDefaultAddressSpaces", &json!({}))?;
        let options: Map<String, Value> = info
            .ipam_options
            .iter()
            .flatten()
            .map(|(key, value)| (key.clone(), value.clone().into()))
            .collect();
        let mut rows = std::mem::take(info.ipam.get_or_insert_default());
        rows.retain(|row| !row.subnet.is_empty());
        for (ipv6, enabled) in [(false, info.enable_ipv4), (true, info.enable_ipv6)] {
            let has = rows.iter().any(|row| row.subnet.contains(':') == ipv6);
            match enabled {
                true if !has => rows.push(IpamConfig::default()),
                _ => {}
            }
            for row in &mut rows {
                let of_family = row.subnet.contains(':') == ipv6;
                let settled = record
                    .remote_pools
                    .iter()
                    .any(|it| it.subnet.to_string() == row.subnet);
                if !enabled || settled || (!row.subnet.is_empty() && !of_family) {
                    continue;
                }
                let given = plugin.pool(&spaces.local_default_address_space, row, ipv6, &options);
                let checked = given.and_then(|(pool, filled)| {
                    let overlapping = taken.iter().find(|it| ipam::overlap(pool.subnet, **it));
                    *row = filled;
                    let subnet = pool.subnet;
                    record.remote_pools.push(pool);
                    match overlapping {
                        Some(other) => Err(NetworkError::Forbidden(Refusal(format!(
                            "the subnet {subnet} that IPAM driver {:?} gave overlaps with {other} of another network",
                            plugin.name
                        )))),
                        None => Ok(()),
                    }
                });
                if let Err(error) = checked {
                    self.release_remote_subnets(record);
                    return Err(error);
                }
            }
        }
        record.info.ipam = Some(rows);
        Ok(())
    }

    /// Gives a network's subnets back to the plugin. What fails is reported.
    pub(crate) fn release_remote_subnets(&self, record: &NetworkRecord) {
        if record.remote_pools.is_empty() {
            return;
        }
        match self.remote_ipam(&record.info.ipam_driver) {
            Ok(plugin) => record
                .remote_pools
                .iter()
                .for_each(|it| plugin.release_pool(it)),
            Err(error) => tracing::warn!(%error, network = record.info.name, "giving back subnets"),
        }
    }

    /// Asks the plugin for the addresses of an endpoint; `None` where addresses are ours.
    pub(crate) fn remote_addresses(
        &self,
        request: &EndpointRequest,
    ) -> Result<Option<RemoteAddresses>, NetworkError> {
        let record = self.registry().find(&request.network)?.record.clone();
        if record.remote_pools.is_empty() {
            return Ok(None);
        }
        let plugin = self.remote_ipam(&record.info.ipam_driver)?;
        let capabilities: Capabilities = plugin.ask("GetCapabilities", &json!({}))?;
        let mac = capabilities
            .requires_mac_address
            .then(|| request.mac.unwrap_or_else(random_mac));
        let options = match mac {
            Some(mac) => json!({MAC_ADDRESS: mac.to_string()}),
            None => json!({}),
        };
        let mut given = RemoteAddresses {
            record,
            all: Vec::new(),
            mac,
        };
        let info = &given.record.info;
        for (ipv6, enabled) in [(false, info.enable_ipv4), (true, info.enable_ipv6)] {
            let wanted = match ipv6 {
                false => request.ipv4.map(IpAddr::V4),
                true => request.ipv6.map(IpAddr::V6),
            };
            let mut pools = given.record.remote_pools.iter();
            let pool = pools.find(|pool| match wanted {
                Some(wanted) => pool.subnet.contains(&wanted),
                None => matches!(pool.subnet, IpNet::V6(_)) == ipv6,
            });
            let Some(pool) = pool.filter(|_| enabled) else {
                continue;
            };
            match plugin.address(&pool.id, wanted, options.clone()) {
                Ok(address) => given.all.push((pool.id.clone(), address)),
                Err(error) => {
                    self.release_remote(&given);
                    return Err(error);
                }
            }
        }
        Ok(Some(given))
    }

    /// Gives addresses back that no endpoint came to bear.
    pub(crate) fn release_remote(&self, given: &RemoteAddresses) {
        let released = self.remote_ipam(&given.record.info.ipam_driver);
        let released = released.and_then(|plugin| {
            let mut all = given.all.iter();
            all.try_for_each(|(pool, address)| plugin.release_address(pool, *address))
        });
        if let Err(error) = released {
            tracing::warn!(%error, network = given.record.info.name, "giving back addresses");
        }
    }

    /// Gives an endpoint's addresses back to the plugin that gave them, if one did.
    pub(crate) fn give_back_remote(&self, endpoint: &Endpoint) {
        let record = {
            let registry = self.registry();
            let network = registry.networks.get(&endpoint.network_id);
            let remote = network.filter(|it| !it.record.remote_pools.is_empty());
            match remote {
                Some(network) => network.record.clone(),
                None => return,
            }
        };
        let pool_of = |address: &IpAddr| {
            let mut pools = record.remote_pools.iter();
            let pool = pools.find(|pool| pool.subnet.contains(address))?;
            Some((pool.id.clone(), *address))
        };
        let all = disconnect::addresses(endpoint);
        let all = all.iter().filter_map(pool_of).collect();
        self.release_remote(&RemoteAddresses {
            record,
            all,
            mac: None,
        });
    }
}

/// What a plugin gave to an endpoint.
#[derive(Debug)]
pub(crate) struct RemoteAddresses {
    record: NetworkRecord,
    /// With the plugin's names of their subnets.
    all: Vec<(String, IpAddr)>,
    /// The hardware address that the plugin was told.
    pub mac: Option<MacAddress>,
}

impl RemoteAddresses {
    /// Those that were given.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.all.iter().map(|(_, address)| *address)
    }

    /// The one of a family.
    pub fn of_family(&self, ipv6: bool) -> Option<IpAddr> {
        self.addresses().find(|address| address.is_ipv6() == ipv6)
    }
}

/// Subnets and addresses with their prefix lengths, `10.0.0.1/24`.
mod as_text {
    use ipnet::IpNet;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(net: &IpNet, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(net)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<IpNet, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}
