//! Pulls that are interrupted, cancelled or slow, through a proxy that holds bytes back.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Made, Root, layer};
use corten_oci::Digest;
use corten_testkit::Registry;
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
    time::timeout,
};

const DEADLINE: Duration = Duration::from_secs(20);

/// Passes bytes on to a registry, but of one connection no more than `most`.
struct Proxy {
    address: String,
    most: Arc<AtomicUsize>,
    held: Arc<AtomicBool>,
    holding: Arc<Notify>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    async fn start(to: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            address: listener.local_addr().unwrap().to_string(),
            most: Arc::new(AtomicUsize::new(usize::MAX)),
            held: Arc::default(),
            holding: Arc::default(),
            requests: Arc::default(),
        };
        let to = to.to_owned();
        let (most, held, holding, requests) = (
            Arc::clone(&proxy.most),
            Arc::clone(&proxy.held),
            Arc::clone(&proxy.holding),
            Arc::clone(&proxy.requests),
        );
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&to).await.unwrap();
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_server, mut to_server) = server.into_split();
                let requests = Arc::clone(&requests);
                tokio::spawn(async move {
                    let mut buffer = vec![0; 64 << 10];
                    while let Ok(count @ 1..) = from_client.read(&mut buffer).await {
                        let text = String::from_utf8_lossy(&buffer[..count]).to_lowercase();
                        requests.lock().unwrap().push(text);
                        if to_server.write_all(&buffer[..count]).await.is_err() {
                            break;
                        }
                    }
                });
                let (most, held, holding) =
                    (Arc::clone(&most), Arc::clone(&held), Arc::clone(&holding));
                tokio::spawn(async move {
                    let (mut passed, mut buffer) = (0, vec![0; 64 << 10]);
                    while let Ok(count @ 1..) = from_server.read(&mut buffer).await {
                        passed += count;
                        if passed > most.load(Ordering::SeqCst) {
                            held.store(true, Ordering::SeqCst);
                            holding.notify_waiters();
                            // Silent until the client is gone.
                            std::future::pending::<()>().await;
                        }
                        if to_client.write_all(&buffer[..count]).await.is_err() {
                            break;
                        }
                    }
                });
            }
        });
        proxy
    }

    async fn wait_until_holding(&self) {
        let holding = self.holding.notified();
        if !self.held.load(Ordering::SeqCst) {
            timeout(DEADLINE, holding)
                .await
                .expect("the proxy holds bytes back");
        }
    }

    /// The methods of the requests since the last call, in order.
    fn methods(&self) -> Vec<String> {
        let requests = std::mem::take(&mut *self.requests.lock().unwrap());
        let lines = requests.iter().flat_map(|text| text.lines());
        let firsts = lines.filter(|line| line.ends_with(" http/1.1"));
        firsts
            .filter_map(|line| Some(line.split_once(' ')?.0.to_owned()))
            .collect()
    }

    fn asked_for_a_range(&self) -> bool {
        self.requests
            .lock()
            .unwrap()
            .iter()
            .any(|head| head.contains("range: bytes="))
    }
}

/// A layer that gzip cannot make smaller.
fn large_layer(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let bytes: Vec<u8> = (0..6 << 20)
        .map(|_| {
            // xorshift64
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        })
        .collect();
    layer(&[("large", &bytes)])
}

/// Bytes of half-done blobs.
fn partial_bytes(root: &Root) -> u64 {
    let entries = std::fs::read_dir(root.directory.path().join("content/ingest")).unwrap();
    entries
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum()
}

async fn wait_for_partial_bytes(root: &Root, wanted: u64) {
    let polled = async {
        while partial_bytes(root) <= wanted {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(DEADLINE, polled).await.expect("bytes are kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_pull_leaves_no_name_and_the_next_goes_on_where_it_stopped() {
    let registry = Registry::start();
    let made = Made::new(&[layer(&[("small", b"s")]), large_layer(7)]);
    made.push(&format!("{}/app:v", registry.address())).await;
    let proxy = Proxy::start(registry.address()).await;
    let name = format!("{}/app:v", proxy.address);
    let root = Root::new().await;
    proxy.most.store(3 << 20, Ordering::SeqCst);
    {
        let pull = root.pull(&name);
        let mut pull = std::pin::pin!(pull);
        tokio::select! {
            result = &mut pull => panic!("it cannot end: {result:?}"),
            () = proxy.wait_until_holding() => {}
        }
        // What the proxy has passed on is on its way to the disk.
        tokio::select! {
            result = &mut pull => panic!("it cannot end: {result:?}"),
            () = wait_for_partial_bytes(&root, 1 << 20) => {}
        }
        // Dropped here, as when the client goes away.
    }
    assert!(root.images.resolve(&name).is_err());
    let root = root.reopened().await;
    let kept = partial_bytes(&root);
    assert!(kept > 1 << 20, "{kept} bytes are kept");
    assert_eq!(root.rooms.layers.list().unwrap(), []);
    proxy.most.store(usize::MAX, Ordering::SeqCst);
    root.pull(&name).await.unwrap();
    assert!(proxy.asked_for_a_range());
    assert_eq!(root.file(&name, "large").unwrap().len(), 6 << 20);
    assert_eq!(partial_bytes(&root), 0);
    assert_eq!(root.counts(), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_goes_on_when_another_one_of_the_same_image_is_cancelled() {
    let registry = Registry::start();
    let made = Made::new(&[large_layer(9)]);
    made.push(&format!("{}/app:v", registry.address())).await;
    let proxy = Proxy::start(registry.address()).await;
    let name = format!("{}/app:v", proxy.address);
    let root = Root::new().await;
    proxy.most.store(2 << 20, Ordering::SeqCst);
    let first = root.pull(&name);
    let second = root.pull(&name);
    let mut second = std::pin::pin!(second);
    {
        let mut first = std::pin::pin!(first);
        tokio::select! {
            result = &mut first => panic!("it cannot end: {result:?}"),
            result = &mut second => panic!("it cannot end: {result:?}"),
            () = proxy.wait_until_holding() => {}
        }
    }
    // The stalled connection is given up after the stall limit; until then the second
    // pull still waits on the same download.
    proxy.most.store(usize::MAX, Ordering::SeqCst);
    timeout(Duration::from_secs(40), second)
        .await
        .expect("noticed within 30 s")
        .unwrap();
    assert!(proxy.asked_for_a_range());
    assert_eq!(root.file(&name, "large").unwrap().len(), 6 << 20);
    // One download for both: asked for once, and once more for the rest.
    let blob = format!("get /v2/app/blobs/{}", Digest::of(&made.layers[0]));
    let requests = proxy.requests.lock().unwrap();
    let asked = requests.iter().filter(|head| head.starts_with(&blob));
    assert_eq!(asked.count(), 2, "{requests:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_has_not_changed_is_looked_at_and_not_fetched() {
    let registry = Registry::start();
    let at = |address: &str| format!("{address}/app:v");
    let old = Made::new(&[layer(&[("which", b"old")])]);
    old.push(&at(registry.address())).await;
    let proxy = Proxy::start(registry.address()).await;
    let name = at(&proxy.address);
    let root = Root::new().await;
    root.pull(&name).await.unwrap();
    // Manifest, configuration and layer.
    assert_eq!(proxy.methods(), ["get"; 3]);
    let (_, lines) = root.pull(&name).await.unwrap();
    assert_eq!(proxy.methods(), ["head"]);
    let last = format!("Status: Image is up to date for {name}");
    assert_eq!(lines.last(), Some(&last));

    let new = Made::new(&[layer(&[("which", b"new")])]);
    new.push(&at(registry.address())).await;
    root.pull(&name).await.unwrap();
    assert_eq!(proxy.methods(), ["head", "get", "get", "get"]);
    assert_eq!(root.file(&name, "which").unwrap(), b"new");

    // A name given here says nothing of what the registry has.
    let tagged = at(registry.address());
    root.pull(&tagged).await.unwrap();
    let other = format!("{}/app:w", registry.address());
    old.push(&other).await;
    root.pull(&other).await.unwrap();
    let target = tagged.parse().unwrap();
    root.images.tag(&other, &target).await.unwrap();
    root.pull(&tagged).await.unwrap();
    assert_eq!(root.file(&tagged, "which").unwrap(), b"new");
}
