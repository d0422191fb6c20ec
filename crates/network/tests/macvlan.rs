//! Containers on the host's wire.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

mod common;

use common::{Container, Host, call, is_refused, request, serve, start};
use corten_network::{EndpointRequest, IpamConfig, NetworkRequest, Networks};

fn create(
    host: &Host,
    networks: &Networks,
    driver: &str,
    name: &str,
    options: &[(&str, &str)],
) -> Result<(), String> {
    let subnet = IpamConfig {
        subnet: "192.0.2.0/24".into(),
        ip_range: "192.0.2.64/26".into(),
        gateway: "192.0.2.2".into(),
        ..Default::default()
    };
    let request = NetworkRequest {
        name: name.into(),
        driver: driver.into(),
        ipam: vec![subnet],
        options: options
            .iter()
            .map(|(key, value)| ((*key).into(), (*value).into()))
            .collect(),
        ..Default::default()
    };
    let create = || networks.create(&request).map(drop);
    let made = host.netns.run(create).unwrap();
    made.map_err(|error| error.to_string())
}

fn run(host: &Host, networks: &Networks, name: &str) -> Container {
    let request = EndpointRequest {
        network: "lan".into(),
        ..request(name)
    };
    start(host, networks, &request)
}

#[test]
fn a_container_is_on_the_wire_beside_the_host() {
    let host = Host::new();
    let networks = host.open();
    create(&host, &networks, "macvlan", "lan", &[("parent", "wan")]).unwrap();
    let (a, b) = (run(&host, &networks, "a"), run(&host, &networks, "b"));
    assert_eq!(a.endpoint.ipv4.unwrap().to_string(), "192.0.2.64");
    assert_eq!(a.endpoint.gateway.unwrap().to_string(), "192.0.2.2");
    serve(&a.netns, "0.0.0.0:80");
    serve(&host.neighbour, "0.0.0.0:80");
    assert_eq!(call(&host.neighbour, "192.0.2.64:80").unwrap(), "192.0.2.2");
    assert_eq!(call(&a.netns, "192.0.2.2:80").unwrap(), "192.0.2.64");
    assert_eq!(call(&b.netns, "192.0.2.64:80").unwrap(), "192.0.2.65");
    // The parent itself is no member, as everywhere with macvlan.
    assert!(is_refused(&host.netns, "192.0.2.64:80"));
    let id = a.endpoint.container_id.clone();
    host.netns.run(|| networks.release(&id)).unwrap().unwrap();
}

#[test]
fn private_containers_do_not_see_each_other() {
    let host = Host::new();
    let networks = host.open();
    let options = [("parent", "wan"), ("macvlan_mode", "private")];
    create(&host, &networks, "macvlan", "lan", &options).unwrap();
    let (a, b) = (run(&host, &networks, "a"), run(&host, &networks, "b"));
    serve(&a.netns, "0.0.0.0:80");
    assert!(call(&host.neighbour, "192.0.2.64:80").is_ok());
    assert!(is_refused(&b.netns, "192.0.2.64:80"));
}

#[test]
fn one_container_takes_a_link_for_itself() {
    let host = Host::new();
    let networks = host.open();
    let options = [("parent", "wan"), ("macvlan_mode", "passthru")];
    create(&host, &networks, "macvlan", "lan", &options).unwrap();
    let _a = run(&host, &networks, "a");
    let second = EndpointRequest {
        network: "lan".into(),
        ..request("b")
    };
    assert!(common::try_start(&host, &networks, &second).is_err());
    let error = create(&host, &networks, "macvlan", "more", &[("parent", "wan")]).unwrap_err();
    assert!(
        error.contains("is already using parent interface wan in mode passthru")
            || error.contains("Pool overlaps"),
        "{error}"
    );
}

#[test]
fn what_cannot_be_is_refused_with_a_reason() {
    let host = Host::new();
    let networks = host.open();
    for (driver, options, sentence) in [
        (
            "macvlan",
            &[("parent", "nope")][..],
            "invalid subinterface vlan name nope, example formatting is eth0.10",
        ),
        (
            "macvlan",
            &[("parent", "wan.5000")],
            "vlan id must be between 1-4094, received: 5000",
        ),
        (
            "macvlan",
            &[("parent", "wan"), ("macvlan_mode", "bogus")],
            "requested macvlan mode 'bogus' is not valid, 'bridge' mode is the macvlan driver default",
        ),
        (
            "macvlan",
            &[("parent", "lo")],
            "loopback interface is not a valid macvlan parent link",
        ),
        (
            "ipvlan",
            &[("parent", "wan"), ("ipvlan_mode", "bogus")],
            "requested ipvlan mode 'bogus' is not valid, 'l2' mode is the ipvlan driver default",
        ),
    ] {
        let error = create(&host, &networks, driver, "x", options).unwrap_err();
        assert_eq!(error, sentence);
        assert!(networks.inspect("x").is_err());
    }
    // Where the kernel has it, it works; where not, it says so.
    if let Err(error) = create(&host, &networks, "ipvlan", "lan", &[("parent", "wan")]) {
        assert_eq!(
            error,
            "operation not supported: this kernel has no ipvlan links (module ipvlan)"
        );
    }
}

#[test]
fn a_link_that_was_pulled_out_stops_its_network_only() {
    let host = Host::new();
    host.output(
        "ip",
        &["link", "add", "side", "type", "veth", "peer", "name", "far"],
    );
    let networks = host.open();
    create(&host, &networks, "macvlan", "lan", &[("parent", "side")]).unwrap();
    drop(networks);
    host.output("ip", &["link", "del", "side"]);
    let networks = host.open();
    start(&host, &networks, &request("fine"));
    let lan = EndpointRequest {
        network: "lan".into(),
        ..request("a")
    };
    let error = common::try_start(&host, &networks, &lan).err().unwrap();
    assert_eq!(
        error.to_string(),
        "invalid subinterface vlan name side, example formatting is eth0.10"
    );
    assert!(networks.endpoints(&lan.container_id).is_empty());
    host.netns.run(|| networks.remove("lan")).unwrap().unwrap();
}
