//! Networks, ports and links of a container.

use super::{View, container_name, is_nothing};
use crate::node::Node;
use crate::project::Project;
use serde_json::{Map as Json, Value as J, json};
use std::collections::BTreeMap;

/// The keys of a service's networks, the one that comes first first: by priority, then by
/// name.
pub(super) fn by_priority(service: &Node) -> Vec<&String> {
    let mut networks = View(service).entries("networks");
    networks.sort_by_key(|(key, network)| (-View(network).int("priority").unwrap_or(0), *key));
    networks.into_iter().map(|(key, _)| key).collect()
}

/// The network mode, and the endpoints by the networks' names.
pub(super) fn endpoints(
    project: &Project,
    name: &str,
    service: &Node,
    number: u32,
    links: &[String],
    aliases: bool,
) -> (String, Option<Json<String, J>>) {
    if let Some(mode) = service
        .text_at(&["network_mode"])
        .filter(|mode| !mode.is_empty())
    {
        return (mode.to_owned(), None);
    }
    let keys = by_priority(service);
    let Some(first) = keys.first() else {
        return ("none".into(), None);
    };
    let mut all = Json::new();
    for key in &keys {
        let config = service.find(&["networks", key]);
        let mut endpoint = endpoint(project, name, service, number, config, aliases);
        if !links.is_empty() {
            endpoint.insert("Links".into(), json!(links));
        }
        if key == first && !endpoint.contains_key("MacAddress") {
            let address = View(service).text("mac_address");
            if !is_nothing(&address) {
                endpoint.insert("MacAddress".into(), address);
            }
        }
        all.insert(network_name(project, key), J::Object(endpoint));
    }
    (network_name(project, first), Some(all))
}

/// The name in the engine of a network of the project.
pub(crate) fn network_name(project: &Project, key: &str) -> String {
    project
        .networks()
        .get(key)
        .and_then(|network| network.text_at(&["name"]))
        .map_or_else(|| format!("{}_{key}", project.name), str::to_owned)
}

fn endpoint(
    project: &Project,
    name: &str,
    service: &Node,
    number: u32,
    config: Option<&Node>,
    aliases: bool,
) -> Json<String, J> {
    let mut names = vec![container_name(project, name, service, number)];
    if aliases {
        names.push(name.to_owned());
    }
    let mut body = Json::new();
    if let Some(config) = config.filter(|config| config.map().is_some()) {
        let view = View(config);
        if aliases {
            let more = view.items("aliases").iter().filter_map(Node::text);
            names.extend(more.map(str::to_owned));
        }
        let mut ipam = Json::new();
        for (key, value) in [
            ("IPv4Address", view.text("ipv4_address")),
            ("IPv6Address", view.text("ipv6_address")),
            ("LinkLocalIPs", view.texts("link_local_ips")),
        ] {
            if !is_nothing(&value) {
                ipam.insert(key.to_owned(), value);
            }
        }
        // Sent also where it is empty, as `docker inspect` shows the difference.
        body.insert("IPAMConfig".into(), J::Object(ipam));
        let mut put = |key: &str, value: J| {
            if !is_nothing(&value) {
                body.insert(key.to_owned(), value);
            }
        };
        put("MacAddress", view.text("mac_address"));
        put("GwPriority", view.number("gw_priority"));
        let mut options = view.mapping("driver_opts");
        let interface = view.str("interface_name");
        if let (Some(options), false) = (options.as_object_mut(), interface.is_empty()) {
            options.insert(
                "com.docker.network.endpoint.ifname".into(),
                interface.into(),
            );
        }
        put("DriverOpts", options);
    }
    body.insert("Aliases".into(), json!(names));
    body
}

/// `container:alias` lines for the services that a service links to, and for containers
/// outside the project.
pub(super) fn links(
    project: &Project,
    name: &str,
    service: &Node,
    number: u32,
    names: &BTreeMap<String, Vec<String>>,
) -> Vec<String> {
    let view = View(service);
    let mut links = Vec::new();
    for link in view.items("links").iter().filter_map(Node::text) {
        let (other, alias) = link.split_once(':').unwrap_or((link, link));
        for container in names.get(other).into_iter().flatten() {
            links.push(format!("{container}:{alias}"));
            links.push(format!("{container}:{other}-{number}"));
            links.push(format!("{container}:{}-{other}-{number}", project.name));
        }
    }
    let one_off = service.find(&["labels", crate::labels::ONE_OFF]);
    if one_off.and_then(Node::text) == Some("True") {
        for container in names.get(name).into_iter().flatten() {
            let short = container
                .strip_prefix(&format!("{}{}", project.name, project.separator))
                .unwrap_or(container);
            links.push(format!("{container}:{name}"));
            links.push(format!("{container}:{short}"));
            links.push(format!("{container}:{container}"));
        }
    }
    for link in view.items("external_links").iter().filter_map(Node::text) {
        let (container, alias) = link.split_once(':').unwrap_or((link, link));
        links.push(format!("{container}:{alias}"));
    }
    links
}

fn port_key(port: &View<'_>) -> String {
    format!(
        "{}/{}",
        port.int("target").unwrap_or(0),
        port.str("protocol")
    )
}

pub(super) fn exposed(view: &View<'_>) -> J {
    let exposed = view.items("expose").iter().filter_map(Node::text);
    let mut ports: Json<String, J> = exposed
        .map(|port| {
            let port = if port.contains('/') {
                port.to_owned()
            } else {
                format!("{port}/tcp")
            };
            (port, json!({}))
        })
        .collect();
    ports.extend(
        view.objects("ports")
            .map(|port| (port_key(&port), json!({}))),
    );
    J::Object(ports)
}

pub(super) fn bindings(view: &View<'_>) -> J {
    let mut ports: BTreeMap<String, Vec<J>> = BTreeMap::new();
    for port in view.objects("ports") {
        ports.entry(port_key(&port)).or_default().push(json!({
            "HostIp": port.str("host_ip"),
            "HostPort": port.str("published"),
        }));
    }
    json!(ports)
}

/// The body of `POST /networks/create` for a network of the project.
pub(crate) fn network(project: &Project, key: &str, network: &Node) -> J {
    let view = View(network);
    let mut labels = labels_of(&view);
    labels.insert(crate::labels::NETWORK.into(), key.into());
    labels.insert(crate::labels::PROJECT.into(), project.name.clone().into());
    labels.insert(
        crate::labels::VERSION.into(),
        env!("CARGO_PKG_VERSION").into(),
    );
    let hash = crate::hash::resource("networks", network);
    labels.insert(crate::labels::CONFIG_HASH.into(), hash.into());
    let mut body = Json::new();
    let mut put = |key: &str, value: J| {
        if !is_nothing(&value) {
            body.insert(key.to_owned(), value);
        }
    };
    put("Name", network_name(project, key).into());
    put("Driver", view.text("driver"));
    put("Options", view.mapping("driver_opts"));
    put("Internal", view.truth("internal"));
    put("Attachable", view.truth("attachable"));
    put("Labels", J::Object(labels));
    if let Some(ipam) = view.below("ipam") {
        put("IPAM", address_management(&ipam));
    }
    for (key, ours) in [("EnableIPv4", "enable_ipv4"), ("EnableIPv6", "enable_ipv6")] {
        if let Some(value) = view.given_truth(ours) {
            body.insert(key.into(), value.into());
        }
    }
    J::Object(body)
}

fn address_management(ipam: &View<'_>) -> J {
    let pools: Vec<J> = ipam
        .objects("config")
        .map(|pool| {
            let mut body = Json::new();
            for (key, value) in [
                ("Subnet", pool.text("subnet")),
                ("IPRange", pool.text("ip_range")),
                ("Gateway", pool.text("gateway")),
                ("AuxiliaryAddresses", pool.mapping("aux_addresses")),
            ] {
                if !is_nothing(&value) {
                    body.insert(key.to_owned(), value);
                }
            }
            J::Object(body)
        })
        .collect();
    let driver = ipam.str("driver");
    if pools.is_empty() && driver.is_empty() {
        return J::Null;
    }
    json!({ "Driver": driver, "Config": pools })
}

/// The body of `POST /volumes/create` for a volume of the project.
pub(crate) fn volume(project: &Project, key: &str, volume: &Node) -> J {
    let view = View(volume);
    let mut labels = labels_of(&view);
    labels.insert(crate::labels::VOLUME.into(), key.into());
    labels.insert(crate::labels::PROJECT.into(), project.name.clone().into());
    labels.insert(
        crate::labels::VERSION.into(),
        env!("CARGO_PKG_VERSION").into(),
    );
    let hash = crate::hash::resource("volumes", volume);
    labels.insert(crate::labels::CONFIG_HASH.into(), hash.into());
    json!({
        "Name": view.str("name"),
        "Driver": view.str("driver"),
        "DriverOpts": view.mapping("driver_opts"),
        "Labels": labels,
    })
}

fn labels_of(view: &View<'_>) -> Json<String, J> {
    match view.mapping("labels") {
        J::Object(labels) => labels,
        _ => Json::new(),
    }
}

/// The networks that services really use, by key.
pub(crate) fn used<'a, 's>(
    project: &'a Project,
    services: impl Iterator<Item = &'s Node>,
) -> BTreeMap<&'a String, &'a Node> {
    let services: Vec<&Node> = services.collect();
    let is_used = |key: &String| {
        let mut services = services.iter();
        services.any(|service| service.find(&["networks", key.as_str()]).is_some())
    };
    let networks = project.networks().iter();
    networks.filter(|(key, _)| is_used(key)).collect()
}
