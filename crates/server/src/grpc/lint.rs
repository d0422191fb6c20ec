//! What the checks of a Dockerfile find, as the front end's `lint` call tells it.

use super::{BuildKit, bridge::attempted, jobs::Job, status::Status};
use base64::{Engine, engine::general_purpose::STANDARD};
use corten_build::{Failure, Location, Warning};
use corten_buildkit::gateway::SolveRequest;

use serde_json::{Value, json};
use std::{collections::HashMap, sync::Arc};

/// Checks a Dockerfile without building it. One that cannot be built is an answer, too: what
/// was found until then, and why.
pub(super) async fn check(
    kit: &BuildKit,
    job: &Arc<Job>,
    asked: &SolveRequest,
) -> Result<HashMap<String, Vec<u8>>, Status> {
    let given = asked.frontend_opt.get("filename").map(String::as_str);
    let filename = given.filter(|it| !it.is_empty()).unwrap_or("Dockerfile");
    // Checks find the same for every platform.
    match attempted(kit, job, asked, true).await?.0 {
        Ok(list) => match list.first() {
            Some(first) => Ok(answer(&first.warnings, &first.source, filename, None)),
            None => Err(Status::internal("a build without a result")),
        },
        Err(failure) if failure.source.is_empty() => Err(Status::of_build(&failure)),
        Err(failure) => Ok(answer(
            &failure.warnings,
            &failure.source,
            filename,
            Some(&failure),
        )),
    }
}

fn lines(at: Location) -> Value {
    json!({"ranges": [{"start": {"line": at.start}, "end": {"line": at.end}}]})
}

fn answer(
    warnings: &[Warning],
    source: &[String],
    filename: &str,
    failure: Option<&Failure>,
) -> HashMap<String, Vec<u8>> {
    let told = warnings.iter().map(|it| {
        json!({
            "ruleName": it.rule.name(),
            "description": it.rule.description(),
            "url": it.rule.url(),
            "detail": it.message,
            "location": lines(it.location),
        })
    });
    let mut found = json!({
        "warnings": told.collect::<Vec<_>>(),
        "sources": [{
            "filename": filename,
            "language": "Dockerfile",
            "data": STANDARD.encode(source.join("\n")),
        }],
    });
    if let Some(failure) = failure {
        let at = failure.error.location().filter(|at| at.start > 0);
        found["buildError"] = json!({
            "message": corten_base::chain(&failure.error),
            "location": at.map_or_else(|| json!({}), lines),
        });
    }
    // As a program's exit code: whether anything was found.
    let status = match warnings.is_empty() && failure.is_none() {
        true => b"0",
        false => b"1",
    };
    let mut text = String::new();
    for it in warnings {
        text.push_str(&format!(
            "\nWARNING: {} - {}\n{}\n\n{filename}:{}\n--------------------\n",
            it.rule.name(),
            it.rule.url(),
            it.message,
            it.location.start
        ));
    }
    if let Some(failure) = failure {
        text.push_str(&format!(
            "\nERROR: {}\n",
            corten_base::chain(&failure.error)
        ));
    }
    HashMap::from([
        ("result.json".to_owned(), format!("{found:#}").into_bytes()),
        ("result.txt".to_owned(), text.into_bytes()),
        ("result.statuscode".to_owned(), status.to_vec()),
        ("version".to_owned(), b"1.0.0".to_vec()),
    ])
}
