//! Sessions: what clients offer to the builder while they wait for it.

use super::{BuildKit, client_store::ClientStore, status::Status};
use crate::{
    error::ApiError,
    http::{Call, Reply, switched},
    messages,
};
use corten_build::{
    BlobStore, Credentials, Duplex, Error, Inventory, LocalRequest, Result, Session, Synced,
};
use corten_buildkit::{fsutil::Packet, session as wire};
use corten_grpc::{Client, Incomings};
use futures_util::{FutureExt, future::BoxFuture};
use hyper_util::rt::TokioIo;
use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::{Notify, mpsc},
};

/// How long a build waits for its session: the client opens both at once.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a refusal waits for the session of a client that may still be opening it.
const REFUSAL_PATIENCE: Duration = Duration::from_secs(2);
/// When a client is asked first how it is.
const HEALTH_FIRST: Duration = Duration::from_millis(500);
/// How long until it is asked again.
const HEALTH_PAUSE: Duration = Duration::from_secs(5);
/// How long it may take to answer.
const HEALTH_PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of an agent's connection on the way.
const AGENT_BYTES: usize = 64 << 10;
/// Bytes of a stream of the client on the way.
const UPLOAD_BYTES: usize = 256 << 10;

/// The sessions that are open.
#[derive(Default)]
pub(crate) struct Sessions {
    // Lock: held for memory work only.
    open: Mutex<HashMap<String, Arc<GrpcSession>>>,
    opened: Notify,
}

/// One client's session.
pub(crate) struct GrpcSession {
    client: Client,
    shared_key: String,
}

impl Sessions {
    /// The session of an ID, waited for.
    pub async fn get(&self, id: &str) -> std::result::Result<Arc<GrpcSession>, Status> {
        let find = || {
            let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.get(id).cloned()
        };
        let waiting = async {
            loop {
                let opened = self.opened.notified();
                if let Some(found) = find() {
                    return found;
                }
                opened.await;
            }
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(found) => Ok(found),
            Err(_) => Err(Status::not_found(format!(
                "no active session for {id}: context deadline exceeded"
            ))),
        }
    }

    /// Waits until a client answers in its session, for a short time at most: one of 20.10
    /// that hears of a failure before that waits for ever for the end of what it never began.
    pub async fn answers(&self, id: &str) {
        let answering = async {
            if let Ok(session) = self.get(id).await {
                // A client that fails has answered, too.
                let _ = is_well(&session.client).await;
            }
        };
        let _late = tokio::time::timeout(REFUSAL_PATIENCE, answering).await;
    }

    fn insert(&self, id: String, session: Arc<GrpcSession>) {
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, session);
        self.opened.notify_waiters();
    }

    fn remove(&self, id: &str) {
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(id);
    }
}

/// `POST /session`: the connection is turned round.
pub(crate) fn session(mut call: Call) -> Reply {
    let (id, shared_key) = named(&call.headers);
    let Some(upgrade) = call.upgrade.take() else {
        return Err(ApiError::invalid(messages::NO_UPGRADE));
    };
    if id.is_empty() {
        return Err(ApiError::invalid("a session needs an ID"));
    }
    let kit = Arc::clone(&call.buildkit);
    tokio::spawn(async move {
        match upgrade.await {
            Ok(io) => attach(&kit, id, shared_key, TokioIo::new(io)).await,
            Err(error) => tracing::debug!(%error, "a session could not be opened"),
        }
    });
    Ok(switched("h2c"))
}

/// The ID of a session, and the name of its directory, as its headers give them.
pub(super) fn named(headers: &http::HeaderMap) -> (String, String) {
    let text = |name: &str| {
        let value = headers.get(name).and_then(|it| it.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    (
        text("x-docker-expose-session-uuid"),
        text("x-docker-expose-session-sharedkey"),
    )
}

/// Offers what is served on a connection to builds, until it ends.
pub(super) async fn attach(
    kit: &BuildKit,
    id: String,
    shared_key: String,
    io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) {
    match Client::connect(io).await {
        Ok((client, until_end)) => {
            let watched = client.clone();
            let session = GrpcSession { client, shared_key };
            kit.sessions.insert(id.clone(), Arc::new(session));
            tokio::select! {
                () = until_end => {}
                () = until_ill(watched) => {}
            }
            kit.sessions.remove(&id);
        }
        Err(failure) => {
            tracing::debug!(message = failure.message, "a session could not be opened");
        }
    }
}

/// Asks the client how it is, until it is not well: one that has given up its build may
/// keep its end of the connection until we let go of ours.
async fn until_ill(client: Client) {
    let mut pause = HEALTH_FIRST;
    loop {
        tokio::time::sleep(pause).await;
        pause = HEALTH_PAUSE;
        match tokio::time::timeout(HEALTH_PATIENCE, is_well(&client)).await {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => {
                tracing::debug!(message = failure.message, "a session is not well");
                return;
            }
            Err(_) => return,
        }
    }
}

async fn is_well(client: &Client) -> std::result::Result<(), corten_grpc::Failure> {
    let path = "/grpc.health.v1.Health/Check";
    let question = wire::CheckAgentRequest::default();
    let asked = client.unary::<_, wire::CheckAgentResponse>(path, &question);
    asked.await.map(drop)
}

/// `POST /grpc`: the connection carries the builder's calls.
pub(crate) fn grpc(mut call: Call) -> Reply {
    let Some(upgrade) = call.upgrade.take() else {
        return Err(ApiError::invalid(messages::NO_UPGRADE));
    };
    let kit = Arc::clone(&call.buildkit);
    tokio::spawn(async move {
        match upgrade.await {
            Ok(io) => super::serve(kit, TokioIo::new(io)).await,
            Err(error) => tracing::debug!(%error, "a builder's client left before the upgrade"),
        }
    });
    Ok(switched("h2c"))
}

pub(super) fn failed<E: Into<Status>>(operation: impl Into<String>) -> impl FnOnce(E) -> Error {
    let operation = operation.into();
    move |status| Error::Session {
        operation,
        reason: status.into().message,
    }
}

impl GrpcSession {
    pub fn client(&self) -> &Client {
        &self.client
    }
}

impl Session for GrpcSession {
    fn key(&self) -> Option<String> {
        (!self.shared_key.is_empty()).then(|| self.shared_key.clone())
    }

    fn sync<'a>(
        &'a self,
        request: LocalRequest,
        into: &'a Path,
        last: Option<Inventory>,
    ) -> BoxFuture<'a, Result<Synced>> {
        async move {
            let mut metadata = vec![("dir-name".to_owned(), request.name.clone())];
            for (key, values) in [
                ("include-patterns", &request.include),
                ("exclude-patterns", &request.exclude),
                ("followpaths", &request.follow),
            ] {
                let plain = |value: &String| {
                    value
                        .bytes()
                        .all(|b| (0x20..0x7f).contains(&b) && b != b'%')
                };
                let encoded = !values.iter().all(plain);
                if encoded {
                    metadata.push((format!("{key}-encoded"), "1".into()));
                }
                for value in values {
                    metadata.push((
                        key.to_owned(),
                        match encoded {
                            true => percent_encoding::utf8_percent_encode(
                                value,
                                percent_encoding::NON_ALPHANUMERIC,
                            )
                            .to_string(),
                            false => value.clone(),
                        },
                    ));
                }
            }
            let operation = format!("reading {:?} of the client", request.name);
            let path = "/moby.filesync.v1.FileSync/DiffCopy";
            let opened = self.client.stream::<Packet>(path, &metadata).await;
            let (sender, incoming) = opened.map_err(failed(&operation))?;
            super::received::received(sender, incoming, operation, into, last).await
        }
        .boxed()
    }

    fn secret<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>>> {
        async move {
            let request = wire::GetSecretRequest { id: id.to_owned() };
            let path = "/moby.buildkit.secrets.v1.Secrets/GetSecret";
            match self
                .client
                .unary::<_, wire::GetSecretResponse>(path, &request)
                .await
            {
                Ok(answer) => Ok(Some(answer.data)),
                Err(status) if status.is_missing() => Ok(None),
                Err(status) => Err(failed(format!("asking for secret {id}"))(status)),
            }
        }
        .boxed()
    }

    fn agent<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Box<dyn Duplex>>>> {
        async move {
            let request = wire::CheckAgentRequest { id: id.to_owned() };
            let path = "/moby.sshforward.v1.SSH/CheckAgent";
            match self
                .client
                .unary::<_, wire::CheckAgentResponse>(path, &request)
                .await
            {
                Ok(_) => {}
                Err(status) if status.is_missing() => return Ok(None),
                Err(status) => return Err(failed(format!("asking for agent {id}"))(status)),
            }
            let metadata = [("buildkit.ssh.id".to_owned(), id.to_owned())];
            let path = "/moby.sshforward.v1.SSH/ForwardAgent";
            let opened = self
                .client
                .stream::<wire::BytesMessage>(path, &metadata)
                .await;
            let (sender, incoming) = opened.map_err(failed(format!("opening agent {id}")))?;
            let (near, far) = tokio::io::duplex(AGENT_BYTES);
            tokio::spawn(forward(far, sender, incoming));
            Ok(Some(Box::new(near) as Box<dyn Duplex>))
        }
        .boxed()
    }

    fn credentials<'a>(&'a self, domain: &'a str) -> BoxFuture<'a, Result<Option<Credentials>>> {
        async move {
            let host = match domain {
                "docker.io" => "registry-1.docker.io",
                other => other,
            };
            let request = wire::CredentialsRequest {
                host: host.to_owned(),
            };
            let path = "/moby.filesync.v1.Auth/Credentials";
            let answer = match self
                .client
                .unary::<_, wire::CredentialsResponse>(path, &request)
                .await
            {
                Ok(answer) => answer,
                Err(status) if status.is_missing() => return Ok(None),
                Err(status) => {
                    return Err(failed(format!("asking for credentials of {domain}"))(
                        status,
                    ));
                }
            };
            let wire::CredentialsResponse { username, secret } = answer;
            if username.is_empty() && secret.is_empty() {
                return Ok(None);
            }
            let mut credentials = Credentials {
                server_address: domain.to_owned(),
                ..Credentials::default()
            };
            match username.is_empty() {
                true => credentials.identity_token = corten_base::Redacted::new(secret),
                false => {
                    credentials.username = username;
                    credentials.password = corten_base::Redacted::new(secret);
                }
            }
            Ok(Some(credentials))
        }
        .boxed()
    }

    fn store(&self, id: &str) -> Result<Arc<dyn BlobStore>> {
        Ok(Arc::new(ClientStore::new(self.client.clone(), id)))
    }

    fn upload<'a>(
        &'a self,
        path: &'a str,
    ) -> BoxFuture<'a, Result<Box<dyn AsyncRead + Send + Unpin>>> {
        async move {
            let operation = "reading the context that the client sends";
            let metadata = [
                ("urlpath".to_owned(), path.to_owned()),
                ("urlhost".to_owned(), "buildkit-session".to_owned()),
            ];
            let opened = self
                .client
                .stream::<wire::BytesMessage>("/moby.upload.v1.Upload/Pull", &metadata)
                .await;
            let (sender, mut incoming) = opened.map_err(failed(operation))?;
            drop(sender);
            let (near, mut far) = tokio::io::duplex(UPLOAD_BYTES);
            tokio::spawn(async move {
                // A client that breaks off leaves an archive without its end: that is told
                // by who reads it.
                while let Ok(Some(message)) = incoming.next::<wire::BytesMessage>().await {
                    if far.write_all(&message.data).await.is_err() {
                        return;
                    }
                }
            });
            Ok(Box::new(near) as Box<dyn AsyncRead + Send + Unpin>)
        }
        .boxed()
    }
}

/// Bytes between an agent's socket and the client.
async fn forward(
    far: tokio::io::DuplexStream,
    sender: mpsc::Sender<wire::BytesMessage>,
    mut incoming: Incomings,
) {
    let (mut read, mut write) = tokio::io::split(far);
    let up = async move {
        let mut piece = vec![0; AGENT_BYTES];
        while let Ok(length @ 1..) = read.read(&mut piece).await {
            let data = piece[..length].to_vec();
            if sender.send(wire::BytesMessage { data }).await.is_err() {
                return;
            }
        }
    };
    let down = async move {
        while let Ok(Some(message)) = incoming.next::<wire::BytesMessage>().await {
            if write.write_all(&message.data).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = up => {}
        () = down => {}
    }
}
