//! A shim with a busybox container, and the engine's end of it.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use corten_base::Id;
use corten_cgroup::Cgroup;
use corten_logs::{Progress, ReadOptions, Reader};
use corten_oci::RootMount;
use corten_oci::runtime::{Linux, LinuxResources, Mount, Namespace, Process, Root, Spec};
use corten_shim_proto::client::{Events, ShimBinary, ShimClient, ShimError, SpawnOptions, spawn};
use corten_shim_proto::{
    AttachOptions, Event, ExecRequest, Exit, ExitRecord, JsonFileLog, Log, StartRequest, Started,
    Stdin,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

const APPLETS: &[&str] = &[
    "sh", "cat", "echo", "true", "sleep", "stty", "tty", "seq", "head", "tail", "kill", "dd",
    "yes", "tr", "id", "wc", "env", "printf",
];

/// A container of one test, and what it leaves behind.
pub struct Fixture {
    directory: tempfile::TempDir,
    pub id: Id,
    pub spec: Spec,
    pub stdin: Stdin,
    pub attach: Vec<AttachOptions>,
    pub log: Option<JsonFileLog>,
    pub user: String,
}

/// A container that runs.
pub struct Running {
    pub client: ShimClient,
    pub started: Started,
    pub streams: Vec<UnixStream>,
    pub events: Events,
}

fn words(text: &[&str]) -> Vec<String> {
    text.iter().map(|word| (*word).to_owned()).collect()
}

fn mount(destination: &str, kind: &str, options: &str) -> Mount {
    Mount {
        destination: destination.into(),
        kind: kind.to_owned(),
        source: Some(kind.into()),
        options: options.split(',').map(str::to_owned).collect(),
        ..Mount::default()
    }
}

pub fn process(args: &[&str]) -> Process {
    Process {
        args: words(args),
        env: words(&["PATH=/bin", "TERM=xterm"]),
        cwd: "/".into(),
        ..Process::default()
    }
}

impl Fixture {
    /// A container whose first process is a shell with `script`.
    pub fn new(script: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        make_root(&directory.path().join("root"));
        std::fs::create_dir(directory.path().join("container")).unwrap();
        let namespaces = ["pid", "ipc", "uts", "mount", "network"].map(|kind| Namespace {
            kind: kind.to_owned(),
            path: None,
        });
        let spec = Spec {
            oci_version: "1.2.0".into(),
            process: Some(process(&["sh", "-c", script])),
            root: Some(Root {
                path: "/".into(),
                readonly: false,
            }),
            mounts: vec![
                mount("/proc", "proc", "nosuid,noexec,nodev"),
                mount("/dev", "tmpfs", "nosuid,strictatime,mode=755,size=65536k"),
                mount(
                    "/dev/pts",
                    "devpts",
                    "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620",
                ),
            ],
            linux: Some(Linux {
                namespaces: namespaces.into(),
                resources: Some(LinuxResources::default()),
                ..Linux::default()
            }),
            ..Spec::default()
        };
        let path = directory.path().join("container/x-json.log");
        let log = JsonFileLog {
            path,
            max_size_bytes: None,
            max_files: 1,
            compress: false,
            attributes: BTreeMap::new(),
        };
        Self {
            directory,
            id: Id::random(),
            spec,
            stdin: Stdin::Closed,
            attach: Vec::new(),
            log: Some(log),
            user: String::new(),
        }
    }

    pub fn terminal(script: &str) -> Self {
        let mut fixture = Self::new(script);
        fixture.spec.process.as_mut().unwrap().terminal = true;
        fixture.stdin = Stdin::Open;
        fixture
    }

    pub fn container(&self) -> PathBuf {
        self.directory.path().join("container")
    }

    /// Longer than a socket's address may be.
    pub fn socket(&self) -> PathBuf {
        let deep = self.directory.path().join("d".repeat(100));
        std::fs::create_dir_all(&deep).unwrap();
        deep.join("shim.sock")
    }

    pub fn request(&self) -> StartRequest {
        StartRequest {
            id: self.id,
            spec: self.spec.clone(),
            root: RootMount::Directory(self.directory.path().join("root")),
            id_mapped: false,
            user: self.user.clone(),
            groups: Vec::new(),
            directory: self.container(),
            socket: self.socket(),
            netns: false,
            events: false,
            stdin: self.stdin,
            log: self.log.clone().map_or(Log::None, Log::JsonFile),
            attach: self.attach.clone(),
            runtime: None,
        }
    }

    pub async fn spawn(&self) -> ShimClient {
        let binary = ShimBinary::open(Path::new(env!("CARGO_BIN_EXE_corten-shim")), None).unwrap();
        let options = SpawnOptions {
            binary: &binary,
            id: self.id,
            socket: self.socket(),
        };
        spawn(options).await.unwrap()
    }

    pub async fn try_start(&self) -> Result<Running, ShimError> {
        let client = self.spawn().await;
        let (started, streams, events) = client.start_and_subscribe(self.request(), None).await?;
        Ok(Running {
            client,
            started,
            streams,
            events,
        })
    }

    pub async fn start(&self) -> Running {
        self.try_start().await.unwrap()
    }

    pub fn log_lines(&self) -> Vec<String> {
        let path = &self.log.as_ref().unwrap().path;
        let mut reader = Reader::open(path, ReadOptions::default()).unwrap();
        let mut lines = Vec::new();
        let mut visit = |record: &corten_logs::Record<'_>| {
            lines.push(String::from_utf8_lossy(record.line).into_owned());
        };
        while reader.read(&mut visit).unwrap() == Progress::More {}
        lines
    }

    pub fn record(&self) -> Option<ExitRecord> {
        ExitRecord::read(&self.container()).unwrap()
    }

    pub fn cgroup(&self) -> Cgroup {
        Cgroup::open(Path::new(&format!("/corten/{}", self.id))).unwrap()
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        // Mostly the shim has done both.
        let cgroup = self.cgroup();
        let _killed = cgroup.kill_all(9).is_ok();
        let _removed = cgroup.delete().is_ok();
    }
}

fn make_root(root: &Path) {
    for directory in ["bin", "dev", "proc", "sys", "tmp", "etc"] {
        std::fs::create_dir_all(root.join(directory)).unwrap();
    }
    std::fs::copy("/usr/bin/busybox", root.join("bin/busybox")).unwrap();
    for applet in APPLETS {
        std::os::unix::fs::symlink("busybox", root.join("bin").join(applet)).unwrap();
    }
}

impl Running {
    /// Every event up to the container's exit.
    pub async fn events(&mut self) -> Vec<Event> {
        let mut seen = Vec::new();
        loop {
            let event = within(self.events.next())
                .await
                .unwrap()
                .expect("an exit comes first");
            seen.push(event);
            if matches!(seen.last(), Some(Event::Exit { .. })) {
                return seen;
            }
        }
    }

    pub async fn event(&mut self) -> Event {
        within(self.events.next())
            .await
            .unwrap()
            .expect("the shim is there")
    }

    pub async fn exit(&mut self) -> Exit {
        match self.events().await.pop() {
            Some(Event::Exit { exit }) => exit,
            other => panic!("{other:?} is no exit"),
        }
    }

    pub async fn exec(&self, args: &[&str], attach: AttachOptions) -> (Id, UnixStream) {
        let id = Id::random();
        let request = exec(id, args, Some(attach));
        let (_, stream) = self.client.exec(request).await.unwrap();
        (id, stream.unwrap())
    }
}

pub fn exec(id: Id, args: &[&str], attach: Option<AttachOptions>) -> ExecRequest {
    ExecRequest {
        id,
        process: process(args),
        user: String::new(),
        groups: Vec::new(),
        attach,
    }
}

pub async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("it takes too long")
}

pub fn everything() -> AttachOptions {
    AttachOptions {
        stdin: true,
        stdout: true,
        stderr: true,
        detach_keys: vec![16, 17],
    }
}

/// Reads until `text` was seen.
pub async fn expect(stream: &mut UnixStream, text: &str) -> String {
    String::from_utf8_lossy(&expect_bytes(stream, text).await).into_owned()
}

/// The same as it came: the head of a frame need not be text.
pub async fn expect_bytes(stream: &mut UnixStream, text: &str) -> Vec<u8> {
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    while !String::from_utf8_lossy(&seen).contains(text) {
        let count = within(stream.read(&mut buffer)).await.unwrap();
        assert!(
            count > 0,
            "{text:?} is not in {:?}",
            String::from_utf8_lossy(&seen)
        );
        seen.extend_from_slice(&buffer[..count]);
    }
    seen
}

pub async fn rest(stream: &mut UnixStream) -> Vec<u8> {
    let mut seen = Vec::new();
    within(stream.read_to_end(&mut seen)).await.unwrap();
    seen
}

pub async fn type_text(stream: &mut UnixStream, text: &str) {
    within(stream.write_all(text.as_bytes())).await.unwrap();
}

/// Takes a multiplexed stream apart: standard output and standard error.
pub fn unframe(mut bytes: &[u8]) -> (String, String) {
    let mut streams = [Vec::new(), Vec::new()];
    while let Some((head, rest)) = bytes.split_first_chunk::<8>() {
        assert_eq!(head[1..4], [0, 0, 0]);
        let length = u32::from_be_bytes([head[4], head[5], head[6], head[7]]) as usize;
        streams[usize::from(head[0]) - 1].extend_from_slice(&rest[..length]);
        bytes = &rest[length..];
    }
    assert!(bytes.is_empty());
    let [stdout, stderr] = streams.map(|bytes| String::from_utf8(bytes).unwrap());
    (stdout, stderr)
}
