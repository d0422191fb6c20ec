//! Who reaches what: kinds of networks × callers × addresses × families, as a table.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

mod common;

use common::{Container, Host, call, is_refused, port, request, serve, start};
use corten_netlink::Netns;
use corten_network::{EndpointRequest, NetworkRequest, Networks, PortFirewall, PublishRequest};
use std::net::IpAddr;

/// Callers, in the order of the table's columns.
const CALLERS: [&str; 4] = ["host", "neighbour", "mate", "other"];

/// `y` or `n` for each caller: at the host's address and published port, at the container's
/// own address and that port, and there at a port that is not published.
struct Row {
    options: &'static [(&'static str, &'static str)],
    internal: bool,
    direct_routing: bool,
    published: &'static str,
    direct: &'static str,
    unpublished: &'static str,
}

const MODES: [&str; 2] = [
    "com.docker.network.bridge.gateway_mode_ipv4",
    "com.docker.network.bridge.gateway_mode_ipv6",
];
const NAT: Row = Row {
    options: &[],
    internal: false,
    direct_routing: false,
    published: "yyyy",
    direct: "ynyn",
    unpublished: "ynyn",
};
const UNPROTECTED: Row = Row {
    options: &[(MODES[0], "nat-unprotected"), (MODES[1], "nat-unprotected")],
    direct: "yyyn",
    unpublished: "yyyn",
    ..NAT
};
const REACHED: Row = Row {
    direct_routing: true,
    direct: "yyyn",
    ..NAT
};
const ROUTED: Row = Row {
    options: &[(MODES[0], "routed"), (MODES[1], "routed")],
    published: "nnnn",
    direct: "yyyy",
    ..NAT
};
const APART: Row = Row {
    options: &[("com.docker.network.bridge.enable_icc", "false")],
    direct: "ynnn",
    unpublished: "ynnn",
    ..NAT
};
const INTERNAL: Row = Row {
    internal: true,
    published: "nnnn",
    ..NAT
};

fn ip(netns: &Netns, commands: &str) {
    let run = || {
        std::process::Command::new("sh")
            .args(["-ec", commands])
            .status()
            .unwrap()
    };
    assert!(netns.run(run).unwrap().success(), "{commands}");
}

/// IPv6 on the wire, too.
fn dual_host() -> Host {
    let host = Host::new();
    ip(&host.netns, "ip addr add 2001:db8::1/64 dev wan nodad");
    ip(
        &host.neighbour,
        "ip addr add 2001:db8::2/64 dev wan nodad; ip route add default via 2001:db8::1",
    );
    host
}

fn network(host: &Host, networks: &Networks, name: &str, row: &Row) {
    let options = row.options.iter();
    let request = NetworkRequest {
        name: name.into(),
        internal: row.internal,
        enable_ipv6: Some(true),
        options: options
            .map(|(key, value)| ((*key).into(), (*value).into()))
            .collect(),
        ..Default::default()
    };
    host.netns
        .run(|| networks.create(&request).unwrap())
        .unwrap();
}

fn on(network: &str, container: &str) -> EndpointRequest {
    EndpointRequest {
        network: network.into(),
        ..request(container)
    }
}

fn check(row: &Row) {
    let host = dual_host();
    let networks = host.open_with(|config| config.direct_routing = row.direct_routing);
    network(&host, &networks, "net", row);
    network(&host, &networks, "elsewhere", &NAT);
    let web = EndpointRequest {
        ports: vec![port(80, 8080)],
        ..on("net", "web")
    };
    let web = start(&host, &networks, &web);
    let mate = start(&host, &networks, &on("net", "mate"));
    let other = start(&host, &networks, &on("elsewhere", "other"));
    for port in [80, 81] {
        serve(&web.netns, &format!("[::]:{port}"));
    }
    let from = [&host.netns, &host.neighbour, &mate.netns, &other.netns];
    let own: [IpAddr; 2] = [
        web.endpoint.ipv4.unwrap().into(),
        web.endpoint.ipv6.unwrap().into(),
    ];
    let outer: [IpAddr; 2] = [[192, 0, 2, 1].into(), "2001:db8::1".parse().unwrap()];
    let cells = (0..2).flat_map(|family| {
        let at = |address: IpAddr, port| std::net::SocketAddr::new(address, port).to_string();
        [
            (at(outer[family], 8080), row.published),
            (at(own[family], 80), row.direct),
            (at(own[family], 81), row.unpublished),
        ]
    });
    let mut wrong = Vec::new();
    for (address, wanted) in cells {
        for ((caller, netns), wanted) in CALLERS.iter().zip(from).zip(wanted.chars()) {
            let reached = !is_refused(netns, &address);
            if reached != (wanted == 'y') {
                wrong.push(format!("{caller} → {address}: reached is {reached}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_translated_network_is_reached_at_published_ports_only() {
    check(&NAT);
}

#[test]
fn an_unprotected_network_is_open_to_who_routes_to_it() {
    check(&UNPROTECTED);
}

#[test]
fn a_routed_network_is_reached_at_its_own_addresses() {
    check(&ROUTED);
}

#[test]
fn without_icc_neighbours_on_the_network_are_strangers() {
    check(&APART);
}

#[test]
fn with_direct_routing_published_ports_are_reached_at_the_containers_address() {
    check(&REACHED);
}

#[test]
fn an_internal_network_is_reached_from_nowhere() {
    check(&INTERNAL);
}

fn outgoing(host: &Host, container: &Container, address: &str) -> Option<String> {
    serve(&host.neighbour, "[::]:7000");
    call(&container.netns, address).ok()
}

#[test]
fn outgoing_traffic_bears_the_hosts_address_unless_it_is_routed() {
    for (row, ipv4, ipv6) in [
        (NAT, Some("::ffff:192.0.2.1"), Some("2001:db8::1")),
        (ROUTED, Some("::ffff:172.18.0.2"), None),
        (INTERNAL, None, None),
    ] {
        let host = dual_host();
        let networks = host.open();
        network(&host, &networks, "net", &row);
        let a = start(&host, &networks, &on("net", "a"));
        let own = a.endpoint.ipv6.unwrap().to_string();
        let ipv6 = match (ipv6, row.internal) {
            (None, false) => Some(own.as_str()),
            (other, _) => other,
        };
        assert_eq!(outgoing(&host, &a, "192.0.2.2:7000").as_deref(), ipv4);
        assert_eq!(call(&a.netns, "[2001:db8::2]:7000").ok().as_deref(), ipv6);
    }
}

#[test]
fn the_hosts_input_rules_decide_where_they_are_asked() {
    let host = dual_host();
    let networks = host.open();
    network(&host, &networks, "net", &NAT);
    let ask = |firewall, host_port| PublishRequest {
        firewall: Some(firewall),
        ..port(80, host_port)
    };
    let web = EndpointRequest {
        ports: vec![ask(PortFirewall::Open, 8080), ask(PortFirewall::Host, 8081)],
        ..on("net", "web")
    };
    let web = start(&host, &networks, &web);
    serve(&web.netns, "[::]:80");
    for address in ["192.0.2.1:8080", "192.0.2.1:8081", "[2001:db8::1]:8081"] {
        assert!(call(&host.neighbour, address).is_ok(), "{address}");
    }
    // As `ufw deny` does.
    ip(
        &host.netns,
        "nft add table inet host; nft add chain inet host input '{ type filter hook input priority 0; }'
         nft add rule inet host input iifname wan tcp dport 8080-8081 drop",
    );
    assert!(call(&host.neighbour, "192.0.2.1:8080").is_ok());
    assert!(is_refused(&host.neighbour, "192.0.2.1:8081"));
    assert!(is_refused(&host.neighbour, "[2001:db8::1]:8081"));
}

#[test]
fn a_published_port_is_reached_while_rules_change() {
    let host = dual_host();
    let networks = host.open();
    network(&host, &networks, "net", &NAT);
    let web = EndpointRequest {
        ports: vec![port(80, 8080)],
        ..on("net", "web")
    };
    let web = start(&host, &networks, &web);
    serve(&web.netns, "[::]:80");
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..20 {
                let name = format!("n{number}");
                network(&host, &networks, &name, &NAT);
                let wanted = EndpointRequest {
                    ports: (0..20).map(|n| port(80, 9000 + 20 * number + n)).collect(),
                    ..on(&name, &name)
                };
                let container = start(&host, &networks, &wanted);
                host.netns
                    .run(|| networks.disconnect(&container.endpoint.container_id, &name))
                    .unwrap()
                    .unwrap();
                host.netns
                    .run(|| networks.remove(&name).map(drop))
                    .unwrap()
                    .unwrap();
            }
            done.store(true, std::sync::atomic::Ordering::SeqCst);
        });
        while !done.load(std::sync::atomic::Ordering::SeqCst) {
            assert!(call(&host.neighbour, "192.0.2.1:8080").is_ok());
            assert!(call(&host.neighbour, "[2001:db8::1]:8080").is_ok());
        }
    });
}

#[test]
fn the_default_bridge_has_ipv6_where_it_is_switched_on() {
    let host = dual_host();
    let networks = host.open_with(|config| config.ipv6 = true);
    let web = EndpointRequest {
        ports: vec![port(80, 8080)],
        ..request("web")
    };
    let web = start(&host, &networks, &web);
    serve(&web.netns, "[::]:80");
    assert!(call(&host.neighbour, "[2001:db8::1]:8080").is_ok());
    assert!(call(&host.netns, "[::1]:8080").is_ok());
    serve(&host.neighbour, "[::]:7000");
    assert_eq!(
        call(&web.netns, "[2001:db8::2]:7000").unwrap(),
        "2001:db8::1"
    );
    let subnets = |networks: &Networks| networks.inspect("bridge").unwrap().ipam;
    let before = subnets(&networks);
    drop(networks);
    let networks = host.open_with(|config| config.ipv6 = true);
    assert_eq!(subnets(&networks), before);
}
