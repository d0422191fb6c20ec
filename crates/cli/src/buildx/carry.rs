//! `buildx history export` and `buildx history import`: builds of the past on their way to
//! another machine.

use super::{
    error,
    history::{self, named},
    tokens,
};
use crate::{app::Call, error::CliError, terminal};
use corten_client::build::{
    BuildHistoryRecord, Control, ImportRequest, ListWorkersRequest, ListWorkersResponse,
    UpdateBuildHistoryRequest, UpdateBuildHistoryResponse,
    bundle::{self, Bundled},
};
use corten_oci::{Digest, Platform};
use std::{
    fs::{self, File},
    io::{self, Read, Write},
};

/// `buildx history export`.
pub async fn export(call: &Call<'_>) -> Result<u8, CliError> {
    crate::build::refuse_builder(call)?;
    let all = call.parsed.is_on("all");
    if all && !call.parsed.args.is_empty() {
        return Err(error("cannot specify refs when using --all"));
    }
    let output = call.parsed.text("output");
    if output.is_empty() && terminal::terminals().output {
        return Err(error(
            "refusing to write to console, use --output to specify a file",
        ));
    }
    let mut control = call.client().await?.control().await?;
    let mut records = match all {
        true => history::finished(&mut control).await?,
        false if call.parsed.args.is_empty() => vec![named(&mut control, "").await?],
        false => Vec::new(),
    };
    for name in &call.parsed.args {
        records.push(named(&mut control, name).await?);
    }
    if records.is_empty() {
        return Err(error("no records found"));
    }
    let mut builds = Vec::new();
    for record in records {
        if record.completed_at.is_none() {
            let name = &record.reference;
            return Err(error(&format!("no record found for ref {name:?}")));
        }
        let record = match call.parsed.is_on("finalize") && record.trace.is_none() {
            true => finalized(&mut control, &record.reference).await?,
            false => record,
        };
        builds.push(bundled(&mut control, record).await?);
    }
    let platform = platform(&mut control).await?;
    let packed = bundle::pack(&builds, &platform);
    let bytes = packed.map_err(|why| error(&format!("failed to export: {why}")))?;
    if output.is_empty() {
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(&bytes).and_then(|()| stdout.flush());
        return written.map(|()| 0).map_err(|_| CliError::Closed);
    }
    fs::write(output, bytes).map_err(|why| {
        let why = CliError::open(output, &why);
        error(&format!("failed to create output file {output:?}: {why}"))
    })?;
    Ok(0)
}

/// Has an engine that is still writing a trace finish it.
async fn finalized(control: &mut Control, name: &str) -> Result<BuildHistoryRecord, CliError> {
    let request = UpdateBuildHistoryRequest {
        reference: name.to_owned(),
        finalize: true,
        ..UpdateBuildHistoryRequest::default()
    };
    let _: UpdateBuildHistoryResponse = control.ask("UpdateBuildHistory", &request).await?;
    named(control, name).await
}

/// A record with its blobs, and without what is nobody else's business.
async fn bundled(
    control: &mut Control,
    mut record: BuildHistoryRecord,
) -> Result<Bundled, CliError> {
    if let Some(caches) = record.frontend_attrs.get_mut("cache-imports") {
        *caches = tokens::places_of_caches(caches);
    }
    let mut blobs = std::collections::HashMap::new();
    let digests: Vec<String> = record.blobs().map(|it| it.digest.clone()).collect();
    for digest in digests {
        let bytes = control.blob(&digest).await?;
        blobs.insert(digest, bytes);
    }
    if let Some(trace) = &mut record.trace
        && let Some(bytes) = blobs.remove(&trace.digest)
    {
        let clean = tokens::trace_without_tokens(&bytes);
        let clean = clean.map_err(|why| error(&format!("failed to sanitize trace: {why}")))?;
        trace.digest = Digest::of(&clean).to_string();
        trace.size = clean.len() as i64;
        blobs.insert(trace.digest.clone(), clean);
    }
    Ok(Bundled { record, blobs })
}

/// What the engine builds for unless it is told otherwise.
async fn platform(control: &mut Control) -> Result<String, CliError> {
    let request = ListWorkersRequest::default();
    let workers: ListWorkersResponse = control.ask("ListWorkers", &request).await?;
    let first = workers
        .record
        .into_iter()
        .flat_map(|it| it.platforms)
        .next();
    let platform = first.map(|it| Platform {
        architecture: it.architecture,
        os: it.os,
        variant: Some(it.variant).filter(|it| !it.is_empty()),
        ..Platform::host()
    });
    Ok(platform.map_or_else(String::new, |it| it.normalised().to_string()))
}

/// `buildx history import`: the engine remembers the builds of bundles. Prints their names.
pub async fn import(call: &Call<'_>) -> Result<u8, CliError> {
    crate::build::refuse_builder(call)?;
    let mut files: Vec<&str> = call.parsed.all("file").collect();
    if files.is_empty() {
        files.push("-");
    }
    let mut builds = Vec::new();
    for file in files {
        let from: Box<dyn Read> = match file {
            "-" => Box::new(io::stdin()),
            path => Box::new(File::open(path).map_err(|why| {
                let why = CliError::open(path, &why);
                error(&format!("failed to open file {path}: {why}"))
            })?),
        };
        let unpacked = bundle::unpack(from);
        let failed = |why| {
            error(&format!(
                "failed to import build: {}",
                corten_base::chain(&why)
            ))
        };
        builds.extend(unpacked.map_err(failed)?);
    }
    if builds.is_empty() {
        return Err(error("no build records found in the bundle"));
    }
    let mut control = call.client().await?.control().await?;
    for build in builds {
        let name = build.record.reference.clone();
        let request = ImportRequest {
            record: Some(build.record),
            blobs: build.blobs.into_values().collect(),
        };
        if control.import(&request).await?.known {
            call.app
                .warn(&format!("build {name} is in the history already"));
        }
        call.app.line(&name)?;
    }
    Ok(0)
}
