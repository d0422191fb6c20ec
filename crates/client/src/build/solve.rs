//! One build: its session, its call, its progress.

use super::{
    Offer,
    kept::{self, Kept},
};
use crate::{Client, ClientError};
use corten_buildkit::control::{
    CacheEntry, CacheOptions, Exporter, RpcStatus, SolveRequest, SolveResponse, StatusRequest,
    StatusResponse, VertexWarning,
};
use corten_buildkit::{Message, llb::Definition};
use corten_grpc::Failure;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::mpsc;

/// Messages of progress that wait for a slow terminal.
const QUEUE: usize = 1024;
/// Letters of a build's name.
const REFERENCE: usize = 25;
/// The services of the session, as BuildKit wants to know them before.
const METHODS: [&str; 11] = [
    "/containerd.services.content.v1.Content/Info",
    "/containerd.services.content.v1.Content/Read",
    "/containerd.services.content.v1.Content/Write",
    "/grpc.health.v1.Health/Check",
    "/moby.filesync.v1.FileSync/DiffCopy",
    "/moby.filesync.v1.FileSend/DiffCopy",
    "/moby.filesync.v1.Auth/Credentials",
    "/moby.buildkit.secrets.v1.Secrets/GetSecret",
    "/moby.sshforward.v1.SSH/CheckAgent",
    "/moby.sshforward.v1.SSH/ForwardAgent",
    "/moby.upload.v1.Upload/Pull",
];

/// A build of a Dockerfile.
#[derive(Debug, Clone, Default)]
pub struct Build {
    /// What the build is to be called: [`new_reference`].
    pub reference: String,
    /// The front end's options: `filename`, `target`, `build-arg:NAME`, …
    pub options: HashMap<String, String>,
    /// Where the result goes: kinds and options. Nowhere without one.
    pub exporters: Vec<(String, HashMap<String, String>)>,
    /// Caches that are read: kind and options.
    pub cache_from: Vec<(String, HashMap<String, String>)>,
    /// Caches that are written.
    pub cache_to: Vec<(String, HashMap<String, String>)>,
    /// `network.host`, `security.insecure`.
    pub entitlements: Vec<String>,
    /// Names this directory for the engine, which then keeps what it has of it.
    pub shared_key: String,
    /// Results of other builds that are contexts of this one.
    pub inputs: HashMap<String, Definition>,
    /// The result is to become the context of another build.
    pub keep: bool,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Solved {
    /// The build's name.
    pub reference: String,
    /// What the exporter says: `containerimage.digest` and others.
    pub answer: HashMap<String, String>,
    /// The result, where it was to be kept.
    pub kept: Option<Kept>,
    /// What the checks found.
    pub warnings: Vec<VertexWarning>,
}

impl Client {
    /// Builds. Everything the engine tells goes to `told`; dropping the future ends the build.
    ///
    /// # Errors
    /// The connection's, or the build's own sentence.
    pub async fn build(
        &self,
        build: Build,
        offer: Offer,
        told: mpsc::Sender<StatusResponse>,
    ) -> Result<Solved, ClientError> {
        let session = corten_base::Id::random().to_string();
        let mut request = self
            .post("/session")
            .header("x-docker-expose-session-uuid", &session)
            .header("x-docker-expose-session-name", "corten")
            .header("x-docker-expose-session-sharedkey", &build.shared_key);
        for method in METHODS {
            request = request.header("x-docker-expose-session-grpc-method", method);
        }
        let io = request.hijack_as("h2c").await?;
        let offer = Arc::new(offer);
        let serving = corten_grpc::serve(io, Arc::clone(&offer));
        let building = self.solve(build, session, told);
        let solved = tokio::select! {
            done = building => done,
            () = serving => Err(failed(Failure::new(
                Failure::UNAVAILABLE,
                "the engine ended the session",
            ))),
        }?;
        let recorded = offer.record(solved.answer.get("cache.manifest"));
        recorded.map_err(ClientError::Layout)?;
        Ok(solved)
    }

    async fn solve(
        &self,
        mut build: Build,
        session: String,
        told: mpsc::Sender<StatusResponse>,
    ) -> Result<Solved, ClientError> {
        if !build.cache_from.is_empty() {
            // BuildKit's front end looks here, and the engine at both.
            let entries = build.cache_from.iter();
            let entries: Vec<_> = entries
                .map(|(kind, attrs)| serde_json::json!({"Type": kind, "Attrs": attrs}))
                .collect();
            let text = serde_json::Value::from(entries).to_string();
            build.options.insert("cache-imports".into(), text);
        }
        let io = self.post("/grpc").hijack_as("h2c").await?;
        let (client, connection) = corten_grpc::Client::connect(io).await.map_err(failed)?;
        let reference = build.reference.clone();
        let cache = |(kind, attrs)| CacheEntry { kind, attrs };
        let request = SolveRequest {
            reference: reference.clone(),
            session,
            frontend: match build.keep {
                true => String::new(),
                false => "dockerfile.v0".into(),
            },
            frontend_attrs: build.options.clone(),
            frontend_inputs: build.inputs.clone(),
            exporters: build
                .exporters
                .into_iter()
                .map(|(kind, attrs)| Exporter { kind, attrs })
                .collect(),
            entitlements: build.entitlements,
            cache: Some(CacheOptions {
                exports: build.cache_to.into_iter().map(cache).collect(),
                imports: build.cache_from.into_iter().map(cache).collect(),
            }),
            ..SolveRequest::default()
        };
        let status = StatusRequest {
            reference: reference.clone(),
        };
        let slot = Mutex::new(None);
        let mut warnings = Vec::new();
        let work = async {
            let solving =
                client.unary::<_, SolveResponse>("/moby.buildkit.v1.Control/Solve", &request);
            let driving = async {
                if build.keep {
                    // Its failure is the build's, which the other call tells.
                    let (options, inputs) = (build.options, build.inputs);
                    let _ = kept::drive(&client, &reference, options, inputs, &slot).await;
                }
                std::future::pending::<Result<SolveResponse, Failure>>().await
            };
            let solving = async {
                tokio::select! {
                    solved = solving => solved,
                    // Never: what drives a build waits for its end.
                    never = driving => never,
                }
            };
            let mut messages = client
                .ask("/moby.buildkit.v1.Control/Status", &status)
                .map_err(failed)?;
            let telling = async {
                // A build that fails before it begins tells nothing.
                while let Ok(Some(message)) = messages.next::<StatusResponse>().await {
                    warnings.extend_from_slice(&message.warnings);
                    if told.send(message).await.is_err() {
                        break;
                    }
                }
            };
            let (solved, ()) = tokio::join!(solving, telling);
            solved.map_err(failed)
        };
        tokio::select! {
            solved = work => Ok(Solved {
                answer: solved?.exporter_response,
                kept: slot.lock().unwrap_or_else(PoisonError::into_inner).take(),
                reference,
                warnings,
            }),
            () = connection => Err(failed(Failure::new(
                Failure::UNAVAILABLE,
                "the engine ended the connection",
            ))),
        }
    }
}

/// A name for a build that no other one has, as long as those of BuildKit's clients.
pub fn new_reference() -> String {
    let mut reference = corten_base::Id::random().to_string();
    reference.truncate(REFERENCE);
    reference
}

/// Where messages of progress go, and come from.
pub fn progress() -> (mpsc::Sender<StatusResponse>, mpsc::Receiver<StatusResponse>) {
    mpsc::channel(QUEUE)
}

pub(super) fn failed(failure: Failure) -> ClientError {
    let details = RpcStatus::decode(&failure.details[..]).unwrap_or_default();
    let source = details.details.into_iter().find_map(|it| {
        let is_source = it.type_url.ends_with("errdefs.Source+json");
        is_source.then(|| String::from_utf8_lossy(&it.value).into_owned())
    });
    ClientError::Build {
        message: failure.message,
        source_json: source,
    }
}
