//! What published ports cost at a start.

use super::Peer;
use crate::api::{median, send, wanted};
use anyhow::Result;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Ports that a container publishes.
const PORTS: u16 = 32;
/// Starts of each kind whose median counts.
const ROUNDS: usize = 61;
/// First host port of the containers that only stand there.
const STANDING_FROM: u16 = 20_000;
/// First host port of the measured container.
const MEASURED_FROM: u16 = 10_000;
const LABEL: &str = "corten.measure";

/// Prints a table: an engine a line.
pub(super) fn measure(peers: &[Peer], standing: u16) -> Result<()> {
    let result = (|| {
        for peer in peers {
            for number in 0..standing {
                start(peer, STANDING_FROM + number * PORTS, PORTS)?;
            }
        }
        let mut times = vec![(Vec::new(), Vec::new()); peers.len()];
        for _ in 0..ROUNDS {
            for (peer, (without, with)) in peers.iter().zip(&mut times) {
                without.push(one(peer, 0)?);
                with.push(one(peer, PORTS)?);
            }
        }
        println!("| engine | start, no port [ms] | start, {PORTS} ports [ms] | difference [ms] |");
        println!("|---|---|---|---|");
        for (peer, (mut without, mut with)) in peers.iter().zip(times) {
            let ms = |times: &mut [Duration]| median(times).as_secs_f64() * 1e3;
            let (without, with) = (ms(&mut without), ms(&mut with));
            let more = with - without;
            println!("| {} | {without:.1} | {with:.1} | {more:.2} |", peer.name);
        }
        println!("beside {standing} containers that publish {PORTS} ports each");
        Ok(())
    })();
    peers.iter().try_for_each(clean)?;
    result
}

/// The time of a start alone.
fn one(peer: &Peer, ports: u16) -> Result<Duration> {
    let (id, time) = start(peer, MEASURED_FROM, ports)?;
    let path = format!("/containers/{id}?force=true");
    wanted(&peer.socket, 204, "DELETE", &path, None)?;
    Ok(time)
}

fn start(peer: &Peer, first: u16, ports: u16) -> Result<(String, Duration)> {
    let numbers = || 0..ports;
    let exposed = numbers().map(|port| (format!("{}/tcp", 1000 + port), json!({})));
    let bound = numbers().map(|port| {
        let host = json!([{ "HostPort": (first + port).to_string() }]);
        (format!("{}/tcp", 1000 + port), host)
    });
    let body = json!({
        "Image": "busybox",
        "Cmd": ["sleep", "1000"],
        "Labels": { LABEL: "" },
        "ExposedPorts": Value::Object(exposed.collect()),
        "HostConfig": { "PortBindings": Value::Object(bound.collect()) },
    });
    let made = wanted(&peer.socket, 201, "POST", "/containers/create", Some(&body))?;
    let id = made["Id"].as_str().unwrap_or_default().to_owned();
    let path = format!("/containers/{id}/start");
    let begun = Instant::now();
    wanted(&peer.socket, 204, "POST", &path, None)?;
    Ok((id, begun.elapsed()))
}

/// Removes what bears the label.
pub(super) fn clean(peer: &Peer) -> Result<()> {
    let path = format!("/containers/json?all=1&filters=%7B%22label%22%3A%5B%22{LABEL}%22%5D%7D");
    let list = wanted(&peer.socket, 200, "GET", &path, None)?;
    for container in list.as_array().into_iter().flatten() {
        let id = container["Id"].as_str().unwrap_or_default();
        send(
            &peer.socket,
            "DELETE",
            &format!("/containers/{id}?force=true"),
            None,
        )?;
    }
    Ok(())
}
