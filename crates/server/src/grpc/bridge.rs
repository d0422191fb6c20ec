//! `moby.buildkit.v1.frontend.LLBBridge`: the client drives its build by these calls.

use super::{BuildKit, control, jobs::Job, status::Status};
use corten_build::{BuildResult, Failure};
use corten_buildkit::gateway::{
    ApiCap, EvaluateRequest, EvaluateResponse, GatewayResult, InputsRequest, InputsResponse,
    PingRequest, PongResponse, Ref, ReturnRequest, ReturnResponse, SolveRequest, SolveResponse,
    WarnRequest, WarnResponse,
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

pub(super) async fn ping(_kit: &BuildKit, _request: PingRequest) -> Result<PongResponse, Status> {
    let cap = |name: &&str| ApiCap {
        id: (*name).to_owned(),
        enabled: true,
    };
    Ok(PongResponse {
        frontend_api_caps: CAPABILITIES.iter().map(cap).collect(),
        llb_caps: Vec::new(),
        workers: vec![control::worker()],
    })
}

/// Builds and keeps the result in the job; answers its name there.
pub(super) async fn build(
    kit: &BuildKit,
    job: &Arc<Job>,
    frontend: &str,
    attrs: &HashMap<String, String>,
) -> Result<String, Status> {
    let result = built(kit, job, frontend, attrs, false).await?;
    Ok(job.keep(result))
}

/// What the checks find, as text for a client that makes no calls of its own.
pub(super) async fn check(
    kit: &BuildKit,
    job: &Arc<Job>,
    frontend: &str,
    attrs: &HashMap<String, String>,
) -> Result<HashMap<String, String>, Status> {
    let result = built(kit, job, frontend, attrs, true).await?;
    let found = lint(&result).into_iter();
    Ok(found
        .map(|(key, value)| (key, String::from_utf8_lossy(&value).into_owned()))
        .collect())
}

async fn built(
    kit: &BuildKit,
    job: &Arc<Job>,
    frontend: &str,
    attrs: &HashMap<String, String>,
    check_only: bool,
) -> Result<BuildResult, Status> {
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
    let mut request = control::request(attrs, job)?;
    request.check_only = check_only;
    let session = kit.sessions.get(&job.session).await?;
    let building = kit
        .engine
        .builder()
        .build(&request, &*session, &job.progress);
    Box::pin(building)
        .await
        .map_err(|failure: Failure| Status::of_build(&failure))
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
    match request.frontend_opt.get("requestid").map(String::as_str) {
        None | Some("") => {
            let result = built(kit, &job, &request.frontend, &request.frontend_opt, false).await?;
            let config = serde_json::to_vec(&result.config)
                .map_err(|error| Status::internal(error.to_string()))?;
            metadata.insert("containerimage.config".to_owned(), config);
            single = Some(Ref {
                id: job.keep(result),
            });
        }
        Some("frontend.lint") => {
            let result = built(kit, &job, &request.frontend, &request.frontend_opt, true).await?;
            metadata = lint(&result);
        }
        Some(other) => {
            return Err(Status::unimplemented(format!(
                "the front end's call {other:?} is not supported by Corten"
            )));
        }
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
            several: None,
            metadata,
        }),
    })
}

/// The checks' findings as the front end's `lint` call tells them.
fn lint(result: &BuildResult) -> HashMap<String, Vec<u8>> {
    let warnings: Vec<serde_json::Value> = result
        .warnings
        .iter()
        .map(|it| {
            serde_json::json!({
                "ruleName": it.rule.name(),
                "description": it.rule.description(),
                "url": it.rule.url(),
                "detail": it.message,
                "location": {
                    "ranges": [{"start": {"line": it.location.start}, "end": {"line": it.location.end}}],
                },
            })
        })
        .collect();
    let source = serde_json::json!({
        "filename": "Dockerfile",
        "language": "Dockerfile",
        "data": base64::Engine::encode(&base64::engine::general_purpose::STANDARD, result.source.join("\n")),
    });
    let found = serde_json::json!({"warnings": warnings, "sources": [source]});
    let mut text = String::new();
    for it in &result.warnings {
        text.push_str(&format!(
            "\nWARNING: {} - {}\n{}\n\nDockerfile:{}\n--------------------\n",
            it.rule.name(),
            it.rule.url(),
            it.message,
            it.location.start
        ));
    }
    HashMap::from([
        ("result.json".to_owned(), found.to_string().into_bytes()),
        ("result.txt".to_owned(), text.into_bytes()),
        ("result.statuscode".to_owned(), b"0".to_vec()),
        ("version".to_owned(), b"1.0.0".to_vec()),
    ])
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
        (
            None,
            Some(GatewayResult {
                single: Some(single),
                ..
            }),
        ) if !single.id.is_empty() => {
            let result = job.result(&single.id);
            Ok(Some(result.ok_or_else(|| {
                Status::not_found(format!("no such ref: {}", single.id))
            })?))
        }
        (
            None,
            Some(GatewayResult {
                several: Some(_), ..
            }),
        ) => {
            return Err(Status::unimplemented(
                "a result of several platforms is not supported by Corten",
            ));
        }
        (None, _) => Ok(None),
    };
    job.finish(returned)?;
    Ok(ReturnResponse {})
}

pub(super) async fn inputs(_request: InputsRequest) -> Result<InputsResponse, Status> {
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
