//! The program between a writer and the receivers of the tests.

use corten_logs::Stream;
use corten_logs::options::{self, LogOptions, RemoteDriver};
use corten_logs::remote::{Overflow, RemoteConfig, RemoteWriter, Source, read_text, write_text};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub fn options(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect()
}

/// A logger, and the shim's end of it.
#[derive(Debug)]
pub struct Logger {
    writer: Option<RemoteWriter>,
    child: Child,
}

impl Logger {
    pub fn start(driver: &str, given: &BTreeMap<String, String>) -> Self {
        Self::try_start(driver, given).unwrap()
    }

    pub fn try_start(driver: &str, given: &BTreeMap<String, String>) -> Result<Self, String> {
        match options::parse(driver, given).unwrap() {
            LogOptions::Remote(remote) => Self::spawn(remote.driver),
            other => panic!("{other:?}"),
        }
    }

    pub fn start_journald(socket: &Path) -> Self {
        let socket = socket.to_owned();
        Self::spawn(RemoteDriver::Journald { socket }).unwrap()
    }

    fn spawn(driver: RemoteDriver) -> Result<Self, String> {
        let source = Source {
            container_id: "0123456789abcdef".repeat(4),
            container_name: "web".into(),
            image_id: "sha256:1".into(),
            image_name: "busybox".into(),
            command: "sh -c true".into(),
            created: "2026-11-21T14:47:11Z".into(),
            tag: "web/0123".into(),
            extra: options(&[("com.example.team", "blue")]),
        };
        let (near, far) = UnixStream::pair().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_corten-logger"))
            .stdin(Stdio::from(OwnedFd::from(far)))
            .spawn()
            .unwrap();
        let config = serde_json::to_vec(&RemoteConfig { driver, source }).unwrap();
        write_text(&near, &config).unwrap();
        let verdict = String::from_utf8(read_text(&near).unwrap()).unwrap();
        if !verdict.is_empty() {
            child.wait().unwrap();
            return Err(verdict);
        }
        let writer = RemoteWriter::new(near.into(), Overflow::Wait).unwrap();
        Ok(Self {
            writer: Some(writer),
            child,
        })
    }

    pub fn write(&mut self, stream: Stream, text: &str) {
        let writer = self.writer.as_mut().unwrap();
        writer.write(stream, text.as_bytes());
        writer.flush();
        assert!(!writer.is_waiting());
    }
}

impl Drop for Logger {
    fn drop(&mut self) {
        // The end of the stream is the end of the program.
        self.writer = None;
        if !std::thread::panicking() {
            self.child.wait().unwrap();
        } else {
            self.child.kill().unwrap();
        }
    }
}

pub fn eventually<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "waited too long");
        std::thread::sleep(Duration::from_millis(10)); // poll
    }
}

pub fn lines(stream: TcpStream) -> impl Iterator<Item = std::io::Result<String>> {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    BufReader::new(stream).lines()
}

/// An entry of the journal's native protocol.
pub fn fields(mut entry: &[u8]) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    while !entry.is_empty() {
        let at = entry.iter().position(|b| b"=\n".contains(b)).unwrap();
        let name = String::from_utf8(entry[..at].to_vec()).unwrap();
        let (value, rest) = if entry[at] == b'=' {
            let end = entry.iter().position(|b| *b == b'\n').unwrap();
            (&entry[at + 1..end], &entry[end + 1..])
        } else {
            let length = u64::from_le_bytes(entry[at + 1..at + 9].try_into().unwrap()) as usize;
            let value = &entry[at + 9..at + 9 + length];
            (value, &entry[at + 9 + length + 1..])
        };
        fields.insert(name, String::from_utf8(value.to_vec()).unwrap());
        entry = rest;
    }
    fields
}

/// One GELF message, put together from its chunks and unpacked.
pub fn gelf(receiver: &UdpSocket) -> serde_json::Value {
    let mut chunks: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
    let mut buffer = [0; 8192];
    let packed = loop {
        let count = receiver.recv(&mut buffer).unwrap();
        let datagram = &buffer[..count];
        assert!(count <= 1420, "larger than a network may carry");
        if !datagram.starts_with(&[0x1e, 0x0f]) {
            break datagram.to_vec();
        }
        chunks.insert(datagram[10], datagram[12..].to_vec());
        if chunks.len() == usize::from(datagram[11]) {
            break chunks.into_values().flatten().collect();
        }
    };
    let mut text = String::new();
    flate2::read::GzDecoder::new(&packed[..])
        .read_to_string(&mut text)
        .unwrap();
    serde_json::from_str(&text).unwrap()
}

pub fn until_zero(stream: &TcpStream) -> serde_json::Value {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut message = Vec::new();
    BufReader::new(stream).read_until(0, &mut message).unwrap();
    assert_eq!(message.pop(), Some(0));
    serde_json::from_slice(&message).unwrap()
}

/// A value of MessagePack.
#[derive(Debug)]
pub enum Value {
    Text(String),
    Seconds(i64),
    List(Vec<Value>),
    Map(Vec<(String, Value)>),
    Extension(u8, Vec<u8>),
}

impl Value {
    pub fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            other => panic!("{other:?}"),
        }
    }
    pub fn seconds(&self) -> i64 {
        match self {
            Self::Seconds(seconds) => *seconds,
            other => panic!("{other:?}"),
        }
    }
    pub fn list(&self) -> &[Value] {
        match self {
            Self::List(list) => list,
            other => panic!("{other:?}"),
        }
    }
    pub fn extension(&self) -> (u8, &[u8]) {
        match self {
            Self::Extension(kind, bytes) => (*kind, bytes),
            other => panic!("{other:?}"),
        }
    }
    pub fn member(&self, name: &str) -> &Value {
        match self {
            Self::Map(map) => &map.iter().find(|(key, _)| key == name).expect(name).1,
            other => panic!("{other:?}"),
        }
    }
    pub fn members(&self) -> usize {
        match self {
            Self::Map(map) => map.len(),
            other => panic!("{other:?}"),
        }
    }
}

/// Reads what a Fluentd would read.
pub struct Decoder<S>(S);

impl<S: Read + Write> Decoder<S> {
    pub fn new(stream: S) -> Self {
        Self(stream)
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }

    fn number(&mut self, bytes: usize) -> u64 {
        let bytes = self.bytes(bytes);
        bytes
            .iter()
            .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    }

    fn string(&mut self, length: usize) -> Value {
        Value::Text(String::from_utf8(self.bytes(length)).unwrap())
    }

    pub fn value(&mut self) -> Value {
        match self.bytes(1)[0] {
            kind @ 0x80..=0x8f => self.map(usize::from(kind & 15)),
            kind @ 0x90..=0x9f => Value::List((0..kind & 15).map(|_| self.value()).collect()),
            kind @ 0xa0..=0xbf => self.string(usize::from(kind & 31)),
            0xd3 => Value::Seconds(self.number(8) as i64),
            0xd7 => {
                let kind = self.bytes(1)[0];
                Value::Extension(kind, self.bytes(8))
            }
            0xd9 => {
                let length = self.number(1);
                self.string(length as usize)
            }
            0xda => {
                let length = self.number(2);
                self.string(length as usize)
            }
            0xde => {
                let length = self.number(2);
                self.map(length as usize)
            }
            other => panic!("unexpected type {other:#x}"),
        }
    }

    fn map(&mut self, length: usize) -> Value {
        let member = |_| {
            let name = self.value().text().to_owned();
            (name, self.value())
        };
        Value::Map((0..length).map(member).collect())
    }

    /// `{"ack": chunk}`
    pub fn acknowledge(&mut self, chunk: &str) {
        let mut answer = b"\x81\xa3ack\xd9".to_vec();
        answer.push(chunk.len() as u8);
        answer.extend_from_slice(chunk.as_bytes());
        self.0.write_all(&answer).unwrap();
    }
}

/// A TLS receiver with an authority of its own.
pub struct TlsServer {
    listener: TcpListener,
    config: Arc<rustls::ServerConfig>,
    authority: String,
}

impl TlsServer {
    pub fn new(directory: &Path) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let authority = directory.join("ca.pem");
        std::fs::write(&authority, made.cert.pem()).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.unwrap())
            .unwrap();
        Self {
            listener: TcpListener::bind("127.0.0.1:0").unwrap(),
            config: Arc::new(config),
            authority: authority.to_string_lossy().into_owned(),
        }
    }

    pub fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }

    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// One message of one connection; empty where the client broke off.
    pub fn read_one(&self) -> String {
        let stream = self.listener.accept().unwrap().0;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let connection = rustls::ServerConnection::new(Arc::clone(&self.config)).unwrap();
        let mut tls = rustls::StreamOwned::new(connection, stream);
        let mut message = Vec::new();
        let read = BufReader::new(&mut tls).read_until(b'\n', &mut message);
        match read {
            Ok(_) => String::from_utf8(message).unwrap(),
            Err(_) => String::new(),
        }
    }
}
