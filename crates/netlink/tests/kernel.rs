//! Requests to the real kernel, in namespaces of their own.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

use corten_netlink::{
    Netns,
    nft::{
        BaseChain, Compared, DataType, Element, ElementData, Expression, Family, Hook, MetaKey,
        NftSocket, Register, Set, Verdict,
    },
    route::{
        Address, Bridge, BridgePort, LinkChange, LinkNews, LinkWatch, Neighbour, Route,
        RouteSocket, Veth, VethPeer,
    },
};
use rustix::io::Errno;
use std::{net::IpAddr, os::fd::AsFd, process::Command, time::Duration};

/// Two namespaces: one that plays the host, one that plays the container.
fn host_and_container() -> (Netns, Netns) {
    (Netns::create().unwrap(), Netns::create().unwrap())
}

fn add_bridge(host: &Netns) -> u32 {
    let mut route = host.route();
    let mut batch = route.batch();
    batch.add_bridge(&Bridge {
        name: "br0",
        address: [2, 0, 0, 0, 0, 9],
        mtu: 1400,
    });
    route.run(batch).unwrap();
    let index = route.link("br0").unwrap().unwrap().index;
    let mut batch = route.batch();
    batch.change_link(
        index,
        &LinkChange {
            up: Some(true),
            alias: Some("ours"),
            ..Default::default()
        },
    );
    batch.add_address(&Address {
        index,
        net: "10.9.0.1/24".parse().unwrap(),
    });
    route.run(batch).unwrap();
    index
}

fn add_veth(host: &Netns, container: &Netns, master: u32) {
    let mut route = host.route();
    let mut batch = route.batch();
    batch.add_veth(&Veth {
        name: "veth0",
        index: 0,
        address: [2, 0, 0, 0, 0, 1],
        mtu: 1400,
        master: Some(master),
        group: 7,
        peer: VethPeer {
            name: "eth0",
            index: 0,
            address: [2, 0, 0, 0, 0, 2],
            netns: container.as_fd(),
        },
    });
    route.run(batch).unwrap();
}

fn configure_container(container: &Netns) {
    let mut inside = container.route();
    let index = inside.link("eth0").unwrap().unwrap().index;
    let mut batch = inside.batch();
    batch.change_link(
        index,
        &LinkChange {
            up: Some(true),
            ..Default::default()
        },
    );
    batch.add_address(&Address {
        index,
        net: "10.9.0.2/24".parse().unwrap(),
    });
    batch.add_route(&Route {
        destination: "0.0.0.0/0".parse().unwrap(),
        gateway: Some("10.9.0.1".parse().unwrap()),
        index: None,
    });
    inside.run(batch).unwrap();
}

#[test]
fn a_pair_of_links_is_born_in_two_namespaces() {
    let (host, container) = host_and_container();
    let bridge = add_bridge(&host);
    add_veth(&host, &container, bridge);
    configure_container(&container);
    let mut route = host.route();
    let end = route.link("veth0").unwrap().unwrap();
    assert_eq!(
        (end.master, end.kind.as_str(), end.mtu, end.up),
        (Some(bridge), "veth", 1400, true)
    );
    let mut batch = route.batch();
    batch.change_port(
        end.index,
        BridgePort {
            hairpin: true,
            isolated: true,
        },
    );
    batch.set_neighbour(&Neighbour {
        index: bridge,
        address: "10.9.0.2".parse().unwrap(),
        hardware: [2, 0, 0, 0, 0, 2],
    });
    route.run(batch).unwrap();
    assert_eq!(route.link("br0").unwrap().unwrap().alias, "ours");
    assert!(route.settle("veth0").unwrap() && route.settle("br0").unwrap());
    let mut inside = container.route();
    assert!(inside.settle("eth0").unwrap());
    let gateways: Vec<_> = inside
        .routes()
        .unwrap()
        .into_iter()
        .filter_map(|r| r.gateway)
        .collect();
    assert_eq!(gateways, ["10.9.0.1".parse::<IpAddr>().unwrap()]);
    let addresses = inside.addresses().unwrap();
    assert!(addresses.iter().any(|a| a.net.to_string() == "10.9.0.2/24"));
}

#[test]
fn closing_the_namespace_takes_the_link_away() {
    let (host, container) = host_and_container();
    let bridge = add_bridge(&host);
    add_veth(&host, &container, bridge);
    let index = host.route().link("veth0").unwrap().unwrap().index;
    let mut watch = host.run(|| LinkWatch::open().unwrap()).unwrap();
    drop(container);
    let news = std::iter::from_fn(|| Some(watch.next(Duration::from_secs(10)).unwrap()));
    let gone = LinkNews::Gone(vec![index]);
    assert_eq!(news.take(10).find(|news| *news == gone), Some(gone));
    assert_eq!(host.route().link("veth0").unwrap(), None);
}

#[test]
fn refusals_name_the_request_and_the_reason() {
    let netns = Netns::create().unwrap();
    let mut route = netns.route();
    let mut batch = route.batch();
    batch.delete_link(999);
    batch.change_link(
        1,
        &LinkChange {
            up: Some(false),
            ..Default::default()
        },
    );
    let error = route.run(batch).unwrap_err();
    assert_eq!(error.errno(), Some(Errno::NODEV));
    assert!(
        error.to_string().starts_with("deleting link 999"),
        "{error}"
    );
    // The second request was carried out all the same.
    assert!(!route.links().unwrap()[0].up);
    let mut batch = route.batch();
    batch.add_route(&Route {
        destination: "0.0.0.0/0".parse().unwrap(),
        gateway: Some("192.0.2.1".parse().unwrap()),
        index: None,
    });
    let error = route.run(batch).unwrap_err().to_string();
    assert!(error.contains("gateway"), "{error}");
    assert_eq!(route.link("nosuch").unwrap(), None);
}

#[test]
fn a_namespace_is_found_again_by_its_descriptor() {
    let first = Netns::create().unwrap();
    add_bridge(&first);
    let again = Netns::from_fd(first.try_clone_fd().unwrap()).unwrap();
    assert!(again.route().link("br0").unwrap().is_some());
    let inside = again
        .run(|| RouteSocket::open().unwrap().links().unwrap().len())
        .unwrap();
    assert_eq!(inside, first.route().links().unwrap().len());
    // The calling thread stayed where it was.
    assert!(RouteSocket::open().unwrap().link("br0").unwrap().is_none());
}

fn port_key(protocol: u8, port: u16) -> Vec<u8> {
    let [high, low] = port.to_be_bytes();
    vec![protocol, 0, 0, 0, high, low, 0, 0]
}

fn build_table(nft: &mut NftSocket) {
    let mut batch = nft.batch(Family::Ip, "corten");
    batch.add_table();
    batch.delete_table();
    batch.add_table();
    batch.add_set(&Set {
        name: "ports",
        key: &[DataType::Protocol, DataType::Port],
        data: &[DataType::Ipv4, DataType::Port],
        verdicts: false,
        interval: false,
    });
    batch.add_set(&Set {
        name: "subnets",
        key: &[DataType::Ipv4],
        data: &[],
        verdicts: false,
        interval: true,
    });
    batch.add_set(&Set {
        name: "ranges",
        key: &[DataType::Ipv4, DataType::Port],
        data: &[],
        verdicts: false,
        interval: true,
    });
    batch.add_chain("other", None);
    batch.add_set(&Set {
        name: "bridges",
        key: &[DataType::LinkName],
        data: &[],
        verdicts: true,
        interval: false,
    });
    let base = BaseChain {
        nat: true,
        hook: Hook::Prerouting,
        priority: -100,
        drop: false,
    };
    batch.add_chain("prerouting", Some(base));
    let r = Register;
    batch.add_rule(
        "prerouting",
        &[
            Expression::DestinationKind(r(0)),
            Expression::Compare(r(0), Compared::Equal, 2_u32.to_ne_bytes().to_vec()),
            Expression::Meta(MetaKey::Transport, r(0)),
            Expression::TransportHeader(2, 2, r(1)),
            Expression::Map("ports", r(0), r(0)),
            Expression::DestinationNat {
                family: 2,
                address: r(0),
                port: r(1),
            },
        ],
    );
    batch.add_rule(
        "other",
        &[
            Expression::Network(12, 4, r(0)),
            Expression::Member("subnets", r(0)),
            Expression::Counter,
            Expression::Verdict(Verdict::Drop),
        ],
    );
    let mut name = b"docker0".to_vec();
    name.resize(16, 0);
    batch.add_elements(
        "bridges",
        &[Element::verdict(name, Verdict::Jump("other".into()))],
    );
    batch.add_elements("subnets", &Element::subnet("10.9.0.0/24".parse().unwrap()));
    let range = Element {
        key_end: Some([&[10, 0, 0, 9][..], &[0, 90, 0, 0]].concat()),
        ..Element::member([&[10, 0, 0, 1][..], &[0, 80, 0, 0]].concat())
    };
    batch.add_elements("ranges", &[range]);
    nft.run(batch).unwrap();
}

#[test]
fn a_table_is_made_and_changed_in_transactions() {
    let netns = Netns::create().unwrap();
    netns
        .run(|| {
            let mut nft = NftSocket::open().unwrap();
            build_table(&mut nft);
            let target = [&[10, 9, 0, 2][..], &[0, 80, 0, 0]].concat();
            let many: Vec<_> = (1000..3000)
                .map(|port| Element::pair(port_key(6, port), target.clone()))
                .collect();
            let mut batch = nft.batch(Family::Ip, "corten");
            batch.add_elements("ports", &many);
            nft.run(batch).unwrap();
            assert_eq!(
                nft.elements(Family::Ip, "corten", "ports").unwrap().len(),
                2000
            );
            let mut batch = nft.batch(Family::Ip, "corten");
            batch.delete_elements("ports", &many[1..]);
            nft.run(batch).unwrap();
            let left = nft.elements(Family::Ip, "corten", "ports").unwrap();
            assert_eq!(left[0].key, port_key(6, 1000));
            assert_eq!(left[0].data, ElementData::Value(target));
            let mut chains = nft.rules(Family::Ip, "corten").unwrap();
            chains.sort();
            assert_eq!(chains, ["other", "prerouting"]);
            let listing = Command::new("nft")
                .args(["list", "ruleset"])
                .output()
                .unwrap();
            let listing = String::from_utf8(listing.stdout).unwrap();
            for words in [
                "fib daddr type local dnat ip to meta l4proto . th dport map @ports",
                "type inet_proto . inet_service : ipv4_addr . inet_service",
                "tcp . 1000 : 10.9.0.2 . 80",
                "elements = { 10.9.0.0/24 }",
                "\"docker0\" : jump other",
                "10.0.0.1-10.0.0.9 . 80-90",
            ] {
                assert!(listing.contains(words), "{words} in {listing}");
            }
        })
        .unwrap();
}

#[test]
fn a_transaction_with_one_wrong_request_changes_nothing() {
    let netns = Netns::create().unwrap();
    netns
        .run(|| {
            let mut nft = NftSocket::open().unwrap();
            build_table(&mut nft);
            let mut batch = nft.batch(Family::Ip, "corten");
            let target = [10, 9, 0, 2, 0, 80, 0, 0];
            batch.add_elements("ports", &[Element::pair(port_key(6, 80), target)]);
            batch.delete_elements("ports", &[Element::member(port_key(6, 81))]);
            let error = nft.run(batch).unwrap_err();
            assert_eq!(error.errno(), Some(Errno::NOENT));
            assert!(
                error.to_string().contains("deleting from set ports"),
                "{error}"
            );
            assert!(
                nft.elements(Family::Ip, "corten", "ports")
                    .unwrap()
                    .is_empty()
            );
            let mut batch = nft.batch(Family::Ip, "nosuch");
            batch.add_elements("ports", &[Element::pair(port_key(6, 80), target)]);
            assert_eq!(nft.run(batch).unwrap_err().errno(), Some(Errno::NOENT));
            assert_eq!(nft.tables(Family::Ip).unwrap(), ["corten"]);
        })
        .unwrap();
}
