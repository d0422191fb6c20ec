//! `buildx imagetools create`.

use super::{
    annotations,
    combine::{self, Combined, Options},
    shape::{DESCRIPTOR, shaped},
    sources::{self, Source},
};
use crate::{
    app::{App, Call},
    build::progress::{self, Mode},
    buildx::error,
    error::CliError,
    manifest::{copy::Copy, registry},
    output::Json,
};
use corten_client::build::{StatusResponse, Timestamp, Vertex, VertexLog, progress as channel};
use corten_distribution::Access;
use corten_oci::{Digest, Platform, Reference};
use std::{path::Path, time::UNIX_EPOCH};
use tokio::sync::mpsc;

/// Puts images of registries together under new names.
pub async fn run(call: &Call<'_>) -> Result<u8, CliError> {
    crate::build::refuse_builder(call)?;
    let parsed = &call.parsed;
    let (files, tags) = (parsed.list("file"), parsed.list("tag"));
    if parsed.args.is_empty() && files.is_empty() {
        return Err(error("no sources specified"));
    }
    let dry = parsed.is_on("dry-run");
    if !dry && tags.is_empty() {
        return Err(error(
            "can't push with no tags specified, please set --tag or --dry-run",
        ));
    }
    let mut texts = Vec::new();
    for path in &files {
        let text = std::fs::read_to_string(path);
        texts.push(text.map_err(|why| error(&CliError::open(path, &why).to_string()))?);
    }
    texts.extend(parsed.args.iter().cloned());
    let names = sources::tags(&tags)?;
    if let (true, Some(first)) = (parsed.is_on("append"), tags.first()) {
        texts.insert(0, first.clone());
    }
    let given: Result<Vec<_>, _> = texts.iter().map(|it| sources::parse(it)).collect();
    let given = given?;
    let platforms = platforms(&parsed.list("platform"))?;
    let mode = mode(call)?;
    let sources = sources::resolve(call.app, given, &names).await?;
    let options = Options {
        annotations: annotations::read(parsed.all("annotation"))?,
        prefer_index: parsed.flag_or("prefer-index", true),
        platforms,
    };
    let image = combine::combine(&sources, &options)?;
    if dry {
        call.app.line(&String::from_utf8_lossy(&image.bytes))?;
        return Ok(0);
    }
    push(call.app, mode, &sources, &image, &names).await?;
    match parsed.text("metadata-file") {
        "" => {}
        path => metadata(Path::new(path), &image, &names)?,
    }
    Ok(0)
}

fn mode(call: &Call<'_>) -> Result<Mode, CliError> {
    Mode::read(call).map_err(|why| error(&why.to_string()))
}

fn platforms(texts: &[String]) -> Result<Vec<Platform>, CliError> {
    let each = texts.iter().flat_map(|it| it.split(','));
    let parsed = each.map(|text| {
        let platform = text.parse::<Platform>();
        platform.map_err(|why| error(&format!("invalid platform {text:?}: {why}")))
    });
    parsed.collect()
}

/// Copies what the image needs and records it under each name.
async fn push(
    app: &App,
    mode: Mode,
    sources: &[Source],
    image: &Combined,
    names: &[Reference],
) -> Result<(), CliError> {
    let (told, messages) = channel();
    let working = async move {
        for name in names {
            let step = Step::begin(&told, name).await;
            let done = one(app, &step, sources, image, name).await;
            step.end(done.as_ref().err()).await;
            done?;
        }
        Ok::<_, CliError>(())
    };
    let (done, shown) = tokio::join!(working, progress::show(mode, messages));
    done.map_err(|why| {
        let before = shown.failed().unwrap_or_default();
        CliError::Text(format!("{before}ERROR: {why}"))
    })
}

/// One name. A registry takes a manifest only when it has what the manifest names, so this
/// comes last.
async fn one(
    app: &App,
    step: &Step<'_>,
    sources: &[Source],
    image: &Combined,
    name: &Reference,
) -> Result<(), CliError> {
    let target = name.clone().or_latest();
    let repository = registry::open(app, &target, false, Access::Push).await?;
    for (digest, from) in &image.needs {
        let source = &sources[*from];
        let shown = &source.shown;
        step.line(&format!("copying {digest} from {shown} to {name}"))
            .await;
        if source.remote.name.name() == target.name() {
            continue;
        }
        let copy = Copy {
            source: &source.remote.repository,
            name: &source.remote.name,
            repository: &repository,
            target: &target,
        };
        copy.manifest(&digest.to_string()).await?;
    }
    let digest = &image.descriptor.digest;
    step.line(&format!("pushing {digest} to {name}")).await;
    let target = match target.digest() {
        // Under a digest there is room for this very image only.
        Some(_) => target.with_digest(digest.clone()),
        None => target,
    };
    let kind = &image.descriptor.media_type;
    registry::put(&repository, &target, kind, image.bytes.to_vec()).await?;
    Ok(())
}

/// A step as a build's is told of.
struct Step<'a> {
    told: &'a mpsc::Sender<StatusResponse>,
    vertex: Vertex,
}

impl<'a> Step<'a> {
    async fn begin(told: &'a mpsc::Sender<StatusResponse>, name: &Reference) -> Self {
        let vertex = Vertex {
            digest: Digest::of(name.to_string().as_bytes()).to_string(),
            name: format!("[internal] pushing {name}"),
            started: Some(now()),
            ..Vertex::default()
        };
        let step = Self { told, vertex };
        step.tell(step.vertex.clone()).await;
        step
    }

    async fn line(&self, text: &str) {
        let log = VertexLog {
            vertex: self.vertex.digest.clone(),
            timestamp: Some(now()),
            stream: 1,
            msg: format!("{text}\n").into_bytes(),
        };
        let message = StatusResponse {
            logs: vec![log],
            ..StatusResponse::default()
        };
        // Whoever shows it goes on to the end.
        let _ = self.told.send(message).await;
    }

    async fn end(&self, failure: Option<&CliError>) {
        let mut vertex = self.vertex.clone();
        vertex.completed = Some(now());
        vertex.error = failure.map(ToString::to_string).unwrap_or_default();
        self.tell(vertex).await;
    }

    async fn tell(&self, vertex: Vertex) {
        let message = StatusResponse {
            vertexes: vec![vertex],
            ..StatusResponse::default()
        };
        let _ = self.told.send(message).await;
    }
}

fn now() -> Timestamp {
    let now = UNIX_EPOCH.elapsed().unwrap_or_default();
    Timestamp {
        seconds: i64::try_from(now.as_secs()).unwrap_or(i64::MAX),
        nanos: now.subsec_nanos().cast_signed(),
    }
}

/// `--metadata-file`: what was pushed, and where to. Whole or not at all.
fn metadata(path: &Path, image: &Combined, names: &[Reference]) -> Result<(), CliError> {
    let mut repositories: Vec<String> = names.iter().map(Reference::name).collect();
    repositories.sort();
    repositories.dedup();
    let descriptor = shaped(&combine::json(&image.descriptor)?, DESCRIPTOR);
    let document = Json::Object(vec![
        ("containerimage.descriptor".to_owned(), descriptor),
        ("image.name".to_owned(), repositories.join(",").into()),
    ]);
    let write = || {
        use std::{io::Write, os::unix::fs::PermissionsExt};
        let directory = path.parent().filter(|it| !it.as_os_str().is_empty());
        let mut file = tempfile::NamedTempFile::new_in(directory.unwrap_or(Path::new(".")))?;
        file.write_all(document.pretty_escaped("  ").as_bytes())?;
        let mode = std::fs::Permissions::from_mode(0o644);
        file.as_file().set_permissions(mode)?;
        file.persist(path).map_err(|why| why.error)
    };
    let written: std::io::Result<_> = write();
    let shown = path.display().to_string();
    written
        .map(drop)
        .map_err(|why| error(&CliError::path("open", &shown, &why).to_string()))
}
