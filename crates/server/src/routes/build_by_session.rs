//! `POST /build?version=2`: BuildKit for clients before buildx. Their files come over a
//! session or a request of their own, progress goes out as BuildKit's messages.
//!
//! ```text
//! client 20.10                                     server
//!   POST /session                           ──▶    asks for files, secrets, credentials
//!   POST /build?buildid=upload-request:B    ──▶    (a context from standard input only)
//!   POST /build?version=2&buildid=B         ──▶
//!     {"id":"moby.buildkit.trace","aux":…}  ◀──    base64 of a StatusResponse, many
//!     {"id":"moby.image.id","aux":{"ID":…}} ◀──    or an error, at the end
//! ```
//!
//! Programs such as dockerode send the context with the request itself, and have no session.

use super::build;
use crate::{
    error::ApiError,
    grpc::{Ask, BuildKit, Status},
    http::{Call, Query, Reply, stream, stream_of},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use corten_api::{json as wire_json, progress as wire};
use corten_base::Kind;
use corten_build::{ArchiveKind, BuildRequest};
use corten_buildkit::{
    Message as _,
    control::{CacheEntry, CacheOptions, Exporter, SolveRequest, SolveResponse, StatusResponse},
};
use corten_engine::BuildToken;
use futures_util::{
    FutureExt, StreamExt,
    future::BoxFuture,
    stream::{self as streams, BoxStream},
};
use serde::Deserialize;
use std::{collections::HashMap, sync::Arc};

/// The beginning of the ID of a request that carries a context.
const UPLOAD: &str = "upload-request:";
/// Where the exporter tells the image's ID.
const ID: &str = "containerimage.digest";

pub(super) async fn build(mut call: Call) -> Reply {
    let id = call.query.text("buildid").to_owned();
    if let Some(name) = id.strip_prefix(UPLOAD) {
        let sender = call.buildkit.uploads.begin(name);
        let body = stream_of(call.body.take());
        let context = call.engine.build_context(body, ArchiveKind::AsSent);
        // The build may have been given up.
        let _ = sender.send(context.await?);
        return super::ok_empty();
    }
    let (limits, mut request) = match asked(&call.query) {
        Ok(asked) => asked,
        Err(refusal) => {
            let session = call.query.text("session");
            if !session.is_empty() {
                call.buildkit.sessions.answers(session).await;
            }
            return Err(refusal);
        }
    };
    request.reference = match id.is_empty() {
        true => corten_base::Id::random().to_string(),
        false => id.clone(),
    };
    let kit = Arc::clone(&call.buildkit);
    let waits = call.query.text("remote") == "upload-request";
    let sent = match call.query.text("remote") {
        "" => {
            let body = stream_of(call.body.take());
            let context = call.engine.build_context(body, ArchiveKind::AsSent);
            Some(context.await?)
        }
        _ => None,
    };
    let token = call.engine.register_build(&id);
    let reference = request.reference.clone();
    let solving = {
        let kit = Arc::clone(&kit);
        async move {
            let upload = match waits {
                true => Some(kit.uploads.take(&id).await?),
                false => sent,
            };
            let ask = Ask { upload, limits };
            kit.solve(request, ask).await
        }
    };
    let running = Running {
        solving: Some(solving.boxed()),
        told: told(kit, reference),
        ended: None,
        quiet: call.query.flag("q"),
        id: None,
        token,
    };
    let lines = streams::unfold(running, |mut running| async move {
        let message = running.next().await?;
        let mut line = wire_json::to_vec(&message);
        line.extend_from_slice(wire::LINE_END);
        Some((Ok(Bytes::from(line)), running))
    });
    Ok(stream("application/json", lines))
}

/// What is to be built, and within which limits.
fn asked(query: &Query) -> Result<(BuildRequest, SolveRequest), ApiError> {
    Ok((build::request(query)?, request(query)?))
}

/// Everything that the build tells.
fn told(kit: Arc<BuildKit>, reference: String) -> BoxStream<'static, StatusResponse> {
    let log = async move { kit.jobs.get(&reference).await.ok() };
    streams::once(log)
        .filter_map(async |job| job)
        .flat_map(|job| Arc::clone(&job.log).follow())
        .boxed()
}

type Solved = Result<SolveResponse, Status>;

/// A build that goes on while somebody waits here.
struct Running {
    solving: Option<BoxFuture<'static, Solved>>,
    told: BoxStream<'static, StatusResponse>,
    ended: Option<Solved>,
    /// The image's ID is told as text, too, at the very end.
    quiet: bool,
    id: Option<String>,
    token: BuildToken,
}

impl Running {
    async fn next(&mut self) -> Option<wire::Message> {
        while let Some(solving) = &mut self.solving {
            tokio::select! {
                biased;
                Some(event) = self.told.next() => return Some(trace(&event)),
                () = self.token.cancelled() => self.ended = Some(Err(Status::cancelled())),
                done = solving => self.ended = Some(done),
            }
            self.solving = None;
        }
        // What was told before the end.
        if self.ended.is_some()
            && let Some(event) = self.told.next().await
        {
            return Some(trace(&event));
        }
        if let Some(id) = self.id.take() {
            return Some(wire::Message {
                stream: format!("{id}\n"),
                ..wire::Message::default()
            });
        }
        let ended = self.ended.take()?;
        if let (true, Ok(response)) = (self.quiet, &ended) {
            self.id = response.exporter_response.get(ID).cloned();
        }
        Some(last(ended))
    }
}

fn trace(event: &StatusResponse) -> wire::Message {
    wire::Message {
        id: "moby.buildkit.trace".into(),
        aux: Some(STANDARD.encode(event.encode_to_vec()).into()),
        ..wire::Message::default()
    }
}

fn last(ended: Solved) -> wire::Message {
    match ended {
        Ok(response) => {
            let id = response.exporter_response.get(ID);
            wire::Message {
                id: "moby.image.id".into(),
                aux: Some(serde_json::json!({ "ID": id.cloned().unwrap_or_default() })),
                ..wire::Message::default()
            }
        }
        Err(status) => wire::Message {
            error_detail: Some(wire::ErrorDetail {
                message: status.message.clone(),
                ..wire::ErrorDetail::default()
            }),
            error: status.message,
            ..wire::Message::default()
        },
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireOutput {
    #[serde(rename = "Type")]
    kind: String,
    #[serde(default)]
    attrs: Option<HashMap<String, String>>,
}

/// The request in BuildKit's words, as dockerd puts it.
fn request(query: &Query) -> Result<SolveRequest, ApiError> {
    let mut attrs = HashMap::new();
    let mut set = |name: &str, value: &str| {
        if !value.is_empty() {
            attrs.insert(name.to_owned(), value.to_owned());
        }
    };
    set("filename", query.text("dockerfile"));
    set("target", query.text("target"));
    set("platform", query.text("platform"));
    set("cgroup-parent", query.text("cgroupparent"));
    match query.number("shmsize")?.unwrap_or_default() {
        0 => {}
        bytes => set("shm-size", &bytes.to_string()),
    }
    if query.flag("pull") {
        set("image-resolve-mode", "pull");
    }
    match query.text("remote") {
        "client-session" | "upload-request" => {}
        remote => set("context", remote),
    }
    let mut entitlements = Vec::new();
    match query.text("networkmode") {
        "" | "default" => {}
        mode @ ("host" | "none") => {
            set("force-network-mode", mode);
            entitlements.extend((mode == "host").then(|| "network.host".to_owned()));
        }
        other => {
            let sentence = format!("network mode {other:?} not supported by buildkit");
            return Err(ApiError::new(Kind::Internal, sentence));
        }
    }
    let hosts: Vec<String> = build::extra_hosts(query)?
        .iter()
        .map(|host| host.replacen(':', "=", 1))
        .collect();
    set("add-hosts", &hosts.join(","));
    let ulimits: Vec<String> = build::ulimits(query)?
        .iter()
        .map(|it| format!("{}={}:{}", it.name, it.soft, it.hard))
        .collect();
    set("ulimit", &ulimits.join(","));
    if query.flag("nocache") {
        attrs.insert("no-cache".into(), String::new());
    }
    let arguments: HashMap<String, Option<String>> =
        build::parsed::<Option<_>>(query, "buildargs")?.unwrap_or_default();
    let arguments = arguments
        .into_iter()
        .filter_map(|(name, value)| Some((format!("build-arg:{name}"), value?)));
    let labels: Option<HashMap<String, String>> = build::parsed(query, "labels")?;
    let labels = labels.unwrap_or_default();
    let labels = labels
        .into_iter()
        .map(|(name, value)| (format!("label:{name}"), value));
    attrs.extend(arguments.chain(labels));
    let caches: Option<Vec<String>> = build::parsed(query, "cachefrom")?;
    let import = |name: String| CacheEntry {
        kind: "registry".into(),
        attrs: HashMap::from([("ref".to_owned(), name)]),
    };
    Ok(SolveRequest {
        session: query.text("session").to_owned(),
        frontend: "dockerfile.v0".into(),
        frontend_attrs: attrs,
        entitlements,
        exporters: exporters(query)?,
        cache: Some(CacheOptions {
            imports: caches.unwrap_or_default().into_iter().map(import).collect(),
            ..CacheOptions::default()
        }),
        ..SolveRequest::default()
    })
}

fn exporters(query: &Query) -> Result<Vec<Exporter>, ApiError> {
    let outputs: Option<Vec<WireOutput>> = build::parsed(query, "outputs")?;
    let mut outputs = outputs.unwrap_or_default();
    if outputs.len() > 1 {
        let sentence = "multiple outputs not supported";
        return Err(ApiError::new(Kind::Internal, sentence));
    }
    let names = query.all("t").into_iter().filter(|it| !it.is_empty());
    let names = names.collect::<Vec<_>>().join(",");
    let (kind, mut attrs) = match outputs.pop() {
        None => ("moby".to_owned(), HashMap::new()),
        Some(output) if output.kind == "cacheonly" => return Ok(Vec::new()),
        Some(output) => (output.kind, output.attrs.unwrap_or_default()),
    };
    if kind == "moby" && !names.is_empty() {
        attrs.insert("name".into(), names);
    }
    Ok(vec![Exporter { kind, attrs }])
}
