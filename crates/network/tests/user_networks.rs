//! Networks that users make.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

mod common;

use common::{Host, call, is_refused, port, request, serve, start, try_start};
use corten_base::{Kind, KindOf};
use corten_network::{EndpointRequest, IpamConfig, NetworkInfo, NetworkRequest, Networks};

fn create(
    host: &Host,
    networks: &Networks,
    request: &NetworkRequest,
) -> Result<NetworkInfo, String> {
    let create = || networks.create(request).map_err(|error| error.to_string());
    host.netns.run(create).unwrap()
}

fn named(name: &str) -> NetworkRequest {
    NetworkRequest {
        name: name.into(),
        ..Default::default()
    }
}

fn with_subnet(name: &str, subnet: &str) -> NetworkRequest {
    let config = IpamConfig {
        subnet: subnet.into(),
        ..Default::default()
    };
    NetworkRequest {
        ipam: vec![config],
        ..named(name)
    }
}

fn on(network: &str, container: &str) -> EndpointRequest {
    EndpointRequest {
        network: network.into(),
        ..request(container)
    }
}

fn remove(host: &Host, networks: &Networks, name: &str) -> Result<(), String> {
    let remove = || {
        networks
            .remove(name)
            .map(drop)
            .map_err(|error| error.to_string())
    };
    host.netns.run(remove).unwrap()
}

#[test]
fn networks_are_apart_but_for_published_ports() {
    let host = Host::new();
    let networks = host.open();
    let front = create(&host, &networks, &named("front")).unwrap();
    assert_eq!(front.ipam.unwrap()[0].subnet, "172.18.0.0/16");
    create(&host, &networks, &named("back")).unwrap();
    let mut web = on("front", "web");
    web.ports = vec![port(80, 8080)];
    let web = start(&host, &networks, &web);
    let mate = start(&host, &networks, &on("front", "mate"));
    let other = start(&host, &networks, &on("back", "other"));
    let default = start(&host, &networks, &request("default"));
    serve(&web.netns, "0.0.0.0:80");
    assert!(call(&mate.netns, "172.18.0.2:80").is_ok());
    for outsider in [&other, &default] {
        assert!(is_refused(&outsider.netns, "172.18.0.2:80"));
        assert!(call(&outsider.netns, "192.0.2.1:8080").is_ok());
    }
}

#[test]
fn an_internal_network_has_no_way_out_or_in() {
    let host = Host::new();
    let networks = host.open();
    let internal = NetworkRequest {
        internal: true,
        ..named("inner")
    };
    create(&host, &networks, &internal).unwrap();
    let a = start(&host, &networks, &on("inner", "a"));
    let b = start(&host, &networks, &on("inner", "b"));
    serve(&b.netns, "0.0.0.0:80");
    serve(&host.neighbour, "0.0.0.0:80");
    assert!(call(&a.netns, "172.18.0.3:80").is_ok());
    host.output("true", &[]);
    let route = || {
        let arguments = ["route", "add", "default", "via", "172.18.0.1"];
        std::process::Command::new("ip")
            .args(arguments)
            .status()
            .unwrap()
    };
    a.netns.run(route).unwrap();
    assert!(is_refused(&a.netns, "192.0.2.2:80"));
}

#[test]
fn a_container_is_on_several_networks_and_leaves_one() {
    let host = Host::new();
    let networks = host.open();
    create(&host, &networks, &with_subnet("extra", "10.77.0.0/24")).unwrap();
    let a = start(&host, &networks, &request("a"));
    let second = EndpointRequest {
        ipv4: Some([10, 77, 0, 9].into()),
        aliases: vec!["db".into()],
        ..on("extra", "a")
    };
    let connect = || networks.connect(Some(&a.netns), &second);
    let endpoint = host.netns.run(connect).unwrap().unwrap();
    assert_eq!(
        (endpoint.interface.as_str(), endpoint.aliases),
        ("eth1", vec!["db".to_owned()])
    );
    assert_eq!(
        a.netns
            .route()
            .routes()
            .unwrap()
            .iter()
            .filter_map(|r| r.gateway)
            .count(),
        1
    );
    let again = host.netns.run(connect).unwrap().unwrap_err();
    assert_eq!(
        again.to_string(),
        "endpoint with name a already exists in network extra"
    );
    assert_eq!(again.kind(), Kind::Forbidden);
    let taken = EndpointRequest {
        ipv4: Some([10, 77, 0, 9].into()),
        ..on("extra", "b")
    };
    assert_eq!(
        try_start(&host, &networks, &taken)
            .err()
            .unwrap()
            .to_string(),
        "Address already in use"
    );
    let busy = remove(&host, &networks, "extra").unwrap_err();
    assert!(
        busy.starts_with(
            "error while removing network: network extra has active endpoints (name:\"a\" id:\""
        ),
        "{busy}"
    );
    host.netns
        .run(|| networks.disconnect(&second.container_id, "extra"))
        .unwrap()
        .unwrap();
    assert!(a.netns.route().link("eth1").unwrap().is_none());
    assert!(a.netns.route().link("eth0").unwrap().is_some());
    remove(&host, &networks, "extra").unwrap();
    assert!(
        host.netns
            .route()
            .links()
            .unwrap()
            .iter()
            .all(|link| !link.name.starts_with("br-"))
    );
}

#[test]
fn a_network_stays_over_a_restart() {
    let host = Host::new();
    let networks = host.open();
    let config = IpamConfig {
        subnet: "10.77.0.0/24".into(),
        ip_range: "10.77.0.128/25".into(),
        gateway: "10.77.0.254".into(),
        ..Default::default()
    };
    let wanted = NetworkRequest {
        ipam: vec![config.clone()],
        ..named("kept")
    };
    let before = create(&host, &networks, &wanted).unwrap();
    drop(networks);
    host.output("ip", &["link", "del", &format!("br-{}", before.id.short())]);
    let networks = host.open();
    assert_eq!(networks.inspect("kept").unwrap(), before);
    let a = start(&host, &networks, &on("kept", "a"));
    assert_eq!(a.endpoint.ipv4.unwrap().to_string(), "10.77.0.128");
    assert_eq!(a.endpoint.gateway.unwrap().to_string(), "10.77.0.254");
    serve(&host.neighbour, "0.0.0.0:80");
    assert_eq!(call(&a.netns, "192.0.2.2:80").unwrap(), common::HOST);
}

#[test]
fn refusals_are_dockers_sentences() {
    let host = Host::new();
    let networks = host.open();
    create(&host, &networks, &named("ab")).unwrap();
    let gateway = |gateway: &str| {
        let config = IpamConfig {
            subnet: "10.1.0.0/24".into(),
            gateway: gateway.into(),
            ..Default::default()
        };
        NetworkRequest {
            ipam: vec![config],
            ..named("x")
        }
    };
    for (request, sentence) in [
        (named("ab"), "network with name ab already exists"),
        (
            named("bridge"),
            "operation is not permitted on predefined bridge network ",
        ),
        (named(""), "invalid name: name is empty"),
        (
            with_subnet("x", "172.17.0.0/16"),
            "invalid pool request: Pool overlaps with other one on this address space",
        ),
        (
            with_subnet("x", "10.1.0.0/33"),
            "invalid network config:\ninvalid subnet 10.1.0.0/33: invalid CIDR block notation",
        ),
        (
            with_subnet("x", "10.1.0.5/24"),
            "invalid network config:\ninvalid subnet 10.1.0.5/24: it should be 10.1.0.0/24",
        ),
        (
            gateway("10.2.0.1"),
            "invalid network config:\ninvalid gateway 10.2.0.1: parent subnet 10.1.0.0/24 doesn't contain this address",
        ),
        (
            gateway("10.1.0.0"),
            "failed to allocate gateway (10.1.0.0): Address already in use",
        ),
        (
            NetworkRequest {
                driver: "nosuch".into(),
                ..named("x")
            },
            "plugin \"nosuch\" not found",
        ),
    ] {
        assert_eq!(create(&host, &networks, &request).unwrap_err(), sentence);
    }
    assert_eq!(
        remove(&host, &networks, "bridge").unwrap_err(),
        "bridge is a pre-defined network and cannot be removed"
    );
    assert_eq!(
        remove(&host, &networks, "nosuch").unwrap_err(),
        "network nosuch not found"
    );
    let unchosen = EndpointRequest {
        ipv4: Some([172, 18, 0, 9].into()),
        ..on("ab", "a")
    };
    assert_eq!(
        try_start(&host, &networks, &unchosen)
            .err()
            .unwrap()
            .to_string(),
        "invalid config for network ab: invalid endpoint settings:\n\
         user specified IP address is supported only when connecting to networks with user configured subnets"
    );
}
