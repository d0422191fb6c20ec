//! Requests that the door itself answers: each gets the status, the content type and the
//! body that dockerd 28.5 gave to the same request (`door.jsonl`, one a line).
#![allow(clippy::unwrap_used)]

use corten_engine::{Engine, EngineConfig};
use corten_server::{Server, ServerOptions};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

/// A server before an engine that touches nothing of the host: no bridge, no firewall, and
/// no container ever starts.
async fn server(directory: &std::path::Path) -> Server {
    let mut config = EngineConfig {
        data_root: directory.join("data"),
        exec_root: directory.join("exec"),
        shim: Some("/bin/true".into()),
        ..EngineConfig::default()
    };
    config.network.bridge = "none".into();
    config.network.no_firewall = true;
    let engine = Engine::open(config).await.unwrap();
    let options = ServerOptions {
        version: "0".into(),
    };
    Server::new(engine, options)
}

/// One request on a connection of its own: status, head, body.
async fn ask(server: &Server, request: &str) -> (u64, String, String) {
    let (mut client, served) = UnixStream::pair().unwrap();
    let server = server.clone();
    let serving = tokio::spawn(async move { server.serve_connection(served.into()).await });
    client.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    serving.await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_owned(), body.to_owned())
}

fn text(row: &Value, key: &str) -> String {
    row[key].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn the_door_answers_as_dockerd_does() {
    let directory = tempfile::tempdir().unwrap();
    let server = server(directory.path()).await;
    for line in include_str!("door.jsonl").lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let (method, path) = (text(&row, "method"), text(&row, "path"));
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: d\r\nConnection: close\r\n");
        if row.get("type").is_some() {
            request += &format!("Content-Type: {}\r\n", text(&row, "type"));
        }
        if row.get("body").is_some() {
            let length = text(&row, "body").len();
            request += &format!("Content-Length: {length}\r\n");
        }
        request += "\r\n";
        request += &text(&row, "body");
        let (status, head, body) = ask(&server, &request).await;
        let content_type = head
            .lines()
            .find_map(|line| line.strip_prefix("Content-Type: "))
            .unwrap_or_default();
        assert_eq!(
            (status, content_type, body.as_str()),
            (
                row["status"].as_u64().unwrap(),
                text(&row, "answer_type").as_str(),
                text(&row, "answer").as_str()
            ),
            "{line}"
        );
    }
}

#[tokio::test]
async fn every_answer_says_who_speaks_and_which_version() {
    let directory = tempfile::tempdir().unwrap();
    let server = server(directory.path()).await;
    let ping = "GET /_ping HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n";
    let (_, head, _) = ask(&server, ping).await;
    for line in [
        "Api-Version: 1.51",
        "Builder-Version: 2",
        "Cache-Control: no-cache, no-store, must-revalidate",
        "Docker-Experimental: false",
        "Ostype: linux",
        "Pragma: no-cache",
        "Server: Docker/0 (linux)",
        "Swarm: inactive",
    ] {
        assert!(head.lines().any(|found| found == line), "{line}: {head}");
    }
    let nowhere = "GET /nowhere HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n";
    let (_, head, _) = ask(&server, nowhere).await;
    assert!(!head.contains("Api-Version"), "{head}");
}

#[tokio::test]
async fn a_push_is_answered_when_its_body_has_come() {
    let directory = tempfile::tempdir().unwrap();
    let server = server(directory.path()).await;
    let (mut client, served) = UnixStream::pair().unwrap();
    let serving = tokio::spawn(async move { server.serve_connection(served.into()).await });
    let head = "POST /images/nonono/push?tag=1 HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nX-Registry-Auth: e30=\r\nContent-Length: 3\r\n\r\n";
    client.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    let early = client.read_exact(&mut answer);
    let early = tokio::time::timeout(std::time::Duration::from_millis(200), early).await;
    assert!(early.is_err(), "it was answered before: {answer:?}");
    client.write_all(b"{}\n").await.unwrap();
    client.read_exact(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 "), "{answer:?}");
    drop(client);
    serving.await.unwrap();
}

#[tokio::test]
async fn a_body_over_its_limit_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let server = server(directory.path()).await;
    let (mut client, served) = UnixStream::pair().unwrap();
    let serving = tokio::spawn(async move { server.serve_connection(served.into()).await });
    let body = "x".repeat(corten_server::limits::JSON_BODY_BYTES + 1);
    let head = format!(
        "POST /containers/create HTTP/1.1\r\nHost: d\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    client.write_all(head.as_bytes()).await.unwrap();
    // The server may answer and close before all of it has come.
    let _ = client.write_all(body.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = client.read_to_end(&mut answer).await;
    assert!(
        answer.starts_with(b"HTTP/1.1 413 "),
        "{}",
        answer.escape_ascii()
    );
    serving.await.unwrap();
}

#[tokio::test]
async fn a_malformed_head_ends_the_connection() {
    let directory = tempfile::tempdir().unwrap();
    let server = server(directory.path()).await;
    for head in [
        "GET /_ping HTTP/1.1\r\nHost: d\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "GET /_ping HTTP/1.1\r\nHost: d\r\nA\0: b\r\n\r\n",
        "rubbish\r\n\r\n",
    ] {
        let (status, _, _) = ask(&server, head).await;
        assert_eq!(status, 400, "{head:?}");
    }
}
