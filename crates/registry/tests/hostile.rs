//! Clients that lie, stall, climb and exaggerate: each gets a clear refusal, and nothing
//! of theirs is kept.
#![allow(clippy::unwrap_used)]

mod common;

use common::{IMAGE, Server, image};
use corten_oci::Digest;
use std::{io::Write, net::TcpStream};

#[test]
fn names_tags_and_digests_that_are_none_are_refused() {
    let server = Server::start();
    let digest = Digest::of(b"");
    for (path, code) in [
        (
            "/v2/../../etc/passwd/manifests/v1".to_owned(),
            "NAME_INVALID",
        ),
        ("/v2/a/../b/manifests/v1".to_owned(), "NAME_INVALID"),
        ("/v2/a%2f..%2fb/manifests/v1".to_owned(), "NAME_INVALID"),
        ("/v2/%2e%2e/manifests/v1".to_owned(), "NAME_INVALID"),
        ("/v2/A/manifests/v1".to_owned(), "NAME_INVALID"),
        ("/v2/a+b/manifests/v1".to_owned(), "NAME_INVALID"),
        ("/v2/a%00b/manifests/v1".to_owned(), "NAME_INVALID"),
        ("/v2/%ff/manifests/v1".to_owned(), "NAME_INVALID"),
        (
            format!("/v2/{}/manifests/v1", "a".repeat(300)),
            "NAME_INVALID",
        ),
        ("/v2/a/manifests/.hidden".to_owned(), "TAG_INVALID"),
        ("/v2/a/manifests/%2e%2e".to_owned(), "TAG_INVALID"),
        (
            format!("/v2/a/manifests/{}", "t".repeat(129)),
            "TAG_INVALID",
        ),
        ("/v2/a/manifests/sha256:..".to_owned(), "DIGEST_INVALID"),
        (
            "/v2/a/blobs/sha256:../../../etc/passwd".to_owned(),
            "NAME_INVALID",
        ),
        ("/v2/a/blobs/sha256:%2e%2e%2f".to_owned(), "NAME_INVALID"),
        (
            "/v2/a/blobs/md5:d41d8cd98f00b204e9800998ecf8427e".to_owned(),
            "DIGEST_INVALID",
        ),
        (
            format!("/v2/a/blobs/{}", digest.to_string().to_uppercase()),
            "DIGEST_INVALID",
        ),
        ("/v2/a/referrers/x".to_owned(), "DIGEST_INVALID"),
    ] {
        let answer = server.get(&path);
        assert!(
            (400..405).contains(&answer.status),
            "{path}: {}",
            answer.status
        );
        if answer.status == 400 {
            assert_eq!(answer.code(), code, "{path}");
        }
    }
    for path in [
        "/v2/a/blobs/uploads/../../x",
        "/v2/a/blobs/uploads/%2e%2e",
        "/v2/a/nothing/x",
        "/v2/a",
    ] {
        let status = server.get(path).status;
        assert!((400..405).contains(&status), "{path}: {status}");
    }
}

#[test]
fn manifests_that_are_too_large_or_no_manifests_are_refused() {
    let server = Server::start();
    let put = |kind: &str, bytes: &[u8]| {
        server.send(
            "PUT",
            "/v2/r/manifests/v1",
            &[("Content-Type", kind)],
            bytes,
        )
    };
    let large = vec![b' '; (4 << 20) + 1];
    assert_eq!(put(IMAGE, &large).status, 413);
    // A length that is only claimed.
    let claimed = server.send(
        "PUT",
        "/v2/r/manifests/v1",
        &[("Content-Type", IMAGE), ("Content-Length", "99999999999")],
        b"{",
    );
    assert_eq!(claimed.status, 413);
    // One without a length, in chunks.
    let mut chunked = b"PUT /v2/r/manifests/v1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..5 {
        chunked.extend_from_slice(b"100000\r\n");
        chunked.extend_from_slice(&vec![b' '; 1 << 20]);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    assert_eq!(server.raw(&chunked, false).status, 413);
    let digest = Digest::of(b"");
    let both = format!(
        r#"{{"schemaVersion":2,"config":{{"digest":"{digest}","size":0}},"layers":[],"manifests":[]}}"#
    );
    let deep = "[".repeat(100_000);
    for text in [
        "",
        "{}",
        "null",
        "[]",
        "\u{0}",
        &both,
        &deep,
        r#"{"schemaVersion":1,"fsLayers":[]}"#,
    ] {
        let answer = put(IMAGE, text.as_bytes());
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "MANIFEST_INVALID"),
            "{text:.40}"
        );
    }
    // CVE-2021-41190: the type in the header and in the document differ.
    server.push_blob("r", b"{}");
    server.push_blob("r", b"x");
    let docker = "application/vnd.docker.distribution.manifest.v2+json";
    assert_eq!(
        put(docker, image(b"x").as_bytes()).code(),
        "MANIFEST_INVALID"
    );
    assert_eq!(server.get("/v2/r/tags/list").status, 404);
}

#[test]
fn ranges_and_lengths_of_uploads_that_lie_are_refused() {
    let server = Server::start();
    let begin = || {
        let answer = server.send("POST", "/v2/r/blobs/uploads/", &[], b"");
        answer.header("location").to_owned()
    };
    for (range, status) in [
        ("5-9", 416),
        ("0-3", 400),
        ("4-0", 400),
        ("x-y", 400),
        ("0", 400),
        ("-5", 400),
        ("0-18446744073709551615", 400),
        ("18446744073709551615-18446744073709551616", 400),
    ] {
        let answer = server.send("PATCH", &begin(), &[("Content-Range", range)], b"hello");
        assert_eq!(answer.status, status, "{range}");
    }
    // Fewer bytes than promised: the upload has what came, and goes on from there.
    let at = begin();
    let mut stream = TcpStream::connect(server.address).unwrap();
    write!(
        stream,
        "PATCH {at} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhello"
    )
    .unwrap();
    drop(stream);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while server.get(&at).header("range") != "0-4" {
        assert!(
            std::time::Instant::now() < deadline,
            "the five bytes never arrive"
        );
        std::thread::sleep(std::time::Duration::from_millis(20)); // poll
    }
    assert_eq!(
        server
            .send("PATCH", &at, &[("Content-Range", "5-9")], b"world")
            .status,
        202
    );
    let digest = Digest::of(b"helloworld");
    assert_eq!(
        server
            .send("PUT", &format!("{at}?digest={digest}"), &[], b"")
            .status,
        201
    );
    for digest in ["", "sha256:00", "md5:00", "../../x"] {
        let answer = server.send("PUT", &format!("{}?digest={digest}", begin()), &[], b"");
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "DIGEST_INVALID"),
            "{digest}"
        );
    }
}

#[test]
fn other_methods_and_nonsense_are_refused() {
    let server = Server::start();
    for (method, path) in [
        ("POST", "/v2/a/manifests/v1"),
        ("PUT", "/v2/a/tags/list"),
        ("GET", "/v2/a/blobs/uploads/"),
        ("DELETE", "/v2/_catalog"),
        ("PATCH", "/v2/"),
    ] {
        assert_eq!(
            server.send(method, path, &[], b"").status,
            405,
            "{method} {path}"
        );
    }
    assert_eq!(server.raw(b"nonsense\r\n\r\n", false).status, 400);
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(100_000));
    let status = server.raw(long.as_bytes(), false).status;
    assert!((400..500).contains(&status), "{status}");
}

#[test]
fn a_damaged_manifest_is_never_served() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::of(corten_registry::Config::in_directory(directory.path()));
    let digest = server.push_image("r", "v1", b"x");
    let file = directory.path().join("repositories/r/manifests");
    let file = file.join(digest.to_string().replace(':', "-"));
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("layer.v1.tar", "layer.v1.tax")).unwrap();
    let answer = server.get("/v2/r/manifests/v1");
    assert_eq!((answer.status, answer.code().as_str()), (500, "UNKNOWN"));
}

mod any_request {
    use super::common::Server;
    use proptest::prelude::*;

    /// Parts of paths as clients send them, and as attackers would.
    fn part() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("a".to_owned()),
            Just("manifests".to_owned()),
            Just("blobs".to_owned()),
            Just("uploads".to_owned()),
            Just("tags".to_owned()),
            Just("list".to_owned()),
            Just("referrers".to_owned()),
            Just("..".to_owned()),
            Just("%2e%2e".to_owned()),
            Just(format!("sha256:{}", "0".repeat(64))),
            "[!-~&&[^?# ]]{0,40}",
            "(%[0-9a-f]{2}){1,8}",
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn never_ends_in_an_error_of_the_server(
            requests in prop::collection::vec(
                (
                    prop::sample::select(vec!["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"]),
                    prop::collection::vec(part(), 0..6),
                    "[ -~&&[^ #]]{0,30}",
                    "[ -~]{0,30}",
                ),
                8,
            ),
        ) {
            let server = Server::start();
            for (method, parts, query, value) in requests {
                let path = format!("/v2/{}?{query}", parts.join("/"));
                let headers = [
                    ("Content-Range", value.trim()),
                    ("Range", value.trim()),
                    ("Authorization", value.trim()),
                ];
                let answer = server.send(method, &path, &headers, b"{}");
                prop_assert!(
                    (200..500).contains(&answer.status),
                    "{method} {path} {value:?}: {}", answer.status
                );
            }
        }
    }
}
