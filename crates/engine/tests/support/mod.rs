//! An engine in namespaces of its own, with busybox.
#![allow(dead_code, reason = "each test file uses a part")]

use bytes::Bytes;
use corten_engine::{
    AttachOptions, CreateRequest, Engine, EngineConfig, LogsOptions, RemoveOptions, StartOptions,
    WaitCondition,
};
use corten_model::ContainerConfig;
use futures_util::StreamExt;
use std::{future::Future, path::Path, sync::Arc, time::Duration};
use tokio::io::AsyncReadExt;

/// How long anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a test in network and mount namespaces of its own.
#[expect(
    deprecated,
    reason = "a test's first thread shares no descriptor table it minds"
)]
pub fn alone<F: Future<Output = ()>>(test: impl FnOnce(Home) -> F) {
    use rustix::thread::{UnshareFlags, unshare};
    unshare(UnshareFlags::NEWNS | UnshareFlags::NEWNET).expect("own namespaces");
    let flags =
        rustix::mount::MountPropagationFlags::PRIVATE | rustix::mount::MountPropagationFlags::REC;
    rustix::mount::mount_change("/", flags).expect("private mounts");
    // Threads made from here on are in the new namespaces too.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let home = Home {
        directory: tempfile::tempdir().expect("a directory"),
    };
    let group = home.cgroup_parent();
    runtime.block_on(async {
        tokio::time::timeout(PATIENCE, test(home))
            .await
            .expect("in time");
    });
    runtime.shutdown_timeout(Duration::from_secs(5));
    for hierarchy in std::fs::read_dir("/sys/fs/cgroup")
        .into_iter()
        .flatten()
        .flatten()
    {
        // The last group is gone when the last shim is; a leftover is the next test's matter.
        drop(std::fs::remove_dir(hierarchy.path().join(&group)));
    }
}

/// A data root and an exec root.
pub struct Home {
    directory: tempfile::TempDir,
}

impl Home {
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    fn cgroup_parent(&self) -> String {
        let name = self.path().file_name().unwrap_or_default();
        format!(
            "corten-test-{}",
            name.to_string_lossy().trim_start_matches('.')
        )
    }

    /// The daemon comes up.
    pub async fn open(&self) -> Arc<Engine> {
        let config = EngineConfig {
            data_root: self.path().join("data"),
            exec_root: self.path().join("exec"),
            shim: Some(corten_testkit::binary("corten-shim")),
            cgroup_parent: self.cgroup_parent(),
            ..EngineConfig::default()
        };
        Engine::open(config).await.expect("the engine opens")
    }

    /// The daemon comes up and has busybox.
    pub async fn open_with_busybox(&self) -> Arc<Engine> {
        let engine = self.open().await;
        let tar = std::fs::read(corten_testkit::image("busybox")).expect("the image's tar");
        let body = futures_util::stream::iter([Ok(Bytes::from(tar))]).boxed();
        let messages: Vec<_> = engine
            .image_load(body, true, None)
            .await
            .expect("loads")
            .collect()
            .await;
        assert!(
            messages.iter().all(|message| message.error.is_none()),
            "{messages:?}"
        );
        engine
    }
}

/// A container of busybox that runs `script`, without a network.
pub fn shell(name: &str, script: &str) -> CreateRequest {
    let mut request = CreateRequest {
        name: Some(name.to_owned()),
        config: ContainerConfig {
            image: "busybox".into(),
            cmd: Some(["sh", "-c", script].map(String::from).to_vec()),
            ..ContainerConfig::default()
        },
        ..CreateRequest::default()
    };
    request.host_config.network_mode = "none".into();
    request
}

/// Starts a container and waits for its end.
pub async fn run(engine: &Arc<Engine>, request: CreateRequest) -> i64 {
    let id = engine
        .container_create(request)
        .await
        .expect("creates")
        .id
        .to_string();
    let exit = engine
        .container_wait(&id, WaitCondition::NextExit)
        .await
        .expect("waits");
    engine
        .container_start(&id, StartOptions::default())
        .await
        .expect("starts");
    exit.await.exit_code
}

/// Everything a container wrote, frames taken off.
pub async fn logs(engine: &Arc<Engine>, name: &str) -> String {
    let options = LogsOptions {
        stdout: true,
        stderr: true,
        ..LogsOptions::default()
    };
    let stream = engine.container_logs(name, options).await.expect("logs");
    let pieces: Vec<Bytes> = stream
        .body
        .map(|piece| piece.expect("a piece"))
        .collect::<Vec<_>>()
        .await;
    unframed(&pieces.concat())
}

/// What an attached client reads until its end, frames taken off.
pub async fn read_attached(engine: &Arc<Engine>, name: &str) -> tokio::task::JoinHandle<String> {
    let options = AttachOptions {
        stream: true,
        stdout: true,
        stderr: true,
        ..AttachOptions::default()
    };
    let mut stream = engine
        .container_attach(name, options)
        .await
        .expect("attaches");
    tokio::spawn(async move {
        let mut bytes = Vec::new();
        stream.io.read_to_end(&mut bytes).await.expect("reads");
        unframed(&bytes)
    })
}

pub fn unframed(mut bytes: &[u8]) -> String {
    let mut text = Vec::new();
    while let Some((header, rest)) = bytes.split_first_chunk::<8>() {
        let length = u32::from_be_bytes([header[4], header[5], header[6], header[7]]) as usize;
        text.extend_from_slice(&rest[..length]);
        bytes = &rest[length..];
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// Ends a container for good.
pub async fn remove(engine: &Arc<Engine>, name: &str) {
    let options = RemoveOptions {
        force: true,
        volumes: true,
        link: false,
    };
    engine
        .container_remove(name, options)
        .await
        .expect("removes");
}

/// Waits until `condition` holds.
pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !condition().await {
        assert!(
            tokio::time::Instant::now() < deadline,
            "waited in vain until {what}"
        );
        tokio::time::sleep(Duration::from_millis(5)).await; // poll
    }
}
