//! Many containers, started and ended side by side.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

mod common;

use common::{Host, port, request, start};
use corten_network::EndpointRequest;
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

const CONTAINERS: u16 = 100;
const WORKERS: u16 = 8;

#[test]
fn a_hundred_containers_come_and_go_without_a_trace() {
    let host = Host::new();
    let networks = host.open();
    let tables = || host.output("nft", &["list", "ruleset"]);
    let before = tables();
    let wanted = |number: u16| EndpointRequest {
        ports: vec![port(80, 20_000 + number)],
        ..request(&format!("c{number}"))
    };
    for _ in 0..2 {
        let started: Vec<_> = std::thread::scope(|scope| {
            let work = |worker| {
                let (host, networks) = (&host, &networks);
                move || {
                    let mine = (worker..CONTAINERS).step_by(WORKERS.into());
                    mine.map(|number| start(host, networks, &wanted(number)))
                        .collect::<Vec<_>>()
                }
            };
            let workers: Vec<_> = (0..WORKERS)
                .map(|worker| scope.spawn(work(worker)))
                .collect();
            workers
                .into_iter()
                .flat_map(|worker| worker.join().unwrap())
                .collect()
        });
        let addresses: BTreeSet<_> = started.iter().map(|c| c.endpoint.ipv4).collect();
        assert_eq!(addresses.len(), usize::from(CONTAINERS));
        assert_eq!(host.pairs(), usize::from(CONTAINERS));
        assert_eq!(
            networks.inspect("bridge").unwrap().endpoints.len(),
            usize::from(CONTAINERS)
        );
        std::thread::scope(|scope| {
            for container in started {
                let (host, networks) = (&host, &networks);
                scope.spawn(move || {
                    let id = container.endpoint.container_id.clone();
                    drop(container);
                    host.netns.run(|| networks.release(&id)).unwrap().unwrap();
                });
            }
        });
        let deadline = Instant::now() + Duration::from_secs(20);
        while host.pairs() > 0 {
            assert!(Instant::now() < deadline, "{} links are left", host.pairs());
            std::thread::yield_now();
        }
        assert_eq!(tables(), before);
        assert!(networks.inspect("bridge").unwrap().endpoints.is_empty());
        let records = std::fs::read_dir(host.state.path().join("exec/endpoints")).unwrap();
        assert_eq!(records.count(), 0);
    }
}
