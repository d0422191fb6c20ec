//! Who reaches whom: containers, the host, its neighbours.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

mod common;

use common::{Host, call, call_udp, is_refused, port, request, serve, serve_udp, start};
use corten_network::{Protocol, PublishRequest};
use std::os::fd::{AsFd, AsRawFd};

#[test]
fn containers_reach_each_other_the_host_and_the_outside() {
    let host = Host::new();
    let networks = host.open();
    let a = start(&host, &networks, &request("a"));
    let b = start(&host, &networks, &request("b"));
    assert_eq!(a.endpoint.ipv4.unwrap().to_string(), "172.17.0.2");
    assert_eq!(b.endpoint.ipv4.unwrap().to_string(), "172.17.0.3");
    serve(&b.netns, "0.0.0.0:80");
    assert_eq!(call(&a.netns, "172.17.0.3:80").unwrap(), "172.17.0.2");
    assert_eq!(call(&host.netns, "172.17.0.3:80").unwrap(), "172.17.0.1");
    serve(&host.netns, "0.0.0.0:90");
    assert_eq!(call(&a.netns, "172.17.0.1:90").unwrap(), "172.17.0.2");
    serve(&host.neighbour, "0.0.0.0:80");
    // Outside, a container bears the host's address.
    assert_eq!(call(&a.netns, "192.0.2.2:80").unwrap(), common::HOST);
}

#[test]
fn a_published_port_is_reached_from_everywhere() {
    let host = Host::new();
    let networks = host.open();
    let mut wanted = request("web");
    wanted.ports = vec![port(80, 8080)];
    let web = start(&host, &networks, &wanted);
    let other = start(&host, &networks, &request("other"));
    serve(&web.netns, "0.0.0.0:80");
    assert_eq!(
        call(&host.neighbour, "192.0.2.1:8080").unwrap(),
        "192.0.2.2"
    );
    for address in ["127.0.0.1:8080", "192.0.2.1:8080", "172.17.0.1:8080"] {
        assert!(call(&host.netns, address).is_ok(), "the host at {address}");
    }
    for address in ["192.0.2.1:8080", "172.17.0.1:8080"] {
        assert!(
            call(&other.netns, address).is_ok(),
            "another container at {address}"
        );
        assert!(
            call(&web.netns, address).is_ok(),
            "the container itself at {address}"
        );
    }
    host.netns
        .run(|| networks.release(&wanted.container_id))
        .unwrap()
        .unwrap();
    assert!(is_refused(&host.neighbour, "192.0.2.1:8080"));
    assert!(is_refused(&host.netns, "127.0.0.1:8080"));
}

#[test]
fn udp_ports_are_published_too() {
    let host = Host::new();
    let networks = host.open();
    let mut wanted = request("dns");
    wanted.ports = vec![PublishRequest {
        protocol: Protocol::Udp,
        ..port(53, 5353)
    }];
    let dns = start(&host, &networks, &wanted);
    serve_udp(&dns.netns, "0.0.0.0:53");
    assert_eq!(
        call_udp(&host.neighbour, "192.0.2.1:5353").unwrap(),
        "192.0.2.2"
    );
    assert!(call_udp(&host.netns, "127.0.0.1:5353").is_ok());
}

#[test]
fn neighbours_reach_nothing_that_is_not_published_for_them() {
    let host = Host::new();
    let networks = host.open();
    let mut wanted = request("web");
    wanted.ports = vec![
        PublishRequest {
            host_ip: Some([127, 0, 0, 1].into()),
            ..port(80, 8080)
        },
        PublishRequest {
            host_ip: Some([192, 0, 2, 1].into()),
            ..port(82, 8082)
        },
    ];
    let web = start(&host, &networks, &wanted);
    for address in ["0.0.0.0:80", "0.0.0.0:81", "0.0.0.0:82"] {
        serve(&web.netns, address);
    }
    // Straight to the container: neither published nor other ports.
    for address in ["172.17.0.2:80", "172.17.0.2:81", "172.17.0.2:82"] {
        assert!(is_refused(&host.neighbour, address), "{address}");
        assert!(
            call(&host.netns, address).is_ok(),
            "the host itself at {address}"
        );
    }
    assert!(call(&host.netns, "127.0.0.1:8080").is_ok());
    assert!(is_refused(&host.neighbour, "192.0.2.1:8080"));
    assert!(call(&host.neighbour, "192.0.2.1:8082").is_ok());
    assert!(is_refused(&host.netns, "127.0.0.1:8082"));
}

#[test]
fn a_container_does_not_reach_the_hosts_loopback() {
    let host = Host::new();
    let networks = host.open();
    let a = start(&host, &networks, &request("a"));
    serve(&host.netns, "127.0.0.1:90");
    assert!(call(&host.netns, "127.0.0.1:90").is_ok());
    // As one with CAP_NET_ADMIN could: 127.0.0.0/8 routed to the host.
    let commands = "ip addr del 127.0.0.1/8 dev lo; sysctl -qw net.ipv4.conf.eth0.route_localnet=1;
        ip route add 127.0.0.0/8 via 172.17.0.1 dev eth0 src 172.17.0.2";
    let run = || {
        std::process::Command::new("sh")
            .args(["-c", commands])
            .status()
            .unwrap()
    };
    a.netns.run(run).unwrap();
    assert!(is_refused(&a.netns, "127.0.0.1:90"));
}

#[test]
fn without_icc_containers_reach_published_ports_only() {
    for frames_are_forwarded in ["0", "1"] {
        without_icc(frames_are_forwarded);
    }
}

fn without_icc(frames_are_forwarded: &str) {
    let host = Host::new();
    set_frames(&host, frames_are_forwarded);
    let networks = host.open_with(|config| config.icc = false);
    let mut wanted = request("web");
    wanted.ports = vec![port(80, 8080)];
    let web = start(&host, &networks, &wanted);
    let other = start(&host, &networks, &request("other"));
    serve(&web.netns, "0.0.0.0:80");
    assert!(is_refused(&other.netns, "172.17.0.2:80"));
    assert!(call(&other.netns, "172.17.0.1:8080").is_ok());
    assert!(call(&host.netns, "172.17.0.2:80").is_ok());
}

#[test]
fn a_linked_port_is_open_without_icc() {
    for frames_are_forwarded in ["0", "1"] {
        linked_port(frames_are_forwarded);
    }
}

/// With br_netfilter frames between ports of a bridge are forwarded packets, too.
fn set_frames(host: &Host, forwarded: &str) {
    let switch = || {
        let path = "/proc/sys/net/bridge/bridge-nf-call-iptables";
        std::fs::write(path, forwarded).unwrap();
    };
    host.netns.run(switch).unwrap();
}

fn linked_port(frames_are_forwarded: &str) {
    let host = Host::new();
    set_frames(&host, frames_are_forwarded);
    let networks = host.open_with(|config| config.icc = false);
    let db = start(&host, &networks, &request("db"));
    let mut linked = request("linked");
    linked.linked_ports = vec![corten_network::LinkedPort {
        address: db.endpoint.ipv4.unwrap(),
        protocol: Protocol::Tcp,
        port: 5432,
    }];
    let linked = start(&host, &networks, &linked);
    let other = start(&host, &networks, &request("other"));
    for port in [5432, 5433] {
        serve(&db.netns, &format!("0.0.0.0:{port}"));
    }
    assert_eq!(
        call(&linked.netns, "172.17.0.2:5432").unwrap(),
        "172.17.0.3"
    );
    assert!(is_refused(&linked.netns, "172.17.0.2:5433"));
    assert!(is_refused(&other.netns, "172.17.0.2:5432"));
    let id = linked.endpoint.container_id.clone();
    let release = || networks.release(&id);
    host.netns.run(release).unwrap().unwrap();
    assert!(is_refused(&linked.netns, "172.17.0.2:5432"));
}

#[test]
fn a_range_is_one_element() {
    let host = Host::new();
    let networks = host.open();
    let mut wanted = request("range");
    wanted.ports = (0..2000).map(|n| port(9000 + n, 7000 + n)).collect();
    wanted
        .ports
        .extend((0..2000).map(|n| port(20_000 + n, 40_000 + n)));
    let range = start(&host, &networks, &wanted);
    for (inside, outside) in [
        (9150, 7150),
        (10_999, 8999),
        (20_000, 40_000),
        (21_999, 41_999),
    ] {
        serve(&range.netns, &format!("0.0.0.0:{inside}"));
        let address = format!("192.0.2.1:{outside}");
        assert_eq!(
            call(&host.neighbour, &address).unwrap(),
            "192.0.2.2",
            "{address}"
        );
        assert!(call(&host.netns, &format!("127.0.0.1:{outside}")).is_ok());
        assert!(call(&host.netns, &format!("[::1]:{outside}")).is_ok());
    }
    assert!(is_refused(&host.neighbour, "192.0.2.1:9000"));
    let map = host.output("nft", &["list", "map", "inet", "corten", "ranges_4"]);
    assert_eq!(map.matches("172.17.0.2").count(), 2, "{map}");
    host.netns
        .run(|| networks.release(&wanted.container_id))
        .unwrap()
        .unwrap();
    assert!(is_refused(&host.neighbour, "192.0.2.1:7150"));
}

#[test]
fn published_ports_answer_on_the_hosts_ipv6_addresses_too() {
    let host = Host::new();
    let networks = host.open();
    let mut wanted = request("web");
    wanted.ports = vec![
        port(80, 8080),
        PublishRequest {
            protocol: Protocol::Udp,
            ..port(53, 5353)
        },
    ];
    let web = start(&host, &networks, &wanted);
    serve(&web.netns, "0.0.0.0:80");
    serve_udp(&web.netns, "0.0.0.0:53");
    assert_eq!(call(&host.netns, "[::1]:8080").unwrap(), "172.17.0.1");
    assert_eq!(call_udp(&host.netns, "[::1]:5353").unwrap(), "172.17.0.1");
    host.netns
        .run(|| networks.release(&wanted.container_id))
        .unwrap()
        .unwrap();
    assert!(is_refused(&host.netns, "[::1]:8080"));
    let again = start(&host, &networks, &wanted);
    assert_eq!(again.endpoint.ports, web.endpoint.ports);
}

#[test]
fn switching_forwarding_on_makes_no_router_of_the_host() {
    let host = Host::new();
    host.output(
        "ip",
        &["link", "add", "lan", "type", "veth", "peer", "name", "far"],
    );
    let far = corten_netlink::Netns::create().unwrap();
    let fd = format!(
        "/proc/{}/fd/{}",
        std::process::id(),
        far.as_fd().as_raw_fd()
    );
    host.output("ip", &["link", "set", "far", "netns", &fd]);
    let commands = |netns: &corten_netlink::Netns, text: &str| {
        let run = || {
            std::process::Command::new("sh")
                .args(["-c", text])
                .status()
                .unwrap()
        };
        assert!(netns.run(run).unwrap().success(), "{text}");
    };
    commands(
        &host.netns,
        "ip addr add 198.51.100.1/24 dev lan; ip link set lan up",
    );
    commands(
        &far,
        "ip addr add 198.51.100.2/24 dev far; ip link set far up; ip route add default via 198.51.100.1",
    );
    serve(&far, "0.0.0.0:80");
    assert!(is_refused(&host.neighbour, "198.51.100.2:80"));
    let networks = host.open();
    assert!(is_refused(&host.neighbour, "198.51.100.2:80"));
    let a = start(&host, &networks, &request("a"));
    assert!(call(&a.netns, "198.51.100.2:80").is_ok());
    // A host that forwarded before goes on doing so.
    drop(networks);
    std::fs::remove_file(host.state.path().join("exec/forwarding-was-off")).unwrap();
    let _networks = host.open();
    assert!(call(&host.neighbour, "198.51.100.2:80").is_ok());
}

#[test]
fn a_udp_client_reaches_the_ports_new_owner_from_the_same_port() {
    let host = Host::new();
    let networks = host.open();
    let dns = |name: &str| {
        let mut wanted = request(name);
        wanted.ports = vec![PublishRequest {
            protocol: Protocol::Udp,
            ..port(53, 5353)
        }];
        let container = start(&host, &networks, &wanted);
        let answer = name.to_owned();
        let bind = || std::net::UdpSocket::bind("0.0.0.0:53").unwrap();
        let socket = container.netns.run(bind).unwrap();
        std::thread::spawn(move || {
            while let Ok((_, client)) = socket.recv_from(&mut [0; 64]) {
                let _ = socket.send_to(answer.as_bytes(), client);
            }
        });
        container
    };
    let client = || {
        let socket = std::net::UdpSocket::bind("0.0.0.0:7777").unwrap();
        socket.connect("192.0.2.1:5353").unwrap();
        socket
            .set_read_timeout(Some(std::time::Duration::from_secs(3)))
            .unwrap();
        socket
    };
    let client = host.neighbour.run(client).unwrap();
    let ask = || {
        client.send(b"?").unwrap();
        let mut answer = [0; 64];
        let length = client.recv(&mut answer).unwrap();
        String::from_utf8_lossy(&answer[..length]).into_owned()
    };
    let first = dns("first");
    assert_eq!(ask(), "first");
    host.netns
        .run(|| networks.release(&first.endpoint.container_id))
        .unwrap()
        .unwrap();
    let _second = dns("second");
    assert_eq!(ask(), "second");
}
