//! Where a result goes: the image store, a registry, or the client as an archive or file by
//! file.

use super::{
    BuildKit,
    export_options::{ImageOptions, epoch, switch},
    jobs::{Job, Results},
    sessions,
    status::Status,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use corten_build::{Artifact, BuildResult, Stamp, TreeSend};
use corten_buildkit::{
    control::Exporter,
    fsutil::{self, Packet, Stat},
    session::BytesMessage,
};
use corten_engine::ByteStream;
use corten_grpc::{Client, Files};
use futures_util::StreamExt;
use std::{collections::HashMap, fs::File, io, sync::Arc};

/// The client's service for what comes to it.
const SEND: &str = "/moby.filesync.v1.FileSend/DiffCopy";

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
    let list = &results.list[..];
    match exporter.kind.as_str() {
        "moby" | "image" => to_store(kit, job, results, exporter).await,
        "docker" | "oci" => to_archive(kit, job, results, index, exporter).await,
        "tar" => {
            let epoch = check(exporter)?;
            let session = kit.sessions.get(&job.session).await?;
            let tar = kit.engine.build_export_tar(list, epoch);
            let tar = tar.map_err(|error| Status::of(&error))?;
            let sending = send_tar(session.client(), index, tar);
            let title = "exporting to client tarball";
            told(job, list, title, "sending tarball", sending).await?;
            Ok(HashMap::new())
        }
        "local" => {
            let epoch = check(exporter)?;
            let session = kit.sessions.get(&job.session).await?;
            let sending = async {
                for result in list {
                    let (ours, result) = (Arc::clone(&kit.engine), Arc::clone(result));
                    let under = results.several.then(|| directory_of(&result));
                    let epoch = epoch.or(result.source_date_epoch);
                    let listing = move || ours.build_export_tree(&result);
                    let listing = tokio::task::spawn_blocking(listing);
                    let tree = listing.await.map_err(|_| Status::cancelled())?;
                    let tree = tree.map_err(|error| Status::of(&error))?;
                    send_tree(session.client(), index, tree, under, epoch).await?;
                }
                Ok(())
            };
            let title = "exporting to client directory";
            told(job, list, title, "copying files", sending).await?;
            Ok(HashMap::new())
        }
        other => Err(Status::not_found(format!(
            "exporter {other:?} could not be found"
        ))),
    }
}

/// Where files of a platform go beside those of others.
fn directory_of(result: &BuildResult) -> String {
    corten_engine::platform_directory(&result.platform)
}

/// The results with their times brought back, where the exporter is asked for that.
async fn stamped(
    kit: &BuildKit,
    job: &Job,
    results: &Results,
    options: &ImageOptions,
) -> Result<Results, Status> {
    let mut list = Vec::new();
    for result in &results.list {
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
        let stamping = kit
            .engine
            .builder()
            .stamped(result, stamp, &job.progress)
            .await;
        list.push(stamping.map_err(|error| Status::of(&error))?);
    }
    Ok(Results {
        list,
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
    let results = &stamped(kit, job, results, &options).await?;
    let engine = &kit.engine;
    let failed = |error: corten_build::Error| Status::of(&error);
    let mut answer = HashMap::new();
    if !options.names.is_empty() {
        answer.insert("image.name".to_owned(), options.names.join(","));
    }
    // Under a name this machine has the image that runs here.
    let host = corten_oci::Platform::host();
    let best = |it: &&Arc<BuildResult>| host.preference(&it.platform).unwrap_or(usize::MAX);
    let kept = results.list.iter().min_by_key(best);
    if let Some(kept) = kept.filter(|_| !options.no_store) {
        let names = match options.push_by_digest {
            true => &[][..],
            false => &options.names[..],
        };
        let exporting = engine.builder().export_image(kept, names, &job.progress);
        let id = Box::pin(exporting).await.map_err(failed)?;
        engine.image_built(&id, names);
        answer.insert("containerimage.digest".to_owned(), id.to_string());
        answer.insert("containerimage.config.digest".to_owned(), id.to_string());
    }
    let is_artifact = options.is_artifact || results.several || options.no_store;
    let push = options.push || options.push_by_digest;
    if push {
        let session = kit.sessions.get(&job.session).await?;
        if is_artifact || options.push_by_digest {
            let request = options.request(&results.list, results.several)?;
            let builder = engine.builder();
            let making = builder.make_artifact(request, &job.progress, "exporting manifests");
            let artifact = Box::pin(making).await.map_err(failed)?;
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
    let results = &stamped(kit, job, results, &options).await?;
    let list = &results.list[..];
    if exporter.kind == "docker" && list.len() > 1 {
        return Err(Status::unknown(
            "docker exporter does not currently support exporting manifest lists",
        ));
    }
    let session = kit.sessions.get(&job.session).await?;
    let engine = &kit.engine;
    let title = match exporter.kind.as_str() {
        "oci" => "exporting to oci image format",
        _ => "exporting to docker image format",
    };
    if exporter.kind == "docker" && !options.is_artifact {
        let tar = engine.build_export_image_tar(&list[0], &options.names);
        let tar = tar.map_err(|error| Status::of(&error))?;
        let sending = send_tar(session.client(), index, tar);
        told(job, list, title, "sending tarball", sending).await?;
        return Ok(HashMap::new());
    }
    let request = options.request(list, results.several && exporter.kind == "oci")?;
    let making = engine
        .builder()
        .make_artifact(request, &job.progress, title);
    let artifact = Box::pin(making).await.map_err(|error| Status::of(&error))?;
    let mut answer = HashMap::new();
    tell_root(&mut answer, &artifact, list.len() > 1);
    if !options.names.is_empty() {
        answer.insert("image.name".to_owned(), options.names.join(","));
    }
    let tar = engine.build_export_artifact(artifact);
    let sending = send_tar(session.client(), index, tar);
    told(job, list, "sending tarball", "sending tarball", sending).await?;
    Ok(answer)
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

async fn told(
    job: &Job,
    results: &[Arc<BuildResult>],
    title: &str,
    piece: &str,
    work: impl Future<Output = Result<(), Status>>,
) -> Result<(), Status> {
    let told = corten_build::tell_export(results, &job.progress, title, piece, async {
        work.await.map_err(|status| sessions::failed(piece)(status))
    });
    Box::pin(told).await.map_err(|error| Status::of(&error))
}

/// Options of exporters of files are honoured, or refused by name. Answers the time that
/// all files get, if one is given.
fn check(exporter: &Exporter) -> Result<Option<i64>, Status> {
    let kind = exporter.kind.as_str();
    let mut at = None;
    for (key, value) in &exporter.attrs {
        match key.as_str() {
            "dest" => {}
            "source-date-epoch" => at = epoch(key, value)?,
            "platform-split" if switch(key, value)? => {}
            other => {
                return Err(Status::unimplemented(format!(
                    "the option {other:?} of exporter {kind:?} is not supported by Corten"
                )));
            }
        }
    }
    Ok(at)
}

fn metadata(index: usize) -> [(String, String); 1] {
    [(
        "buildkit-attachable-exporter-id".to_owned(),
        index.to_string(),
    )]
}

async fn send_tar(client: &Client, index: usize, mut tar: ByteStream) -> Result<(), Status> {
    let (sender, mut incoming) = client
        .stream::<BytesMessage>(SEND, &metadata(index))
        .await?;
    while let Some(piece) = tar.next().await {
        let piece = piece.map_err(|error| Status::unknown(error.to_string()))?;
        let data = piece.to_vec();
        if sender.send(BytesMessage { data }).await.is_err() {
            break;
        }
    }
    drop(sender);
    while incoming.next::<BytesMessage>().await?.is_some() {}
    Ok(())
}

/// Sends a tree file by file, into a directory of the client's if one is named.
async fn send_tree(
    client: &Client,
    index: usize,
    tree: TreeSend,
    under: Option<String>,
    epoch: Option<i64>,
) -> Result<(), Status> {
    let (sender, incoming) = client.stream::<Packet>(SEND, &metadata(index)).await?;
    let mut list: Vec<Stat> = tree.files().iter().map(sessions::stat).collect();
    if let Some(epoch) = epoch {
        let at = epoch.saturating_mul(1_000_000_000);
        list.iter_mut().for_each(|stat| stat.mod_time = at);
    }
    if let Some(directory) = &under {
        for stat in &mut list {
            stat.path = format!("{directory}/{}", stat.path);
            // The other name of a file, unless it is what a symbolic link points to.
            if !stat.linkname.is_empty() && stat.mode & fsutil::GO_SYMLINK == 0 {
                stat.linkname = format!("{directory}/{}", stat.linkname);
            }
        }
        let stat = Stat {
            path: directory.clone(),
            mode: fsutil::GO_DIRECTORY | 0o755,
            ..Stat::default()
        };
        list.insert(0, stat);
    }
    let above = u32::from(under.is_some());
    let tree = Arc::new(Tree { list, tree, above });
    Ok(corten_grpc::send_files(tree, sender, incoming).await?)
}

struct Tree {
    list: Vec<Stat>,
    tree: TreeSend,
    /// Entries before those of the tree.
    above: u32,
}

impl Files for Tree {
    fn list(&self) -> &[Stat] {
        &self.list
    }

    fn open(&self, number: u32) -> io::Result<File> {
        let number = number.checked_sub(self.above);
        let number = number.ok_or(io::ErrorKind::IsADirectory)?;
        let opened = self.tree.open(number);
        opened.map_err(|error| io::Error::other(corten_base::chain(&error)))
    }
}
