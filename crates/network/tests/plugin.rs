//! Networks of a plugin that is a program of somebody else.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

mod common;

use common::{Host, call, request, serve, start};
use corten_network::{EndpointRequest, NetworkRequest};
use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::UnixListener,
    sync::{Arc, Mutex},
};

/// A plugin as small as it can be: its link is a veth to the host, with the gateway on it.
fn plugin(host: &Host, capability: &'static str) -> Arc<Mutex<Vec<String>>> {
    let path = host.state.path().join("toy.sock");
    let listener = UnixListener::bind(path).unwrap();
    let calls = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&calls);
    let netns = corten_netlink::Netns::from_fd(host.netns.try_clone_fd().unwrap()).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let mut head = String::new();
            let mut length = 0;
            loop {
                let mut line = String::new();
                stream.read_line(&mut line).unwrap();
                if let Some(value) = line.strip_prefix("Content-Length: ") {
                    length = value.trim().parse().unwrap();
                }
                if line.trim().is_empty() {
                    break;
                }
                head.push_str(&line);
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).unwrap();
            let method = head.split([' ', '/']).nth(2).unwrap().to_owned();
            let body = String::from_utf8(body).unwrap();
            noted.lock().unwrap().push(format!("{method} {body}"));
            let shell = |commands: &'static str| {
                let run = || {
                    let status = std::process::Command::new("sh")
                        .args(["-ec", commands])
                        .status();
                    assert!(status.unwrap().success());
                };
                netns.run(run).unwrap();
            };
            let answer = match method.as_str() {
                "Plugin.Activate" => format!(r#"{{"Implements":["{capability}"]}}"#),
                "NetworkDriver.GetCapabilities" => r#"{"Scope":"local"}"#.into(),
                "NetworkDriver.CreateNetwork" if body.contains("refuse") => {
                    r#"{"Err":"not today"}"#.into()
                }
                "NetworkDriver.Join" => {
                    shell(
                        "ip link add toyh type veth peer name toyc
                         ip addr add 172.18.0.1/16 dev toyh; ip link set toyh up",
                    );
                    r#"{"InterfaceName":{"SrcName":"toyc","DstPrefix":"toy"},"Gateway":"172.18.0.1"}"#
                        .into()
                }
                "NetworkDriver.Leave" => {
                    shell("ip link del toyh || true");
                    "{}".into()
                }
                "IpamDriver.GetCapabilities" => r#"{"RequiresMACAddress":true}"#.into(),
                "IpamDriver.GetDefaultAddressSpaces" => {
                    r#"{"LocalDefaultAddressSpace":"here","GlobalDefaultAddressSpace":"there"}"#
                        .into()
                }
                "IpamDriver.RequestPool" => {
                    r#"{"PoolID":"here/1","Pool":"10.99.0.0/24","Data":{}}"#.into()
                }
                "IpamDriver.RequestAddress" if body.contains("gateway") => {
                    r#"{"Address":"10.99.0.254/24"}"#.into()
                }
                "IpamDriver.RequestAddress" if body.contains("10.99.0.13") => {
                    r#"{"Error":"thirteen brings bad luck"}"#.into()
                }
                "IpamDriver.RequestAddress" => r#"{"Address":"10.99.0.77/24"}"#.into(),
                _ => "{}".into(),
            };
            let text = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{answer}",
                answer.len()
            );
            stream.get_mut().write_all(text.as_bytes()).unwrap();
        }
    });
    calls
}

/// What a plugin was asked, without its activations.
fn methods(calls: &Mutex<Vec<String>>, capability: &str) -> Vec<String> {
    let calls = calls.lock().unwrap();
    let methods = calls.iter().map(|call| call.split(' ').next().unwrap());
    methods
        .filter_map(|method| method.strip_prefix(capability)?.strip_prefix('.'))
        .map(str::to_owned)
        .collect()
}

fn toy(options: &[(&str, &str)]) -> NetworkRequest {
    NetworkRequest {
        name: "toys".into(),
        driver: "toy".into(),
        options: options
            .iter()
            .map(|(key, value)| ((*key).into(), (*value).into()))
            .collect(),
        ..Default::default()
    }
}

#[test]
fn a_plugins_link_becomes_the_containers() {
    let host = Host::new();
    let calls = plugin(&host, "NetworkDriver");
    let directory = host.state.path().to_owned();
    let networks = host.open_with(|config| config.plugin_directories = vec![directory]);
    let create = || networks.create(&toy(&[("color", "red")])).unwrap();
    let made = host.netns.run(create).unwrap();
    assert_eq!(made.driver.as_str(), "toy");
    let request = EndpointRequest {
        network: "toys".into(),
        ..request("a")
    };
    let a = start(&host, &networks, &request);
    assert_eq!(a.endpoint.interface, "toy0");
    assert!(a.netns.route().link("toy0").unwrap().unwrap().up);
    serve(&host.netns, "0.0.0.0:90");
    assert_eq!(call(&a.netns, "172.18.0.1:90").unwrap(), "172.18.0.2");
    let id = a.endpoint.container_id.clone();
    host.netns.run(|| networks.release(&id)).unwrap().unwrap();
    host.netns.run(|| networks.remove("toys")).unwrap().unwrap();
    assert_eq!(
        methods(&calls, "NetworkDriver"),
        [
            "GetCapabilities",
            "CreateNetwork",
            "CreateEndpoint",
            "Join",
            "Leave",
            "DeleteEndpoint",
            "DeleteNetwork"
        ]
    );
    let calls = calls.lock().unwrap();
    let created = calls
        .iter()
        .find(|call| call.contains("CreateNetwork"))
        .unwrap();
    for part in ["\"color\":\"red\"", "172.18.0.0/16", "172.18.0.1/16"] {
        assert!(created.contains(part), "{part}: {created}");
    }
}

#[test]
fn a_plugins_refusal_is_told_and_leaves_nothing() {
    let host = Host::new();
    let _calls = plugin(&host, "NetworkDriver");
    let directory = host.state.path().to_owned();
    let networks = host.open_with(|config| config.plugin_directories = vec![directory]);
    let create = || networks.create(&toy(&[("please", "refuse")]));
    let error = host.netns.run(create).unwrap().unwrap_err();
    assert_eq!(error.to_string(), "NetworkDriver.CreateNetwork: not today");
    assert!(networks.inspect("toys").is_err());
}

#[test]
fn a_plugin_of_another_kind_is_no_network_driver() {
    let host = Host::new();
    let _calls = plugin(&host, "VolumeDriver");
    let directory = host.state.path().to_owned();
    let networks = host.open_with(|config| config.plugin_directories = vec![directory]);
    let create = || networks.create(&toy(&[]));
    let error = host.netns.run(create).unwrap().unwrap_err();
    assert_eq!(error.to_string(), "plugin \"toy\" not found");
}

fn planned(subnet: &str) -> NetworkRequest {
    let row = corten_network::IpamConfig {
        subnet: subnet.into(),
        ..Default::default()
    };
    NetworkRequest {
        name: "planned".into(),
        ipam_driver: "toy".into(),
        ipam: vec![row],
        ..Default::default()
    }
}

#[test]
fn a_plugins_addresses_become_the_containers_and_come_back_to_it() {
    let host = Host::new();
    let calls = plugin(&host, "IpamDriver");
    let directory = host.state.path().to_owned();
    let networks = host.open_with(|config| config.plugin_directories = vec![directory]);
    let create = || networks.create(&planned("")).unwrap();
    let made = host.netns.run(create).unwrap();
    let rows = made.ipam.unwrap();
    assert_eq!(rows[0].subnet, "10.99.0.0/24");
    assert_eq!(rows[0].gateway, "10.99.0.254");
    let wanted = EndpointRequest {
        network: "planned".into(),
        ..request("a")
    };
    let a = start(&host, &networks, &wanted);
    assert_eq!(a.endpoint.ipv4.unwrap().to_string(), "10.99.0.77");
    serve(&host.netns, "0.0.0.0:90");
    assert_eq!(call(&a.netns, "10.99.0.254:90").unwrap(), "10.99.0.77");
    let mac = a.endpoint.mac.unwrap().to_string();
    {
        let calls = calls.lock().unwrap();
        assert!(calls.iter().any(|call| call.contains(&mac)), "{calls:?}");
    }
    let id = a.endpoint.container_id.clone();
    host.netns.run(|| networks.release(&id)).unwrap().unwrap();
    let gone = host.netns.run(|| networks.remove("planned")).unwrap();
    gone.unwrap();
    assert_eq!(
        methods(&calls, "IpamDriver"),
        [
            "GetDefaultAddressSpaces",
            "RequestPool",
            "RequestAddress",
            "GetCapabilities",
            "RequestAddress",
            "ReleaseAddress",
            "ReleaseAddress",
            "ReleasePool"
        ]
    );
}

#[test]
fn what_a_plugin_refuses_is_told_and_nothing_is_kept_of_it() {
    let host = Host::new();
    let calls = plugin(&host, "IpamDriver");
    let directory = host.state.path().to_owned();
    let networks = host.open_with(|config| config.plugin_directories = vec![directory]);
    let create = || networks.create(&planned("10.99.0.0/24"));
    host.netns.run(create).unwrap().unwrap();
    let wanted = EndpointRequest {
        network: "planned".into(),
        ipv4: Some("10.99.0.13".parse().unwrap()),
        ..request("a")
    };
    let sandbox = host.netns.run(|| networks.sandbox()).unwrap().unwrap();
    let connect = || networks.connect(Some(&sandbox), &wanted).unwrap_err();
    let error = host.netns.run(connect).unwrap();
    assert_eq!(
        error.to_string(),
        "IpamDriver.RequestAddress of toy: thirteen brings bad luck"
    );
    // The same subnet once more belongs to the network that there is.
    let second = NetworkRequest {
        name: "second".into(),
        ..planned("")
    };
    let error = host.netns.run(|| networks.create(&second)).unwrap();
    let error = error.unwrap_err().to_string();
    assert!(error.contains("overlaps with 10.99.0.0/24"), "{error}");
    assert_eq!(methods(&calls, "IpamDriver").last().unwrap(), "ReleasePool");
    assert!(networks.inspect("second").is_err());
}
