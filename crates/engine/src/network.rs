//! Operations on networks, delegated to the network room.

use crate::{Engine, EngineError, PruneReport, Result, messages};
use corten_model::{
    EventKind, Filters, NetworkContainer, NetworkInspect, NetworkIpam, NetworkIpamPool,
};
use corten_network::{NetworkInfo, NetworkRequest};
use std::{collections::BTreeMap, sync::Arc};

const PREDEFINED: [&str; 3] = ["bridge", "host", "none"];

impl Engine {
    /// `GET /networks`; `containers` is empty.
    pub async fn network_list(self: &Arc<Self>, filters: Filters) -> Result<Vec<NetworkInspect>> {
        filters.validate(&["dangling", "driver", "id", "label", "name", "scope", "type"])?;
        let dangling =
            match filters.contains("dangling") {
                true => Some(filters.flag("dangling", false).map_err(|_| {
                    EngineError::Invalid(messages::network_filter_bool("dangling"))
                })?),
                false => None,
            };
        if let Some(kind) = filters
            .get("type")
            .find(|it| !["builtin", "custom"].contains(it))
        {
            return Err(EngineError::Invalid(messages::network_filter_type(kind)));
        }
        let (names, ids) = (filters.patterns("name"), filters.patterns("id"));
        let chosen = |network: &NetworkInfo| {
            let id = network.id.to_string();
            let predefined = PREDEFINED.contains(&network.name.as_str());
            let kind = if predefined { "builtin" } else { "custom" };
            names.fit(&network.name)
                && ids.fit(&id)
                && filters.exact("driver", network.driver.as_str())
                && filters.exact("scope", "local")
                && filters.exact("type", kind)
                && filters.labels("label", &network.labels)
                && dangling.is_none_or(|it| it == (network.endpoints.is_empty() && !predefined))
        };
        let list = self.networks.list().into_iter().filter(chosen);
        Ok(list
            .map(|network| NetworkInspect {
                containers: BTreeMap::new(),
                ..inspect(network)
            })
            .collect())
    }

    /// `GET /networks/{id}`.
    pub async fn network_inspect(self: &Arc<Self>, name: &str) -> Result<NetworkInspect> {
        Ok(inspect(self.networks.inspect(name)?))
    }

    /// `POST /networks/create`.
    pub async fn network_create(
        self: &Arc<Self>,
        request: NetworkRequest,
    ) -> Result<NetworkInspect> {
        let engine = self.clone();
        let made = self
            .pool
            .run(move || Ok(engine.networks.create(&request)?))
            .await?;
        self.tell_of_network(&made, "create");
        Ok(inspect(made))
    }

    /// `DELETE /networks/{id}`.
    pub async fn network_remove(self: &Arc<Self>, name: &str) -> Result<()> {
        let (engine, owned) = (self.clone(), name.to_owned());
        let removed = self
            .pool
            .run(move || Ok(engine.networks.remove(&owned)?))
            .await?;
        self.tell_of_network(&removed, "destroy");
        Ok(())
    }

    /// `POST /networks/prune`.
    pub async fn network_prune(self: &Arc<Self>, filters: Filters) -> Result<PruneReport> {
        filters.validate(&["label", "label!", "until"])?;
        let until = crate::time_filter::until(&filters)?;
        let mut report = PruneReport::default();
        for network in self.networks.list() {
            let chosen = network.endpoints.is_empty()
                && !PREDEFINED.contains(&network.name.as_str())
                && until.is_none_or(|until| network.created < until)
                && filters.labels("label", &network.labels)
                && (!filters.contains("label!") || !filters.labels("label!", &network.labels));
            if chosen && self.network_remove(&network.id.to_string()).await.is_ok() {
                report.deleted.push(network.name);
            }
        }
        let reclaimed = BTreeMap::from([("reclaimed".into(), "0".to_owned())]);
        self.events
            .publish(EventKind::Network, "prune", "", reclaimed);
        Ok(report)
    }

    fn tell_of_network(&self, network: &NetworkInfo, action: &str) {
        let attributes = BTreeMap::from([
            ("name".to_owned(), network.name.clone()),
            ("type".to_owned(), network.driver.as_str().to_owned()),
        ]);
        let id = network.id.to_string();
        self.events
            .publish(EventKind::Network, action, id, attributes);
    }
}

fn inspect(network: NetworkInfo) -> NetworkInspect {
    let pools = network.ipam.map(|pools| {
        let pools = pools.into_iter().map(|pool| NetworkIpamPool {
            subnet: pool.subnet,
            ip_range: pool.ip_range,
            gateway: pool.gateway,
            auxiliary_addresses: pool
                .auxiliary_addresses
                .into_iter()
                .filter_map(|(name, address)| Some((name, address.parse().ok()?)))
                .collect(),
        });
        pools.collect()
    });
    let containers = network.endpoints.values().filter_map(|endpoint| {
        let prefixed = |address: Option<String>, length: u8| {
            address
                .map(|it| format!("{it}/{length}"))
                .unwrap_or_default()
        };
        let ipv4 = endpoint.ipv4.map(|it| it.to_string());
        let ipv6 = endpoint.ipv6.map(|it| it.to_string());
        let container = NetworkContainer {
            name: endpoint.container_name.clone(),
            endpoint_id: endpoint.endpoint_id.to_string(),
            mac_address: endpoint.mac.map(|it| it.to_string()).unwrap_or_default(),
            ipv4_address: prefixed(ipv4, endpoint.ipv4_prefix_length),
            ipv6_address: prefixed(ipv6, endpoint.ipv6_prefix_length),
        };
        Some((endpoint.container_id.parse().ok()?, container))
    });
    NetworkInspect {
        id: network.id.into(),
        created: network.created,
        scope: "local".into(),
        driver: network.driver.as_str().to_owned(),
        enable_ipv4: network.enable_ipv4,
        enable_ipv6: network.enable_ipv6,
        ipam: NetworkIpam {
            driver: network.ipam_driver,
            options: network.ipam_options,
            pools,
        },
        internal: network.internal,
        attachable: network.attachable,
        ingress: false,
        config_from: network.config_from,
        config_only: network.config_only,
        containers: containers.collect(),
        options: network.options,
        labels: network.labels,
        name: network.name,
    }
}
