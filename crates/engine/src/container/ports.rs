//! Published ports: what is asked of the network room, and what it made.

use crate::{EngineError, Result, messages};
use corten_model::{Container, Port, PortBinding, PortMap, Protocol};
use corten_network::{PortFirewall, PublishRequest};
use std::collections::BTreeMap;

/// Annotations that say who decides what reaches published ports: `…=host`, and for one
/// port `….80/tcp=host`. Values are those of the daemon's `--port-firewall`.
const FIREWALL: &str = "corten.port_firewall";

/// Refuses an annotation about ports that means nothing.
pub(super) fn verify_firewall(annotations: &Annotations) -> Result<()> {
    for (name, value) in annotations.iter().flatten() {
        let Some(rest) = name.strip_prefix(FIREWALL) else {
            continue;
        };
        let names_port = |rest: &str| {
            let port = rest.strip_prefix('.').map(str::parse::<Port>);
            rest.is_empty() || matches!(port, Some(Ok(_)))
        };
        if !names_port(rest) || firewall_of(value).is_none() {
            return Err(EngineError::Invalid(messages::invalid_port_firewall(
                name, value,
            )));
        }
    }
    Ok(())
}

type Annotations = Option<BTreeMap<String, String>>;

fn firewall_of(value: &str) -> Option<PortFirewall> {
    match value {
        "open" => Some(PortFirewall::Open),
        "host" => Some(PortFirewall::Host),
        _ => None,
    }
}

/// What the annotations say of a port; `None`: its network's or the daemon's setting counts.
fn firewall(annotations: &Annotations, port: Port) -> Option<PortFirewall> {
    let annotations = annotations.as_ref()?;
    let value = annotations
        .get(&format!("{FIREWALL}.{port}"))
        .or_else(|| annotations.get(FIREWALL))?;
    firewall_of(value)
}

/// `-p` and `-P`. What is bound and not exposed is not published, as with dockerd; clients
/// expose what they bind.
pub(super) fn publish_requests(record: &Container) -> Result<Vec<PublishRequest>> {
    let empty = PortMap::new();
    let bindings = record.host_config.port_bindings.as_ref().unwrap_or(&empty);
    let mut list = Vec::new();
    let exposed = &record.config.exposed_ports;
    let decides = |port| firewall(&record.host_config.annotations, port);
    for (port, asked) in bindings.iter().filter(|(port, _)| exposed.contains(*port)) {
        let one = [PortBinding::default()];
        let asked = match asked.as_deref() {
            None | Some([]) => &one[..],
            Some(asked) => asked,
        };
        for binding in asked {
            list.push(publish_request(*port, binding, decides(*port))?);
        }
    }
    if record.host_config.publish_all_ports {
        for port in record
            .config
            .exposed_ports
            .iter()
            .filter(|it| !bindings.contains_key(it))
        {
            list.push(publish_request(
                *port,
                &PortBinding::default(),
                decides(*port),
            )?);
        }
    }
    Ok(list)
}

fn publish_request(
    port: Port,
    binding: &PortBinding,
    firewall: Option<PortFirewall>,
) -> Result<PublishRequest> {
    let wrong = |text: &str| EngineError::Invalid(messages::invalid_port(text));
    let host_ip = match binding.host_ip.as_str() {
        "" => None,
        text => Some(text.parse().map_err(|_| wrong(text))?),
    };
    let (host_port, host_port_end) = match binding.host_port.as_str() {
        "" => (0, 0),
        text => {
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            let number = |part: &str| part.parse::<u16>().map_err(|_| wrong(text));
            (number(first)?, number(last)?)
        }
    };
    let protocol = match port.protocol {
        Protocol::Tcp => corten_network::Protocol::Tcp,
        Protocol::Udp => corten_network::Protocol::Udp,
        Protocol::Sctp => corten_network::Protocol::Sctp,
    };
    Ok(PublishRequest {
        container_port: port.number,
        protocol,
        host_ip,
        host_port,
        host_port_end,
        firewall,
    })
}

/// Exposed ports, and where they are published.
pub(super) fn ports(record: &Container, bound: &[corten_network::PortBinding]) -> PortMap {
    let mut map: PortMap = record
        .config
        .exposed_ports
        .iter()
        .map(|port| (*port, None))
        .collect();
    for binding in bound {
        let protocol = match binding.protocol {
            corten_network::Protocol::Tcp => Protocol::Tcp,
            corten_network::Protocol::Udp => Protocol::Udp,
            corten_network::Protocol::Sctp => Protocol::Sctp,
        };
        let port = Port {
            number: binding.container_port,
            protocol,
        };
        map.entry(port)
            .or_default()
            .get_or_insert_default()
            .push(PortBinding {
                host_ip: binding.host_ip.to_string(),
                host_port: binding.host_port.to_string(),
            });
    }
    map
}
