//! `compose publish`: a project as an OCI artifact, for `-f oci://…` of others.
//!
//! The files are published as one, merged and with what they extend and include, variables
//! not filled in; env files go along under names of their own.

mod application;
mod private;
mod questions;

use super::{
    Compose, digests,
    display::Lines,
    push,
    remote::oci::{ARTIFACT, EMPTY_CONFIG, ENV_FILE, ENV_NAME, FILE, FILE_NAME},
};
use crate::{
    error::CliError,
    image::pull,
    manifest::{copy, registry},
};
use corten_compose::{
    Node, Project, Steps, Value,
    apply::{Event, Phase, Progress},
    output, yaml,
};
use corten_distribution::{Access, Begun, Repository, UploadBody};
use corten_oci::{Descriptor, Digest, Manifest, Reference};
use std::collections::BTreeMap;

/// What stock Compose has as configuration: an empty object.
const EMPTY: &[u8] = b"{}";
/// Its type where the artifact has one of its own.
const EMPTY_JSON: &str = "application/vnd.oci.empty.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const VERSION: &str = "com.docker.compose.version";

/// One file of the artifact.
struct Layer {
    descriptor: Descriptor,
    bytes: Vec<u8>,
}

/// `compose publish`.
pub async fn run(compose: &Compose<'_>) -> Result<u8, CliError> {
    let parsed = &compose.call.parsed;
    let is_old = match parsed.text("oci-version") {
        "" | "1.1" => false,
        "1.0" => true,
        other => return Err(CliError::Text(format!("unsupported OCI version: {other}"))),
    };
    let steps = Steps {
        interpolate: false,
        normalize: false,
        resolve_paths: false,
        check: false,
        environment: false,
        drop_env_files: false,
        project: true,
    };
    // The whole is loaded first: what would not run is not published.
    let mut checked = compose.project(Steps::default())?;
    // Those that are off are published with the others, and their images pushed.
    let off: Vec<String> = checked.disabled.keys().cloned().collect();
    checked.enable(&off);
    let mut project = compose.project(steps)?;
    let services = project
        .tree
        .map_mut()
        .and_then(|map| map.get_mut("services"));
    if let Some(services) = services.and_then(Node::map_mut) {
        services.extend(std::mem::take(&mut project.disabled));
    }
    if !questions::may_be_published(compose, &checked, &project)? {
        return Ok(0);
    }
    let name = pull::reference(compose.call.arg(0))?.or_latest();
    let mut layers = layers(&checked, &mut project)?;
    for (name, service) in checked.services() {
        let has = |key: &str| service.get(key).is_some();
        if !has("image") && !has("provider") {
            return Err(CliError::Text(format!(
                "\"service.image\" attribute is mandatory to push an image for service {name:?}"
            )));
        }
    }
    let services: Vec<String> = checked.services().keys().cloned().collect();
    push::built(compose, &checked, &services, true).await?;
    let app = parsed.is_on("app");
    let mut pinned = checked;
    if app || parsed.is_on("resolve-image-digests") {
        digests::resolve(compose, &mut pinned).await?;
        let text = yaml::write(&output::plain_yaml(&digests::images_only(&pinned)));
        let name = "image-digests.yaml";
        layers.push(layer(FILE, FILE_NAME, name, text.into_bytes()));
    }
    let lines = Lines::new(compose);
    let tell = |phase, text: &str| {
        lines.event(Event::of(compose.call.arg(0), phase).text(text));
    };
    tell(Phase::Working, "publishing");
    if !compose.is_dry() {
        let repository = registry::open(compose.call.app, &name, false, Access::Push).await?;
        let subject = push(&repository, &name, layers, is_old).await?;
        if app {
            application::push(compose.call.app, &pinned, &name, &repository, subject).await?;
        }
    }
    tell(Phase::Done, "published");
    Ok(0)
}

/// The project's file and its env files, which are named by their paths' digests.
fn layers(checked: &Project, project: &mut Project) -> Result<Vec<Layer>, CliError> {
    let mut env_files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let services = project
        .tree
        .map_mut()
        .and_then(|map| map.get_mut("services"));
    let services = services.and_then(Node::map_mut).into_iter().flatten();
    for (_, service) in services {
        let files = service.map_mut().and_then(|map| map.get_mut("env_file"));
        let Some(Value::List(items)) = files.map(|node| &mut node.value) else {
            continue;
        };
        for item in items {
            let path = match &mut item.value {
                Value::Map(entries) => entries.get_mut("path"),
                _ => Some(item),
            };
            let Some(Value::Text(path)) = path.map(|node| &mut node.value) else {
                continue;
            };
            let found = checked.directory.join(&*path);
            // One that is not required may be missing.
            let Ok(bytes) = std::fs::read(&found) else {
                continue;
            };
            let digest = Digest::of(found.to_string_lossy().as_bytes());
            *path = format!("{}.env", digest.hex());
            env_files.insert(path.clone(), bytes);
        }
    }
    let text = yaml::write(&output::plain_yaml(&project.tree));
    let mut layers = vec![layer(FILE, FILE_NAME, "compose.yaml", text.into_bytes())];
    for (name, bytes) in env_files {
        layers.push(layer(ENV_FILE, ENV_NAME, &name, bytes));
    }
    Ok(layers)
}

fn layer(kind: &str, key: &str, name: &str, bytes: Vec<u8>) -> Layer {
    let mut descriptor = Descriptor::new(kind, Digest::of(&bytes), bytes.len() as u64);
    let annotations = [(VERSION, env!("CARGO_PKG_VERSION")), (key, name)];
    let annotations = annotations.map(|(key, value)| (key.to_owned(), value.to_owned()));
    descriptor.annotations = Some(annotations.into());
    Layer { descriptor, bytes }
}

/// Uploads the files and their manifest; what others refer to it by.
async fn push(
    repository: &Repository,
    name: &Reference,
    layers: Vec<Layer>,
    is_old: bool,
) -> Result<Descriptor, CliError> {
    let kind = if is_old { EMPTY_CONFIG } else { EMPTY_JSON };
    let config = Descriptor::new(kind, Digest::of(EMPTY), EMPTY.len() as u64);
    upload(repository, name, &config.digest, EMPTY.to_vec()).await?;
    let mut descriptors = Vec::new();
    for Layer { descriptor, bytes } in layers {
        upload(repository, name, &descriptor.digest, bytes).await?;
        descriptors.push(descriptor);
    }
    let created = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
    let annotations = [(
        "org.opencontainers.image.created".to_owned(),
        created.to_string(),
    )];
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(MANIFEST.into()),
        config,
        layers: descriptors,
        subject: None,
        artifact_type: (!is_old).then(|| ARTIFACT.to_owned()),
        annotations: Some(annotations.into()),
    };
    let bytes = serde_json::to_vec(&manifest)
        .map_err(|error| CliError::Text(format!("writing the manifest: {error}")))?;
    let mut subject = Descriptor::new(MANIFEST, Digest::of(&bytes), bytes.len() as u64);
    subject.artifact_type = manifest.artifact_type;
    let version = env!("CARGO_PKG_VERSION").to_owned();
    subject.annotations = Some([(VERSION.to_owned(), version)].into());
    registry::put(repository, name, MANIFEST, bytes).await?;
    Ok(subject)
}

async fn upload(
    repository: &Repository,
    name: &Reference,
    digest: &Digest,
    bytes: Vec<u8>,
) -> Result<(), CliError> {
    let failed = |error| CliError::Text(format!("failed to push {digest} to {name}: {error}"));
    let begun = copy::begin(repository, digest, None).await;
    let Some(Begun::Upload(at)) = begun.map_err(failed)? else {
        return Ok(());
    };
    let size = bytes.len() as u64;
    let bytes = bytes::Bytes::from(bytes);
    let body = || {
        let piece = bytes.clone();
        let stream = futures_util::stream::once(async move { Ok(piece) });
        Ok(UploadBody::new(stream, size))
    };
    repository.upload(at, digest, body).await.map_err(failed)
}
