//! Containers that share the address of the host's wire, by frames or by packets. A kernel
//! without such links refuses; `cargo xtask guest` boots one that has them.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

mod common;

use common::{Container, Host, call, is_refused, request, serve, start};
use corten_network::{EndpointRequest, IpamConfig, NetworkRequest, Networks};

/// A network on the host's wire; `None` where the kernel has no such links.
fn create(host: &Host, networks: &Networks, mode: &str, subnet: &str) -> Option<()> {
    let subnet = IpamConfig {
        subnet: subnet.into(),
        ..Default::default()
    };
    let options = [("parent", "wan"), ("ipvlan_mode", mode)];
    let request = NetworkRequest {
        name: "lan".into(),
        driver: "ipvlan".into(),
        ipam: vec![subnet],
        options: options
            .map(|(key, value)| (key.into(), value.into()))
            .into(),
        ..Default::default()
    };
    let made = host.netns.run(|| networks.create(&request).map(drop));
    match made.unwrap() {
        Ok(()) => Some(()),
        Err(error) => {
            assert_eq!(
                error.to_string(),
                "operation not supported: this kernel has no ipvlan links (module ipvlan)"
            );
            None
        }
    }
}

fn run(host: &Host, networks: &Networks, name: &str) -> Container {
    let request = EndpointRequest {
        network: "lan".into(),
        ..request(name)
    };
    start(host, networks, &request)
}

#[test]
fn by_frames_a_container_is_on_the_wire_beside_the_host() {
    let host = Host::new();
    let networks = host.open();
    let Some(()) = create(&host, &networks, "l2", "192.0.2.64/26") else {
        return;
    };
    let (a, b) = (run(&host, &networks, "a"), run(&host, &networks, "b"));
    assert_eq!(a.endpoint.gateway.unwrap().to_string(), "192.0.2.65");
    assert_eq!(a.endpoint.mac, None, "it has the wire's");
    let (a_at, b_at) = (a.endpoint.ipv4.unwrap(), b.endpoint.ipv4.unwrap());
    serve(&a.netns, "0.0.0.0:80");
    assert_eq!(
        call(&b.netns, &format!("{a_at}:80")).unwrap(),
        b_at.to_string()
    );
    // The host itself is not on it.
    assert!(is_refused(&host.netns, &format!("{a_at}:80")));
}

#[test]
fn by_packets_a_container_is_reached_through_the_hosts_address() {
    for mode in ["l3", "l3s"] {
        let host = Host::new();
        let networks = host.open();
        let Some(()) = create(&host, &networks, mode, "198.51.100.0/24") else {
            return;
        };
        let (a, b) = (run(&host, &networks, "a"), run(&host, &networks, "b"));
        let (a_at, b_at) = (a.endpoint.ipv4.unwrap(), b.endpoint.ipv4.unwrap());
        assert_eq!(a.endpoint.gateway, None, "nobody answers as one");
        serve(&a.netns, "0.0.0.0:80");
        serve(&host.neighbour, "0.0.0.0:80");
        let a_serves = format!("{a_at}:80");
        assert_eq!(call(&b.netns, &a_serves).unwrap(), b_at.to_string());
        // The neighbour knows the host as its router; the host need not forward.
        assert_eq!(
            call(&host.neighbour, &a_serves).unwrap(),
            "192.0.2.2",
            "{mode}"
        );
        assert_eq!(
            call(&b.netns, "192.0.2.2:80").unwrap(),
            b_at.to_string(),
            "{mode}"
        );
        let id = a.endpoint.container_id.clone();
        host.netns.run(|| networks.release(&id)).unwrap().unwrap();
    }
}
