use super::*;

fn request(port: u16, host: (u16, u16), ip: Option<&str>) -> PublishRequest {
    PublishRequest {
        container_port: port,
        protocol: Protocol::Tcp,
        host_ip: ip.map(|ip| ip.parse().unwrap()),
        host_port: host.0,
        host_port_end: host.1,
        firewall: None,
    }
}

const PUBLISHING: Publishing = Publishing {
    ipv4: Some(Target {
        address: IpAddr::V4(Ipv4Addr::new(172, 17, 0, 2)),
        routed: false,
    }),
    ipv6: None,
    default_ip: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    ipv6_to_ipv4: false,
    host_has_ipv6: true,
    firewall: PortFirewall::Open,
    direct_routing: false,
};

fn reserve(
    table: &mut PortTable,
    owner: &str,
    wanted: PublishRequest,
) -> Result<Vec<String>, String> {
    table
        .reserve(owner, &[wanted], &PUBLISHING)
        .map(|ports| {
            ports
                .iter()
                .map(|p| format!("{}:{}", p.host_ip, p.host_port))
                .collect()
        })
        .map_err(|failure| failure.to_string())
}

/// Binding ports needs a namespace where nobody else has any.
fn alone(work: impl FnOnce() + Send) {
    corten_netlink::Netns::create().unwrap().run(work).unwrap();
}

#[test]
fn a_port_of_another_container_is_already_allocated() {
    alone(|| {
        let mut table = PortTable::default();
        let first = reserve(
            &mut table,
            "a",
            request(80, (8080, 8080), Some("127.0.0.1")),
        );
        assert_eq!(first.unwrap(), ["127.0.0.1:8080"]);
        let second = reserve(&mut table, "b", request(80, (8080, 8080), None));
        assert_eq!(
            second.unwrap_err(),
            "Bind for 127.0.0.1:8080 failed: port is already allocated"
        );
        let other = reserve(
            &mut table,
            "b",
            request(80, (8080, 8080), Some("127.0.0.2")),
        );
        assert_eq!(other.unwrap(), ["127.0.0.2:8080"]);
        table.release("a");
        table.release("b");
        assert!(reserve(&mut table, "c", request(80, (8080, 8080), None)).is_ok());
    });
}

#[test]
fn a_port_of_a_program_on_the_host_is_in_use() {
    alone(|| {
        let _program = std::net::TcpListener::bind("0.0.0.0:9123").unwrap();
        let mut table = PortTable::default();
        let taken = reserve(&mut table, "a", request(80, (9123, 9123), None));
        assert_eq!(
            taken.unwrap_err(),
            "failed to bind host port for 0.0.0.0:9123:172.17.0.2:80/tcp: address already in use"
        );
        let absent = reserve(&mut table, "a", request(80, (9124, 9124), Some("10.9.9.9")));
        assert_eq!(
            absent.unwrap_err(),
            "failed to bind host port for 10.9.9.9:9124:172.17.0.2:80/tcp: cannot assign requested address"
        );
        // A range goes on to the next port.
        let range = reserve(&mut table, "a", request(80, (9123, 9124), None));
        assert_eq!(range.unwrap(), ["0.0.0.0:9124"]);
    });
}

#[test]
fn ranges_and_free_choices_take_one_port_after_the_other() {
    alone(|| {
        let mut table = PortTable::default();
        for (owner, wanted) in [("a", "0.0.0.0:8092"), ("b", "0.0.0.0:8093")] {
            let got = reserve(&mut table, owner, request(80, (8092, 8093), None));
            assert_eq!(got.unwrap(), [wanted]);
        }
        let full = reserve(&mut table, "c", request(80, (8092, 8093), None));
        assert_eq!(full.unwrap_err(), "all ports are allocated");
        let (first, _) = ephemeral_range();
        let free = reserve(&mut table, "d", request(80, (0, 0), None));
        assert_eq!(free.unwrap(), [format!("0.0.0.0:{first}")]);
        table.release("d");
        let free = reserve(&mut table, "e", request(80, (0, 0), None));
        assert_eq!(free.unwrap(), [format!("0.0.0.0:{}", first + 1)]);
    });
}

#[test]
fn a_port_on_all_addresses_costs_one_descriptor_and_keeps_both_families() {
    let dual = Publishing {
        ipv6_to_ipv4: true,
        ..PUBLISHING
    };
    let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let refused = |address: &str| std::net::TcpListener::bind(address).is_err();
    alone(|| {
        let mut table = PortTable::default();
        // The first one brings what serves them all.
        let first = [request(80, (8079, 8079), None)];
        let bindings = table.reserve("a", &first, &dual).unwrap();
        let before = descriptors();
        let many: Vec<_> = (8080..8180)
            .map(|port| request(80, (port, port), None))
            .collect();
        table.reserve("b", &many, &dual).unwrap();
        assert_eq!(descriptors() - before, many.len());
        assert!(refused("0.0.0.0:8080") && refused("[::]:8080"));
        table.release("b");
        assert!(!refused("0.0.0.0:8080") && !refused("[::]:8080"));
        // The same after a restart.
        table.release("a");
        let mut again = PortTable::default();
        let retaken = again.restore("a", &bindings, &dual);
        assert!(retaken.problems.is_empty() && retaken.lost.is_empty());
        assert!(refused("0.0.0.0:8079") && refused("[::]:8079"));
        // A program of the host in one of the families is in the way, and named.
        let _program = std::net::TcpListener::bind("0.0.0.0:9123").unwrap();
        let asked = [request(80, (9123, 9123), None)];
        let taken = again.reserve("c", &asked, &dual).unwrap_err();
        let wanted =
            "failed to bind host port for 0.0.0.0:9123:172.17.0.2:80/tcp: address already in use";
        assert_eq!(taken.to_string(), wanted);
    });
}

#[test]
fn a_failure_in_the_middle_holds_nothing() {
    alone(|| {
        let mut table = PortTable::default();
        let wanted = [
            request(80, (8080, 8080), None),
            request(81, (8081, 8081), Some("9.9.9.9")),
        ];
        assert!(table.reserve("a", &wanted, &PUBLISHING).is_err());
        assert!(std::net::TcpListener::bind("0.0.0.0:8080").is_ok());
    });
}

#[test]
fn ports_that_move_keep_their_numbers() {
    let binding = |container_port, host_ip: &str, host_port| PortBinding {
        container_port,
        protocol: Protocol::Tcp,
        host_ip: host_ip.parse().unwrap(),
        host_port,
        firewall: PortFirewall::Open,
        direct: false,
    };
    let had = [
        binding(80, "0.0.0.0", 40_000),
        binding(80, "::", 40_000),
        binding(81, "0.0.0.0", 8092),
        binding(81, "0.0.0.0", 8099),
    ];
    let wanted = [
        request(80, (0, 0), None),
        request(81, (8090, 8095), None),
        request(81, (0, 0), None),
        request(82, (0, 0), None),
    ];
    let ports: Vec<u16> = pinned(&wanted, &had).iter().map(|r| r.host_port).collect();
    assert_eq!(ports, [40_000, 8092, 8099, 0]);
}

#[test]
fn each_family_leads_where_it_can() {
    let v6 = Target {
        address: "fd00::2".parse().unwrap(),
        routed: false,
    };
    let dual = Publishing {
        ipv6: Some(v6),
        ..PUBLISHING
    };
    let routed = Publishing {
        ipv4: PUBLISHING.ipv4.map(|it| Target { routed: true, ..it }),
        ..PUBLISHING
    };
    let proxied = Publishing {
        ipv6_to_ipv4: true,
        ..PUBLISHING
    };
    let only_6 = Publishing { ipv4: None, ..dual };
    alone(|| {
        for (publishing, wanted) in [
            (PUBLISHING, "0.0.0.0:8080"),
            (dual, "0.0.0.0:8080 :::8080"),
            (proxied, "0.0.0.0:8080 :::8080"),
            (only_6, ":::8080"),
            (routed, "0.0.0.0:0"),
        ] {
            let mut table = PortTable::default();
            let asked = [request(80, (8080, 8080), None)];
            let got = table.reserve("a", &asked, &publishing).unwrap();
            let got: Vec<_> = got
                .iter()
                .map(|p| format!("{}:{}", p.host_ip, p.host_port))
                .collect();
            assert_eq!(got.join(" "), wanted);
        }
    });
}
