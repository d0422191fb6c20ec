//! What is left after ends of all kinds, and what survives a restart.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

mod common;

use common::{Container, Host, call, is_refused, port, request, serve, start, try_start};
use corten_network::{
    Driver, EndpointRequest, LiveContainer, NetworkRequest, Networks, PublishRequest,
};
use std::time::{Duration, Instant};

fn live(all: &[&Container]) -> Vec<LiveContainer> {
    all.iter()
        .map(|c| LiveContainer {
            id: c.endpoint.container_id.clone(),
            netns: None,
        })
        .collect()
}

fn released(host: &Host, networks: &Networks, request: &EndpointRequest) {
    host.netns
        .run(|| networks.release(&request.container_id))
        .unwrap()
        .unwrap();
}

fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn the_default_networks_look_like_dockers() {
    let host = Host::new();
    let networks = host.open();
    let all: Vec<_> = networks
        .list()
        .into_iter()
        .map(|n| (n.name, n.driver))
        .collect();
    let names = [
        ("bridge", Driver::Bridge),
        ("host", Driver::Host),
        ("none", Driver::Null),
    ];
    assert_eq!(all, names.map(|(name, driver)| (name.to_owned(), driver)));
    let bridge = networks.inspect("bridge").unwrap();
    let config = &bridge.ipam.as_ref().unwrap()[0];
    assert_eq!(
        (config.subnet.as_str(), config.gateway.as_str()),
        ("172.17.0.0/16", "172.17.0.1")
    );
    assert_eq!(bridge.options["com.docker.network.bridge.name"], "docker0");
    assert_eq!(
        networks.inspect(&bridge.id.to_string()[..7]).unwrap().name,
        "bridge"
    );
    let missing = networks.inspect("nosuch").unwrap_err();
    assert_eq!(missing.to_string(), "network nosuch not found");
    // IDs stay over a restart.
    drop(networks);
    assert_eq!(host.open().inspect("bridge").unwrap().id, bridge.id);
}

#[test]
fn another_engines_bridge_and_subnets_are_left_alone() {
    let host = Host::new();
    host.output("ip", &["link", "add", "docker0", "type", "bridge"]);
    host.output("ip", &["addr", "add", "172.17.0.1/16", "dev", "docker0"]);
    let networks = host.open();
    let bridge = networks.inspect("bridge").unwrap();
    assert_eq!(bridge.options["com.docker.network.bridge.name"], "corten0");
    assert_eq!(bridge.ipam.unwrap()[0].subnet, "172.18.0.0/16");
}

#[test]
fn two_engines_on_one_host_do_not_share_bridge_or_table() {
    let host = Host::new();
    let first = host.open();
    let elsewhere = tempfile::tempdir().unwrap();
    let second = host.open_with(|config| {
        config.data_dir = elsewhere.path().join("data");
        config.exec_dir = elsewhere.path().join("exec");
    });
    let web = |host_port| EndpointRequest {
        ports: vec![port(80, host_port)],
        ..request("web")
    };
    let a = start(&host, &first, &web(8080));
    let b = start(&host, &second, &web(8081));
    assert_eq!(a.endpoint.ipv4.unwrap().to_string(), "172.17.0.2");
    assert_eq!(b.endpoint.ipv4.unwrap().to_string(), "172.18.0.2");
    serve(&a.netns, "0.0.0.0:80");
    serve(&b.netns, "0.0.0.0:80");
    for port in ["8080", "8081"] {
        assert!(
            call(&host.neighbour, &format!("192.0.2.1:{port}")).is_ok(),
            "{port}"
        );
    }
    assert_eq!(
        host.output("nft", &["list", "tables"]),
        "table inet corten\ntable inet corten0\n"
    );
    // What the second leaves is taken over by the next one that needs it.
    drop(second);
    let third = host.open_with(|config| {
        config.data_dir = elsewhere.path().join("data");
        config.exec_dir = elsewhere.path().join("exec");
    });
    let bridge = third.inspect("bridge").unwrap();
    assert_eq!(bridge.options["com.docker.network.bridge.name"], "corten0");
    assert!(call(&host.neighbour, "192.0.2.1:8081").is_ok());
}

#[test]
fn the_flags_shape_the_default_bridge() {
    let host = Host::new();
    let networks = host.open_with(|config| {
        config.bip = Some("10.44.0.1/24".parse().unwrap());
        config.fixed_cidr = Some("10.44.0.128/25".parse().unwrap());
        config.mtu = 1400;
    });
    let a = start(&host, &networks, &request("a"));
    assert_eq!(a.endpoint.ipv4.unwrap().to_string(), "10.44.0.128");
    assert_eq!(a.endpoint.gateway.unwrap().to_string(), "10.44.0.1");
    assert_eq!(a.netns.route().link("eth0").unwrap().unwrap().mtu, 1400);
    drop(networks);
    let networks = host.open_with(|config| {
        config.ipv6 = true;
        config.bip6 = Some("fd44::7/64".parse().unwrap());
        config.fixed_cidr_v6 = Some("fd44::1:0/112".parse().unwrap());
        let mtu = ("com.docker.network.driver.mtu".into(), "1300".into());
        config.default_options = [("bridge".into(), [mtu].into())].into();
    });
    let b = start(&host, &networks, &request("b"));
    assert_eq!(b.endpoint.ipv6.unwrap().to_string(), "fd44::1:0");
    assert_eq!(b.endpoint.ipv6_gateway.unwrap().to_string(), "fd44::7");
    let made = NetworkRequest {
        name: "own".into(),
        ..Default::default()
    };
    host.netns.run(|| networks.create(&made).unwrap()).unwrap();
    let on_own = EndpointRequest {
        network: "own".into(),
        ..request("c")
    };
    let c = start(&host, &networks, &on_own);
    assert_eq!(c.netns.route().link("eth0").unwrap().unwrap().mtu, 1300);
    drop(networks);
    let none = host.open_with(|config| config.bridge = "none".into());
    assert!(none.inspect("bridge").is_err());
}

#[test]
fn a_container_has_one_link_without_ipv6_and_a_mac_of_its_own() {
    let host = Host::new();
    let networks = host.open();
    let mut wanted = request("a");
    wanted.mac = Some("02:42:ac:11:00:09".parse().unwrap());
    let a = start(&host, &networks, &wanted);
    let link = a.netns.route().link("eth0").unwrap().unwrap();
    assert_eq!(link.address, Some([2, 0x42, 0xac, 0x11, 0, 9]));
    let read =
        |file: &str| std::fs::read_to_string(format!("/proc/sys/net/ipv6/conf/{file}")).unwrap();
    let settings = || {
        [
            read("eth0/disable_ipv6"),
            read("default/disable_ipv6"),
            read("lo/disable_ipv6"),
        ]
    };
    assert_eq!(a.netns.run(settings).unwrap(), ["1\n", "0\n", "0\n"]);
    let info = networks.inspect("bridge").unwrap();
    assert_eq!(info.endpoints[&wanted.container_id], a.endpoint);
}

#[test]
fn an_address_is_used_again_only_when_its_link_is_gone() {
    let host = Host::new();
    let networks = host.open();
    let a = start(&host, &networks, &request("a"));
    released(&host, &networks, &request("a"));
    // The namespace is still held: its link still answers for the address.
    let b = start(&host, &networks, &request("b"));
    assert_eq!(b.endpoint.ipv4.unwrap().to_string(), "172.17.0.3");
    drop(a);
    wait_for("the link is gone", || host.pairs() == 1);
    wait_for("the address is free", || {
        let c = start(&host, &networks, &request("c"));
        released(&host, &networks, &request("c"));
        c.endpoint.ipv4.unwrap().to_string() == "172.17.0.2"
    });
}

#[test]
fn a_link_that_somebody_keeps_is_deleted_after_a_while() {
    let host = Host::new();
    let networks = host.open();
    let _a = start(&host, &networks, &request("a"));
    released(&host, &networks, &request("a"));
    wait_for("the link is gone", || host.pairs() == 0);
}

#[test]
fn a_failure_to_publish_leaves_nothing() {
    let host = Host::new();
    let networks = host.open();
    let mut first = request("first");
    first.ports = vec![port(80, 8080)];
    let _first = start(&host, &networks, &first);
    let mut second = request("second");
    second.ports = vec![port(80, 9090), port(80, 8080)];
    let error = try_start(&host, &networks, &second)
        .err()
        .unwrap()
        .to_string();
    let (head, tail) = error.split_once(" (").unwrap();
    assert_eq!(
        head,
        "driver failed programming external connectivity on endpoint second"
    );
    assert!(
        tail.ends_with("): Bind for 0.0.0.0:8080 failed: port is already allocated"),
        "{tail}"
    );
    assert_eq!(host.pairs(), 1);
    assert!(networks.endpoints(&second.container_id).is_empty());
    second.ports.pop();
    let again = start(&host, &networks, &second);
    assert_eq!(again.endpoint.ipv4.unwrap().to_string(), "172.17.0.3");
}

#[test]
fn after_a_restart_live_containers_are_kept_and_dead_ones_taken_back() {
    let host = Host::new();
    let networks = host.open();
    let with_port = |name: &str, host_port| EndpointRequest {
        ports: vec![port(80, host_port)],
        ..request(name)
    };
    let alive = start(&host, &networks, &with_port("alive", 8080));
    let dead = start(&host, &networks, &with_port("dead", 8081));
    serve(&alive.netns, "0.0.0.0:80");
    // The daemon dies: nothing is taken back.
    drop(networks);
    assert!(call(&host.neighbour, "192.0.2.1:8080").is_ok());
    let networks = host.open();
    assert!(call(&host.neighbour, "192.0.2.1:8080").is_ok());
    let report = host
        .netns
        .run(|| networks.reconcile(live(&[&alive])))
        .unwrap()
        .unwrap();
    assert_eq!(
        report.released,
        std::slice::from_ref(&dead.endpoint.container_id)
    );
    assert_eq!((report.restored, report.problems), (1, vec![]));
    drop(dead);
    wait_for("the dead one's link is gone", || host.pairs() == 1);
    assert!(call(&host.neighbour, "192.0.2.1:8080").is_ok());
    let map = host.output("nft", &["list", "map", "inet", "corten", "ports_4"]);
    assert!(map.contains("tcp . 8080") && !map.contains("8081"), "{map}");
    // Its port is held and its address taken, as before.
    let clash = try_start(&host, &networks, &with_port("new", 8080))
        .err()
        .unwrap()
        .to_string();
    assert!(
        clash.ends_with("Bind for 0.0.0.0:8080 failed: port is already allocated"),
        "{clash}"
    );
    let bind = || std::net::TcpListener::bind("0.0.0.0:8080").is_err();
    assert!(host.netns.run(bind).unwrap(), "the port is not held");
    let new = start(&host, &networks, &with_port("new", 8081));
    assert_ne!(new.endpoint.ipv4, alive.endpoint.ipv4);
}

#[test]
fn abandoned_links_are_deleted() {
    let host = Host::new();
    let networks = host.open();
    let a = start(&host, &networks, &request("a"));
    drop(networks);
    // The record was lost, the link is there.
    std::fs::remove_dir_all(host.state.path().join("exec")).unwrap();
    let networks = host.open();
    let report = host
        .netns
        .run(|| networks.reconcile(Vec::new()))
        .unwrap()
        .unwrap();
    assert_eq!(report.links_deleted, [a.endpoint.host_interface]);
    assert_eq!(host.pairs(), 0);
}

#[test]
fn a_table_flushed_by_others_comes_back() {
    let host = Host::new();
    let networks = host.open();
    let web = EndpointRequest {
        ports: vec![port(80, 8080)],
        ..request("web")
    };
    let web = start(&host, &networks, &web);
    serve(&web.netns, "0.0.0.0:80");
    let rules = || host.output("nft", &["list", "table", "inet", "corten"]);
    let before = rules();
    for command in [
        &["flush", "ruleset"][..],
        &["flush", "chain", "inet", "corten", "forward"],
        &["delete", "table", "inet", "corten"],
    ] {
        host.output("nft", command);
        wait_for("the table is as it was", || rules() == before);
        assert!(call(&host.neighbour, "192.0.2.1:8080").is_ok());
        assert!(is_refused(&host.neighbour, "172.17.0.2:80"));
    }
    // Elements, too: emptied, or slipped in.
    for command in [
        &["flush", "map", "inet", "corten", "ports_4"][..],
        &[
            "add",
            "element",
            "inet",
            "corten",
            "unprotected_4",
            "{ docker0 }",
        ],
    ] {
        host.output("nft", command);
        wait_for("the elements are as they were", || rules() == before);
    }
    let report = host
        .netns
        .run(|| networks.reconcile(live(&[&web])))
        .unwrap()
        .unwrap();
    assert!(!report.firewall_rebuilt);
}

#[test]
fn host_and_none_have_endpoints_without_links() {
    let host = Host::new();
    let networks = host.open();
    let none = EndpointRequest {
        network: "none".into(),
        ..request("a")
    };
    let none = start(&host, &networks, &none);
    assert_eq!((none.endpoint.ipv4, none.endpoint.mac), (None, None));
    let on_host = EndpointRequest {
        network: "host".into(),
        ..request("b")
    };
    let endpoint = host
        .netns
        .run(|| networks.connect(None, &on_host))
        .unwrap()
        .unwrap();
    assert_eq!(endpoint.network_name, "host");
    assert_eq!(host.pairs(), 0);
    let bad = EndpointRequest {
        ipv4: Some([172, 17, 0, 9].into()),
        ..request("c")
    };
    assert_eq!(
        try_start(&host, &networks, &bad).err().unwrap().to_string(),
        "invalid config for network bridge: invalid endpoint settings:\n\
         * user specified IP address is supported on user defined networks only\n\
         * user specified IP address is supported only when connecting to networks with user configured subnets"
    );
}

#[test]
fn a_port_is_published_on_both_families_unless_an_address_says_otherwise() {
    let host = Host::new();
    let networks = host.open();
    let mut wanted = request("a");
    wanted.ports = vec![
        port(80, 8080),
        PublishRequest {
            host_ip: Some([0, 0, 0, 0].into()),
            ..port(81, 8081)
        },
    ];
    let a = start(&host, &networks, &wanted);
    let ports: Vec<_> = a
        .endpoint
        .ports
        .iter()
        .map(|p| format!("{} {}", p.container_port, p.host_ip))
        .collect();
    assert_eq!(ports, ["80 0.0.0.0", "80 ::", "81 0.0.0.0"]);
}

#[test]
fn chains_of_others_are_found_out() {
    let host = Host::new();
    host.output("nft", &["add", "table", "ip", "filter"]);
    let chain = "{ type filter hook forward priority 0; policy drop; }";
    host.output("nft", &["add", "chain", "ip", "filter", "FORWARD", chain]);
    let find = || {
        let mut nft = corten_netlink::nft::NftSocket::open().unwrap();
        nft.base_chains(corten_netlink::nft::Family::Ip).unwrap()
    };
    let found = host.netns.run(find).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].name.as_str(), found[0].drop), ("FORWARD", true));
    // Containers start all the same; the warning says what to do.
    let networks = host.open();
    start(&host, &networks, &request("a"));
}

#[test]
fn networks_made_at_the_same_time_choose_apart_and_are_all_on_record() {
    let host = Host::new();
    let networks = host.open();
    std::thread::scope(|scope| {
        for number in 0..12 {
            let (host, networks) = (&host, &networks);
            scope.spawn(move || {
                let request = NetworkRequest {
                    name: format!("n{number}"),
                    ..NetworkRequest::default()
                };
                host.netns
                    .run(|| networks.create(&request))
                    .unwrap()
                    .unwrap();
            });
        }
    });
    let subnets = |networks: &Networks| {
        let all = networks.list().into_iter();
        let subnets = all.flat_map(|info| info.ipam.unwrap_or_default());
        let subnets = subnets.map(|config| config.subnet);
        subnets.collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(subnets(&networks).len(), 13);
    drop(networks);
    assert_eq!(subnets(&host.open()).len(), 13);
}
