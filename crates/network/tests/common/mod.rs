//! A host of its own for each test: a network namespace with a neighbour on a wire.
#![allow(dead_code)] // each test file uses a part

use corten_netlink::{
    Netns,
    route::{Address, LinkChange, Route, Veth, VethPeer},
};
use corten_network::{
    Endpoint, EndpointRequest, NetworkConfig, NetworkError, Networks, Protocol, PublishRequest,
};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::fd::AsFd,
    time::Duration,
};

const TIMEOUT: Duration = Duration::from_secs(5);
/// Long enough for a packet to arrive on a local wire if anything lets it pass.
const REFUSED_AFTER: Duration = Duration::from_millis(400);

/// The host's address on the wire.
pub const HOST: &str = "192.0.2.1";

pub struct Host {
    pub netns: Netns,
    pub neighbour: Netns,
    pub state: tempfile::TempDir,
}

impl Host {
    pub fn new() -> Self {
        let (netns, neighbour) = (Netns::create().unwrap(), Netns::create().unwrap());
        let mut route = netns.route();
        let mut batch = route.batch();
        batch.add_veth(&Veth {
            name: "wan",
            index: 0,
            address: [2, 0, 0, 0, 0, 1],
            mtu: 1500,
            master: None,
            group: 0,
            peer: VethPeer {
                name: "wan",
                index: 0,
                address: [2, 0, 0, 0, 0, 2],
                netns: neighbour.as_fd(),
            },
        });
        route.run(batch).unwrap();
        drop(route);
        for (netns, address, gateway) in [
            (&netns, "192.0.2.1/24", None),
            (&neighbour, "192.0.2.2/24", Some(HOST)),
        ] {
            let mut route = netns.route();
            let index = route.link("wan").unwrap().unwrap().index;
            let mut batch = route.batch();
            batch.change_link(
                index,
                &LinkChange {
                    up: Some(true),
                    ..Default::default()
                },
            );
            batch.add_address(&Address {
                index,
                net: address.parse().unwrap(),
            });
            if let Some(gateway) = gateway {
                batch.add_route(&Route {
                    destination: "0.0.0.0/0".parse().unwrap(),
                    gateway: Some(gateway.parse().unwrap()),
                    index: None,
                });
            }
            route.run(batch).unwrap();
            route.settle("wan").unwrap();
        }
        netns.route().settle("wan").unwrap();
        // A new namespace has the setting of the machine.
        netns
            .run(|| std::fs::write("/proc/sys/net/ipv4/ip_forward", "0").unwrap())
            .unwrap();
        // In memory: other work on the disk is not to be waited for.
        let state = tempfile::tempdir_in("/dev/shm").unwrap();
        Self {
            netns,
            neighbour,
            state,
        }
    }

    pub fn config(&self) -> NetworkConfig {
        NetworkConfig::new(
            self.state.path().join("data"),
            self.state.path().join("exec"),
        )
    }

    pub fn open(&self) -> Networks {
        self.open_with(|_| {})
    }

    pub fn open_with(&self, change: impl FnOnce(&mut NetworkConfig)) -> Networks {
        let mut config = self.config();
        change(&mut config);
        self.try_open(config).unwrap()
    }

    pub fn try_open(&self, config: NetworkConfig) -> Result<Networks, NetworkError> {
        self.netns.run(|| Networks::open(config)).unwrap()
    }

    /// Runs a program on the host and gives its output.
    pub fn output(&self, program: &str, arguments: &[&str]) -> String {
        let run = || {
            std::process::Command::new(program)
                .args(arguments)
                .output()
                .unwrap()
        };
        let output = self.netns.run(run).unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// How many host ends of pairs there are.
    pub fn pairs(&self) -> usize {
        let links = self.netns.route().links().unwrap();
        links
            .iter()
            .filter(|link| link.name.starts_with("veth"))
            .count()
    }
}

/// A container: a namespace and its endpoint.
pub struct Container {
    pub netns: Netns,
    pub endpoint: Endpoint,
}

pub fn request(name: &str) -> EndpointRequest {
    EndpointRequest {
        container_id: format!("{:0<64}", hex(name)),
        container_name: name.into(),
        network: "bridge".into(),
        ..Default::default()
    }
}

fn hex(name: &str) -> String {
    name.bytes().map(|byte| format!("{byte:02x}")).collect()
}

pub fn start(host: &Host, networks: &Networks, request: &EndpointRequest) -> Container {
    try_start(host, networks, request).unwrap()
}

pub fn try_start(
    host: &Host,
    networks: &Networks,
    request: &EndpointRequest,
) -> Result<Container, NetworkError> {
    let connect = || {
        let netns = networks.sandbox()?;
        let endpoint = networks.connect(Some(&netns), request)?;
        Ok(Container { netns, endpoint })
    };
    host.netns.run(connect).unwrap()
}

pub fn port(container: u16, host: u16) -> PublishRequest {
    PublishRequest {
        container_port: container,
        protocol: Protocol::Tcp,
        host_ip: None,
        host_port: host,
        host_port_end: host,
        firewall: None,
    }
}

/// A server in a namespace that answers every connection with who called.
pub fn serve(netns: &Netns, address: &str) {
    let listener = netns.run(|| TcpListener::bind(address).unwrap()).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let caller = stream.peer_addr().unwrap().ip().to_string();
            let _ = stream.write_all(caller.as_bytes());
        }
    });
}

/// The same over UDP.
pub fn serve_udp(netns: &Netns, address: &str) {
    let socket = netns.run(|| UdpSocket::bind(address).unwrap()).unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 64];
        while let Ok((_, caller)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(caller.ip().to_string().as_bytes(), caller);
        }
    });
}

/// Calls a server and gives the address it saw.
pub fn call(from: &Netns, to: &str) -> Result<String, std::io::Error> {
    call_within(from, to, TIMEOUT)
}

/// Whether a server cannot be reached.
pub fn is_refused(from: &Netns, to: &str) -> bool {
    call_within(from, to, REFUSED_AFTER).is_err()
}

fn call_within(from: &Netns, to: &str, time: Duration) -> Result<String, std::io::Error> {
    let to: SocketAddr = to.parse().unwrap();
    let call = || {
        let mut stream = TcpStream::connect_timeout(&to, time)?;
        stream.set_read_timeout(Some(time))?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        if text.is_empty() {
            Err(std::io::ErrorKind::UnexpectedEof.into())
        } else {
            Ok(text)
        }
    };
    from.run(call).unwrap()
}

pub fn call_udp(from: &Netns, to: &str) -> Result<String, std::io::Error> {
    let call = || {
        let socket = UdpSocket::bind(if to.starts_with('[') {
            "[::]:0"
        } else {
            "0.0.0.0:0"
        })?;
        socket.set_read_timeout(Some(TIMEOUT))?;
        socket.connect(to)?;
        socket.send(b"hello")?;
        let mut buffer = [0; 64];
        let length = socket.recv(&mut buffer)?;
        Ok(String::from_utf8_lossy(&buffer[..length]).into_owned())
    };
    from.run(call).unwrap()
}

/// Asks the embedded server for a name's IPv4 addresses; `None`: no answer, or that nobody
/// can say.
pub fn look_up(from: &Netns, name: &str) -> Option<Vec<std::net::Ipv4Addr>> {
    let mut question = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        question.push(label.len() as u8);
        question.extend(label.bytes());
    }
    question.extend([0, 0, 1, 0, 1]);
    let ask = || {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.set_read_timeout(Some(TIMEOUT)).unwrap();
        socket.connect("127.0.0.11:53").unwrap();
        socket.send(&question).ok()?;
        let mut answer = [0; 4096];
        let length = socket.recv(&mut answer).ok()?;
        // Code 0; then each record is a pointer to the name, type, class, time, length, data.
        (answer[3] & 15 == 0).then(|| {
            let records = answer[question.len()..length].chunks_exact(16);
            records
                .map(|record| <[u8; 4]>::try_from(&record[12..]).unwrap().into())
                .collect()
        })
    };
    from.run(ask).unwrap()
}
