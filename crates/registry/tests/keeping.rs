//! Collection and retention while clients push and pull.
#![allow(clippy::unwrap_used)]

mod common;

use common::{IMAGE, INDEX, Server, make_old};
use corten_oci::Digest;
use corten_registry::Config;
use serde_json::json;
use std::{path::Path, time::Duration};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn server(directory: &Path, change: impl FnOnce(&mut Config)) -> Server {
    let mut config = Config::in_directory(directory);
    change(&mut config);
    Server::of(config)
}

fn blob(name: &str, bytes: &[u8]) -> String {
    format!("/v2/{name}/blobs/{}", Digest::of(bytes))
}

#[test]
fn only_what_nothing_refers_to_and_is_old_is_collected() {
    let directory = tempfile::tempdir().unwrap();
    let server = server(directory.path(), |_| {});
    server.push_image("kept", "v1", b"kept");
    server.push_blob("half", b"pushed long ago, its manifest never came");
    let deleted = server.push_image("gone", "v1", b"gone");
    server.push_image("shared/a", "v1", b"shared");
    let shared = server.push_image("shared/b", "v1", b"shared");
    for (name, digest) in [("gone", &deleted), ("shared/b", &shared)] {
        server.send(
            "DELETE",
            &format!("/v2/{name}/manifests/{digest}"),
            &[],
            b"",
        );
    }
    // Young: everything may still be needed by a push under way.
    let young = server.collect();
    assert_eq!((young.links, young.blobs), (0, 0));
    make_old(directory.path(), DAY);
    server.push_blob("young", b"pushed just now");
    let old = server.collect();
    // The configuration and the layer of `gone` and of `shared/b`, and the half push.
    assert_eq!((old.manifests, old.links, old.blobs), (0, 5, 0));
    let after = server.collect();
    assert_eq!(after.blobs, 2);
    for (path, status) in [
        (blob("kept", b"kept"), 200),
        (blob("shared/a", b"shared"), 200),
        (blob("shared/b", b"shared"), 404),
        (blob("gone", b"gone"), 404),
        (blob("young", b"pushed just now"), 200),
        ("/v2/kept/manifests/v1".into(), 200),
    ] {
        assert_eq!(server.get(&path).status, status, "{path}");
    }
    let catalog = server.get("/v2/_catalog").json();
    assert_eq!(
        catalog["repositories"].to_string(),
        r#"["kept","shared/a"]"#
    );
    assert_eq!(server.collect().blobs, 0);
}

#[test]
fn a_blob_that_a_client_asked_for_is_not_taken_from_under_its_push() {
    let directory = tempfile::tempdir().unwrap();
    let server = server(directory.path(), |_| {});
    server.push_blob("r", b"{}");
    server.push_blob("r", b"layer");
    make_old(directory.path(), DAY);
    // The client is told that it need not send these bytes again.
    for bytes in [&b"{}"[..], b"layer"] {
        assert_eq!(server.send("HEAD", &blob("r", bytes), &[], b"").status, 200);
    }
    assert_eq!(server.collect().links, 0);
    assert_eq!(server.collect().blobs, 0);
    let manifest = common::image(b"layer");
    let answer = server.send(
        "PUT",
        "/v2/r/manifests/v1",
        &[("Content-Type", IMAGE)],
        manifest.as_bytes(),
    );
    assert_eq!(answer.status, 201);
}

#[test]
fn pushes_and_collections_at_the_same_time_lose_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let server = server(directory.path(), |config| config.grace_seconds = 0);
    std::thread::scope(|scope| {
        let pushes = scope.spawn(|| {
            let mut refused = 0;
            for round in 0..40 {
                let layer = format!("layer {}", round % 4);
                let manifest = common::image(layer.as_bytes());
                server.push_blob("r", b"{}");
                server.push_blob("r", layer.as_bytes());
                let path = format!("/v2/r/manifests/t{round}");
                let put = server.send(
                    "PUT",
                    &path,
                    &[("Content-Type", IMAGE)],
                    manifest.as_bytes(),
                );
                // Without any grace a collector may win before the manifest; it says so.
                if put.status != 201 {
                    assert_eq!(put.code(), "MANIFEST_BLOB_UNKNOWN");
                    refused += 1;
                    continue;
                }
                assert_eq!(
                    server.get(&blob("r", layer.as_bytes())).text(),
                    layer,
                    "{round}"
                );
                let digest = Digest::of(manifest.as_bytes());
                server.send("DELETE", &format!("/v2/r/manifests/{digest}"), &[], b"");
            }
            refused
        });
        while !pushes.is_finished() {
            server.collect();
            // A collector that never rests leaves no push the time it needs.
            std::thread::sleep(std::time::Duration::from_millis(20)); // poll
        }
        assert!(pushes.join().unwrap() < 40, "every push was refused");
    });
}

#[test]
fn rules_of_retention_remove_tags_and_what_only_they_led_to() {
    let directory = tempfile::tempdir().unwrap();
    let server = server(directory.path(), |config| {
        config.retention = serde_json::from_value(json!([
            {"repositories": ["ci/*"], "keep-last": 2, "protect": ["stable*"], "untagged-after-days": 1},
            {"repositories": ["nightly"], "older-than-days": 30},
        ]))
        .unwrap();
    });
    for tag in ["stable-1", "b1", "b2", "b3", "b4"] {
        server.push_image("ci/app", tag, tag.as_bytes());
        let file = directory.path().join("repositories/ci+app/tags").join(tag);
        // Each build a day after the one before; the protected one is the oldest.
        let age = match tag {
            "stable-1" => 90,
            other => 8 - other[1..].parse::<u32>().unwrap(),
        };
        make_old(&file, DAY * age);
    }
    server.push_image("nightly", "old", b"n1");
    server.push_image("nightly", "new", b"n2");
    make_old(
        &directory.path().join("repositories/nightly/tags/old"),
        DAY * 31,
    );
    make_old(
        &directory.path().join("repositories/ci+app/manifests"),
        DAY * 2,
    );
    let done = server.collect();
    assert_eq!((done.tags, done.manifests), (3, 2));
    let tags = |name: &str| server.get(&format!("/v2/{name}/tags/list")).json()["tags"].to_string();
    assert_eq!(tags("ci/app"), r#"["b3","b4","stable-1"]"#);
    assert_eq!(tags("nightly"), r#"["new"]"#);
    let left = Digest::of(common::image(b"n1").as_bytes());
    assert_eq!(
        server.get(&format!("/v2/nightly/manifests/{left}")).status,
        200
    );
}

#[test]
fn an_index_keeps_its_entries_and_a_subject_its_signatures() {
    let directory = tempfile::tempdir().unwrap();
    let server = server(directory.path(), |config| {
        config.retention =
            serde_json::from_value(json!([{"repositories": ["*"], "untagged-after-days": 1}]))
                .unwrap();
    });
    let child = server.push_image("r", "gone", b"child");
    let put = |target: &str, kind: &str, text: &str| {
        let path = format!("/v2/r/manifests/{target}");
        let answer = server.send("PUT", &path, &[("Content-Type", kind)], text.as_bytes());
        assert_eq!(answer.status, 201, "{}", answer.text());
    };
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"{IMAGE}","digest":"{child}","size":1}}]}}"#
    );
    put("all", INDEX, &index);
    let about = |subject: &Digest| {
        common::image(b"child").replace(
            r#""layers""#,
            &format!(
                r#""subject":{{"mediaType":"{IMAGE}","digest":"{subject}","size":1}},"layers""#
            ),
        )
    };
    let (signature, orphan) = (about(&child), about(&Digest::of(b"nobody")));
    for text in [&signature, &orphan] {
        put(&Digest::of(text.as_bytes()).to_string(), IMAGE, text);
    }
    server.send("DELETE", "/v2/r/manifests/gone", &[], b"");
    make_old(directory.path(), DAY * 2);
    assert_eq!(server.collect().manifests, 1);
    for (text, status) in [(&signature, 200), (&orphan, 404)] {
        let path = format!("/v2/r/manifests/{}", Digest::of(text.as_bytes()));
        assert_eq!(server.get(&path).status, status);
    }
    assert_eq!(server.get(&format!("/v2/r/manifests/{child}")).status, 200);
}

#[test]
fn uploads_nobody_went_on_with_are_removed() {
    let directory = tempfile::tempdir().unwrap();
    let server = server(directory.path(), |_| {});
    let begin = || {
        let answer = server.send("POST", "/v2/r/blobs/uploads/", &[], b"");
        answer.header("location").to_owned()
    };
    let old = begin();
    server.send("PATCH", &old, &[], b"bytes");
    make_old(directory.path(), DAY * 2);
    let young = begin();
    assert_eq!(server.collect().uploads, 1);
    assert_eq!(server.get(&old).status, 404);
    assert_eq!(server.get(&young).status, 204);
}
