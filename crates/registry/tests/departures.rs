//! Clients that leave in the middle of an answer, or stay and take nothing; upstreams that
//! die. The server keeps nothing of them.
#![allow(clippy::unwrap_used)]

mod common;

use common::Server;
use corten_oci::Digest;
use serde_json::json;
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// Larger than what the kernel keeps of an answer that nobody reads.
const LARGE: usize = 48 << 20;

/// Waits until `condition` holds.
fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(10)); // poll
    }
}

/// Files of the storage that this process, in which the server runs, has open.
fn open_files(directory: &Path) -> usize {
    let open = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    open.filter_map(|fd| std::fs::read_link(fd.path()).ok())
        .filter(|target| target.starts_with(directory) && target.is_file())
        .count()
}

fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|it| it.trim().split(' ').next()?.parse::<u64>().ok());
    kilobytes.unwrap() << 10
}

/// Asks for a path and reads the first bytes of the answer.
fn begin(address: SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut first = [0; 512];
    assert!(stream.read(&mut first).unwrap() > 0);
    assert!(first.starts_with(b"HTTP/1.1 200 OK"), "{path}");
    stream
}

/// A server whose stalling clients have a second, with a large blob.
fn server(directory: &Path, stall_seconds: u64) -> (Server, String) {
    let mut config = corten_registry::Config::in_directory(directory);
    config.stall_seconds = stall_seconds;
    config.metrics_listen = None;
    let server = Server::of(config);
    let digest = server.push_blob("r", &vec![7; LARGE]);
    (server, format!("/v2/r/blobs/{digest}"))
}

#[test]
fn a_client_that_leaves_in_the_middle_of_a_blob_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let (server, blob) = server(directory.path(), 3600);
    let tasks = || server.threads.metrics().num_alive_tasks();
    until("the push is over", || open_files(directory.path()) == 0);
    let before = tasks();
    for _ in 0..50 {
        let stream = begin(server.address, &blob);
        assert!(open_files(directory.path()) > 0);
        drop(stream);
    }
    until("all files are closed", || open_files(directory.path()) == 0);
    until("all tasks have ended", || tasks() <= before);
    assert_eq!(server.get(&blob).body.len(), LARGE);
}

#[test]
fn many_clients_that_take_nothing_cost_little_and_are_cut_off() {
    let directory = tempfile::tempdir().unwrap();
    let (server, blob) = server(directory.path(), 4);
    let tasks = || server.threads.metrics().num_alive_tasks();
    until("the push is over", || open_files(directory.path()) == 0);
    let (before, memory) = (tasks(), resident_bytes());
    let began = Instant::now();
    let waiting: Vec<TcpStream> = (0..200).map(|_| begin(server.address, &blob)).collect();
    assert!(open_files(directory.path()) >= 200);
    // Others are served meanwhile.
    let small = server.push_blob("r", b"small");
    assert_eq!(server.get(&format!("/v2/r/blobs/{small}")).text(), "small");
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "{:?}",
        began.elapsed()
    );
    let more = resident_bytes().saturating_sub(memory);
    assert!(more < 64 << 20, "{more} bytes for 200 clients");
    until("all files are closed", || open_files(directory.path()) == 0);
    until("all tasks have ended", || tasks() <= before);
    // They find an answer that breaks off.
    for mut stream in waiting.into_iter().take(3) {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(rest.len() < LARGE, "{}", rest.len());
    }
    // Who reads slowly, but reads, gets everything.
    let mut slow = begin(server.address, &blob);
    let (mut taken, mut buffer) = (512, vec![0; 8 << 20]);
    while taken < LARGE / 2 {
        let part = slow.read(&mut buffer).unwrap();
        assert!(part > 0, "cut off after {taken}");
        taken += part;
    }
}

/// An upstream with one blob that answers as `broken` says: it breaks off in the middle,
/// or is whole.
fn upstream(blob: Vec<u8>, broken: Arc<AtomicBool>) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let asked: Arc<AtomicUsize> = Arc::default();
    let count = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut head) = (stream.unwrap(), Vec::new());
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
                head.push(byte[0]);
                if head[0] == 0x16 {
                    break;
                }
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let said = format!(
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                blob.len()
            );
            if head.starts_with("GET /v2/app/blobs/") {
                count.fetch_add(1, Ordering::Relaxed);
                let half = match broken.load(Ordering::Relaxed) {
                    true => blob.len() / 2,
                    false => blob.len(),
                };
                let _ = stream.write_all(said.as_bytes());
                let _ = stream.write_all(&blob[..half]);
            } else if head.starts_with("HEAD /v2/app/blobs/") {
                let _ = stream.write_all(said.as_bytes());
            } else {
                let _ = stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n");
            }
        }
    });
    (address, asked)
}

#[test]
fn an_upstream_that_dies_in_the_middle_of_a_blob_leaves_no_half_of_it() {
    let blob: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    let broken = Arc::new(AtomicBool::new(true));
    let (address, asked) = upstream(blob.clone(), Arc::clone(&broken));
    let directory = tempfile::tempdir().unwrap();
    let mut config = corten_registry::Config::in_directory(directory.path());
    let upstreams = json!([{"registry": address.to_string(), "prefix": "up"}]);
    config.upstreams = serde_json::from_value(upstreams).unwrap();
    let cache = Server::of(config);
    let tasks = || cache.threads.metrics().num_alive_tasks();
    let before = tasks();
    let path = format!("/v2/up/app/blobs/{}", Digest::of(&blob));
    let mut stream = TcpStream::connect(cache.address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    // The end comes early, so that no client takes it for the whole.
    let _ = stream.read_to_end(&mut answer);
    let begin = answer.windows(4).position(|it| it == b"\r\n\r\n").unwrap() + 4;
    assert!(answer.starts_with(b"HTTP/1.1 200 OK"));
    assert!(answer.len() - begin < blob.len());
    assert!(
        blob.starts_with(&answer[begin..]),
        "what came is the blob's"
    );
    assert!(asked.load(Ordering::Relaxed) > 1, "it was tried again");
    until("the download is given up", || tasks() <= before);
    assert_eq!(open_files(directory.path()), 0);
    for place in ["blobs", "uploads"] {
        let mut files = 0;
        count_files(&directory.path().join(place), &mut files);
        assert_eq!(files, 0, "{place}");
    }
    // Back again, it is asked again, and the blob is whole and kept.
    broken.store(false, Ordering::Relaxed);
    assert!(cache.get(&path).body == blob);
    let times = asked.load(Ordering::Relaxed);
    until("it is kept", || cache.get(&path).body == blob);
    assert_eq!(asked.load(Ordering::Relaxed), times);
}

fn count_files(directory: &Path, files: &mut usize) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        match entry.path().is_dir() {
            true => count_files(&entry.path(), files),
            false => *files += 1,
        }
    }
}

/// A client that goes away while its answer is made is not counted as being served.
#[test]
fn requests_under_way_are_counted_until_their_last_byte_or_their_clients_end() {
    let directory = tempfile::tempdir().unwrap();
    let (server, blob) = server(directory.path(), 3600);
    let under_way = || server.registry.requests_under_way();
    until("nothing is asked", || under_way() == 0);
    let reading = begin(server.address, &blob);
    assert_eq!(under_way(), 1, "its answer is not over");
    // An upload of which half is sent.
    let at = server.send("POST", "/v2/r/blobs/uploads/", &[], b"");
    let mut sending = TcpStream::connect(server.address).unwrap();
    write!(
        sending,
        "PATCH {} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhello",
        at.header("location")
    )
    .unwrap();
    until("the upload is under way", || under_way() == 2);
    drop((reading, sending));
    until("both are over", || under_way() == 0);
}
