//! The client against an engine that is a few recorded answers on a unix socket.
#![allow(clippy::unwrap_used)]

use corten_client::{Client, ClientError, Endpoint, Method, Options};
use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    sync::mpsc,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What one request looked like.
struct Seen {
    line: String,
    body: Vec<u8>,
}

/// Reads one request from a connection.
fn read_request(reader: &mut BufReader<UnixStream>) -> Option<Seen> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let header = header.trim_end().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length: ") {
            length = value.parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Seen {
        line: line.trim_end().to_owned(),
        body,
    })
}

/// An engine that answers each request by `answer`; what it saw comes out of the channel.
fn engine(
    answer: impl Fn(&Seen, &mut UnixStream) + Send + Clone + 'static,
) -> (tempfile::TempDir, Endpoint, mpsc::Receiver<Seen>) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("engine.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let (sender, seen) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (answer, sender) = (answer.clone(), sender.clone());
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut writer = stream;
                while let Some(request) = read_request(&mut reader) {
                    answer(&request, &mut writer);
                    if sender.send(request).is_err() {
                        break;
                    }
                }
            });
        }
    });
    (directory, Endpoint::Unix(path), seen)
}

fn reply(stream: &mut UnixStream, status: &str, headers: &str, body: &str) {
    let length = body.len();
    let text = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n{body}");
    stream.write_all(text.as_bytes()).unwrap();
}

fn ping(version: &'static str) -> impl Fn(&Seen, &mut UnixStream) -> bool + Clone {
    move |seen, stream| {
        let is_ping = seen.line.starts_with("HEAD /_ping ");
        if is_ping {
            let text =
                format!("HTTP/1.1 200 OK\r\nApi-Version: {version}\r\nOstype: linux\r\n\r\n");
            stream.write_all(text.as_bytes()).unwrap();
        }
        is_ping
    }
}

#[tokio::test]
async fn the_older_of_the_two_versions_is_spoken_on_one_connection() {
    let ping = ping("1.41");
    let (_directory, endpoint, seen) = engine(move |request, stream| {
        if !ping(request, stream) {
            reply(stream, "200 OK", "", "[]");
        }
    });
    let client = Client::new(endpoint, Options::default());
    for _ in 0..2 {
        let list: Vec<String> = client
            .get("/containers/json")
            .flag("all", true)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        assert!(list.is_empty());
    }
    assert_eq!(client.api_version(), Some("1.41"));
    let lines: Vec<String> = seen.iter().take(3).map(|s| s.line).collect();
    assert_eq!(
        lines,
        [
            "HEAD /_ping HTTP/1.1",
            "GET /v1.41/containers/json?all=1 HTTP/1.1",
            "GET /v1.41/containers/json?all=1 HTTP/1.1"
        ]
    );
}

#[tokio::test]
async fn the_engines_message_is_the_error() {
    let (_directory, endpoint, seen) = engine(|_, stream| {
        reply(
            stream,
            "404 Not Found",
            "Content-Type: application/json\r\n",
            r#"{"message":"No such container: web\n"}"#,
        );
    });
    let options = Options {
        api_version: Some("1.43".into()),
        ..Options::default()
    };
    let client = Client::new(endpoint, options);
    let request = client
        .post("/containers/web/start")
        .json(&serde_json::json!({ "a": 1 }));
    let error = request.send().await.err().unwrap();
    assert!(error.is_not_found());
    assert_eq!(
        error.to_string(),
        "Error response from daemon: No such container: web"
    );
    let seen = seen.recv().unwrap();
    assert_eq!(seen.line, "POST /v1.43/containers/web/start HTTP/1.1");
    assert_eq!(seen.body, br#"{"a":1}"#);
}

#[tokio::test]
async fn a_hijacked_connection_carries_bytes_both_ways_and_ends_one_way_at_a_time() {
    let (_directory, endpoint, _seen) = engine(|request, stream| {
        assert!(
            request
                .line
                .starts_with("POST /v1.51/containers/web/attach?stdin=1 ")
        );
        let head = "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        // Everything until the client ends its side, then the answer.
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        stream.write_all(format!("got {text}").as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Both).unwrap();
    });
    let options = Options {
        api_version: Some("1.51".into()),
        ..Options::default()
    };
    let client = Client::new(endpoint, options);
    let mut stream = client
        .post("/containers/web/attach")
        .flag("stdin", true)
        .hijack()
        .await
        .unwrap();
    stream.write_all(b"input").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "got input");
}

#[tokio::test]
async fn lines_are_read_as_they_come_and_a_stream_is_sent_in_pieces() {
    let (_directory, endpoint, _seen) = engine(|_, stream| {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        for piece in ["{\"a\":1}\r\n{\"a\"", ":2}\r\n\r\n", "{\"a\":3}"] {
            stream
                .write_all(format!("{:x}\r\n{piece}\r\n", piece.len()).as_bytes())
                .unwrap();
        }
        stream.write_all(b"0\r\n\r\n").unwrap();
    });
    let options = Options {
        api_version: Some("1.51".into()),
        ..Options::default()
    };
    let client = Client::new(endpoint, options);
    let mut lines = client
        .request(Method::GET, "/events")
        .send()
        .await
        .unwrap()
        .lines();
    let mut numbers = Vec::new();
    while let Some(value) = lines.next::<serde_json::Value>().await.unwrap() {
        numbers.push(value["a"].as_i64().unwrap());
    }
    assert_eq!(numbers, [1, 2, 3]);
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_told_in_dockers_words() {
    let endpoint = Endpoint::parse("unix:///nonexistent/engine.sock").unwrap();
    let client = Client::new(endpoint, Options::default());
    let error = client.ping().await.unwrap_err();
    assert!(matches!(error, ClientError::Connect { .. }));
    assert_eq!(
        error.to_string(),
        "Cannot connect to the Docker daemon at unix:///nonexistent/engine.sock. Is the docker daemon running?"
    );
}
