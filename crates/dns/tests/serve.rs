//! Names asked for inside namespaces, over real sockets.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

use corten_dns::{Place, Server, Settings, Upstream};
use corten_netlink::Netns;
use hickory_proto::{
    op::{Message, MessageType, OpCode, Query, ResponseCode},
    rr::{Name, RData, Record, RecordType, rdata::A},
};
use std::{
    io::{Read, Write},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

const SERVER: &str = "127.0.0.11:53";
const UPSTREAM: Upstream = Upstream {
    address: IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 1)),
    from_host: true,
};

struct Scene {
    host: Netns,
    container: Netns,
    server: Server,
}

impl Scene {
    fn new(servers: Vec<Upstream>, external: bool) -> Self {
        let (host, container) = (Netns::create().unwrap(), Netns::create().unwrap());
        let server = host.run(|| Server::start().unwrap()).unwrap();
        let place = |names: &[&str], last: u8| Place {
            network: "net".into(),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            addresses: vec![[10, 0, 0, last].into()],
            external,
            ..Place::default()
        };
        server.update(|directory| {
            directory.set("a", vec![place(&["a"], 2)]);
            directory.set("b", vec![place(&["b", "db"], 3)]);
        });
        let settings = Settings {
            servers,
            ..Settings::default()
        };
        let inside = Netns::from_fd(container.try_clone_fd().unwrap()).unwrap();
        server.serve("a", inside, settings).unwrap();
        Self {
            host,
            container,
            server,
        }
    }

    fn ask(&self, name: &str) -> Option<Message> {
        let question = question(name);
        let ask = || {
            let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
            // Connected: an answer from another port would not be taken.
            socket.connect(SERVER).unwrap();
            let patience = Duration::from_secs(6);
            socket.set_read_timeout(Some(patience)).unwrap();
            socket.send(&question).unwrap();
            let mut buffer = [0; 4096];
            let length = socket.recv(&mut buffer).ok()?;
            Message::from_vec(&buffer[..length]).ok()
        };
        self.container.run(ask).unwrap()
    }

    fn addresses(&self, name: &str) -> String {
        addresses(&self.ask(name).unwrap())
    }
}

fn addresses(message: &Message) -> String {
    let all = message.answers.iter().map(|record| record.data.to_string());
    all.collect::<Vec<_>>().join(" ")
}

fn question(name: &str) -> Vec<u8> {
    let mut message = Message::new(99, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), RecordType::A));
    message.to_vec().unwrap()
}

/// A server on the host that answers with 9.9.9.9, with NXDOMAIN for `no.…`; it counts.
fn upstream(host: &Netns) -> Arc<AtomicUsize> {
    let asked = Arc::new(AtomicUsize::new(0));
    let answer = |bytes: &[u8]| {
        let query = Message::from_vec(bytes).unwrap();
        let name = query.queries[0].name().clone();
        let mut answer = Message::new(
            query.metadata.id,
            MessageType::Response,
            query.metadata.op_code,
        );
        answer.add_queries(query.queries.iter().cloned());
        if name.to_ascii().starts_with("no.") {
            answer.metadata.response_code = ResponseCode::NXDomain;
        } else {
            let data = RData::A(A::new(9, 9, 9, 9));
            answer.add_answer(Record::from_rdata(name, 60, data));
        }
        answer.to_vec().unwrap()
    };
    let socket = host
        .run(|| UdpSocket::bind("127.0.0.1:53").unwrap())
        .unwrap();
    let count = Arc::clone(&asked);
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok((length, client)) = socket.recv_from(&mut buffer) {
            count.fetch_add(1, Ordering::SeqCst);
            let _ = socket.send_to(&answer(&buffer[..length]), client);
        }
    });
    let listener = host
        .run(|| TcpListener::bind("127.0.0.1:53").unwrap())
        .unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut length = [0; 2];
            stream.read_exact(&mut length).unwrap();
            let mut bytes = vec![0; u16::from_be_bytes(length).into()];
            stream.read_exact(&mut bytes).unwrap();
            let answer = answer(&bytes);
            let length = (answer.len() as u16).to_be_bytes();
            stream.write_all(&length).unwrap();
            stream.write_all(&answer).unwrap();
        }
    });
    asked
}

#[test]
fn a_container_finds_others_and_the_outside() {
    let scene = Scene::new(vec![UPSTREAM], true);
    let asked = upstream(&scene.host);
    assert_eq!(scene.addresses("db."), "10.0.0.3");
    assert_eq!(scene.addresses("db.net."), "10.0.0.3");
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    assert_eq!(scene.addresses("example.com."), "9.9.9.9");
    assert_eq!(scene.addresses("EXAMPLE.com."), "9.9.9.9");
    assert_eq!(asked.load(Ordering::SeqCst), 1, "the second is remembered");
    let none = scene.ask("no.such.").unwrap();
    assert_eq!(none.metadata.response_code, ResponseCode::NXDomain);
    assert_eq!(none.metadata.id, 99);
}

#[test]
fn a_change_is_told_at_once() {
    let scene = Scene::new(vec![UPSTREAM], true);
    let _asked = upstream(&scene.host);
    assert_eq!(scene.addresses("db."), "10.0.0.3");
    scene.server.update(|directory| directory.set("b", vec![]));
    assert_eq!(scene.addresses("db."), "9.9.9.9");
    scene.server.stop("a");
    let ask = || {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.connect(SERVER).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(300)))
            .unwrap();
        socket.send(&question("db.")).unwrap();
        socket.recv(&mut [0; 512]).is_err()
    };
    assert!(scene.container.run(ask).unwrap());
}

#[test]
fn names_are_told_by_tcp_too() {
    let scene = Scene::new(vec![UPSTREAM], true);
    let _asked = upstream(&scene.host);
    let ask = || {
        let mut stream = TcpStream::connect(SERVER).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(6)))
            .unwrap();
        let mut all = Vec::new();
        for name in ["db.", "example.com."] {
            let question = question(name);
            let length = (question.len() as u16).to_be_bytes();
            stream.write_all(&length).unwrap();
            stream.write_all(&question).unwrap();
            let mut length = [0; 2];
            stream.read_exact(&mut length).unwrap();
            let mut answer = vec![0; u16::from_be_bytes(length).into()];
            stream.read_exact(&mut answer).unwrap();
            all.push(addresses(&Message::from_vec(&answer).unwrap()));
        }
        all
    };
    assert_eq!(scene.container.run(ask).unwrap(), ["10.0.0.3", "9.9.9.9"]);
}

#[test]
fn port_53_stays_the_containers() {
    let scene = Scene::new(vec![], true);
    let bind = || {
        let udp = UdpSocket::bind("0.0.0.0:53").unwrap();
        let tcp = TcpListener::bind("0.0.0.0:53").unwrap();
        (udp, tcp)
    };
    let (udp, _tcp) = scene.container.run(bind).unwrap();
    udp.set_nonblocking(true).unwrap();
    assert_eq!(scene.addresses("db."), "10.0.0.3");
    assert!(udp.recv(&mut [0; 512]).is_err(), "the question was not its");
    let own = || {
        let client = UdpSocket::bind("0.0.0.0:0").unwrap();
        client.send_to(b"own", "127.0.0.1:53").unwrap();
    };
    scene.container.run(own).unwrap();
    let (length, _) = udp.recv_from(&mut [0; 512]).unwrap();
    assert_eq!(length, 3);
}

#[test]
fn nobody_is_asked_for_a_container_without_a_way_out() {
    let scene = Scene::new(vec![UPSTREAM], false);
    let asked = upstream(&scene.host);
    let answer = scene.ask("leak.example.").unwrap();
    assert_eq!(answer.metadata.response_code, ResponseCode::ServFail);
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    assert_eq!(scene.addresses("db."), "10.0.0.3");
}

#[test]
fn a_server_that_is_silent_costs_no_time_beside_one_that_is_not() {
    let silent: SocketAddr = "127.0.0.2:53".parse().unwrap();
    let servers = vec![
        Upstream {
            address: silent.ip(),
            from_host: true,
        },
        UPSTREAM,
    ];
    let scene = Scene::new(servers, true);
    let _asked = upstream(&scene.host);
    let _silent = scene.host.run(|| UdpSocket::bind(silent).unwrap()).unwrap();
    let start = Instant::now();
    assert_eq!(scene.addresses("example.com."), "9.9.9.9");
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[test]
fn a_server_of_the_containers_own_is_asked_from_there() {
    let own = Upstream {
        from_host: false,
        ..UPSTREAM
    };
    let scene = Scene::new(vec![own], false);
    let asked = upstream(&scene.container);
    assert_eq!(scene.addresses("example.com."), "9.9.9.9");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}
