//! Caches of other registries, and web hooks.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Server, image};
use corten_oci::Digest;
use corten_registry::{Config, HookConfig};
use serde_json::json;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    sync::mpsc,
    time::Duration,
};

fn cache(config: &mut Config, upstreams: serde_json::Value) {
    config.upstreams = serde_json::from_value(upstreams).unwrap();
}

#[test]
fn images_of_several_upstreams_are_fetched_once_and_served_when_they_are_gone() {
    let (hub, corp) = (Server::start(), Server::start());
    let layer = vec![5; 700_000];
    let digest = hub.push_image("library/app", "v1", &layer);
    corp.push_image("team/tool", "v1", b"tool");
    let cache = Server::with(|config| {
        cache(
            config,
            json!([
                {"prefix": "hub", "registry": hub.address.to_string(), "tag-seconds": 0},
                {"prefix": "corp", "registry": corp.address.to_string()},
            ]),
        );
    });
    let manifest = cache.get("/v2/hub/library/app/manifests/v1");
    assert_eq!(manifest.text(), image(&layer));
    assert_eq!(manifest.header("docker-content-digest"), digest.to_string());
    let blob = format!("/v2/hub/library/app/blobs/{}", Digest::of(&layer));
    assert_eq!(
        cache.send("HEAD", &blob, &[], b"").header("content-length"),
        "700000"
    );
    // Many at once share one download.
    std::thread::scope(|scope| {
        let pulls: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| cache.get(&blob).body))
            .collect();
        for pull in pulls {
            assert_eq!(pull.join().unwrap(), layer);
        }
    });
    assert_eq!(cache.get("/v2/corp/team/tool/manifests/v1").status, 200);
    assert_eq!(cache.get("/v2/hub/none/manifests/v1").status, 404);
    assert_eq!(cache.get(&blob.replace("library/app", "none")).status, 404);
    // containerd asks a mirror with the registry's name.
    let ns = format!("/v2/library/app/manifests/v1?ns={}", hub.address);
    assert_eq!(cache.get(&ns).status, 200);
    let tags = cache.get("/v2/hub/library/app/tags/list");
    assert_eq!(tags.json()["tags"].to_string(), r#"["v1"]"#);
    // A tag that moved is seen after its time.
    let moved = hub.push_image("library/app", "v1", b"new");
    let again = cache.get("/v2/hub/library/app/manifests/v1");
    assert_eq!(again.header("docker-content-digest"), moved.to_string());
    // A cache takes no pushes.
    assert_eq!(
        cache
            .send("POST", "/v2/hub/x/blobs/uploads/", &[], b"")
            .status,
        405
    );
    assert_eq!(
        cache
            .send("POST", "/v2/own/x/blobs/uploads/", &[], b"")
            .status,
        202
    );
    drop(hub);
    assert_eq!(cache.get("/v2/hub/library/app/manifests/v1").status, 200);
    assert_eq!(cache.get(&blob).body, layer);
    let nothing = cache.get("/v2/hub/library/other/manifests/v1");
    assert_eq!(
        (nothing.status, nothing.code().as_str()),
        (502, "UNAVAILABLE")
    );
}

#[test]
fn a_tag_is_not_asked_for_again_within_its_time() {
    let hub = Server::start();
    let first = hub.push_image("app", "v1", b"one");
    let cache = Server::with(|config| {
        cache(
            config,
            json!([{"registry": hub.address.to_string(), "tag-seconds": 3600}]),
        );
    });
    assert_eq!(cache.get("/v2/app/manifests/v1").status, 200);
    hub.push_image("app", "v1", b"two");
    let again = cache.get("/v2/app/manifests/v1");
    assert_eq!(again.header("docker-content-digest"), first.to_string());
}

/// Answers each request with the next status; tells what came.
fn listener(statuses: Vec<u16>) -> (String, mpsc::Receiver<(String, serde_json::Value)>) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", socket.local_addr().unwrap());
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for status in statuses {
            let (mut stream, _) = socket.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut head, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if let Some(value) = line.to_lowercase().strip_prefix("content-length: ") {
                    length = value.trim().parse().unwrap();
                }
                if line.trim().is_empty() {
                    break;
                }
                head += &line;
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            write!(
                stream,
                "HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
            .unwrap();
            let _ = tell.send((head, serde_json::from_slice(&body).unwrap()));
        }
    });
    (url, told)
}

#[test]
fn a_web_hook_hears_of_a_push_and_is_asked_again_when_it_fails() {
    let (url, told) = listener(vec![500, 200, 200]);
    let server = Server::with(|config| {
        let hook: HookConfig = serde_json::from_value(json!({
            "url": url, "headers": {"X-Secret": "s3cret"}, "actions": ["push"],
        }))
        .unwrap();
        config.hooks = vec![hook];
    });
    // One event: the blob. The first answer is a failure, the same comes again.
    server.push_blob("team/app", b"layer");
    server.get(&format!("/v2/team/app/blobs/{}", Digest::of(b"layer")));
    let wait = Duration::from_secs(20);
    let (head, first) = told.recv_timeout(wait).unwrap();
    assert!(
        head.contains("application/vnd.docker.distribution.events.v1+json"),
        "{head}"
    );
    assert!(head.to_lowercase().contains("x-secret: s3cret"), "{head}");
    let (_, again) = told.recv_timeout(wait).unwrap();
    assert_eq!(first, again);
    let event = &first["events"][0];
    assert_eq!(event["action"], "push");
    assert_eq!(event["target"]["repository"], "team/app");
    assert_eq!(event["target"]["digest"], Digest::of(b"layer").to_string());
    assert_eq!(event["target"]["size"], 5);
    server.push_blob("team/app", b"other");
    let (_, next) = told.recv_timeout(wait).unwrap();
    assert_eq!(
        next["events"][0]["target"]["digest"],
        Digest::of(b"other").to_string()
    );
}
