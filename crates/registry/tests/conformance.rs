//! Documents of every kind that the OCI conformance suite pushes (its `testdata.go`), and
//! wrong digests by every way in.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Answer, IMAGE, INDEX, Server, image};
use corten_oci::{Algorithm, Digest, Hasher};
use serde_json::{Value, json};

const EMPTY: &str = "application/vnd.oci.empty.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

fn put(server: &Server, target: &str, kind: &str, text: &str) -> Answer {
    let path = format!("/v2/r/manifests/{target}");
    server.send("PUT", &path, &[("Content-Type", kind)], text.as_bytes())
}

fn descriptor(kind: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": kind, "digest": Digest::of(bytes).to_string(), "size": bytes.len()})
}

#[test]
fn documents_of_every_kind_come_back_to_the_byte_and_go() {
    let server = Server::start();
    for bytes in [b"{}".as_slice(), b"layer", b""] {
        server.push_blob("r", bytes);
    }
    let text = image(b"layer");
    assert_eq!(put(&server, "child", IMAGE, &text).status, 201);
    let child = descriptor(IMAGE, text.as_bytes());
    let inner = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [child]}).to_string();
    assert_eq!(put(&server, "inner", INDEX, &inner).status, 201);
    let config = descriptor("application/vnd.oci.image.config.v1+json", b"{}");
    let layer = descriptor(LAYER, b"layer");
    let with_data = |data: &str| {
        let mut config = config.clone();
        config["data"] = data.into();
        config
    };
    let elsewhere = json!({
        "mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "digest": Digest::of(b"never pushed").to_string(),
        "size": 12,
        "urls": ["https://store.example/layer"],
    });
    let of = |config: &Value, layers: Value| json!({"schemaVersion": 2, "mediaType": IMAGE, "config": config, "layers": layers});
    let with = |mut document: Value, key: &str, value: Value| {
        document[key] = value;
        document
    };
    let plain = || of(&config, json!([layer]));
    let artifact = || {
        with(
            of(&descriptor(EMPTY, b"{}"), json!([descriptor(EMPTY, b"{}")])),
            "artifactType",
            "test/kind".into(),
        )
    };
    let subject = descriptor(IMAGE, b"a manifest that nobody has");
    let index =
        |manifests: Value| json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
    for (what, kind, document) in [
        ("plain", IMAGE, plain()),
        ("no-layers", IMAGE, of(&config, json!([]))),
        (
            "an-empty-layer",
            IMAGE,
            of(&config, json!([descriptor(LAYER, b"")])),
        ),
        (
            "data-in-a-descriptor",
            IMAGE,
            of(&with_data("e30="), json!([layer])),
        ),
        (
            "a-layer-from-elsewhere",
            IMAGE,
            of(&config, json!([layer, elsewhere])),
        ),
        (
            "members-nobody-knows",
            IMAGE,
            with(plain(), "org.example.own", json!({"a": [1]})),
        ),
        ("an-artifact", IMAGE, artifact()),
        (
            "an-artifact-about-nothing-here",
            IMAGE,
            with(artifact(), "subject", subject.clone()),
        ),
        ("an-empty-index", INDEX, index(json!([]))),
        (
            "an-index-of-an-index",
            INDEX,
            index(json!([child, descriptor(INDEX, inner.as_bytes())])),
        ),
        (
            "an-index-of-artifacts",
            INDEX,
            with(index(json!([child])), "artifactType", "test/list".into()),
        ),
        (
            "an-index-with-a-subject",
            INDEX,
            with(index(json!([child])), "subject", subject.clone()),
        ),
        (
            "four-megabytes",
            IMAGE,
            with(
                plain(),
                "annotations",
                json!({"long": "x".repeat((4 << 20) - 2000)}),
            ),
        ),
    ] {
        let text = document.to_string();
        let digest = Digest::of(text.as_bytes());
        let pushed = put(&server, what, kind, &text);
        assert_eq!(pushed.status, 201, "{what}: {}", pushed.text());
        assert_eq!(pushed.header("docker-content-digest"), digest.to_string());
        let about = document["subject"]["digest"].as_str().unwrap_or_default();
        assert_eq!(pushed.header("oci-subject"), about, "{what}");
        for target in [what, &digest.to_string()] {
            let got = server.get(&format!("/v2/r/manifests/{target}"));
            assert_eq!(
                (got.status, got.header("content-type")),
                (200, kind),
                "{what}"
            );
            assert!(got.body == text.as_bytes(), "{what}");
        }
        let listed = server.get(&format!(
            "/v2/r/referrers/{}",
            Digest::of(b"a manifest that nobody has")
        ));
        let listed = listed.json()["manifests"].to_string();
        assert_eq!(
            listed.contains(&digest.to_string()),
            !about.is_empty(),
            "{what}"
        );
        let path = format!("/v2/r/manifests/{digest}");
        assert_eq!(server.send("DELETE", &path, &[], b"").status, 202, "{what}");
        assert_eq!(server.get(&format!("/v2/r/manifests/{what}")).status, 404);
    }
}

#[test]
fn a_wrong_digest_is_refused_by_every_way_in_and_nothing_is_kept() {
    let server = Server::start();
    let right = Digest::of(b"helloworld");
    let mut long = Hasher::new(Algorithm::Sha512);
    long.update(b"helloworld");
    for digest in [right, long.finish()] {
        let begin = || {
            let begun = server.send("POST", "/v2/r/blobs/uploads/", &[], b"");
            begun.header("location").to_owned()
        };
        let end = |at: &str, headers: &[(&str, &str)], body: &[u8]| {
            server.send("PUT", &format!("{at}?digest={digest}"), headers, body)
        };
        let path = format!("/v2/r/blobs/uploads/?digest={digest}");
        let at_once = server.send("POST", &path, &[], b"helloWorld");
        let two_steps = end(&begin(), &[], b"helloWorld");
        let at = begin();
        server.send("PATCH", &at, &[("Content-Range", "0-4")], b"hello");
        server.send("PATCH", &at, &[("Content-Range", "5-9")], b"World");
        let chunks = end(&at, &[], b"");
        let at = begin();
        server.send("PATCH", &at, &[("Content-Range", "0-4")], b"hello");
        let last_chunk = end(&at, &[("Content-Range", "5-9")], b"World");
        let at = begin();
        server.send("PATCH", &at, &[], b"helloWorld");
        let stream = end(&at, &[], b"");
        let short = end(&begin(), &[], b"helloworl");
        let longer = end(&begin(), &[], b"helloworld!");
        for answer in [
            at_once, two_steps, chunks, last_chunk, stream, short, longer,
        ] {
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (400, "DIGEST_INVALID")
            );
        }
        assert_eq!(server.get(&format!("/v2/r/blobs/{digest}")).status, 404);
    }
    // Manifests: by a digest that is not theirs, by none at all, by an algorithm of no use.
    server.push_blob("r", b"{}");
    server.push_blob("r", b"layer");
    let other = Digest::of(b"other").to_string();
    assert_eq!(
        put(&server, &other, IMAGE, &image(b"layer")).code(),
        "DIGEST_INVALID"
    );
    for target in [
        "sha256:xyz",
        "sha256:",
        "sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709",
    ] {
        let status = put(&server, target, IMAGE, &image(b"layer")).status;
        assert!(matches!(status, 400 | 404), "{target}: {status}");
    }
    assert_eq!(server.get("/v2/r/tags/list").status, 404);
}
