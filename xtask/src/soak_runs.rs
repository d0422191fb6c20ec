//! `cargo xtask soak runs N`: the same thing over and over, and what is left of it.
//!
//! A run is a network, a volume and a container with a published port, made, run to its end
//! and removed through the API. After a few runs that warm everything up, the machine and
//! the daemon are looked at; after N runs they are looked at again.

use crate::{
    api::{self, median},
    build, run,
};
use anyhow::{Context, Result, bail, ensure};
use corten_testkit::{Engine, Leftovers, until};
use serde_json::{Value, json};
use std::{
    path::Path,
    time::{Duration, Instant},
};

const USAGE: &str = "usage: cargo xtask soak runs N";

/// Runs before the first look: pools are filled, caches are warm.
const WARM_UP: usize = 50;

/// How much the daemon may have grown in memory, in KiB: room for the allocator.
const GROWTH_MAX_KIB: u64 = 5 << 10;

/// How often a line tells how far it is.
const TOLD_EVERY: usize = 500;

/// Runs one kind of soak.
pub fn soak(arguments: &[String]) -> Result<()> {
    let [kind, count] = arguments else {
        bail!(USAGE);
    };
    let count: usize = count.parse().context(USAGE)?;
    ensure!(kind == "runs" && count > 0, USAGE);
    if std::env::var_os("CORTEN_BIN_DIR").is_some() {
        return runs(count);
    }
    // The programs are named in the environment, which only a new process can be given.
    let mut command = std::process::Command::new(std::env::current_exe()?);
    command.arg("soak").args(arguments);
    run::run(command.env("CORTEN_BIN_DIR", build::release()?))
}

/// What grows when something leaks.
struct Look {
    left: Leftovers,
    descriptors: usize,
    threads: usize,
    memory_kib: u64,
    namespaces: usize,
    records: usize,
}

impl Look {
    fn take(engine: &Engine) -> Self {
        let process = format!("/proc/{}", engine.daemon_pid());
        let count = |path: String| std::fs::read_dir(path).map_or(0, Iterator::count);
        Self {
            left: engine.leftovers(),
            descriptors: count(format!("{process}/fd")),
            threads: count(format!("{process}/task")),
            memory_kib: resident_kib(&process),
            namespaces: namespaces(),
            records: files_below(&engine.path("data/network"))
                + files_below(&engine.path("data/volumes"))
                + files_below(&engine.path("exec")),
        }
    }
}

fn runs(count: usize) -> Result<()> {
    let engine = Engine::with_images(&["busybox"]);
    let socket = engine.path("cortend.sock");
    for number in 0..WARM_UP {
        one(&socket, &format!("warm{number}"))?;
    }
    settled(&engine);
    let before = Look::take(&engine);
    let mut times = Vec::with_capacity(count);
    for number in 0..count {
        let started = Instant::now();
        one(&socket, &format!("soak{number}"))?;
        times.push(started.elapsed());
        if (number + 1) % TOLD_EVERY == 0 {
            let memory = resident_kib(&format!("/proc/{}", engine.daemon_pid()));
            println!("{} runs, {memory} KiB resident", number + 1);
        }
    }
    settled(&engine);
    let after = Look::take(&engine);
    report(&before, &after, &mut times)
}

/// Tear-down goes on in the background: the last namespace's links, the reaper.
fn settled(engine: &Engine) {
    until("nothing of the runs is left", 60, || {
        let left = engine.leftovers();
        left.processes.is_empty() && left.links.iter().all(|link| !link.starts_with("veth"))
    });
}

fn report(before: &Look, after: &Look, times: &mut [Duration]) -> Result<()> {
    let part = (times.len() / 10).max(1);
    let (first, last) = (median(&mut times[..part].to_vec()), {
        let at = times.len() - part;
        median(&mut times[at..].to_vec())
    });
    println!("| | before | after |\n|---|---|---|");
    let rows = [
        (
            "network interfaces",
            before.left.links.len(),
            after.left.links.len(),
        ),
        (
            "firewall elements",
            before.left.firewall_elements,
            after.left.firewall_elements,
        ),
        ("mounts", before.left.mounts.len(), after.left.mounts.len()),
        (
            "control groups",
            before.left.cgroups.len(),
            after.left.cgroups.len(),
        ),
        (
            "shims",
            before.left.processes.len(),
            after.left.processes.len(),
        ),
        (
            "container files",
            before.left.files.len(),
            after.left.files.len(),
        ),
        ("records and volumes", before.records, after.records),
        (
            "network namespaces of processes",
            before.namespaces,
            after.namespaces,
        ),
        (
            "descriptors of the daemon",
            before.descriptors,
            after.descriptors,
        ),
        ("threads of the daemon", before.threads, after.threads),
    ];
    let mut grown = Vec::new();
    for (index, (name, was, is)) in rows.into_iter().enumerate() {
        println!("| {name} | {was} | {is} |");
        // Threads of a pool come and go, and others on the machine have namespaces.
        if is > was && index < 7 {
            grown.push(name);
        }
    }
    let (was, is) = (before.memory_kib, after.memory_kib);
    println!("| resident memory of the daemon, KiB | {was} | {is} |");
    println!(
        "| a run, ms (median of the first and of the last tenth) | {:.1} | {:.1} |",
        first.as_secs_f64() * 1e3,
        last.as_secs_f64() * 1e3
    );
    if is > was + GROWTH_MAX_KIB {
        grown.push("memory");
    }
    // The namespaces that stand ready hold a few.
    if after.descriptors > before.descriptors + 16 {
        grown.push("descriptors");
    }
    ensure!(grown.is_empty(), "left behind: {}", grown.join(", "));
    Ok(())
}

fn one(socket: &Path, name: &str) -> Result<()> {
    let post = |status, path: &str, body: Option<Value>| {
        api::wanted(socket, status, "POST", path, body.as_ref())
    };
    let named = json!({ "Name": name });
    post(201, "/networks/create", Some(named.clone()))?;
    post(201, "/volumes/create", Some(named))?;
    let body = json!({
        "Image": "busybox",
        "Cmd": ["sh", "-c", "echo x > /d/file"],
        "ExposedPorts": { "80/tcp": {} },
        "HostConfig": {
            "Binds": [format!("{name}:/d")],
            "NetworkMode": name,
            "PortBindings": { "80/tcp": [{ "HostPort": "" }] },
        },
    });
    let path = format!("/containers/create?name={name}");
    post(201, &path, Some(body))?;
    post(204, &format!("/containers/{name}/start"), None)?;
    let ended = post(200, &format!("/containers/{name}/wait"), None)?;
    ensure!(ended["StatusCode"] == 0, "{name}: {ended}");
    for path in ["containers", "volumes", "networks"] {
        api::wanted(socket, 204, "DELETE", &format!("/{path}/{name}"), None)?;
    }
    Ok(())
}

fn resident_kib(process: &str) -> u64 {
    let status = std::fs::read_to_string(format!("{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|it| it.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

/// Network namespaces that some process of the machine is in.
fn namespaces() -> usize {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut all: Vec<_> = processes
        .filter_map(|entry| std::fs::read_link(entry.path().join("ns/net")).ok())
        .collect();
    all.sort();
    all.dedup();
    all.len()
}

fn files_below(path: &Path) -> usize {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => 1 + files_below(&entry.path()),
            _ => 1,
        })
        .sum()
}
