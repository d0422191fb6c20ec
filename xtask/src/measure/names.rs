//! How fast names are answered.
//!
//! The questions are put from a container's network namespace, which `nsenter` of
//! util-linux enters, by this same program.

use super::{Peer, ports::clean};
use crate::{api::wanted, run};
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::{
    net::UdpSocket,
    process::Command,
    sync::Mutex,
    time::{Duration, Instant},
};

/// Containers that are asked for.
const CONTAINERS: usize = 100;
/// Questions a second.
const RATE: u32 = 5000;
const SECONDS: u32 = 5;
const NETWORK: &str = "corten-measure";
const SERVER: &str = "127.0.0.11:53";

/// Prints a line for each engine.
pub(super) fn measure(peers: &[Peer]) -> Result<()> {
    for peer in peers {
        let taken = take(peer);
        clean(peer)?;
        let path = format!("/networks/{NETWORK}");
        wanted(&peer.socket, 204, "DELETE", &path, None)?;
        println!("{}: {}", peer.name, taken?);
    }
    Ok(())
}

fn take(peer: &Peer) -> Result<String> {
    let network = json!({ "Name": NETWORK });
    wanted(
        &peer.socket,
        201,
        "POST",
        "/networks/create",
        Some(&network),
    )?;
    let mut pid = 0;
    for number in 0..CONTAINERS {
        let body = json!({
            "Image": "busybox",
            "Cmd": ["sleep", "1000"],
            "Labels": { "corten.measure": "" },
            "HostConfig": { "NetworkMode": NETWORK },
        });
        let path = format!("/containers/create?name=measured{number}");
        let made = wanted(&peer.socket, 201, "POST", &path, Some(&body))?;
        let id = made["Id"].as_str().unwrap_or_default();
        let path = format!("/containers/{id}");
        wanted(&peer.socket, 204, "POST", &format!("{path}/start"), None)?;
        let told = wanted(&peer.socket, 200, "GET", &format!("{path}/json"), None)?;
        pid = told["State"]["Pid"].as_u64().context("its process")?;
    }
    run::output(
        Command::new("nsenter")
            .args(["-t", &pid.to_string(), "-n", "--"])
            .arg(std::env::current_exe()?)
            .args(["measure", "ask"]),
    )
}

/// Asks the name server of the network namespace that this process is in.
pub(super) fn ask(_: &[String]) -> Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(SERVER)?;
    socket.set_read_timeout(Some(Duration::from_millis(500)))?;
    let count = RATE * SECONDS;
    // By the number of the question; a number comes again only after 13 seconds.
    let sent: Mutex<Vec<Option<Instant>>> = Mutex::new(vec![None; 1 << 16]);
    let times = std::thread::scope(|scope| -> Result<Vec<Duration>> {
        let reader = scope.spawn(|| {
            let (mut times, mut answer) = (Vec::new(), [0; 512]);
            while let Ok(length) = socket.recv(&mut answer) {
                let now = Instant::now();
                let id = u16::from_be_bytes([answer[0], answer[1]]);
                let mut sent = sent.lock().expect("no panic while it is held");
                let begun = sent[usize::from(id)].take();
                // An answer with an address, and no error.
                if let Some(begun) = begun.filter(|_| length > 32 && answer[3] & 15 == 0) {
                    times.push(now - begun);
                }
                if times.len() == count as usize {
                    break;
                }
            }
            times
        });
        let begun = Instant::now();
        for number in 0..count {
            let due = begun + Duration::from_secs(1) / RATE * number;
            std::thread::sleep(due.saturating_duration_since(Instant::now())); // poll
            let question = question(number as u16, number as usize % CONTAINERS);
            sent.lock().expect("no panic while it is held")[number as u16 as usize] =
                Some(Instant::now());
            socket.send(&question)?;
        }
        reader
            .join()
            .map_err(|_| anyhow::anyhow!("the reader failed"))
    });
    let mut times = times?;
    ensure!(!times.is_empty(), "no answer came");
    times.sort();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize].as_micros();
    print!(
        "{} of {count} answers at {RATE} a second, p50 {} µs, p99 {} µs, p99.9 {} µs",
        times.len(),
        at(0.5),
        at(0.99),
        at(0.999)
    );
    Ok(())
}

/// RFC 1035 § 4.1: one question for an address.
fn question(id: u16, container: usize) -> Vec<u8> {
    let mut message = id.to_be_bytes().to_vec();
    message.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    let name = format!("measured{container}");
    message.push(name.len() as u8);
    message.extend(name.bytes());
    message.extend([0, 0, 1, 0, 1]);
    message
}
