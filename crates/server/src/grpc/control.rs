//! `moby.buildkit.v1.Control`: builds, their progress, who answers.

use super::{
    BuildKit,
    attest::Attest,
    jobs::{Ask, Job},
    options,
    records::{Records, STARTED},
    status::Status,
    watch::time,
};
use corten_base::Timestamp;
use corten_build::{CachePlace, ContextSource};
use corten_buildkit::control::{
    BuildHistoryRecord, BuildkitVersion, Exporter, InfoRequest, InfoResponse, ListWorkersRequest,
    ListWorkersResponse, Platform, SolveRequest, SolveResponse, StatusRequest, StatusResponse,
    WorkerRecord,
};
use corten_buildkit::{gateway, llb::Definition};
use futures_util::{Stream, StreamExt, stream};
use std::{collections::HashMap, sync::Arc};

/// The front end's version that the builder follows.
const DOCKERFILE: &str = "1.20.0";

pub(super) async fn solve(
    kit: &BuildKit,
    request: SolveRequest,
    ask: Ask,
) -> Result<SolveResponse, Status> {
    let mut running = kit.jobs.begin(&request, ask)?;
    let mut recorded = Recorded {
        records: Arc::clone(&kit.records),
        job: Arc::clone(&running.job),
        internal: request.internal,
        solved: None,
    };
    if !request.internal {
        kit.records.tell(STARTED, running.job.began.clone());
    }
    let solved = solved(kit, &request, &mut running).await;
    recorded.solved = Some(solved.clone());
    solved
}

/// Puts a build on record when it is over, also one whose client has left.
struct Recorded {
    records: Arc<Records>,
    job: Arc<Job>,
    internal: bool,
    solved: Option<Result<SolveResponse, Status>>,
}

impl Drop for Recorded {
    fn drop(&mut self) {
        if self.internal {
            return;
        }
        let solved = self.solved.take();
        let solved = solved.unwrap_or_else(|| Err(Status::cancelled()));
        let mut record = BuildHistoryRecord {
            error: solved.as_ref().err().map(Status::to_rpc),
            completed_at: Some(time(Timestamp::now())),
            exporter_response: solved.map(|it| it.exporter_response).unwrap_or_default(),
            ..self.job.began.clone()
        };
        let attached = self.job.attached();
        attached.iter().for_each(|it| it.list(&mut record));
        let log = Arc::clone(&self.job.log);
        self.records.remember(record, log, attached);
    }
}

/// The same question as a client's own call puts it.
fn asked(request: &SolveRequest) -> gateway::SolveRequest {
    gateway::SolveRequest {
        frontend: request.frontend.clone(),
        frontend_opt: request.frontend_attrs.clone(),
        frontend_inputs: request.frontend_inputs.clone(),
        ..gateway::SolveRequest::default()
    }
}

/// Where the results go; old clients name one in a place of its own.
pub(super) fn exporters(request: &SolveRequest) -> Vec<Exporter> {
    let mut exporters = request.exporters.clone();
    if exporters.is_empty() && !request.exporter_deprecated.is_empty() {
        exporters.push(Exporter {
            kind: request.exporter_deprecated.clone(),
            attrs: request.exporter_attrs_deprecated.clone(),
        });
    }
    exporters
}

async fn solved(
    kit: &BuildKit,
    request: &SolveRequest,
    running: &mut super::jobs::Running<'_>,
) -> Result<SolveResponse, Status> {
    let job = Arc::clone(&running.job);
    let attest = Attest::read(request)?;
    let mut results = match request.frontend.as_str() {
        // The client builds by calls of its own and tells what came of it.
        "" => (&mut running.returned)
            .await
            .map_err(|_| Status::cancelled())??,
        _ if request
            .frontend_attrs
            .get("requestid")
            .is_some_and(|it| !it.is_empty()) =>
        {
            let question = &request.frontend_attrs["requestid"];
            let asked = asked(request);
            let answer = super::bridge::answer(kit, &job, &asked, question);
            let found = Box::pin(answer).await?;
            return Ok(SolveResponse {
                exporter_response: found,
            });
        }
        _ => super::bridge::build(kit, &job, &asked(request)).await?,
    };
    let exporters = exporters(request);
    let mut response = HashMap::new();
    if !results.list.is_empty() {
        if !exporters.is_empty() {
            results.said = super::attest::said(kit, &job, &attest, &results).await?;
        }
        job.attach(super::attachments::of(&job, &results));
        for (index, exporter) in exporters.iter().enumerate() {
            response.extend(super::export::export(kit, &job, &results, index, exporter).await?);
        }
        for target in &job.cache_to.targets {
            let session = kit.sessions.get(&job.session).await?;
            let builder = kit.engine.builder();
            let exporting = builder.export_cache(&results.list, target, &*session, &job.progress);
            let exported = Box::pin(exporting).await;
            let exported = exported.map_err(|error| Status::of(&error))?;
            // The client lists it in the index of its directory.
            let described = exported.and_then(|it| serde_json::to_string(&it).ok());
            let client = matches!(target.place, CachePlace::Client(_));
            if let Some(text) = described.filter(|_| client) {
                response.insert("cache.manifest".to_owned(), text);
            }
        }
    }
    Ok(SolveResponse {
        exporter_response: response,
    })
}

pub(super) async fn status(
    kit: &BuildKit,
    request: StatusRequest,
) -> Result<impl Stream<Item = StatusResponse> + Send + 'static, Status> {
    let reference = request.reference.clone();
    if !kit.jobs.knows(&reference) {
        let records = Arc::clone(&kit.records);
        let reading = tokio::task::spawn_blocking(move || records.log(&reference));
        if let Ok(Some(messages)) = reading.await {
            return Ok(stream::iter(messages).boxed());
        }
    }
    let job = kit.jobs.get(&request.reference).await?;
    Ok(Arc::clone(&job.log).follow().boxed())
}

/// The one worker: this daemon.
pub(super) fn worker() -> WorkerRecord {
    let host = corten_oci::Platform::host();
    WorkerRecord {
        id: "corten".into(),
        labels: HashMap::from([
            (
                "org.mobyproject.buildkit.worker.executor".to_owned(),
                "corten".to_owned(),
            ),
            (
                "org.mobyproject.buildkit.worker.hostname".to_owned(),
                "corten".to_owned(),
            ),
            // What buildx looks for before it asks for several platforms, attestations,
            // caches or a push by the builder.
            (
                "org.mobyproject.buildkit.worker.snapshotter".to_owned(),
                "overlayfs".to_owned(),
            ),
        ]),
        platforms: std::iter::once(host)
            .chain(corten_engine::emulated_platforms())
            .map(|it| Platform {
                architecture: it.architecture,
                os: it.os,
                variant: it.variant.unwrap_or_default(),
            })
            .collect(),
        gc_policy: Vec::new(),
        buildkit_version: Some(version()),
    }
}

fn version() -> BuildkitVersion {
    BuildkitVersion {
        package: "corten".into(),
        version: concat!("v", env!("CARGO_PKG_VERSION"), "-corten").into(),
        revision: String::new(),
        dockerfile_version: DOCKERFILE.into(),
    }
}

pub(super) async fn workers(
    _kit: &BuildKit,
    _request: ListWorkersRequest,
) -> Result<ListWorkersResponse, Status> {
    Ok(ListWorkersResponse {
        record: vec![worker()],
    })
}

pub(super) async fn info(_kit: &BuildKit, _request: InfoRequest) -> Result<InfoResponse, Status> {
    Ok(InfoResponse {
        buildkit_version: Some(version()),
    })
}

/// Options of a build that a client asks for by name.
pub(super) fn request(
    attrs: &HashMap<String, String>,
    inputs: &HashMap<String, Definition>,
    job: &Job,
) -> Result<corten_build::BuildRequest, Status> {
    let asked = options::request(attrs, inputs, &job.entitlements)?;
    let limits = job.ask.limits.clone();
    let mut request = corten_build::BuildRequest {
        memory_bytes: limits.memory_bytes,
        memory_swap_bytes: limits.memory_swap_bytes,
        cpu_shares: limits.cpu_shares,
        cpu_quota: limits.cpu_quota,
        cpu_period: limits.cpu_period,
        cpuset_cpus: limits.cpuset_cpus,
        cpuset_mems: limits.cpuset_mems,
        ..asked
    };
    for source in job
        .cache_from
        .iter()
        .cloned()
        .chain(super::caches::listed(attrs.get("cache-imports")))
    {
        if !request.cache_from.contains(&source) {
            request.cache_from.push(source);
        }
    }
    let on = |value: &String| matches!(value.as_str(), "1" | "true");
    request.inline_cache = job.cache_to.inline
        || request
            .arguments
            .get("BUILDKIT_INLINE_CACHE")
            .is_some_and(on);
    if let Some(upload) = &job.ask.upload {
        request.context = ContextSource::Archive(upload.clone());
        request.dockerfile_context = None;
    }
    Ok(request)
}
