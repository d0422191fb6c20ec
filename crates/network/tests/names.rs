//! Containers find each other by name.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

mod common;

use common::{Container, Host, look_up, request, start};
use corten_network::{
    EndpointRequest, Link, LiveContainer, NamesRequest, NetworkRequest, Networks,
};

fn network(host: &Host, networks: &Networks, name: &str) {
    let request = NetworkRequest {
        name: name.into(),
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

fn named(host: &Host, networks: &Networks, request: &EndpointRequest) -> Container {
    let container = start(host, networks, request);
    assert!(networks.needs_names(&request.container_id));
    let names = NamesRequest {
        container_id: request.container_id.clone(),
        ..Default::default()
    };
    host.netns
        .run(|| networks.serve_names(&container.netns, &names))
        .unwrap()
        .unwrap();
    container
}

fn found(from: &Container, name: &str) -> String {
    let all = look_up(&from.netns, name).unwrap_or_default();
    let all: Vec<_> = all.iter().map(ToString::to_string).collect();
    all.join(" ")
}

#[test]
fn every_name_of_a_container_leads_to_it() {
    let host = Host::new();
    let networks = host.open();
    network(&host, &networks, "front");
    network(&host, &networks, "back");
    let a = named(&host, &networks, &on("front", "a"));
    let db = EndpointRequest {
        aliases: vec!["database".into(), "pg".into()],
        hostname: "dbhost".into(),
        ..on("front", "db")
    };
    let db = named(&host, &networks, &db);
    let short = &db.endpoint.container_id[..12];
    assert_eq!(
        db.endpoint.dns_names,
        ["db", "database", "pg", short, "dbhost"]
    );
    for name in ["db", "DataBase", "pg", short, "dbhost", "db.front"] {
        assert_eq!(found(&a, name), "172.18.0.3", "{name}");
    }
    let other = named(&host, &networks, &on("back", "other"));
    assert_eq!(look_up(&other.netns, "db"), None);
    assert!(!networks.needs_names(&start(&host, &networks, &request("x")).endpoint.container_id));
}

#[test]
fn rename_connect_and_disconnect_change_answers_at_once() {
    let host = Host::new();
    let networks = host.open();
    network(&host, &networks, "front");
    network(&host, &networks, "back");
    let a = named(&host, &networks, &on("front", "a"));
    let b = named(&host, &networks, &on("back", "b"));
    assert_eq!(found(&a, "b"), "");
    let join = || networks.connect(Some(&b.netns), &on("front", "b"));
    host.netns.run(join).unwrap().unwrap();
    assert_eq!(found(&a, "b"), "172.18.0.3");
    let id = &b.endpoint.container_id;
    networks.rename(id, "bee").unwrap();
    assert_eq!(
        (found(&a, "bee"), found(&a, "b")),
        ("172.18.0.3".into(), String::new())
    );
    let leave = || networks.disconnect(id, "front");
    host.netns.run(leave).unwrap().unwrap();
    assert_eq!(found(&a, "bee"), "");
}

#[test]
fn containers_with_one_alias_take_turns() {
    let host = Host::new();
    let networks = host.open();
    network(&host, &networks, "front");
    let web = |name: &str| {
        let request = EndpointRequest {
            aliases: vec!["web".into()],
            ..on("front", name)
        };
        named(&host, &networks, &request)
    };
    let (a, b) = (web("a"), web("b"));
    let first = |_| look_up(&a.netns, "web").unwrap()[0];
    let firsts: std::collections::BTreeSet<_> = (0..4).map(first).collect();
    let wanted = [a.endpoint.ipv4.unwrap(), b.endpoint.ipv4.unwrap()];
    assert_eq!(firsts, wanted.into());
}

#[test]
fn a_link_is_a_name_for_one_container() {
    let host = Host::new();
    let networks = host.open();
    network(&host, &networks, "front");
    let db = named(&host, &networks, &on("front", "db"));
    let linked = EndpointRequest {
        links: vec![Link {
            container: "db".into(),
            alias: "store".into(),
        }],
        ..on("front", "a")
    };
    let a = named(&host, &networks, &linked);
    assert_eq!(found(&a, "store"), "172.18.0.2");
    assert_eq!(found(&db, "store"), "");
}

#[test]
fn names_are_served_again_after_a_restart() {
    let host = Host::new();
    let networks = host.open();
    network(&host, &networks, "front");
    let a = named(&host, &networks, &on("front", "a"));
    let b = named(&host, &networks, &on("front", "b"));
    drop(networks);
    let networks = host.open();
    let live: Vec<_> = [&a, &b]
        .iter()
        .map(|container| LiveContainer {
            id: container.endpoint.container_id.clone(),
            netns: Some(container.netns.try_clone_fd().unwrap()),
        })
        .collect();
    let report = host.netns.run(|| networks.reconcile(live)).unwrap();
    assert_eq!(report.unwrap().problems, Vec::<String>::new());
    assert_eq!(found(&a, "b"), "172.18.0.3");
    assert_eq!(found(&b, "a"), "172.18.0.2");
}
