//! A registry written in the test: it answers as it is told and remembers what it was asked.
#![allow(dead_code, reason = "each test file uses its part")]

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{
    convert::Infallible,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// What was asked.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    pub target: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Asked {
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

/// A server on loopback.
pub struct Fake {
    pub address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    connections: Arc<Connections>,
}

/// Connections to a server.
#[derive(Default)]
struct Connections {
    opened: AtomicUsize,
    ended: AtomicUsize,
}

impl Fake {
    /// Answers every request with `answer`.
    pub async fn start(
        answer: impl Fn(&Asked) -> Response<Full<Bytes>> + Send + Sync + 'static,
    ) -> Self {
        Self::start_at("127.0.0.1", answer).await
    }

    /// The same at another address of this machine's.
    pub async fn start_at(
        address: &str,
        answer: impl Fn(&Asked) -> Response<Full<Bytes>> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (seen, answer) = (Arc::clone(&asked), Arc::new(answer));
        let connections: Arc<Connections> = Arc::default();
        let counted = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.opened.fetch_add(1, Ordering::Relaxed);
                let counted = Arc::clone(&counted);
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                let service = service_fn(move |request: Request<Incoming>| {
                    let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                    async move {
                        let (head, body) = request.into_parts();
                        let body = body.collect().await;
                        let one = Asked {
                            method: head.method.to_string(),
                            target: head.uri.to_string(),
                            headers: head.headers,
                            body: body.map(|it| it.to_bytes()).unwrap_or_default(),
                        };
                        let response = answer(&one);
                        seen.lock().unwrap().push(one);
                        Ok::<_, Infallible>(response)
                    }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                tokio::spawn(async move {
                    let _ = connection.await;
                    counted.ended.fetch_add(1, Ordering::Relaxed);
                });
            }
        });
        Self {
            address,
            asked,
            connections,
        }
    }

    /// How many connections were made to it.
    pub fn opened(&self) -> usize {
        self.connections.opened.load(Ordering::Relaxed)
    }

    /// Waits until nobody is connected any more.
    pub async fn left_alone(&self) {
        let patience = Duration::from_secs(20);
        let left = async {
            while self.connections.ended.load(Ordering::Relaxed) < self.opened() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(patience, left).await.unwrap();
    }

    /// Everything that was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

/// Set in the process that has the network namespace.
const INSIDE: &str = "CORTEN_TEST_INSIDE";

/// Runs this test once more in a network of its own, whose loopback has these addresses;
/// tells whether this is that process.
pub fn in_a_network_with(addresses: &[&str], test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let mut script = String::from("ip link set lo up");
    for address in addresses {
        script += &format!(" && ip addr add {address}/32 dev lo");
    }
    let own = std::env::current_exe().unwrap();
    let ran = Command::new("unshare")
        .args([
            "--net",
            "sh",
            "-c",
            &format!("{script} && exec \"$@\""),
            "sh",
        ])
        .arg(own)
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(
        ran.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    false
}

/// A server that sends raw bytes: `answer` gets the count of requests so far and the head of
/// this one, and gives the bytes and whether the connection stays open behind them.
pub async fn raw(
    answer: impl Fn(usize, &str) -> (Vec<u8>, bool) + Send + Sync + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let mut count = 0;
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).await.is_ok() {
                head.push(byte[0]);
                // A TLS hello: say no.
                if head[0] == 0x16 {
                    break;
                }
            }
            if head.first() == Some(&0x16) || head.is_empty() {
                let _ = stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n").await;
                continue;
            }
            let (bytes, hold) = answer(count, &String::from_utf8_lossy(&head));
            count += 1;
            tokio::spawn(async move {
                let _ = stream.write_all(&bytes).await;
                if hold {
                    // Until the client gives up.
                    let _ = stream.read_to_end(&mut Vec::new()).await;
                }
            });
        }
    });
    address
}

/// An answer.
pub fn answer(
    status: u16,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(Full::new(body.into())).unwrap()
}
