//! What becomes one element.

use super::{Published, links_of};
use crate::{Endpoint, LinkedPort, PortBinding, PortFirewall, Protocol};
use corten_base::Id;
use std::net::IpAddr;

fn endpoint(ports: Vec<PortBinding>) -> Endpoint {
    Endpoint {
        network_id: Id::random(),
        network_name: "n".into(),
        endpoint_id: Id::random(),
        container_id: "c".into(),
        container_name: "c".into(),
        interface: "eth0".into(),
        host_interface: "veth0".into(),
        ipv4: Some([172, 18, 0, 2].into()),
        ipv4_prefix_length: 16,
        gateway: None,
        ipv6: None,
        ipv6_prefix_length: 0,
        ipv6_gateway: None,
        leads_out_itself: false,
        mac: None,
        aliases: Vec::new(),
        dns_names: Vec::new(),
        links: Vec::new(),
        linked_ports: Vec::new(),
        link_local: Vec::new(),
        gateway_priority: 0,
        driver_options: Default::default(),
        ports,
    }
}

fn port(host_ip: &str, host_port: u16, container_port: u16) -> PortBinding {
    PortBinding {
        container_port,
        protocol: Protocol::Tcp,
        host_ip: host_ip.parse().unwrap(),
        host_port,
        firewall: PortFirewall::Open,
        direct: false,
    }
}

#[test]
fn ten_thousand_ports_are_one_element() {
    let ports = (0..10_000)
        .flat_map(|n| ["0.0.0.0", "127.0.0.1"].map(|ip| port(ip, 20_000 + n, 30_000 + n)));
    let published = Published::of(&endpoint(ports.collect()));
    let spans: Vec<_> = published
        .iter()
        .map(|it| (it.host_ip.to_string(), it.host_ports, it.target_ports))
        .collect();
    let whole = |ip: &str| (ip.to_owned(), (20_000, 29_999), (30_000, 39_999));
    assert_eq!(spans, [whole("0.0.0.0"), whole("127.0.0.1")]);
}

#[test]
fn what_is_no_run_stays_apart() {
    let mut ports: Vec<_> = (0..20)
        .map(|n| port("0.0.0.0", 8000 + 2 * n, 80 + n))
        .collect();
    ports.push(port("::", 9000, 80));
    let host = PortBinding {
        firewall: PortFirewall::Host,
        ..port("0.0.0.0", 9001, 80)
    };
    ports.push(host);
    let published = Published::of(&endpoint(ports));
    assert_eq!(published.len(), 20);
    assert!(
        published
            .iter()
            .all(|it| it.host_ip == IpAddr::from([0, 0, 0, 0]))
    );
}

#[test]
fn a_link_is_from_one_container_to_one_port() {
    let mut endpoint = endpoint(Vec::new());
    endpoint.linked_ports = vec![LinkedPort {
        address: [172, 17, 0, 9].into(),
        protocol: Protocol::Tcp,
        port: 5432,
    }];
    let links = links_of(&endpoint);
    assert_eq!((links.len(), links[0].port), (1, 5432));
}
