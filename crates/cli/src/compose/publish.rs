//! `compose publish`: a project as an OCI artifact, for `-f oci://…` of others.
//!
//! The files are published as one, merged and with what they extend and include, variables
//! not filled in; env files go along under names of their own.

use super::{
    Compose, digests,
    display::Lines,
    remote::oci::{ARTIFACT, EMPTY_CONFIG, ENV_FILE, ENV_NAME, FILE, FILE_NAME},
    verbs,
};
use crate::{app::App, error::CliError, image::pull, manifest::registry};
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
    if parsed.is_on("app") {
        return Err(CliError::Text("--app is not supported yet".into()));
    }
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
    };
    // The whole is loaded first: what would not run is not published.
    let checked = compose.project(Steps::default())?;
    let mut project = compose.project(steps)?;
    let services = project
        .tree
        .map_mut()
        .and_then(|map| map.get_mut("services"));
    if let Some(services) = services.and_then(Node::map_mut) {
        services.extend(std::mem::take(&mut project.disabled));
    }
    if !may_be_published(compose, &project)? {
        return Ok(0);
    }
    let name = pull::reference(compose.call.arg(0))?.or_latest();
    let mut layers = layers(&checked, &mut project)?;
    if parsed.is_on("resolve-image-digests") {
        layers.push(pinned(compose, &checked).await?);
    }
    let lines = Lines::new(compose);
    let tell = |phase, text: &str| {
        lines.event(Event {
            id: name.to_string(),
            phase,
            text: text.to_owned(),
        });
    };
    tell(Phase::Working, "publishing");
    if !compose.is_dry() {
        push(compose.call.app, &name, layers, is_old).await?;
    }
    tell(Phase::Done, "published");
    Ok(0)
}

/// Refuses what would not work elsewhere, and asks about what may be private.
fn may_be_published(compose: &Compose<'_>, project: &Project) -> Result<bool, CliError> {
    let mut only_built = String::new();
    let mut private = String::new();
    let mut binds = String::new();
    for (name, service) in project.services() {
        let image = service.text_at(&["image"]).unwrap_or_default();
        if image.is_empty() && service.get("build").is_some() {
            only_built.push_str(&format!("- {name:?}\n"));
        }
        if has_entries(service.get("env_file")) {
            private.push_str(&format!("service {name:?} has env_file declared.\n"));
        }
        if has_entries(service.get("environment")) {
            private.push_str(&format!(
                "service {name:?} has environment variable(s) declared.\n"
            ));
        }
        for volume in service
            .get("volumes")
            .and_then(Node::list)
            .unwrap_or_default()
        {
            if volume.text_at(&["type"]) == Some("bind") {
                let source = volume.text_at(&["source"]).unwrap_or_default();
                binds.push_str(&format!("{name}: {source}\n"));
            }
        }
    }
    for (name, config) in project.configs() {
        if config.text_at(&["environment"]).is_some() {
            private.push_str(&format!(
                "config {name:?} is declare as an environment variable.\n"
            ));
        }
    }
    if !only_built.is_empty() {
        return Err(CliError::Text(format!(
            "your Compose stack cannot be published as it only contains a build section for \
             service(s):\n{only_built}"
        )));
    }
    let parsed = &compose.call.parsed;
    if parsed.is_on("yes") {
        return Ok(true);
    }
    if !private.is_empty() && !parsed.is_on("with-env") {
        return Err(CliError::Text(format!(
            "{private}To avoid leaking sensitive data, you must either explicitly allow the \
             sending of environment variables by using the --with-env flag,\nor remove \
             sensitive data from your Compose configuration"
        )));
    }
    for (what, question) in [
        (
            binds,
            "you are about to publish bind mounts declaration within your OCI artifact.\n\
             only the bind mount declarations will be added to the OCI artifact (not content)\n\
             please double check that you are not mounting potential user's sensitive \
             directories or data",
        ),
        (
            private,
            "you are about to publish environment variables within your OCI artifact.\n\
             please double check that you are not leaking sensitive data",
        ),
    ] {
        if !what.is_empty() && !verbs::confirmed(compose, &format!("{question}\n{what}"))? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn has_entries(node: Option<&Node>) -> bool {
    node.is_some_and(|node| match &node.value {
        Value::List(items) => !items.is_empty(),
        Value::Map(entries) => !entries.is_empty(),
        _ => false,
    })
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

/// A file over the project's that names each image by its digest.
async fn pinned(compose: &Compose<'_>, project: &Project) -> Result<Layer, CliError> {
    let mut project = project.clone();
    digests::resolve(compose, &mut project).await?;
    let text = yaml::write(&output::plain_yaml(&digests::images_only(&project)));
    let name = "image-digests.yaml";
    Ok(layer(FILE, FILE_NAME, name, text.into_bytes()))
}

async fn push(
    app: &App,
    name: &Reference,
    layers: Vec<Layer>,
    is_old: bool,
) -> Result<(), CliError> {
    let repository = registry::open(app, name, false, Access::Push).await?;
    let kind = if is_old { EMPTY_CONFIG } else { EMPTY_JSON };
    let config = Descriptor::new(kind, Digest::of(EMPTY), EMPTY.len() as u64);
    upload(&repository, name, &config.digest, EMPTY.to_vec()).await?;
    let mut descriptors = Vec::new();
    for Layer { descriptor, bytes } in layers {
        upload(&repository, name, &descriptor.digest, bytes).await?;
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
    registry::put(&repository, name, MANIFEST, bytes).await?;
    Ok(())
}

async fn upload(
    repository: &Repository,
    name: &Reference,
    digest: &Digest,
    bytes: Vec<u8>,
) -> Result<(), CliError> {
    let failed = |error| CliError::Text(format!("failed to push {digest} to {name}: {error}"));
    if repository
        .blob_size(digest)
        .await
        .map_err(failed)?
        .is_some()
    {
        return Ok(());
    }
    let begun = repository.begin_upload(digest, None).await;
    let Begun::Upload(at) = begun.map_err(failed)? else {
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
