//! A container on several networks: names of links, default routes, ports that move.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

mod common;

use common::{Container, Host, call, is_refused, port, request, serve, start};
use corten_network::{
    Endpoint, EndpointRequest, IpamConfig, NamesRequest, NetworkRequest, Networks,
};

fn network(host: &Host, networks: &Networks, name: &str, internal: bool, ipv6: bool) {
    let request = NetworkRequest {
        name: name.into(),
        internal,
        enable_ipv6: Some(ipv6),
        ..Default::default()
    };
    host.netns
        .run(|| networks.create(&request).unwrap())
        .unwrap();
}

fn on(network: &str) -> EndpointRequest {
    EndpointRequest {
        network: network.into(),
        ports: vec![port(80, 8080), port(81, 0)],
        ..request("web")
    }
}

/// Starts it with names, so that it can be disconnected while it runs.
fn run(host: &Host, networks: &Networks, request: &EndpointRequest) -> Container {
    let container = start(host, networks, request);
    let names = NamesRequest {
        container_id: request.container_id.clone(),
        ..Default::default()
    };
    let serve = || networks.serve_names(&container.netns, &names);
    host.netns.run(serve).unwrap().unwrap();
    container
}

fn join(
    host: &Host,
    networks: &Networks,
    container: &Container,
    request: &EndpointRequest,
) -> Result<Endpoint, String> {
    let connect = || networks.connect(Some(&container.netns), request);
    host.netns
        .run(connect)
        .unwrap()
        .map_err(|error| error.to_string())
}

fn leave(host: &Host, networks: &Networks, container: &Container, network: &str) {
    let id = &container.endpoint.container_id;
    host.netns
        .run(|| networks.disconnect(id, network))
        .unwrap()
        .unwrap();
}

/// `eth0 eth1`: the links of the default routes, IPv4 and IPv6.
fn routes(container: &Container) -> String {
    let mut route = container.netns.route();
    let links = route.links().unwrap();
    let mut defaults: Vec<_> = route
        .routes()
        .unwrap()
        .into_iter()
        .filter(|route| route.destination.prefix_len() == 0)
        .collect();
    defaults.sort_by_key(|route| route.destination.addr().is_ipv6());
    let names = defaults.iter().map(|route| {
        let link = links.iter().find(|link| Some(link.index) == route.index);
        link.map(|link| link.name.clone()).unwrap_or_default()
    });
    names.collect::<Vec<_>>().join(" ")
}

fn ports(networks: &Networks, container: &Container) -> Vec<String> {
    let ports = networks.ports(&container.endpoint.container_id);
    ports
        .iter()
        .map(|it| format!("{}:{}→{}", it.host_ip, it.host_port, it.container_port))
        .collect()
}

#[test]
fn default_route_and_ports_follow_dockers_order() {
    let host = Host::new();
    let networks = host.open();
    for (name, internal, ipv6) in [
        ("m", false, false),
        ("a", false, false),
        ("inner", true, false),
        ("z6", false, true),
    ] {
        network(&host, &networks, name, internal, ipv6);
    }
    let web = run(&host, &networks, &on("inner"));
    serve(&web.netns, "[::]:80");
    assert_eq!(
        (routes(&web).as_str(), ports(&networks, &web).len()),
        ("", 0)
    );
    join(&host, &networks, &web, &on("m")).unwrap();
    assert_eq!(routes(&web), "eth1");
    assert!(call(&host.neighbour, "192.0.2.1:8080").is_ok());
    let before = ports(&networks, &web);
    assert_eq!(before.len(), 4, "{before:?}");
    // By name before the other; the ports keep their numbers.
    join(&host, &networks, &web, &on("a")).unwrap();
    assert_eq!(routes(&web), "eth2");
    assert_eq!(ports(&networks, &web), before);
    assert!(call(&host.neighbour, "192.0.2.1:8080").is_ok());
    // Both families before one.
    join(&host, &networks, &web, &on("z6")).unwrap();
    assert_eq!(routes(&web), "eth3 eth3");
    assert!(call(&host.netns, "[::1]:8080").is_ok());
    leave(&host, &networks, &web, "z6");
    assert_eq!(routes(&web), "eth2");
    let first = EndpointRequest {
        gateway_priority: 5,
        ..on("z6")
    };
    let again = join(&host, &networks, &web, &first).unwrap();
    assert_eq!(again.interface, "eth3");
    for network in ["z6", "a", "m"] {
        assert!(call(&host.neighbour, "192.0.2.1:8080").is_ok(), "{network}");
        leave(&host, &networks, &web, network);
    }
    assert_eq!(
        (routes(&web).as_str(), ports(&networks, &web).len()),
        ("", 0)
    );
    assert!(is_refused(&host.neighbour, "192.0.2.1:8080"));
    let bind = || std::net::TcpListener::bind("0.0.0.0:8080").is_ok();
    assert!(host.netns.run(bind).unwrap(), "the port is still held");
}

#[test]
fn a_priority_beats_the_name() {
    let host = Host::new();
    let networks = host.open();
    network(&host, &networks, "a", false, false);
    network(&host, &networks, "b", false, false);
    let web = run(&host, &networks, &on("a"));
    let second = EndpointRequest {
        gateway_priority: 1,
        ..on("b")
    };
    join(&host, &networks, &web, &second).unwrap();
    assert_eq!(routes(&web), "eth1");
}

#[test]
fn options_of_an_endpoint_shape_its_link() {
    let host = Host::new();
    let networks = host.open();
    network(&host, &networks, "a", false, true);
    network(&host, &networks, "b", false, false);
    let options = |pairs: &[(&str, &str)]| {
        let prefix = "com.docker.network.endpoint.";
        pairs
            .iter()
            .map(|(key, value)| (format!("{prefix}{key}"), (*value).to_owned()))
            .collect()
    };
    let shaped = EndpointRequest {
        driver_options: options(&[
            ("ifname", "front0"),
            ("sysctls", "net.ipv4.conf.IFNAME.log_martians=1"),
        ]),
        link_local: vec![[169, 254, 7, 7].into()],
        mac: Some("02:00:00:00:00:07".parse().unwrap()),
        ..on("a")
    };
    let web = run(&host, &networks, &shaped);
    let settings = || {
        let read = |path: &str| std::fs::read_to_string(path).unwrap().trim().to_owned();
        [
            read("/proc/sys/net/ipv4/conf/front0/log_martians"),
            read("/proc/sys/net/ipv6/conf/front0/accept_ra"),
        ]
    };
    assert_eq!(web.netns.run(settings).unwrap(), ["1", "0"]);
    let addresses = web.netns.route().addresses().unwrap();
    for wanted in ["172.18.0.2/16", "169.254.7.7/16"] {
        assert!(
            addresses.iter().any(|it| it.net.to_string() == wanted),
            "{wanted}"
        );
    }
    let link = web.netns.route().link("front0").unwrap().unwrap();
    assert_eq!(link.address, Some([2, 0, 0, 0, 0, 7]));
    for (pairs, sentence) in [
        (
            &[("ifname", "front0")][..],
            "error renaming interface \"VETH\" to \"front0\": file exists",
        ),
        (
            &[("ifname", "averyveryverylongname")],
            "error renaming interface \"VETH\" to \"averyveryverylongname\": numerical result out of range",
        ),
        (
            &[("sysctls", "net.ipv4.conf.IFNAME.nope=1")],
            "/proc/sys/net/ipv4/conf/eth0/nope is not a sysctl file",
        ),
    ] {
        let wrong = EndpointRequest {
            driver_options: options(pairs),
            ..on("b")
        };
        let error = join(&host, &networks, &web, &wrong).unwrap_err();
        let start = error.find("veth").unwrap();
        let name = error[start..].split(' ').next().unwrap().to_owned();
        let error = error.replace(&name, "VETH");
        assert_eq!(
            error,
            format!("failed to add interface VETH to sandbox: {sentence}")
        );
        assert_eq!(networks.endpoints(&web.endpoint.container_id).len(), 1);
    }
    let wrong = EndpointRequest {
        link_local: vec![[10, 9, 9, 9].into()],
        ..on("b")
    };
    assert_eq!(
        join(&host, &networks, &web, &wrong).unwrap_err(),
        "invalid link local IP address: 10.9.9.9"
    );
}

#[test]
fn three_hundred_networks_beside_a_vpn() {
    let host = Host::new();
    host.output("ip", &["route", "add", "172.20.0.0/14", "via", "192.0.2.2"]);
    host.output("ip", &["route", "add", "10.0.0.0/16", "via", "192.0.2.2"]);
    let networks = host.open();
    let mut subnets = Vec::new();
    for number in 0..300 {
        let request = NetworkRequest {
            name: format!("n{number}"),
            ..Default::default()
        };
        let made = host.netns.run(|| networks.create(&request)).unwrap();
        let subnet: ipnet::Ipv4Net = made.unwrap().ipam.unwrap()[0].subnet.parse().unwrap();
        subnets.push(subnet);
    }
    let vpn: [ipnet::Ipv4Net; 2] = ["172.20.0.0/14", "10.0.0.0/16"].map(|net| net.parse().unwrap());
    for (at, subnet) in subnets.iter().enumerate() {
        let overlaps = |other: &ipnet::Ipv4Net| {
            subnet.contains(&other.network()) || other.contains(&subnet.network())
        };
        assert!(
            !vpn.iter().any(overlaps) && !subnets[..at].iter().any(overlaps),
            "{subnet}"
        );
    }
    let last = start(
        &host,
        &networks,
        &EndpointRequest {
            network: "n299".into(),
            ..request("last")
        },
    );
    serve(&host.neighbour, "0.0.0.0:80");
    assert!(call(&last.netns, "192.0.2.2:80").is_ok());
}

#[test]
fn a_configuration_is_taken_over_by_networks_made_from_it() {
    let host = Host::new();
    let networks = host.open();
    let create = |request: &NetworkRequest| {
        let create = || networks.create(request).map_err(|error| error.to_string());
        host.netns.run(create).unwrap()
    };
    let configuration = NetworkRequest {
        name: "cfg".into(),
        config_only: true,
        ipam: vec![IpamConfig {
            subnet: "10.201.0.0/24".into(),
            ..Default::default()
        }],
        options: [("com.docker.network.driver.mtu".into(), "1400".into())].into(),
        ..Default::default()
    };
    let made = create(&configuration).unwrap();
    assert_eq!((made.driver.as_str(), made.config_only), ("null", true));
    let from = |name: &str| NetworkRequest {
        name: name.into(),
        config_from: "cfg".into(),
        ..Default::default()
    };
    let network = create(&from("real")).unwrap();
    assert_eq!(network.ipam.unwrap()[0].subnet, "10.201.0.0/24");
    assert_eq!(network.config_from, "cfg");
    let web = start(&host, &networks, &on("real"));
    assert_eq!(web.netns.route().link("eth0").unwrap().unwrap().mtu, 1400);
    let remove = host.netns.run(|| networks.remove("cfg")).unwrap();
    assert_eq!(
        remove.unwrap_err().to_string(),
        "error while removing network: configuration network \"cfg\" is in use"
    );
    let own = NetworkRequest {
        options: [("a".into(), "b".into())].into(),
        ..from("x")
    };
    for (request, sentence) in [
        (
            own,
            "network driver options are not supported if the network depends on a configuration network",
        ),
        (
            NetworkRequest {
                config_from: "nope".into(),
                ..from("x")
            },
            "configuration network \"nope\" does not exist",
        ),
        (
            NetworkRequest {
                name: "x".into(),
                config_only: true,
                internal: true,
                ..Default::default()
            },
            "configuration network can only contain network specific fields. Network operator fields like [ ingress | internal | attachable | scope ] are not supported.",
        ),
        (
            NetworkRequest {
                name: "x".into(),
                enable_ipv4: Some(false),
                ..Default::default()
            },
            "IPv4 or IPv6 must be enabled",
        ),
    ] {
        assert_eq!(create(&request).unwrap_err(), sentence);
    }
}

#[test]
fn a_network_may_do_without_ipv4() {
    let host = Host::new();
    let networks = host.open();
    let request = NetworkRequest {
        name: "six".into(),
        enable_ipv4: Some(false),
        enable_ipv6: Some(true),
        ..Default::default()
    };
    let made = host
        .netns
        .run(|| networks.create(&request))
        .unwrap()
        .unwrap();
    let subnets = made.ipam.unwrap();
    assert!(
        subnets.len() == 1 && subnets[0].subnet.starts_with("fd"),
        "{subnets:?}"
    );
    let web = run(&host, &networks, &on("six"));
    assert_eq!((web.endpoint.ipv4, web.endpoint.gateway), (None, None));
    assert_eq!(routes(&web), "eth0");
    assert!(
        ports(&networks, &web)
            .iter()
            .all(|port| port.starts_with("::"))
    );
    serve(&web.netns, "[::]:80");
    assert!(call(&host.netns, "[::1]:8080").is_ok());
    assert!(is_refused(&host.netns, "127.0.0.1:8080"));
}
