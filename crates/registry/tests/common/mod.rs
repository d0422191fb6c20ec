//! A registry under test and a client that sends exactly what it is told.
#![allow(dead_code, clippy::unwrap_used)]

use corten_oci::Digest;
use corten_registry::{Config, Listener, Registry};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    time::Duration,
};

/// A registry on a loopback port; it ends when dropped.
pub struct Server {
    pub registry: Registry,
    pub address: SocketAddr,
    pub threads: tokio::runtime::Runtime,
    _directory: Option<tempfile::TempDir>,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// A header; empty without.
    pub fn header(&self, name: &str) -> &str {
        let found = self
            .headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The code of a refusal.
    pub fn code(&self) -> String {
        let json = self.json();
        json["errors"][0]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}

impl Server {
    /// An open registry in a directory of its own.
    pub fn start() -> Self {
        Self::with(|_| {})
    }

    /// The same with changes to its configuration.
    pub fn with(change: impl FnOnce(&mut Config)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut config = Config::in_directory(directory.path());
        change(&mut config);
        let mut server = Self::of(config);
        server._directory = Some(directory);
        server
    }

    /// A registry of this configuration.
    pub fn of(config: Config) -> Self {
        let threads = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let (registry, listener) = threads.block_on(async {
            let tls = config.tls.clone();
            let registry = Registry::open(config).unwrap();
            let listener = Listener::bind("127.0.0.1:0", tls.as_ref()).await.unwrap();
            (registry, listener)
        });
        let address = listener.address().unwrap();
        let serving = registry.clone();
        threads.spawn(async move { serving.serve(listener).await });
        Self {
            registry,
            address,
            threads,
            _directory: None,
        }
    }

    pub fn collect(&self) -> corten_registry::collect::Collected {
        self.threads.block_on(self.registry.collect()).unwrap()
    }

    /// Sends a request and reads the whole answer.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n",
            self.address
        );
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        if !headers
            .iter()
            .any(|(n, _)| n.eq_ignore_ascii_case("content-length"))
        {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        let mut bytes = (head + "\r\n").into_bytes();
        bytes.extend_from_slice(body);
        self.raw(&bytes, method == "HEAD")
    }

    /// Sends bytes and reads what comes until the end.
    pub fn raw(&self, bytes: &[u8], is_head: bool) -> Answer {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        // A server that has heard enough may close before it has all.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let end = answer
            .windows(4)
            .position(|w| w == b"\r\n\r\n")
            .unwrap_or(answer.len());
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let mut lines = head.lines();
        let status = lines
            .next()
            .and_then(|l| l.split(' ').nth(1)?.parse().ok())
            .unwrap_or(0);
        let headers: Vec<(String, String)> = lines
            .filter_map(|l| l.split_once(": "))
            .map(|(n, v)| (n.to_owned(), v.to_owned()))
            .collect();
        let body = answer.get(end + 4..).unwrap_or_default().to_vec();
        let answer = Answer {
            status,
            headers,
            body,
        };
        if !is_head {
            let length: usize = answer
                .header("content-length")
                .parse()
                .unwrap_or(answer.body.len());
            assert_eq!(answer.body.len(), length, "{head}");
        }
        answer
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"")
    }

    /// Pushes a blob in one request.
    pub fn push_blob(&self, name: &str, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        let path = format!("/v2/{name}/blobs/uploads/?digest={digest}");
        let answer = self.send("POST", &path, &[], bytes);
        assert_eq!(answer.status, 201, "{}", answer.text());
        digest
    }

    /// Pushes an image of one layer with these bytes; gives its manifest's digest.
    pub fn push_image(&self, name: &str, tag: &str, layer: &[u8]) -> Digest {
        let manifest = image(layer);
        self.push_blob(name, b"{}");
        self.push_blob(name, layer);
        let path = format!("/v2/{name}/manifests/{tag}");
        let answer = self.send(
            "PUT",
            &path,
            &[("Content-Type", IMAGE)],
            manifest.as_bytes(),
        );
        assert_eq!(answer.status, 201, "{}", answer.text());
        Digest::of(manifest.as_bytes())
    }
}

pub const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// The manifest of an image with one layer.
pub fn image(layer: &[u8]) -> String {
    let (config, digest) = (Digest::of(b"{}"), Digest::of(layer));
    format!(
        r#"{{"schemaVersion":2,"mediaType":"{IMAGE}","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{config}","size":2}},"layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{digest}","size":{}}}]}}"#,
        layer.len()
    )
}

/// Makes a file or everything below a directory look `age` old.
pub fn make_old(path: &Path, age: Duration) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            make_old(&entry.unwrap().path(), age);
        }
        return;
    }
    let time = std::time::SystemTime::now() - age;
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_modified(time).unwrap();
}
