//! Servers that break HTTP, or answer ranges as they please.

use super::{
    End::{self, Badly, Well},
    LAYER,
    common::raw,
    quick,
};
use corten_distribution::{Access, Config, Registries};
use corten_oci::{Descriptor, media_type};
use std::{sync::Arc, time::Duration};

type Bytes = fn(usize) -> Vec<u8>;

/// Name, offset of the first byte asked for, what is sent to each request, how it ends.
const TABLE: &[(&str, u64, Bytes, End)] = &[
    (
        "a range behind the one asked for",
        2,
        |_| partial("bytes 3-4/5", &LAYER[3..]),
        Badly("another range"),
    ),
    (
        "a range of nothing",
        2,
        |_| partial("bytes */5", b"yer"),
        Badly("another range"),
    ),
    (
        "a range that is not told",
        2,
        |_| head("206 Partial Content", "", b"yer"),
        Badly("another range"),
    ),
    (
        "several ranges at once",
        2,
        |_| {
            head(
                "206 Partial Content",
                "Content-Type: multipart/byteranges; boundary=x\r\n",
                b"--x--",
            )
        },
        Badly("another range"),
    ),
    (
        "a range that begins too early",
        2,
        |_| partial("bytes 0-4/5", LAYER),
        Well,
    ),
    (
        "everything instead of a range",
        2,
        |_| head("200 OK", "", LAYER),
        Well,
    ),
    (
        "a range that cannot be had",
        2,
        |_| head("416 Range Not Satisfiable", "", b""),
        Badly("416"),
    ),
    (
        "a range longer than the blob",
        2,
        |_| partial("bytes 2-9/10", b"yer12345"),
        Badly("instead of"),
    ),
    (
        "chunks without an end",
        0,
        |_| {
            let mut all = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
            all.extend(b"4\r\nxxxx\r\n".repeat(1000));
            all
        },
        Badly("instead of"),
    ),
    (
        "a chunk that breaks off",
        0,
        |_| b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nla".to_vec(),
        Badly("EOF"),
    ),
    (
        "a chunk of a size that is none",
        0,
        |_| {
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nx".to_vec()
        },
        Badly(""),
    ),
    (
        "two lengths",
        0,
        |_| b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nlayer".to_vec(),
        Badly(""),
    ),
    ("an end before the answer", 0, |_| Vec::new(), Badly("EOF")),
    (
        "no HTTP at all",
        0,
        |_| b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec(),
        Badly(""),
    ),
    (
        "another protocol",
        0,
        |_| {
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
                .to_vec()
        },
        Badly(""),
    ),
    (
        "an answer that is only announced, again and again",
        0,
        |_| b"HTTP/1.1 100 Continue\r\n\r\n".repeat(10_000),
        Badly(""),
    ),
    (
        "a header with an end of line in its value",
        0,
        |_| head("200 OK", "X-A: a\r\n b\r\nX-B: \0\r\n", LAYER),
        Badly(""),
    ),
    (
        "failures that pass",
        0,
        |count| match count {
            0..2 => head("503 Service Unavailable", "", b""),
            _ => head("200 OK", "", LAYER),
        },
        Well,
    ),
    (
        "an end in the middle, each time a byte further",
        0,
        |count| {
            let mut all = head("200 OK", "", LAYER);
            let cut = all.len() - LAYER.len() + 1 + count;
            all.truncate(cut);
            all
        },
        Well,
    ),
];

fn head(status: &str, more: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\n{more}Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn partial(range: &str, body: &[u8]) -> Vec<u8> {
    head(
        "206 Partial Content",
        &format!("Content-Range: {range}\r\n"),
        body,
    )
}

#[tokio::test]
async fn broken_answers_end_in_the_right_bytes_or_in_an_error() {
    for (name, offset, bytes, end) in TABLE {
        let address = raw(move |count, _| (bytes(count), false)).await;
        let registries = Registries::with_timeouts(Config::default(), quick()).unwrap();
        let reference = format!("{address}/app").parse().unwrap();
        let repository = registries.repository(&reference, None, Access::Pull).await;
        let blob = Descriptor::of(media_type::OCI_LAYER, LAYER);
        let repository = Arc::new(repository);
        let reading = super::read(&repository, &blob, *offset);
        let read = tokio::time::timeout(Duration::from_secs(20), reading);
        let read = read
            .await
            .unwrap_or_else(|_| panic!("{name}: it never ends"));
        match (end, &read) {
            (End::Well, Ok(bytes)) => assert_eq!(bytes, &LAYER[*offset as usize..], "{name}"),
            (End::Badly(words), Err(error)) if error.contains(words) => {}
            _ => panic!("{name}: {read:?} instead of {end:?}"),
        }
    }
}
