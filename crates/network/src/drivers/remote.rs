//! Networks of a plugin: it makes a link on the host, we move it into the container.
//!
//! Addresses are handed out here, as for all networks, and told to the plugin. Ports are
//! not published through plugins' networks.
//!
//! Source: docs.docker.com, "Docker network driver plugins"; the calls of libnetwork's
//! remote driver API (`NetworkDriver.CreateNetwork`, …, `Leave`).

use super::{Attached, LinkDriver, Segment};
use crate::{
    Endpoint, NetworkError, host::Host, messages::Refusal, records::NetworkRecord,
    registry::Network,
};
use corten_base::step::step;
use corten_netlink::{NetlinkError, Netns};
use corten_plugin::Address;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    os::fd::{AsFd, AsRawFd},
    sync::Arc,
    time::Duration,
};

/// A plugin may make something far away.
const PATIENCE: Duration = Duration::from_secs(30);
/// What `Plugin.Activate` must name.
const CAPABILITY: &str = "NetworkDriver";

/// The driver.
pub(crate) struct RemoteDriver {
    pub name: String,
    address: Address,
    pub host: Arc<Host>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Capabilities {
    scope: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct EndpointAnswer {
    interface: Option<Interface>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Interface {
    mac_address: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Joined {
    interface_name: Names,
    gateway: String,
    #[serde(rename = "GatewayIPv6")]
    gateway_ipv6: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Names {
    src_name: String,
    dst_prefix: String,
}

impl RemoteDriver {
    /// The plugin of this name, if it is one for networks.
    pub fn find(
        directories: &[std::path::PathBuf],
        name: &str,
        host: Arc<Host>,
    ) -> Result<Self, NetworkError> {
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
            host,
        })
    }

    fn call(&self, method: &str, body: &Value) -> Result<Value, NetworkError> {
        let failed = |reason: String| {
            NetworkError::Failed(Refusal(format!("{CAPABILITY}.{method}: {reason}")))
        };
        let path = format!("/{CAPABILITY}.{method}");
        let (status, answer) =
            corten_plugin::post(&self.address, &path, body.to_string().as_bytes(), PATIENCE)
                .map_err(|error| failed(error.to_string()))?;
        let text = || String::from_utf8_lossy(&answer).trim().to_owned();
        let value: Value = serde_json::from_slice(&answer).map_err(|_| failed(text()))?;
        match value.get("Err").and_then(Value::as_str) {
            Some(said) if !said.is_empty() => Err(failed(said.to_owned())),
            _ if status != 200 => Err(failed(text())),
            _ => Ok(value),
        }
    }

    fn answer<T: for<'de> Deserialize<'de>>(
        &self,
        method: &str,
        body: &Value,
    ) -> Result<T, NetworkError> {
        let value = self.call(method, body)?;
        serde_json::from_value(value).map_err(|error| {
            NetworkError::Failed(Refusal(format!("{CAPABILITY}.{method}: {error}")))
        })
    }
}

impl LinkDriver for RemoteDriver {
    fn check(&self, _: &mut NetworkRecord) -> Result<(), NetworkError> {
        let capabilities: Capabilities = self.answer("GetCapabilities", &json!({}))?;
        match capabilities.scope.as_str() {
            "local" | "" => Ok(()),
            other => Err(NetworkError::Unsupported(Refusal(format!(
                "plugin {:?} makes networks of scope {other:?}, which need a cluster",
                self.name
            )))),
        }
    }

    fn create(&self, segment: &Segment) -> Result<(), NetworkError> {
        let record = &segment.record;
        let network = Network::new(record.clone());
        let data = |ipv6| -> Vec<Value> {
            let pool = |pool: &crate::registry::Pool| {
                let net = pool.subnet.net();
                let gateway = pool.gateway.map(|it| format!("{it}/{}", net.prefix_len()));
                json!({"AddressSpace": "LocalDefault", "Pool": net.to_string(), "Gateway": gateway})
            };
            network.pools(ipv6).map(pool).collect()
        };
        let body = json!({
            "NetworkID": record.info.id.to_string(),
            "Options": {
                "com.docker.network.enable_ipv4": record.info.enable_ipv4,
                "com.docker.network.enable_ipv6": record.info.enable_ipv6,
                "com.docker.network.internal": record.info.internal,
                "com.docker.network.generic": record.info.options,
            },
            "IPv4Data": data(false),
            "IPv6Data": data(true),
        });
        self.call("CreateNetwork", &body).map(drop)
    }

    fn ensure(&self, _: &Segment) -> Result<(), NetworkError> {
        // A plugin keeps its networks itself.
        Ok(())
    }

    fn remove(&self, record: &NetworkRecord) -> Result<(), NetworkError> {
        let body = json!({"NetworkID": record.info.id.to_string()});
        self.call("DeleteNetwork", &body).map(drop)
    }

    fn attach(
        &self,
        netns: &Netns,
        segment: &Segment,
        endpoint: &mut Endpoint,
    ) -> Result<Attached, NetworkError> {
        let ids = || {
            json!({
                "NetworkID": endpoint.network_id.to_string(),
                "EndpointID": endpoint.endpoint_id.to_string(),
            })
        };
        let net = |address: Option<String>, length: u8| {
            address.map_or(String::new(), |it| format!("{it}/{length}"))
        };
        let (ipv4, ipv6) = (endpoint.ipv4, endpoint.ipv6);
        let mut body = ids();
        body["Options"] = json!(endpoint.driver_options);
        body["Interface"] = json!({
            "Address": net(ipv4.map(|it| it.to_string()), endpoint.ipv4_prefix_length),
            "AddressIPv6": net(ipv6.map(|it| it.to_string()), endpoint.ipv6_prefix_length),
            "MacAddress": endpoint.mac.map(|it| it.to_string()).unwrap_or_default(),
        });
        step("connect.links");
        let made: EndpointAnswer = self.answer("CreateEndpoint", &body)?;
        let mut body = ids();
        body["SandboxKey"] = json!(format!(
            "/proc/{}/fd/{}",
            std::process::id(),
            netns.as_fd().as_raw_fd()
        ));
        body["Options"] = json!({});
        let joined: Joined = self.answer("Join", &body)?;
        if let Some(interface) = made.interface
            && let Ok(mac) = interface.mac_address.parse()
        {
            endpoint.mac = Some(mac);
        }
        if let Ok(gateway) = joined.gateway.parse() {
            endpoint.gateway = Some(gateway);
        }
        if let Ok(gateway) = joined.gateway_ipv6.parse() {
            endpoint.ipv6_gateway = Some(gateway);
        }
        let prefix = joined.interface_name.dst_prefix;
        let named = endpoint
            .driver_options
            .contains_key(crate::endpoint_options::INTERFACE);
        if !prefix.is_empty() && !named && !endpoint.interface.starts_with(&prefix) {
            endpoint.interface = format!("{prefix}{}", segment.position);
        }
        self.move_link(netns, segment, &joined.interface_name.src_name, endpoint)
    }

    fn settle(&self, _: &Segment, _: &Endpoint) {}

    fn detach(
        &self,
        netns: Option<&Netns>,
        record: &NetworkRecord,
        endpoint: &Endpoint,
    ) -> Result<(), NetworkError> {
        let ids = json!({
            "NetworkID": record.info.id.to_string(),
            "EndpointID": endpoint.endpoint_id.to_string(),
        });
        let left = self.call("Leave", &ids).map(drop);
        let gone = self.call("DeleteEndpoint", &ids).map(drop);
        // Some plugins leave the link to us.
        let link = netns.map_or(Ok(()), |netns| {
            super::delete_inside(netns, &endpoint.interface)
                .map_err(|source| crate::networks::kernel("deleting a link", source))
        });
        left.and(gone).and(link)
    }
}

impl RemoteDriver {
    fn move_link(
        &self,
        netns: &Netns,
        segment: &Segment,
        name: &str,
        endpoint: &Endpoint,
    ) -> Result<Attached, NetworkError> {
        let missing = |name: &str| NetlinkError::Answer {
            operation: format!("finding the link {name} of plugin {}", self.name),
        };
        let moved = || {
            let mut route = self.host.route();
            let link = route.link(name)?.ok_or_else(|| missing(name))?;
            let mut batch = route.batch();
            batch.move_link(link.index, &endpoint.interface, netns.as_fd());
            route.run(batch)?;
            drop(route);
            let inside = netns.route().link(&endpoint.interface)?;
            inside.ok_or_else(|| missing(&endpoint.interface))
        };
        let link = moved().map_err(|source| segment.failed("moving the plugin's link", source))?;
        Ok(Attached { index: link.index })
    }
}
