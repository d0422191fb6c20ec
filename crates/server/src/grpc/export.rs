//! Where a result goes: the image store, a registry, or the client as an archive or file by
//! file.

use super::{BuildKit, jobs::Job, sessions, status::Status};
use corten_build::{BuildResult, TreeSend};
use corten_buildkit::{
    control::Exporter,
    fsutil::{Packet, Stat},
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

pub(super) async fn export(
    kit: &BuildKit,
    job: &Job,
    result: &Arc<BuildResult>,
    index: usize,
    exporter: &Exporter,
) -> Result<Answer, Status> {
    check(exporter)?;
    let names = exporter.attrs.get("name").map(String::as_str);
    let names: Vec<String> = names
        .unwrap_or_default()
        .split(',')
        .filter(|it| !it.is_empty())
        .map(str::to_owned)
        .collect();
    let engine = &kit.engine;
    match exporter.kind.as_str() {
        "moby" | "image" => {
            let exporting = engine.builder().export_image(result, &names, &job.progress);
            let id = Box::pin(exporting).await;
            let id = id.map_err(|error| Status::of(&error))?;
            engine.image_built(&id, &names);
            if is_on(exporter, "push") {
                let session = kit.sessions.get(&job.session).await?;
                let pushing = engine.builder().push(&names, &*session, &job.progress);
                Box::pin(pushing)
                    .await
                    .map_err(|error| Status::of(&error))?;
            }
            let mut answer = HashMap::from([
                ("containerimage.digest".to_owned(), id.to_string()),
                ("containerimage.config.digest".to_owned(), id.to_string()),
            ]);
            if !names.is_empty() {
                answer.insert("image.name".into(), names.join(","));
            }
            Ok(answer)
        }
        kind => {
            let session = kit.sessions.get(&job.session).await?;
            let client = session.client();
            let failed = |error: corten_engine::EngineError| Status::of(&error);
            match kind {
                "tar" => {
                    let tar = engine.build_export_tar(result).map_err(failed)?;
                    let sending = send_tar(client, index, tar);
                    told(
                        job,
                        result,
                        "exporting to client tarball",
                        "sending tarball",
                        sending,
                    )
                    .await?;
                }
                "docker" | "oci" => {
                    let tar = engine.build_export_image_tar(result, &names);
                    let sending = send_tar(client, index, tar.map_err(failed)?);
                    let title = match kind {
                        "oci" => "exporting to oci image format",
                        _ => "exporting to docker image format",
                    };
                    told(job, result, title, "sending tarball", sending).await?;
                }
                _ => {
                    let (ours, result_too) = (Arc::clone(engine), Arc::clone(result));
                    let listing =
                        tokio::task::spawn_blocking(move || ours.build_export_tree(&result_too));
                    let tree = listing.await.map_err(|_| Status::cancelled())?;
                    let sending = send_tree(client, index, tree.map_err(failed)?);
                    told(
                        job,
                        result,
                        "exporting to client directory",
                        "copying files",
                        sending,
                    )
                    .await?;
                }
            }
            Ok(HashMap::new())
        }
    }
}

async fn told(
    job: &Job,
    result: &BuildResult,
    title: &str,
    piece: &str,
    work: impl Future<Output = Result<(), Status>>,
) -> Result<(), Status> {
    let told = corten_build::tell_export(result, &job.progress, title, piece, async {
        work.await.map_err(|status| sessions::failed(piece)(status))
    });
    Box::pin(told).await.map_err(|error| Status::of(&error))
}

fn is_on(exporter: &Exporter, name: &str) -> bool {
    let value = exporter.attrs.get(name);
    value.is_some_and(|it| matches!(it.as_str(), "true" | "1" | ""))
}

/// Options are honoured, or refused by name. Those about manifests mean nothing for the
/// image store, which has none until a push; dockerd takes them there, too.
fn check(exporter: &Exporter) -> Result<(), Status> {
    let kind = exporter.kind.as_str();
    let known: &[&str] = match kind {
        "moby" | "image" => return Ok(()),
        "docker" | "oci" => &["name", "dest", "tar"],
        "tar" | "local" => &["dest"],
        other => {
            return Err(Status::not_found(format!(
                "exporter {other:?} could not be found"
            )));
        }
    };
    let unknown = exporter
        .attrs
        .keys()
        .find(|name| !known.contains(&name.as_str()));
    match unknown {
        Some(name) => Err(Status::unimplemented(format!(
            "the option {name:?} of exporter {kind:?} is not supported by Corten"
        ))),
        None if exporter.attrs.get("tar").is_some_and(|it| it == "false") => {
            Err(Status::unimplemented(format!(
                "exporter {kind:?} without an archive (tar=false) is not supported by Corten"
            )))
        }
        None => Ok(()),
    }
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

/// Sends a tree file by file.
async fn send_tree(client: &Client, index: usize, tree: TreeSend) -> Result<(), Status> {
    let (sender, incoming) = client.stream::<Packet>(SEND, &metadata(index)).await?;
    let list = tree.files().iter().map(sessions::stat).collect();
    let tree = Arc::new(Tree { list, tree });
    Ok(corten_grpc::send_files(tree, sender, incoming).await?)
}

struct Tree {
    list: Vec<Stat>,
    tree: TreeSend,
}

impl Files for Tree {
    fn list(&self) -> &[Stat] {
        &self.list
    }

    fn open(&self, number: u32) -> io::Result<File> {
        let opened = self.tree.open(number);
        opened.map_err(|error| io::Error::other(corten_base::chain(&error)))
    }
}
