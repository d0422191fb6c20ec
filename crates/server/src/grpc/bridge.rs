//! `moby.buildkit.v1.frontend.LLBBridge`: the client drives its build by these calls.

use super::{
    BuildKit, control, inputs,
    jobs::{Job, Results},
    lint, options, questions,
    shared_session::SharedSession,
    status::Status,
};
use corten_build::{BuildResult, Failure};
use corten_buildkit::gateway::{
    ApiCap, EvaluateRequest, EvaluateResponse, GatewayResult, InputsRequest, InputsResponse,
    PingRequest, PongResponse, Ref, RefMap, ReturnRequest, ReturnResponse, SolveRequest,
    SolveResponse, WarnRequest, WarnResponse,
};
use std::{collections::HashMap, sync::Arc};

/// What this service can do, in BuildKit's words.
const CAPABILITIES: [&str; 12] = [
    "solve.base",
    "solve.inlinereturn",
    "return",
    "returnmap",
    "importcaches",
    "proto.refarray",
    "reference.output",
    "frontend.inputs",
    "gateway.solve.metadata",
    "frontend.caps",
    "gateway.solve.evaluate",
    "gateway.evaluate",
];

/// What graphs may have, as clients assume it of builders that do not say; then what
/// clients look for before they ask for attestations, annotations and several outputs.
const GRAPHS: [&str; 33] = [
    "source.image",
    "source.local",
    "source.local.unique",
    "source.local.sessionid",
    "source.local.includepatterns",
    "source.local.followpaths",
    "source.local.excludepatterns",
    "source.local.sharedkeyhint",
    "source.git",
    "source.git.keepgitdir",
    "source.git.fullurl",
    "source.http",
    "source.http.checksum",
    "source.http.perm",
    "soruce.http.uidgid",
    "source.buildop.llbfilename",
    "exec.meta.base",
    "exec.meta.proxyenv",
    "exec.mount.bind",
    "exec.mount.cache",
    "exec.mount.cache.sharing",
    "exec.mount.selector",
    "exec.mount.tmpfs",
    "exec.mount.secret",
    "constraints",
    "platform",
    "meta.ignorecache",
    "meta.description",
    "meta.exportcache",
    "exporter.image.annotations",
    "exporter.image.attestations",
    "exporter.sourcedateepoch",
    "exporter.multiple",
];

/// Where a result's platforms are told.
const PLATFORMS: &str = "refs.platforms";

pub(super) async fn ping(_kit: &BuildKit, _request: PingRequest) -> Result<PongResponse, Status> {
    let cap = |name: &&str| ApiCap {
        id: (*name).to_owned(),
        enabled: true,
    };
    Ok(PongResponse {
        frontend_api_caps: CAPABILITIES.iter().map(cap).collect(),
        llb_caps: GRAPHS.iter().map(cap).collect(),
        workers: vec![control::worker()],
    })
}

/// Builds for a client that makes no calls of its own.
pub(super) async fn build(
    kit: &BuildKit,
    job: &Arc<Job>,
    asked: &SolveRequest,
) -> Result<Results, Status> {
    let (list, several) = built(kit, job, asked).await?;
    Ok(Results {
        list: list.into_iter().map(Arc::new).collect(),
        several,
        ..Results::default()
    })
}

/// The answer to a question, as text for a client that makes no calls of its own.
pub(super) async fn answer(
    kit: &BuildKit,
    job: &Arc<Job>,
    asked: &SolveRequest,
    question: &str,
) -> Result<HashMap<String, String>, Status> {
    if question == "frontend.lint" {
        let found = lint::check(kit, job, asked).await?.into_iter();
        let text = found.map(|(key, value)| (key, String::from_utf8_lossy(&value).into_owned()));
        return Ok(text.collect());
    }
    let answers = questions::answer(kit, job, asked, question)
        .await?
        .into_iter();
    Ok(answers
        .map(|(key, value)| (key, String::from_utf8_lossy(&value).into_owned()))
        .collect())
}

/// What the Dockerfile of a build says of itself, and its text.
pub(super) async fn described(
    kit: &BuildKit,
    job: &Arc<Job>,
    asked: &SolveRequest,
    question: corten_build::Question,
) -> Result<(corten_build::Described, String), Status> {
    let attrs = &asked.frontend_opt;
    let request = control::request(attrs, &asked.frontend_inputs, job)?;
    let session = SharedSession::open(kit, &job.session, attrs).await?;
    let builder = kit.engine.builder();
    let describing = builder.describe(&request, question, &session, &job.progress);
    Box::pin(describing)
        .await
        .map_err(|failure: Failure| Status::of_build(&failure))
}

/// The results, and whether they are those of a list of platforms.
async fn built(
    kit: &BuildKit,
    job: &Arc<Job>,
    asked: &SolveRequest,
) -> Result<(Vec<BuildResult>, bool), Status> {
    let (list, several) = attempted(kit, job, asked, false).await?;
    let list = list.map_err(|failure| Status::of_build(&failure))?;
    Ok((list, several))
}

/// The same, with what a build that fails tells.
pub(super) async fn attempted(
    kit: &BuildKit,
    job: &Arc<Job>,
    asked: &SolveRequest,
    check_only: bool,
) -> Result<(Result<Vec<BuildResult>, Failure>, bool), Status> {
    let (frontend, attrs) = (asked.frontend.as_str(), &asked.frontend_opt);
    // The front end is built in; its images on Docker's hub are the same language.
    let ours = frontend == "dockerfile.v0"
        || (frontend == "gateway.v0"
            && attrs.get("source").is_some_and(|it| {
                it.contains("docker/dockerfile:1") || it.ends_with("docker/dockerfile")
            }));
    if !ours {
        return Err(Status::unimplemented(format!(
            "front end {frontend:?} is not supported by Corten"
        )));
    }
    let mut request = control::request(attrs, &asked.frontend_inputs, job)?;
    request.check_only = check_only;
    let session = SharedSession::open(kit, &job.session, attrs).await?;
    let (platforms, several) = options::platforms(attrs)?;
    let builder = kit.engine.builder();
    let building = builder.build_platforms(&request, &platforms, &session, &job.progress);
    Ok((Box::pin(building).await, several))
}

pub(super) async fn solve(
    kit: &BuildKit,
    build: &str,
    request: SolveRequest,
) -> Result<SolveResponse, Status> {
    let job = kit.jobs.get(build).await?;
    if !request.definition.is_empty() {
        return Err(Status::unimplemented(
            "a graph of the client's own is not supported by Corten",
        ));
    }
    let mut metadata = HashMap::new();
    let mut single = None;
    let mut by_platform = None;
    match request.frontend_opt.get("requestid").map(String::as_str) {
        None | Some("") => {
            let (list, several) = built(kit, &job, &request).await?;
            metadata.insert(PLATFORMS.to_owned(), platforms(&list));
            let mut refs = HashMap::new();
            for result in list {
                let platform = result.platform.to_string();
                let config = serde_json::to_vec(&result.config)
                    .map_err(|error| Status::internal(error.to_string()))?;
                let key = match several {
                    true => format!("containerimage.config/{platform}"),
                    false => "containerimage.config".to_owned(),
                };
                metadata.insert(key, config);
                let definition = Some(inputs::definition(&result));
                let id = job.keep(result);
                refs.insert(platform, Ref { id, definition });
            }
            match several {
                true => by_platform = Some(RefMap { refs }),
                false => single = refs.into_values().next(),
            }
        }
        Some("frontend.lint") => {
            metadata = lint::check(kit, &job, &request).await?;
        }
        Some(other) => metadata = questions::answer(kit, &job, &request, other).await?,
    }
    let reference = single.as_ref().map(|it| it.id.clone()).unwrap_or_default();
    Ok(SolveResponse {
        reference: if request.allow_result_return {
            String::new()
        } else {
            reference
        },
        result: Some(GatewayResult {
            single,
            several: by_platform,
            metadata,
        }),
    })
}

/// The platforms of results in their order, as exporters of BuildKit read them.
fn platforms(list: &[BuildResult]) -> Vec<u8> {
    let platforms: Vec<serde_json::Value> = list
        .iter()
        .map(|it| serde_json::json!({"ID": it.platform.to_string(), "Platform": it.platform}))
        .collect();
    serde_json::json!({ "Platforms": platforms })
        .to_string()
        .into_bytes()
}

/// `Return`: the build is over for the client; `Control.Solve` goes on from here.
pub(super) async fn done(
    kit: &BuildKit,
    build: &str,
    request: ReturnRequest,
) -> Result<ReturnResponse, Status> {
    let job = kit.jobs.get(build).await?;
    let returned = match (request.error, request.result) {
        (Some(error), _) => Err(Status::from_rpc(error)),
        (None, Some(result)) => Ok(returned(&job, result)?),
        (None, None) => Ok(Results::default()),
    };
    job.finish(returned)?;
    Ok(ReturnResponse {})
}

/// The results that a client names, in the order of their platforms.
fn returned(job: &Job, result: GatewayResult) -> Result<Results, Status> {
    let find = |id: &str| {
        let missing = || Status::not_found(format!("no such ref: {id}"));
        job.result(id).ok_or_else(missing)
    };
    if let Some(single) = result.single.filter(|it| !it.id.is_empty()) {
        return Ok(Results {
            list: vec![find(&single.id)?],
            several: false,
            ..Results::default()
        });
    }
    let refs = result.several.unwrap_or_default().refs;
    let told = result.metadata.get(PLATFORMS);
    let told = told.and_then(|json| serde_json::from_slice::<serde_json::Value>(json).ok());
    let told = told.unwrap_or_default();
    let place = |platform: &String| {
        let list = told["Platforms"].as_array();
        list.and_then(|list| list.iter().position(|it| it["ID"] == **platform))
    };
    let mut refs: Vec<_> = refs
        .into_iter()
        .filter(|(_, it)| !it.id.is_empty())
        .collect();
    refs.sort_by_key(|(platform, _)| (place(platform), platform.clone()));
    let list = refs.iter().map(|(_, it)| find(&it.id));
    Ok(Results {
        list: list.collect::<Result<_, _>>()?,
        several: true,
        ..Results::default()
    })
}

pub(super) async fn no_inputs(_request: InputsRequest) -> Result<InputsResponse, Status> {
    Ok(InputsResponse {})
}

/// Results are solved before they are handed out.
pub(super) async fn evaluate(_request: EvaluateRequest) -> Result<EvaluateResponse, Status> {
    Ok(EvaluateResponse {})
}

pub(super) async fn warn(_request: WarnRequest) -> Result<WarnResponse, Status> {
    Err(Status::unimplemented(
        "warnings of the client's own are not supported by Corten",
    ))
}
