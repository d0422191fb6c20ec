//! `POST /build` and its kin: the classic builder's request and its stream of messages.

use super::{
    build_check,
    build_classic::{self, Classic},
};
use crate::{
    convert,
    error::ApiError,
    http::{Call, Query, Reply, json, stream, stream_of},
};
use bytes::Bytes;
use corten_api::{json as wire_json, progress as wire};
use corten_base::Kind;
use corten_build::{
    ArchiveKind, BuildRequest, CacheSource, ContextSource, Event, Failure, Keep, ProgressReceiver,
    ProgressSender, PullMode, Ulimit,
};
use corten_engine::BuildToken;
use corten_oci::Digest;
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream as streams};
use serde::{Deserialize, de::DeserializeOwned};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

/// Messages of a build with `q` that are kept for when it fails.
const HELD_MAX: usize = 10_000;

/// `POST /build`.
pub(super) async fn build(mut call: Call) -> Reply {
    build_check::before(&call.query)?;
    if call.query.text("version") == "2" {
        return super::build_by_session::build(call).await;
    }
    let request = request(&call.query)?;
    let file = request.filename.clone();
    build_check::dockerfile(&file)?;
    let quiet = call.query.flag("q");
    let names: Vec<String> = call
        .query
        .all("t")
        .into_iter()
        .filter(|name| !name.is_empty())
        .collect();
    let auths = convert::registry_config(&call.headers);
    let token = call.engine.register_build(call.query.text("buildid"));
    let mut classic = Classic::default();
    let context = match call.query.text("remote") {
        "" => {
            let body = stream_of(call.body.take());
            let context = call.engine.build_context(body, ArchiveKind::Rooted).await?;
            ContextSource::Archive(context)
        }
        // Fetched by the builder, with nothing of the request's body.
        remote => {
            classic.remote = Some(remote.to_owned());
            remote_context(remote)?
        }
    };
    let request = BuildRequest {
        context,
        tell_instructions: true,
        ..request
    };
    let arguments = request.arguments.keys().cloned().collect();
    let session = call.engine.request_session(auths);
    let (sender, receiver) = ProgressSender::channel();
    let engine = Arc::clone(&call.engine);
    let tags = names.clone();
    let work = async move { engine.image_build(&request, &session, &tags, &sender).await };
    let mut running = Running {
        work: Some(work.boxed()),
        token,
        receiver,
        lines: VecDeque::new(),
        quiet,
        names,
        told: false,
        failure: None,
        classic,
        held: VecDeque::new(),
        arguments,
        file: file.clone(),
    };
    // What fails before anything is told is a status, as from dockerd.
    let first = running.next().await;
    if let (None, Some(failure)) = (&first, running.failure.take()) {
        return Err(build_check::classic(failure.error, &file));
    }
    let rest = streams::unfold(running, |mut running| async move {
        let line = running.next().await?;
        Some((line, running))
    });
    let lines = streams::iter(first).chain(rest).map(|message| {
        let mut line = wire_json::to_vec(&message);
        line.extend_from_slice(wire::LINE_END);
        Ok(Bytes::from(line))
    });
    Ok(stream("application/json", lines))
}

/// A build and what it has told.
struct Running {
    work: Option<BoxFuture<'static, Result<Digest, Failure>>>,
    token: BuildToken,
    receiver: ProgressReceiver,
    lines: VecDeque<wire::Message>,
    quiet: bool,
    names: Vec<String>,
    told: bool,
    /// Why it failed before it told anything.
    failure: Option<Failure>,
    classic: Classic,
    /// What is told only if the build fails (`q`).
    held: VecDeque<wire::Message>,
    /// Names of the request's arguments.
    arguments: Vec<String>,
    /// The Dockerfile's path.
    file: String,
}

impl Running {
    /// The next message; the build goes on only while somebody waits here.
    async fn next(&mut self) -> Option<wire::Message> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                self.told = true;
                return Some(line);
            }
            let Some(work) = &mut self.work else {
                return match self.receiver.recv().await {
                    Some(event) => {
                        self.tell(event);
                        continue;
                    }
                    None => None,
                };
            };
            tokio::select! {
                biased;
                Some(event) = self.receiver.recv() => self.tell(event),
                () = self.token.cancelled() => {
                    self.work = None;
                    let last = build_classic::failed("context canceled".into(), 0);
                    self.lines.push_back(last);
                }
                done = work => {
                    self.work = None;
                    self.done(done);
                }
            }
        }
    }

    fn tell(&mut self, event: Event) {
        self.classic.take(event);
        self.show();
    }

    /// What may be shown is; with `q` it waits for a failure.
    fn show(&mut self) {
        match self.quiet {
            true => self.held.extend(self.classic.lines()),
            false => self.lines.extend(self.classic.lines()),
        }
        while self.held.len() > HELD_MAX {
            self.held.pop_front();
        }
    }

    fn done(&mut self, done: Result<Digest, Failure>) {
        // What was told before the end is still in the queue.
        while let Ok(event) = self.receiver.try_recv() {
            self.tell(event);
        }
        match done {
            Ok(id) if self.quiet => {
                self.lines.push_back(build_classic::text(format!("{id}\n")));
            }
            Ok(id) => {
                self.classic.built(&id, &self.names, &self.arguments);
                self.show();
            }
            Err(failure) => {
                self.classic.failed(failure.error.location());
                self.show();
                self.lines.append(&mut self.held);
                if !self.told && self.lines.is_empty() {
                    self.failure = Some(failure);
                    return;
                }
                let last = build_classic::failure(failure, &self.file);
                self.lines.push_back(last);
            }
        }
    }
}

/// A repository or the URL of a file, as dockerd's classic builder tells them apart.
fn remote_context(text: &str) -> Result<ContextSource, ApiError> {
    let known = [
        "http://",
        "https://",
        "git://",
        "git@",
        "github.com/",
        "ssh://",
    ];
    match known.iter().any(|scheme| text.starts_with(scheme)) {
        true => Ok(ContextSource::Remote(text.to_owned())),
        false => Err(ApiError::new(
            Kind::Internal,
            format!("remoteURL ({text}) could not be recognized as URL"),
        )),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireUlimit {
    name: String,
    #[serde(default)]
    soft: i64,
    #[serde(default)]
    hard: i64,
}

pub(super) fn parsed<T: DeserializeOwned + Default>(
    query: &Query,
    name: &str,
) -> Result<T, ApiError> {
    match query.text(name) {
        "" => Ok(T::default()),
        text => wire_json::from_slice(text.as_bytes()).map_err(|error| {
            let shown = match name {
                "buildargs" => "build args",
                "ulimits" => "ulimit settings",
                "cachefrom" => "cache-from",
                name => name,
            };
            ApiError::invalid(format!("error reading {shown}: {error}"))
        }),
    }
}

pub(super) fn ulimits(query: &Query) -> Result<Vec<Ulimit>, ApiError> {
    let list: Option<Vec<WireUlimit>> = parsed(query, "ulimits")?;
    let list = list.unwrap_or_default().into_iter();
    Ok(list
        .map(|WireUlimit { name, soft, hard }| Ulimit { name, soft, hard })
        .collect())
}

/// `name:address`, as a list or one parameter each.
pub(super) fn extra_hosts(query: &Query) -> Result<Vec<String>, ApiError> {
    match query.text("extrahosts") {
        text if text.starts_with('[') => parsed(query, "extrahosts"),
        "" => Ok(Vec::new()),
        _ => Ok(query.all("extrahosts")),
    }
}

/// Every parameter of the request, honoured or refused.
pub(super) fn request(query: &Query) -> Result<BuildRequest, ApiError> {
    if query.flag("squash") {
        return Err(ApiError::invalid(
            "squash is only supported with experimental mode",
        ));
    }
    if !query.text("securityopt").is_empty()
        && query.text("securityopt") != "null"
        && query.text("securityopt") != "[]"
    {
        return Err(ApiError::unsupported("security options of a build"));
    }
    let classic = query.text("version") != "2";
    if classic && !matches!(query.text("outputs"), "" | "null" | "[]") {
        return Err(ApiError::unsupported("outputs of a classic build"));
    }
    // `rm` and `forcerm` are about containers of steps, which there are none of.
    let caches: Option<Vec<String>> = parsed(query, "cachefrom")?;
    let number = |name: &str| Ok::<_, ApiError>(query.number(name)?.unwrap_or_default());
    let arguments: Option<BTreeMap<String, Option<String>>> = parsed(query, "buildargs")?;
    let labels: Option<BTreeMap<String, String>> = parsed(query, "labels")?;
    let platform = match query.text("platform") {
        "" => None,
        text => Some(
            text.parse()
                .map_err(|error| ApiError::invalid(format!("{error}")))?,
        ),
    };
    let filename = match query.text("dockerfile") {
        "" => "Dockerfile".to_owned(),
        text => text.to_owned(),
    };
    let pull = if query.flag("pull") {
        PullMode::Always
    } else {
        PullMode::Missing
    };
    Ok(BuildRequest {
        filename,
        cache_from: caches
            .unwrap_or_default()
            .into_iter()
            .map(CacheSource::Local)
            .collect(),
        target: query.text("target").to_owned(),
        arguments: arguments
            .unwrap_or_default()
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect(),
        labels: labels.unwrap_or_default(),
        platform,
        no_cache: query.flag("nocache"),
        pull,
        network: query.text("networkmode").to_owned(),
        extra_hosts: extra_hosts(query)?,
        shm_size_bytes: u64::try_from(number("shmsize")?).unwrap_or_default(),
        ulimits: ulimits(query)?,
        memory_bytes: number("memory")?,
        memory_swap_bytes: number("memswap")?,
        cpu_shares: number("cpushares")?,
        cpu_quota: number("cpuquota")?,
        cpu_period: number("cpuperiod")?,
        cpuset_cpus: query.text("cpusetcpus").to_owned(),
        cpuset_mems: query.text("cpusetmems").to_owned(),
        cgroup_parent: query.text("cgroupparent").to_owned(),
        ..BuildRequest::default()
    })
}

/// `POST /build/prune`.
pub(super) async fn prune(call: Call) -> Reply {
    let filters = call.query.filters()?;
    let bytes = |name: &str| -> Result<u64, ApiError> {
        let number = call.query.number(name).map_err(|wrong| {
            let (text, reason) = (call.query.text(name), wrong.message);
            ApiError::invalid(format!(
                "{name} is in bytes and expects an integer, got {text}: {reason}"
            ))
        })?;
        Ok(number.and_then(|it| it.try_into().ok()).unwrap_or_default())
    };
    let reserved_bytes = match call.query.find("reserved-space") {
        Some(_) => bytes("reserved-space")?,
        None => bytes("keep-storage")?,
    };
    let keep = Keep {
        reserved_bytes,
        max_used_bytes: bytes("max-used-space")?,
        min_free_bytes: bytes("min-free-space")?,
    };
    let report = call
        .engine
        .build_prune(&filters, call.query.flag("all"), keep)
        .await?;
    let deleted = (!report.deleted.is_empty()).then_some(report.deleted);
    json(&serde_json::json!({"CachesDeleted": deleted, "SpaceReclaimed": report.space_reclaimed}))
}

/// `POST /build/cancel`.
pub(super) fn cancel(call: Call) -> Reply {
    let id = call.query.text("id");
    if id.is_empty() {
        return Err(ApiError::invalid("build ID not provided"));
    }
    call.engine.build_cancel(id);
    super::ok_empty()
}
