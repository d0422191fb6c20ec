//! How fast registries serve concurrent pulls, and how much memory that takes.
//!
//! Ours (`target/dist/corten registry serve`, built by `cargo xtask build --release`) and
//! Debian's docker-registry are started here, on loopback, each with storage of its own that
//! holds the same blobs. They take turns. A client is a thread with one connection that is
//! kept; what it receives it throws away in the kernel, so that its own copying is not in
//! the figures.
//!
//! On one machine clients and servers share the processors, and receiving costs more than
//! sending. So large blobs are also fetched while each server may use but a share of one
//! processor: then it is the server that bounds the figure, as with clients elsewhere.

use super::USAGE;
use crate::{api::median, run};
use anyhow::{Context, Result, ensure};
use rustix::net::{RecvFlags, recv};
use std::{
    fmt::Write as _,
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

/// Clients at a time where the words say nothing else.
const CLIENTS: usize = 16;
/// Large blobs where the words say nothing else: layers.
const BLOBS: usize = 8;
const BLOB_BYTES: usize = 32 << 20;
/// Bytes of a small one: a configuration or a manifest.
const SMALL_BYTES: usize = 4 << 10;
/// Small blobs that are asked for in one round.
const SMALL_REQUESTS: usize = 4_000;
/// Times that each client fetches each large blob in one round.
const PASSES: usize = 2;
/// Part of one processor that a server has when it is to be what bounds the figure.
const SHARE: f64 = 0.25;
/// Each large blob is fetched so often, by all clients together, with that share.
const SHARED_PASSES: usize = 4;
/// The period of a control group's share in microseconds, sched-bwc.rst.
const PERIOD_MICROSECONDS: u64 = 20_000;
/// Rounds whose median counts.
const ROUNDS: usize = 5;
/// Longest wait for a registry or for bytes of it.
const PATIENCE: Duration = Duration::from_secs(20);

/// A registry that runs here.
pub(super) struct Server {
    name: &'static str,
    child: Child,
    address: SocketAddr,
    /// Its control group.
    group: PathBuf,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already, and then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir(&self.group);
    }
}

impl Server {
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets it use this part of one processor, or all of all.
    fn limit(&self, share: Option<f64>) -> Result<()> {
        let quota = share.map(|share| (share * PERIOD_MICROSECONDS as f64) as u64);
        if self.group.join("cpu.max").exists() {
            let quota = quota.map_or("max".to_owned(), |it| it.to_string());
            return write(
                &self.group,
                "cpu.max",
                &format!("{quota} {PERIOD_MICROSECONDS}"),
            );
        }
        write(
            &self.group,
            "cpu.cfs_period_us",
            &PERIOD_MICROSECONDS.to_string(),
        )?;
        let quota = quota.map_or("-1".to_owned(), |it| it.to_string());
        write(&self.group, "cpu.cfs_quota_us", &quota)
    }
}

/// A control group for one process, below the root of the hierarchy that shares processors.
fn control_group(process: u32) -> Result<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    let root = match root.join("cgroup.controllers").exists() {
        true => root.to_owned(),
        false => root.join("cpu"),
    };
    let group = root.join(format!("measured-registry-{process}"));
    fs::create_dir(&group).with_context(|| format!("making {}", group.display()))?;
    write(&group, "cgroup.procs", &process.to_string())?;
    Ok(group)
}

fn write(group: &Path, file: &str, value: &str) -> Result<()> {
    let path = group.join(file);
    fs::write(&path, value).with_context(|| format!("writing {value} to {}", path.display()))
}

/// Prints a table: a registry a line.
pub(super) fn measure(words: &[String]) -> Result<()> {
    let number = |at: usize, other: usize| match words.get(at) {
        None => Ok(other),
        Some(word) => word.parse::<usize>().context(USAGE),
    };
    let (clients, blobs) = (number(0, CLIENTS)?.max(1), number(1, BLOBS)?.max(1));
    let room = tempfile::Builder::new()
        .prefix("measured-registries")
        .tempdir_in(run::target_directory())?;
    let mut servers = vec![ours(&room.path().join("ours"))?];
    servers.push(debian(room.path(), &room.path().join("debian"))?);
    let contents: Vec<Vec<u8>> = (0..blobs)
        .map(|number| noise(number, BLOB_BYTES))
        .chain([noise(blobs, SMALL_BYTES)])
        .collect();
    let mut paths = Vec::new();
    for content in &contents {
        let digest = digest(room.path(), content)?;
        for server in &servers {
            push(server.address, &digest, content).context(server.name)?;
        }
        paths.push(format!("/v2/measured/blobs/{digest}"));
    }
    let (small, large) = paths.split_last().context(USAGE)?;
    let rate = |count: usize, taken: Duration| count as f64 / taken.as_secs_f64();
    let mut times = vec![(Vec::new(), Vec::new(), Vec::new()); servers.len()];
    for _ in 0..ROUNDS {
        for (server, (requests, pulls, shared)) in servers.iter().zip(&mut times) {
            let one = std::slice::from_ref(small);
            requests.push(pull(server.address, clients, SMALL_REQUESTS, one)?);
            pulls.push(pull(
                server.address,
                clients,
                clients * PASSES * blobs,
                large,
            )?);
            server.limit(Some(SHARE))?;
            let taken = pull(server.address, clients, SHARED_PASSES * blobs, large);
            server.limit(None)?;
            shared.push(taken?);
        }
    }
    println!(
        "{clients} clients, {blobs} blobs of {} MiB\n\n\
         | registry | requests/s ({SMALL_BYTES} bytes each) | MB/s | MB/s with {SHARE} of a processor \
         | memory (PSS) [MiB] | its peak |\n\
         |---|---|---|---|---|---|",
        BLOB_BYTES >> 20
    );
    for (server, (requests, pulls, shared)) in servers.iter().zip(&mut times) {
        let bytes = clients * PASSES * blobs * BLOB_BYTES;
        println!(
            "| {} | {:.0} | {:.0} | {:.0} | {:.1} | {:.1} |",
            server.name,
            rate(SMALL_REQUESTS, median(requests)),
            rate(bytes, median(pulls)) / 1e6,
            rate(SHARED_PASSES * blobs * BLOB_BYTES, median(shared)) / 1e6,
            memory(server, "smaps_rollup", "Pss:")?,
            memory(server, "status", "VmHWM:")?,
        );
    }
    Ok(())
}

fn ours(storage: &Path) -> Result<Server> {
    let program = run::target_directory().join("dist/corten");
    ensure!(
        program.exists(),
        "{} is not there: cargo xtask build --release",
        program.display()
    );
    let address = free_address()?;
    let mut command = Command::new(program);
    command
        .args(["registry", "serve", "--log-level", "error", "--listen"])
        .arg(address.to_string())
        .arg("--root")
        .arg(storage);
    start("corten", command, address)
}

/// Debian's, on this storage; its settings go to `room`.
pub(super) fn debian(room: &Path, storage: &Path) -> Result<Server> {
    let address = free_address()?;
    let config = serde_json::json!({
        "version": "0.1",
        "log": { "level": "error", "accesslog": { "disabled": true } },
        "storage": {
            "filesystem": { "rootdirectory": storage },
            "maintenance": { "uploadpurging": { "enabled": false } },
        },
        "http": { "addr": address.to_string() },
    });
    let file = room.join("debian.yml");
    fs::write(&file, config.to_string())?;
    let mut command = Command::new("docker-registry");
    command.arg("serve").arg(file);
    start("docker-registry", command, address)
}

/// An address that nobody listens on this moment.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

fn start(name: &'static str, mut command: Command, address: SocketAddr) -> Result<Server> {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("starting {name}"))?;
    let mut server = Server {
        name,
        child,
        address,
        group: PathBuf::new(),
    };
    server.group = control_group(server.child.id())?;
    let end = Instant::now() + PATIENCE;
    while TcpStream::connect(address).is_err() {
        ensure!(Instant::now() < end, "{name} does not answer");
        std::thread::sleep(Duration::from_millis(20)); // poll
    }
    Ok(server)
}

/// Bytes that no file system and no registry can make smaller.
fn noise(seed: usize, length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed as u64 + 1);
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// By coreutils: this program has no hash of its own.
fn digest(room: &Path, content: &[u8]) -> Result<String> {
    let file = room.join("content");
    fs::write(&file, content)?;
    let told = run::output(Command::new("sha256sum").arg(&file))?;
    let hex = told.split_whitespace().next().unwrap_or_default();
    Ok(format!("sha256:{hex}"))
}

/// The upload in two requests that both registries know.
fn push(address: SocketAddr, digest: &str, content: &[u8]) -> Result<()> {
    let mut client = Client::connect(address)?;
    let head = client.ask("POST", "/v2/measured/blobs/uploads/", &[])?;
    let place = header(&head, "location").context("the upload has no address")?;
    let path = place
        .split_once("://")
        .and_then(|(_, rest)| rest.find('/').map(|at| rest[at..].to_owned()));
    let path = path.unwrap_or_else(|| place.to_owned());
    let mark = if path.contains('?') { '&' } else { '?' };
    let head = client.ask("PUT", &format!("{path}{mark}digest={digest}"), content)?;
    ensure!(head.starts_with("HTTP/1.1 201"), "{head}");
    Ok(())
}

/// How long `clients` take for `count` blobs, one after the other of `paths`.
fn pull(address: SocketAddr, clients: usize, count: usize, paths: &[String]) -> Result<Duration> {
    let next = AtomicUsize::new(0);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let work = || -> Result<()> {
            let mut client = Client::connect(address)?;
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return Ok(());
                }
                let head = client.ask("GET", &paths[number % paths.len()], &[])?;
                ensure!(head.starts_with("HTTP/1.1 200"), "{head}");
            }
        };
        let running: Vec<_> = (0..clients).map(|_| scope.spawn(work)).collect();
        running.into_iter().try_for_each(|client| {
            let done = client.join();
            done.map_err(|_| anyhow::anyhow!("a client failed"))?
        })
    })?;
    Ok(begun.elapsed())
}

/// A figure of `/proc/PID/FILE`, which is in KiB, in MiB.
fn memory(server: &Server, file: &str, name: &str) -> Result<f64> {
    let path = format!("/proc/{}/{file}", server.child.id());
    let text = fs::read_to_string(&path).with_context(|| path.clone())?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
    Ok(kib.with_context(|| format!("{path} has no {name}"))? / 1024.0)
}

/// One connection.
struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream,
            buffer: vec![0; 1 << 20],
        })
    }

    /// Sends a request; the answer's head, its body thrown away.
    fn ask(&mut self, method: &str, path: &str, body: &[u8]) -> Result<String> {
        let mut request = String::new();
        write!(
            request,
            "{method} {path} HTTP/1.1\r\nHost: measured\r\nContent-Length: {}\r\n\
             Content-Type: application/octet-stream\r\n\r\n",
            body.len()
        )?;
        self.stream.write_all(request.as_bytes())?;
        self.stream.write_all(body)?;
        let (mut filled, end) = (0, b"\r\n\r\n");
        let head = loop {
            // Little at first: what follows the head is not wanted here.
            let room = (filled + 1024).min(self.buffer.len());
            let count = self.stream.read(&mut self.buffer[filled..room])?;
            ensure!(count > 0, "the registry has closed the connection");
            filled += count;
            let found = self.buffer[..filled].windows(4).position(|it| it == end);
            if let Some(at) = found {
                break at + 4;
            }
        };
        let text = String::from_utf8_lossy(&self.buffer[..head]).into_owned();
        let length = header(&text, "content-length").map_or(Ok(0), str::parse::<usize>)?;
        let mut left = length.saturating_sub(filled - head);
        while left > 0 {
            let most = left.min(self.buffer.len());
            // tcp(7): MSG_TRUNC discards what was received.
            let taken = recv(&self.stream, &mut self.buffer[..most], RecvFlags::TRUNC)?;
            let count = taken.1.max(taken.0);
            ensure!(count > 0, "the registry has closed the connection");
            left = left.saturating_sub(count);
        }
        Ok(text)
    }
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().find_map(|line| {
        let (known, value) = line.split_once(':')?;
        known.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}
