//! What this side offers while a build goes on, as a service on the session's connection.

use super::{
    layout::{Layout, LayoutError},
    stores,
    tree::{Tree, Wanted},
};
use corten_buildkit::{
    fsutil::Packet,
    session::{
        BytesMessage, CheckAgentRequest, CheckAgentResponse, CredentialsRequest,
        CredentialsResponse, GetSecretRequest, GetSecretResponse,
    },
};
use corten_grpc::{Answer, Call, Failure, Service, answers, one, send_files};
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream};
use std::{
    collections::HashMap,
    io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
};

/// The service of blobs.
const CONTENT: &str = "/containerd.services.content.v1.Content/";
/// Bytes of a stream in one message.
const CHUNK_BYTES: usize = 64 << 10;
/// Messages that wait to be sent.
const QUEUE: usize = 64;
/// Bytes of a secret, as BuildKit has it.
const SECRET_BYTES_MAX: u64 = 500 << 10;

/// User name and secret for a registry.
pub type Login = (String, String);

/// Something that is read once.
pub type Stream = Box<dyn io::Read + Send>;

/// Where an archive of the engine goes.
pub type Output = Box<dyn io::Write + Send>;

type Logins = dyn Fn(&str) -> Option<Login> + Send + Sync;

/// Everything that the engine may ask for. What is not in here is not given.
#[derive(Default)]
pub struct Offer {
    /// Directories by name: `context`, `dockerfile`, named contexts.
    pub directories: HashMap<String, PathBuf>,
    /// Secrets by ID: files.
    pub secret_files: HashMap<String, PathBuf>,
    /// Secrets by ID: values.
    pub secret_values: HashMap<String, corten_base::Redacted<String>>,
    /// Sockets of agents by ID.
    pub agents: HashMap<String, PathBuf>,
    /// Directories of blobs by the name that the engine has for each: `local:` and the
    /// directory of a cache, `oci:` and the name of a context.
    pub stores: HashMap<String, Layout>,
    /// Caches that the build writes, with the tag that each gets.
    pub caches: Vec<(Layout, String)>,
    /// Credentials of a registry.
    pub logins: Option<Box<Logins>>,
    /// Streams by path, each sent once.
    // Lock: held for memory work only.
    pub streams: Mutex<HashMap<String, Stream>>,
    /// Where archives go, by the place of their exporter; each is taken by who writes it.
    // Lock: held for memory work only.
    pub outputs: Mutex<HashMap<usize, Output>>,
    /// Removed with the offer: directories that were made for this build.
    pub temporary: Vec<PathBuf>,
}

impl Drop for Offer {
    fn drop(&mut self) {
        for directory in &self.temporary {
            // In a directory that the system clears anyway.
            let _ = std::fs::remove_dir_all(directory);
        }
    }
}

impl Service for Offer {
    fn call(self: Arc<Self>, call: Call) -> BoxFuture<'static, Result<Answer, Failure>> {
        async move {
            match call.path.as_str() {
                "/moby.filesync.v1.FileSync/DiffCopy" => self.files(call).await,
                "/moby.filesync.v1.FileSend/DiffCopy" => self.receive(call),
                "/moby.filesync.v1.Auth/Credentials" => self.credentials(call).await,
                "/moby.buildkit.secrets.v1.Secrets/GetSecret" => self.secret(call).await,
                "/moby.sshforward.v1.SSH/CheckAgent" => self.check_agent(call).await,
                "/moby.sshforward.v1.SSH/ForwardAgent" => self.agent(call).await,
                "/moby.upload.v1.Upload/Pull" => self.upload(call),
                path if path.starts_with(CONTENT) => stores::answer(&self.stores, call).await,
                "/grpc.health.v1.Health/Check" => Ok(one(&serving())),
                other => Err(Failure::new(
                    Failure::UNIMPLEMENTED,
                    format!("unknown method {other}"),
                )),
            }
        }
        .boxed()
    }
}

/// What the engine asks for of a directory.
fn wanted(call: &Call) -> Wanted {
    let list = |key: &str| {
        let values = call.metadata(key);
        match call.metadata(&format!("{key}-encoded")).is_empty() {
            true => values,
            false => values
                .iter()
                .map(|it| {
                    percent_encoding::percent_decode_str(it)
                        .decode_utf8_lossy()
                        .into()
                })
                .collect(),
        }
    };
    Wanted {
        include: list("include-patterns"),
        exclude: list("exclude-patterns"),
        follow: list("followpaths"),
    }
}

/// Which exporter an archive is of.
const EXPORTER: &str = "buildkit-attachable-exporter-id";

/// HealthCheckResponse has its status as field 1; 1 is SERVING.
fn serving() -> corten_buildkit::control::Position {
    corten_buildkit::control::Position {
        line: 1,
        character: 0,
    }
}

fn missing(what: String) -> Failure {
    Failure::new(Failure::NOT_FOUND, what)
}

fn broken(operation: &str, error: &io::Error) -> Failure {
    Failure::new(Failure::UNKNOWN, format!("{operation}: {error}"))
}

impl Offer {
    /// Lists the cache that was written in the indexes of its directories; `written`: its
    /// manifest's descriptor, as the engine tells it.
    pub(super) fn record(&self, written: Option<&String>) -> Result<(), LayoutError> {
        let Some(written) = written else {
            return Ok(());
        };
        let descriptor = serde_json::from_str(written).unwrap_or_default();
        let mut caches = self.caches.iter();
        caches.try_for_each(|(layout, tag)| layout.record(&descriptor, tag))
    }

    async fn files(&self, call: Call) -> Result<Answer, Failure> {
        let name = call.metadata("dir-name").pop().unwrap_or_default();
        let root = self.directories.get(&name).cloned();
        let root = root.ok_or_else(|| missing(format!("no access allowed to dir {name:?}")))?;
        let wanted = wanted(&call);
        let messages = call.messages;
        let (sender, receiver) = mpsc::channel::<Packet>(QUEUE);
        let tree = Tree::new(name, root, wanted);
        let sending = async { send_files(tree, sender, messages).await.map(drop) };
        Ok(answers(beside(receiver, sending)))
    }

    /// An exporter's archive.
    fn receive(&self, mut call: Call) -> Result<Answer, Failure> {
        let place = call.metadata(EXPORTER).pop();
        let place = place.and_then(|it| it.parse().ok()).unwrap_or_default();
        let outputs = self.outputs.lock();
        let output = outputs
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&place);
        let mut output = output.ok_or_else(|| missing("nothing was asked for".into()))?;
        let work = async move {
            while let Some(message) = call.messages.next::<BytesMessage>().await? {
                // Standard output or a file: as quick as the disk, which the engine waits for.
                output
                    .write_all(&message.data)
                    .map_err(|error| broken("writing the output", &error))?;
            }
            output
                .flush()
                .map_err(|error| broken("writing the output", &error))
        };
        let (_, receiver) = mpsc::channel::<BytesMessage>(1);
        Ok(answers(beside(receiver, work)))
    }

    async fn credentials(&self, mut call: Call) -> Result<Answer, Failure> {
        let request: CredentialsRequest = call.message().await?;
        let host = match request.host.as_str() {
            "registry-1.docker.io" => "https://index.docker.io/v1/",
            other => other,
        };
        let login = self.logins.as_ref().and_then(|logins| logins(host));
        let (username, secret) = login.unwrap_or_default();
        Ok(one(&CredentialsResponse { username, secret }))
    }

    async fn secret(&self, mut call: Call) -> Result<Answer, Failure> {
        let request: GetSecretRequest = call.message().await?;
        if let Some(value) = self.secret_values.get(&request.id) {
            let data = value.expose().clone().into_bytes();
            return Ok(one(&GetSecretResponse { data }));
        }
        let path = self.secret_files.get(&request.id);
        let path = path.ok_or_else(|| missing(format!("secret {} not found", request.id)))?;
        let operation = format!("reading secret {}", request.id);
        let failed = |error: io::Error| broken(&operation, &error);
        let size = std::fs::metadata(path).map_err(failed)?.len();
        if size > SECRET_BYTES_MAX {
            let sentence = format!("invalid secret size {size}");
            return Err(Failure::new(Failure::UNKNOWN, sentence));
        }
        let data = std::fs::read(path).map_err(failed)?;
        Ok(one(&GetSecretResponse { data }))
    }

    async fn check_agent(&self, mut call: Call) -> Result<Answer, Failure> {
        let request: CheckAgentRequest = call.message().await?;
        match self.agents.contains_key(&request.id) {
            true => Ok(one(&CheckAgentResponse {})),
            false => Err(missing(format!("unset ssh forward key {}", request.id))),
        }
    }

    async fn agent(&self, call: Call) -> Result<Answer, Failure> {
        let id = call.metadata("buildkit.ssh.id").pop();
        let id = id.unwrap_or_else(|| "default".into());
        let path = self.agents.get(&id);
        let path = path.ok_or_else(|| missing(format!("unset ssh forward key {id}")))?;
        let socket = tokio::net::UnixStream::connect(path).await;
        let socket = socket.map_err(|error| broken("connecting to the agent", &error))?;
        let (mut read, mut write) = socket.into_split();
        let (sender, receiver) = mpsc::channel(QUEUE);
        let mut messages = call.messages;
        let up = async move {
            while let Some(message) = messages.next::<BytesMessage>().await? {
                if write.write_all(&message.data).await.is_err() {
                    break;
                }
            }
            Ok::<_, Failure>(())
        };
        let down = async move {
            let mut piece = vec![0; CHUNK_BYTES];
            while let Ok(length @ 1..) = read.read(&mut piece).await {
                let data = piece[..length].to_vec();
                if sender.send(BytesMessage { data }).await.is_err() {
                    break;
                }
            }
        };
        let work = async move {
            tokio::select! {
                done = up => done,
                () = down => Ok(()),
            }
        };
        Ok(answers(beside(receiver, work)))
    }

    fn upload(&self, call: Call) -> Result<Answer, Failure> {
        let path = call.metadata("urlpath").pop().unwrap_or_default();
        let path = path.trim_start_matches('/');
        let streams = self.streams.lock();
        let stream = streams.unwrap_or_else(PoisonError::into_inner).remove(path);
        let mut stream = stream.ok_or_else(|| missing(format!("no stream {path:?}")))?;
        let (sender, receiver) = mpsc::channel(QUEUE);
        let work = async move {
            // Standard input: read by a thread that may wait.
            let reading = tokio::task::spawn_blocking(move || {
                loop {
                    let mut data = vec![0; CHUNK_BYTES];
                    let length = stream.read(&mut data)?;
                    data.truncate(length);
                    if length == 0 || sender.blocking_send(BytesMessage { data }).is_err() {
                        return Ok::<_, io::Error>(());
                    }
                }
            });
            let read = reading
                .await
                .unwrap_or_else(|error| Err(io::Error::other(error)));
            read.map_err(|error| broken("reading the context", &error))
        };
        Ok(answers(beside(receiver, work)))
    }
}

/// What comes from `receiver` while `work` goes on beside it; its failure comes last.
pub(super) fn beside<M: Send + 'static>(
    receiver: mpsc::Receiver<M>,
    work: impl Future<Output = Result<(), Failure>> + Send + 'static,
) -> impl futures_util::Stream<Item = Result<M, Failure>> + Send {
    struct State<M> {
        receiver: mpsc::Receiver<M>,
        work: Option<BoxFuture<'static, Result<(), Failure>>>,
    }
    let state = State {
        receiver,
        work: Some(work.boxed()),
    };
    stream::unfold(state, |mut state| async move {
        while let Some(work) = &mut state.work {
            tokio::select! {
                biased;
                Some(message) = state.receiver.recv() => return Some((Ok(message), state)),
                done = work => {
                    state.work = None;
                    if let Err(failure) = done {
                        state.receiver.close();
                        return Some((Err(failure), state));
                    }
                }
            }
        }
        // What was sent before the work's end.
        let message = state.receiver.recv().await?;
        Some((Ok(message), state))
    })
    .boxed()
}
