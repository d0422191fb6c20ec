//! The four workflows of the OCI conformance suite (pull, push, content discovery, content
//! management), as requests and what must come back.
#![allow(clippy::unwrap_used)]

mod common;

use common::{IMAGE, INDEX, Server, image};
use corten_oci::{Algorithm, Digest, Hasher};
use std::{
    io::{Read, Write},
    net::TcpStream,
};

#[test]
fn an_image_is_pulled_as_it_was_pushed() {
    let server = Server::start();
    let digest = server.push_image("team/app", "v1", b"layer");
    for target in ["v1".to_owned(), digest.to_string()] {
        let answer = server.get(&format!("/v2/team/app/manifests/{target}"));
        assert_eq!(answer.status, 200);
        assert_eq!(answer.text(), image(b"layer"));
        assert_eq!(answer.header("content-type"), IMAGE);
        assert_eq!(answer.header("docker-content-digest"), digest.to_string());
        let head = server.send(
            "HEAD",
            &format!("/v2/team/app/manifests/{target}"),
            &[],
            b"",
        );
        assert_eq!((head.status, head.body.len()), (200, 0));
        assert_eq!(
            head.header("content-length"),
            image(b"layer").len().to_string()
        );
    }
    let path = format!("/v2/team/app/blobs/{}", Digest::of(b"layer"));
    let blob = server.get(&path);
    assert_eq!((blob.status, blob.body.as_slice()), (200, &b"layer"[..]));
    let part = server.send("GET", &path, &[("Range", "bytes=1-3")], b"");
    assert_eq!((part.status, part.text().as_str()), (206, "aye"));
    assert_eq!(part.header("content-range"), "bytes 1-3/5");
    assert_eq!(
        server
            .send("GET", &path, &[("Range", "bytes=5-")], b"")
            .status,
        416
    );
    let etag = format!("\"{}\"", Digest::of(b"layer"));
    assert_eq!(
        server
            .send("GET", &path, &[("If-None-Match", &etag)], b"")
            .status,
        304
    );
    let large = vec![7; 3 << 20];
    let digest = server.push_blob("team/app", &large);
    assert_eq!(
        server.get(&format!("/v2/team/app/blobs/{digest}")).body,
        large
    );
}

/// Longer than what is sent from a file at a time, and of no round length.
const LARGE_BYTES: usize = (9 << 20) + 3;

#[test]
fn a_large_blob_arrives_whole_in_parts_and_between_other_answers() {
    let server = Server::start();
    let bytes: Vec<u8> = (0..LARGE_BYTES as u32)
        .map(|n| ((n * 31) >> 3) as u8)
        .collect();
    let digest = server.push_blob("apps/large", &bytes);
    let path = format!("/v2/apps/large/blobs/{digest}");
    assert!(server.get(&path).body == bytes);
    let border = 4 << 20;
    for (first, end) in [
        (1, LARGE_BYTES),
        (border - 7, border + 70_000),
        (100, 90_100),
    ] {
        let asked = format!("bytes={first}-{}", end - 1);
        let part = server.send("GET", &path, &[("Range", &asked)], b"");
        assert_eq!(part.status, 206);
        assert!(part.body == bytes[first..end], "{asked}");
    }
    // One connection: an answer's head behind a file, and a file behind that.
    let mut requests = format!("GET {path} HTTP/1.1\r\nHost: r\r\n\r\n");
    requests += "GET /v2/ HTTP/1.1\r\nHost: r\r\n\r\n";
    requests += &format!("HEAD {path} HTTP/1.1\r\nHost: r\r\n\r\n");
    requests += &format!("GET {path} HTTP/1.1\r\nHost: r\r\nConnection: close\r\n\r\n");
    let mut connection = TcpStream::connect(server.address).unwrap();
    connection.write_all(requests.as_bytes()).unwrap();
    let mut all = Vec::new();
    connection.read_to_end(&mut all).unwrap();
    let (mut left, mut bodies) = (all.as_slice(), Vec::new());
    for has_body in [true, true, false, true] {
        let head = left.windows(4).position(|it| it == b"\r\n\r\n").unwrap() + 4;
        let text = String::from_utf8_lossy(&left[..head]).to_lowercase();
        let length = text.split("content-length: ").nth(1).unwrap();
        let length: usize = length.lines().next().unwrap().parse().unwrap();
        let length = if has_body { length } else { 0 };
        bodies.push(&left[head..head + length]);
        left = &left[head + length..];
    }
    assert!(left.is_empty());
    assert!(bodies[0] == bytes && bodies[3] == bytes);
    assert_eq!((bodies[1], bodies[2]), (b"{}".as_slice(), b"".as_slice()));
}

#[test]
fn what_is_not_there_is_not_found() {
    let server = Server::start();
    server.push_image("a", "v1", b"x");
    let other = Digest::of(b"nothing");
    for (path, code) in [
        ("/v2/a/manifests/v2".to_owned(), "MANIFEST_UNKNOWN"),
        ("/v2/b/manifests/v1".to_owned(), "NAME_UNKNOWN"),
        (format!("/v2/a/manifests/{other}"), "MANIFEST_UNKNOWN"),
        (format!("/v2/a/blobs/{other}"), "BLOB_UNKNOWN"),
        // Having it in one repository gives no right to it in another.
        (format!("/v2/b/blobs/{}", Digest::of(b"x")), "BLOB_UNKNOWN"),
        ("/v2/b/tags/list".to_owned(), "NAME_UNKNOWN"),
        (
            format!("/v2/a/blobs/uploads/{}", "0".repeat(32)),
            "BLOB_UPLOAD_UNKNOWN",
        ),
    ] {
        let answer = server.get(&path);
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (404, code),
            "{path}"
        );
    }
}

#[test]
fn blobs_come_in_whole_in_two_steps_and_in_chunks() {
    let server = Server::start();
    let bytes: Vec<u8> = (0..100_000_u32).map(|n| n as u8).collect();
    let digest = Digest::of(&bytes);
    let begin = || {
        let answer = server.send("POST", "/v2/r/blobs/uploads/", &[], b"");
        assert_eq!((answer.status, answer.header("range")), (202, "0-0"));
        answer.header("location").to_owned()
    };
    // POST, then PUT.
    let at = begin();
    let answer = server.send("PUT", &format!("{at}?digest={digest}"), &[], &bytes);
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(server.get(answer.header("location")).body, bytes);
    // POST, PATCH without a range, PUT.
    let at = begin();
    let answer = server.send("PATCH", &at, &[], &bytes);
    assert_eq!((answer.status, answer.header("range")), (202, "0-99999"));
    let at = answer.header("location").to_owned();
    assert_eq!(
        server
            .send("PUT", &format!("{at}?digest={digest}"), &[], b"")
            .status,
        201
    );
    // In chunks, the last with the PUT.
    let at = begin();
    let first = server.send(
        "PATCH",
        &at,
        &[("Content-Range", "0-39999")],
        &bytes[..40_000],
    );
    assert_eq!((first.status, first.header("range")), (202, "0-39999"));
    let ahead = server.send(
        "PATCH",
        &at,
        &[("Content-Range", "50000-99999")],
        &bytes[50_000..],
    );
    assert_eq!((ahead.status, ahead.header("range")), (416, "0-39999"));
    let again = server.send(
        "PATCH",
        &at,
        &[("Content-Range", "0-39999")],
        &bytes[..40_000],
    );
    assert_eq!(again.status, 416);
    let status = server.get(&at);
    assert_eq!((status.status, status.header("range")), (204, "0-39999"));
    let last = [("Content-Range", "40000-99999")];
    let answer = server.send(
        "PUT",
        &format!("{at}?digest={digest}"),
        &last,
        &bytes[40_000..],
    );
    assert_eq!(answer.status, 201, "{}", answer.text());
    // The session is over.
    assert_eq!(server.get(&at).status, 404);
    // An empty blob, and one named by SHA-512.
    let empty = server.push_blob("r", b"");
    assert_eq!(server.get(&format!("/v2/r/blobs/{empty}")).status, 200);
    let mut hasher = Hasher::new(Algorithm::Sha512);
    hasher.update(&bytes);
    let long = hasher.finish();
    let answer = server.send(
        "POST",
        "/v2/r/blobs/uploads/?digest-algorithm=sha512",
        &[],
        b"",
    );
    let at = answer.header("location").to_owned();
    assert_eq!(server.send("PATCH", &at, &[], &bytes).status, 202);
    assert_eq!(
        server
            .send("PUT", &format!("{at}?digest={long}"), &[], b"")
            .status,
        201
    );
    assert_eq!(server.get(&format!("/v2/r/blobs/{long}")).body, bytes);
}

#[test]
fn an_upload_is_cancelled_and_wrong_bytes_are_not_kept() {
    let server = Server::start();
    let at = server
        .send("POST", "/v2/r/blobs/uploads/", &[], b"")
        .header("location")
        .to_owned();
    assert_eq!(server.send("DELETE", &at, &[], b"").status, 204);
    assert_eq!(server.send("DELETE", &at, &[], b"").status, 404);
    let at = server
        .send("POST", "/v2/r/blobs/uploads/", &[], b"")
        .header("location")
        .to_owned();
    let digest = Digest::of(b"right");
    let answer = server.send("PUT", &format!("{at}?digest={digest}"), &[], b"wrong");
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (400, "DIGEST_INVALID")
    );
    assert_eq!(server.get(&format!("/v2/r/blobs/{digest}")).status, 404);
    // An upload belongs to its repository.
    let at = server
        .send("POST", "/v2/r/blobs/uploads/", &[], b"")
        .header("location")
        .to_owned();
    assert_eq!(server.get(&at.replace("/r/", "/other/")).status, 404);
}

#[test]
fn a_blob_is_mounted_from_a_repository_that_has_it() {
    let server = Server::start();
    server.push_image("one", "v1", b"layer");
    let digest = Digest::of(b"layer");
    let mount = |from: &str| {
        let path = format!("/v2/two/blobs/uploads/?mount={digest}{from}");
        server.send("POST", &path, &[], b"")
    };
    assert_eq!(mount("&from=none").status, 202);
    let answer = mount("&from=one");
    assert_eq!(answer.status, 201);
    assert_eq!(server.get(answer.header("location")).text(), "layer");
    let path = format!("/v2/three/blobs/uploads/?mount={digest}");
    assert_eq!(server.send("POST", &path, &[], b"").status, 201);
}

#[test]
fn a_manifest_needs_what_it_refers_to() {
    let server = Server::start();
    let put = |target: &str, kind: &str, text: &str| {
        let path = format!("/v2/r/manifests/{target}");
        server.send("PUT", &path, &[("Content-Type", kind)], text.as_bytes())
    };
    let missing = put("v1", IMAGE, &image(b"missing"));
    assert_eq!(
        (missing.status, missing.code().as_str()),
        (400, "MANIFEST_BLOB_UNKNOWN")
    );
    let other = Digest::of(b"other");
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"{IMAGE}","digest":"{other}","size":5}}]}}"#
    );
    assert_eq!(put("v1", INDEX, &index).status, 400);
    let digest = server.push_image("r", "v1", b"x");
    let index = index.replace(&other.to_string(), &digest.to_string());
    assert_eq!(put("all", INDEX, &index).status, 201);
    // A digest that is not the bytes', a size that is not the blob's.
    assert_eq!(
        put(&other.to_string(), INDEX, &index).code(),
        "DIGEST_INVALID"
    );
    let lie = image(b"x").replace(r#""size":1}"#, r#""size":9}"#);
    assert_eq!(put("v1", IMAGE, &lie).code(), "MANIFEST_INVALID");
    // Several tags at once.
    let digest = Digest::of(index.as_bytes());
    let answer = put(&format!("{digest}?tag=a&tag=b"), INDEX, &index);
    assert_eq!((answer.status, answer.header("oci-tag")), (201, "a, b"));
    assert_eq!(server.get("/v2/r/manifests/b").text(), index);
}

#[test]
fn tags_and_repositories_are_listed_in_pages() {
    let server = Server::start();
    for tag in ["v1", "a", "Z", "v10", "v2"] {
        server.push_image("list/one", tag, b"x");
    }
    server.push_image("list/two", "v1", b"x");
    server.push_image("list-0", "v1", b"x");
    let tags = |query: &str| {
        let answer = server.get(&format!("/v2/list/one/tags/list{query}"));
        (
            answer.json()["tags"].to_string(),
            answer.header("link").to_owned(),
        )
    };
    assert_eq!(tags("").0, r#"["Z","a","v1","v10","v2"]"#);
    let (page, link) = tags("?n=2");
    assert_eq!(page, r#"["Z","a"]"#);
    assert_eq!(link, "</v2/list/one/tags/list?last=a&n=2>; rel=\"next\"");
    assert_eq!(tags("?n=2&last=a").0, r#"["v1","v10"]"#);
    assert_eq!(tags("?n=2&last=v10"), (r#"["v2"]"#.into(), String::new()));
    assert_eq!(tags("?n=0"), ("[]".into(), String::new()));
    // CVE-2023-2253: a bound of our own.
    assert_eq!(
        server.get("/v2/list/one/tags/list?n=2147483647").status,
        200
    );
    assert_eq!(server.get("/v2/list/one/tags/list?n=-1").status, 400);
    let catalog = server.get("/v2/_catalog?n=2");
    assert_eq!(
        catalog.json()["repositories"].to_string(),
        r#"["list-0","list/one"]"#
    );
    assert_eq!(
        catalog.header("link"),
        "</v2/_catalog?last=list%2Fone&n=2>; rel=\"next\""
    );
}

#[test]
fn referrers_are_listed_filtered_and_found_before_their_subject() {
    let server = Server::start();
    let subject = Digest::of(image(b"subject").as_bytes());
    server.push_blob("r", b"{}");
    let push = |kind: &str, target: &str, about: &Digest| {
        let config = Digest::of(b"{}");
        let text = format!(
            r#"{{"schemaVersion":2,"mediaType":"{IMAGE}","artifactType":"{kind}","config":{{"mediaType":"application/vnd.oci.empty.v1+json","digest":"{config}","size":2}},"layers":[],"subject":{{"mediaType":"{IMAGE}","digest":"{about}","size":9}},"annotations":{{"k":"{kind}"}}}}"#
        );
        let target = match target {
            "" => Digest::of(text.as_bytes()).to_string(),
            tag => tag.to_owned(),
        };
        let path = format!("/v2/r/manifests/{target}");
        let answer = server.send("PUT", &path, &[("Content-Type", IMAGE)], text.as_bytes());
        assert_eq!(answer.status, 201, "{}", answer.text());
        assert_eq!(answer.header("oci-subject"), about.to_string());
        Digest::of(text.as_bytes())
    };
    let list = |query: &str| server.get(&format!("/v2/r/referrers/{subject}{query}"));
    assert_eq!(list("").json()["manifests"].to_string(), "[]");
    let signature = push("test/signature", "", &subject);
    let bill = push("test/bill", "sbom", &subject);
    let all = list("");
    assert_eq!((all.status, all.header("content-type")), (200, INDEX));
    assert_eq!(all.json()["manifests"].as_array().unwrap().len(), 2);
    let some = list("?artifactType=test/signature");
    assert_eq!(some.header("oci-filters-applied"), "artifactType");
    let some = some.json();
    assert_eq!(some["manifests"].as_array().unwrap().len(), 1);
    assert_eq!(some["manifests"][0]["digest"], signature.to_string());
    assert_eq!(some["manifests"][0]["artifactType"], "test/signature");
    assert_eq!(some["manifests"][0]["annotations"]["k"], "test/signature");
    let page = list("?n=1");
    let next = page.header("link").trim_start_matches('<');
    let next = next.split('>').next().unwrap().to_owned();
    assert_eq!(
        server.get(&next).json()["manifests"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    // What an old client noted under the fallback tag counts, once.
    let noted = push("test/noted", "", &Digest::of(b"elsewhere"));
    let entries: Vec<String> = [&noted, &bill]
        .iter()
        .map(|d| format!(r#"{{"mediaType":"{IMAGE}","digest":"{d}","size":1}}"#))
        .collect();
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{}]}}"#,
        entries.join(",")
    );
    let tag = subject.to_string().replace(':', "-");
    let path = format!("/v2/r/manifests/{tag}");
    assert_eq!(
        server
            .send("PUT", &path, &[("Content-Type", INDEX)], index.as_bytes())
            .status,
        201
    );
    assert_eq!(list("").json()["manifests"].as_array().unwrap().len(), 3);
    let deleted = server.send("DELETE", &format!("/v2/r/manifests/{signature}"), &[], b"");
    assert_eq!(deleted.status, 202);
    assert_eq!(list("").json()["manifests"].as_array().unwrap().len(), 2);
    assert_eq!(server.get("/v2/r/referrers/nonsense").status, 400);
}

#[test]
fn tags_manifests_and_blobs_are_deleted() {
    let server = Server::start();
    let digest = server.push_image("r", "v1", b"x");
    server.push_image("r", "v2", b"x");
    server.push_image("other", "v1", b"x");
    let delete = |path: &str| server.send("DELETE", path, &[], b"").status;
    assert_eq!(delete("/v2/r/manifests/v1"), 202);
    assert_eq!(delete("/v2/r/manifests/v1"), 404);
    assert_eq!(server.get("/v2/r/manifests/v1").status, 404);
    assert_eq!(server.get("/v2/r/manifests/v2").status, 200);
    assert_eq!(delete(&format!("/v2/r/manifests/{digest}")), 202);
    assert_eq!(server.get("/v2/r/manifests/v2").status, 404);
    assert_eq!(
        server.get("/v2/r/tags/list").json()["tags"].to_string(),
        "[]"
    );
    let blob = Digest::of(b"x");
    assert_eq!(delete(&format!("/v2/r/blobs/{blob}")), 202);
    assert_eq!(server.get(&format!("/v2/r/blobs/{blob}")).status, 404);
    assert_eq!(server.get(&format!("/v2/other/blobs/{blob}")).status, 200);
    // CVE-2026-41888: turned off, nothing is deleted by any door.
    let server = Server::with(|config| config.delete = false);
    let digest = server.push_image("r", "v1", b"x");
    for path in [
        "manifests/v1".to_owned(),
        format!("manifests/{digest}"),
        format!("blobs/{blob}"),
    ] {
        assert_eq!(
            server
                .send("DELETE", &format!("/v2/r/{path}"), &[], b"")
                .status,
            405
        );
    }
}

#[test]
fn the_page_lists_repositories_tags_platforms_and_layers() {
    let server = Server::start();
    let config =
        br#"{"architecture":"arm64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#;
    let (digest, layer) = (
        server.push_blob("team/app", config),
        server.push_blob("team/app", b"layer"),
    );
    let manifest = image(b"layer")
        .replace(&Digest::of(b"{}").to_string(), &digest.to_string())
        .replace(r#""size":2"#, &format!(r#""size":{}"#, config.len()))
        .replace("layer.v1.tar", "layer.v1.tar<script>");
    let put = server.send(
        "PUT",
        "/v2/team/app/manifests/v1",
        &[("Content-Type", IMAGE)],
        manifest.as_bytes(),
    );
    assert_eq!(put.status, 201);
    assert!(
        server
            .get("/")
            .text()
            .contains("<a href=\"/r/team/app\">team/app</a>")
    );
    let page = server.get("/r/team/app");
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    for part in ["v1", "linux/arm64", "1 layers", layer.short()] {
        assert!(page.text().contains(part), "{part}");
    }
    assert!(!page.text().contains("<script>"));
    assert_eq!(server.get("/r/none").status, 404);
    let closed = Server::with(|config| config.page = false);
    assert_eq!(closed.get("/").status, 404);
}
