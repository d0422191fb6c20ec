//! Where a result goes: the image store, a registry, or the client as an archive or file by
//! file.

use super::{
    BuildKit,
    export_files::{send_tar, to_directory, to_tar},
    export_options::ImageOptions,
    jobs::{Job, Results},
    sessions,
    status::Status,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use corten_build::{Artifact, BuildResult, Stamp};
use corten_buildkit::control::Exporter;
use std::{collections::HashMap, sync::Arc};

/// What the exporter answers the client.
pub(super) type Answer = HashMap<String, String>;

/// Takes results to where one exporter says.
pub(super) async fn export(
    kit: &BuildKit,
    job: &Job,
    results: &Results,
    index: usize,
    exporter: &Exporter,
) -> Result<Answer, Status> {
    match exporter.kind.as_str() {
        "moby" | "image" => to_store(kit, job, results, exporter).await,
        "docker" | "oci" => to_archive(kit, job, results, index, exporter).await,
        "tar" => to_tar(kit, job, results, index, exporter).await,
        "local" => to_directory(kit, job, results, index, exporter).await,
        other => Err(Status::unknown(format!(
            "exporter {other:?} could not be found"
        ))),
    }
}

/// The results as the exporter is asked for them: squashed, and their times brought back.
async fn shaped(
    kit: &BuildKit,
    job: &Job,
    results: &Results,
    options: &ImageOptions,
) -> Result<Results, Status> {
    let mut list = Vec::new();
    for result in &results.list {
        let builder = kit.engine.builder();
        let result = &match options.squash {
            true => builder.squashed(result, &job.progress).await,
            false => Ok(Arc::clone(result)),
        }
        .map_err(|error| Status::of(&error))?;
        let epoch = options.epoch.or(result.source_date_epoch);
        let wanted = options.epoch.is_some() || options.rewrite_timestamp;
        let Some(epoch) = epoch.filter(|_| wanted) else {
            if wanted {
                let text = "rewrite-timestamp is specified, but no source-date-epoch was found";
                job.progress.warn(text).await;
            }
            list.push(Arc::clone(result));
            continue;
        };
        let stamp = Stamp {
            epoch,
            layers: options.rewrite_timestamp,
        };
        let stamping = builder.stamped(result, stamp, &job.progress).await;
        list.push(stamping.map_err(|error| Status::of(&error))?);
    }
    Ok(Results {
        list,
        said: results.said.clone(),
        several: results.several,
    })
}

/// To the image store, and to registries.
async fn to_store(
    kit: &BuildKit,
    job: &Job,
    results: &Results,
    exporter: &Exporter,
) -> Result<Answer, Status> {
    let options = ImageOptions::read(exporter)?;
    let results = &shaped(kit, job, results, &options).await?;
    let engine = &kit.engine;
    let failed = |error: corten_build::Error| Status::of(&error);
    let mut answer = HashMap::new();
    if !options.names.is_empty() {
        answer.insert(
            "image.name".to_owned(),
            corten_build::shown_names(&options.names).join(","),
        );
    }
    // Under a name this machine has the image that runs here.
    let host = corten_oci::Platform::host();
    let best = |it: &&Arc<BuildResult>| host.preference(&it.platform).unwrap_or(usize::MAX);
    let kept = results.list.iter().min_by_key(best);
    let kept = kept.filter(|_| !options.no_store);
    let is_artifact =
        options.is_artifact || results.several || options.no_store || results.is_talked_about();
    let push = options.push || options.push_by_digest;
    let names = match options.push_by_digest {
        true => &[][..],
        false => &options.names[..],
    };
    // Images for several platforms, and what is said about them, are kept under their names.
    let is_index = results.list.len() > 1 || results.is_talked_about();
    let keeps_index = kept.is_some() && is_index && !names.is_empty();
    let mut artifact = None;
    if keeps_index || push && (is_artifact || options.push_by_digest) {
        let request = options.request(&results.list, &results.said, results.several)?;
        let builder = engine.builder();
        let title = "exporting manifests";
        let made = match push {
            false => Box::pin(builder.make_artifact(request, &job.progress, title)).await,
            true => {
                let session = kit.sessions.get(&job.session).await?;
                let progress = &job.progress;
                let making =
                    builder.make_artifact_to_push(request, keeps_index, &*session, progress, title);
                Box::pin(making).await
            }
        };
        artifact = Some(made.map_err(failed)?);
    }
    if let Some(kept) = kept {
        let builder = engine.builder();
        let own = match keeps_index {
            true => &[][..],
            false => names,
        };
        let exporting = builder.export_image(kept, own, Some(&job.reference), &job.progress);
        let id = Box::pin(exporting).await.map_err(failed)?;
        let mut digest = id.to_string();
        if let Some(made) = artifact.take_if(|_| keeps_index) {
            digest = made.root.digest.to_string();
            let naming = builder.name_artifact(made, &id, names, &job.progress);
            artifact = Some(Box::pin(naming).await.map_err(failed)?);
        }
        engine.image_built(&id, names);
        answer.insert("containerimage.digest".to_owned(), digest);
        answer.insert("containerimage.config.digest".to_owned(), id.to_string());
    }
    if push {
        let session = kit.sessions.get(&job.session).await?;
        if let Some(artifact) = artifact {
            let builder = engine.builder();
            let by_digest = options.push_by_digest;
            let pushing = builder.push_artifact(&artifact, by_digest, &*session, &job.progress);
            Box::pin(pushing).await.map_err(failed)?;
            tell_root(&mut answer, &artifact, results.several);
        } else {
            let pushing = engine
                .builder()
                .push(&options.names, &*session, &job.progress);
            Box::pin(pushing).await.map_err(failed)?;
        }
    }
    Ok(answer)
}

/// To the client, as one archive.
async fn to_archive(
    kit: &BuildKit,
    job: &Job,
    results: &Results,
    index: usize,
    exporter: &Exporter,
) -> Result<Answer, Status> {
    let options = ImageOptions::read(exporter)?;
    let results = &shaped(kit, job, results, &options).await?;
    let list = &results.list[..];
    if exporter.kind == "docker" && list.len() > 1 {
        return Err(Status::unknown(
            "docker exporter does not currently support exporting manifest lists",
        ));
    }
    // An archive of Docker's has no place for what is said.
    let said = match exporter.kind.as_str() {
        "oci" => &results.said[..],
        _ => &[],
    };
    let session = kit.sessions.get(&job.session).await?;
    let engine = &kit.engine;
    let title = match exporter.kind.as_str() {
        "oci" => "exporting to oci image format",
        _ => "exporting to docker image format",
    };
    if exporter.kind == "docker" && !options.is_artifact {
        let tar = engine.build_export_image_tar(&list[0], &options.names);
        let tar = tar.map_err(|error| Status::of(&error))?;
        let sending = uncounted(send_tar(session.client(), index, tar));
        told(job, list, title, "sending tarball", sending).await?;
        return Ok(HashMap::new());
    }
    let request = options.request(list, said, results.several && exporter.kind == "oci")?;
    let making = engine
        .builder()
        .make_artifact(request, &job.progress, title);
    let artifact = Box::pin(making).await.map_err(|error| Status::of(&error))?;
    let mut answer = HashMap::new();
    tell_root(&mut answer, &artifact, list.len() > 1);
    if !options.names.is_empty() {
        answer.insert(
            "image.name".to_owned(),
            corten_build::shown_names(&options.names).join(","),
        );
    }
    let tar = engine.build_export_artifact(artifact);
    let sending = uncounted(send_tar(session.client(), index, tar));
    told(job, list, "sending tarball", "sending tarball", sending).await?;
    Ok(answer)
}

/// An archive's bytes are not shown, as by BuildKit.
async fn uncounted(sending: impl Future<Output = Result<u64, Status>>) -> Result<u64, Status> {
    sending.await.map(|_| 0)
}

/// What the client is told of manifests.
fn tell_root(answer: &mut Answer, artifact: &Artifact, several: bool) {
    let root = &artifact.root;
    answer.insert("containerimage.digest".into(), root.digest.to_string());
    answer.remove("containerimage.config.digest");
    if !several {
        let config = artifact.config.to_string();
        answer.insert("containerimage.config.digest".into(), config);
    }
    if let Ok(descriptor) = serde_json::to_vec(root) {
        let text = STANDARD.encode(descriptor);
        answer.insert("containerimage.descriptor".into(), text);
    }
}

pub(super) async fn told(
    job: &Job,
    results: &[Arc<BuildResult>],
    title: &str,
    piece: &str,
    work: impl Future<Output = Result<u64, Status>>,
) -> Result<(), Status> {
    let told = corten_build::tell_export(results, &job.progress, title, piece, async {
        work.await.map_err(|status| sessions::failed(piece)(status))
    });
    Box::pin(told).await.map_err(|error| Status::of(&error))
}
