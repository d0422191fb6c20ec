//! A project that was published as an OCI artifact: `oci://registry/name:tag`.

use super::filled;
use crate::{app::App, error::CliError, manifest::registry};
use corten_distribution::{Access, Repository};
use corten_oci::{Descriptor, Manifest, ManifestOrIndex, Reference};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

/// What such references begin with.
pub const PREFIX: &str = "oci://";
/// The type of such artifacts.
pub const ARTIFACT: &str = "application/vnd.docker.compose.project";
/// The type of a Compose file in one.
pub const FILE: &str = "application/vnd.docker.compose.file+yaml";
/// The type of an env file in one.
pub const ENV_FILE: &str = "application/vnd.docker.compose.envfile";
/// The type of the configuration where the artifact has no type of its own.
pub const EMPTY_CONFIG: &str = "application/vnd.docker.compose.config.empty.v1+json";
/// The annotation with a file's name.
pub const FILE_NAME: &str = "com.docker.compose.file";
/// The annotation of a file that another one extends.
pub const EXTENDS: &str = "com.docker.compose.extends";
/// The annotation with an env file's name.
pub const ENV_NAME: &str = "com.docker.compose.envfile";

/// A project is text that people write: more than this is none.
const BYTES_MAX: u64 = 4 << 20;
/// So many files at most.
const LAYERS_MAX: usize = 256;
/// Attempts for each.
const ATTEMPTS: u32 = 3;

/// The Compose file of an artifact, below the cache.
pub fn fetch(app: &App, name: &str, cache: &Path) -> Result<PathBuf, CliError> {
    let name = crate::image::pull::reference(name)?.or_latest();
    let (registries, credentials) = registry::prepare(app, &name, false)?;
    let asked = name.clone();
    // The caller may be in the middle of an event loop, which cannot wait for another one.
    let work = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| CliError::Text(format!("starting the runtime: {error}")))?;
        runtime.block_on(async {
            let opened = registries.repository(&asked, credentials, Access::Pull);
            files(&Arc::new(opened.await), &asked).await
        })
    });
    let (digest, files) = work
        .join()
        .map_err(|_| CliError::Text(format!("failed to pull OCI resource {name:?}")))??;
    let directory = filled(cache, &digest, |directory| {
        for (name, bytes) in files {
            let path = directory.join(&name);
            std::fs::write(&path, bytes).map_err(|error| CliError::path("write", &name, &error))?;
        }
        Ok(())
    })?;
    Ok(directory.join("compose.yaml"))
}

type Contents = BTreeMap<String, Vec<u8>>;

async fn files(
    repository: &Arc<Repository>,
    name: &Reference,
) -> Result<(String, Contents), CliError> {
    let failed = |error: corten_distribution::Error| {
        CliError::Text(format!("failed to pull OCI resource \"{name}\": {error}"))
    };
    let target = match name.digest() {
        Some(digest) => digest.to_string(),
        None => name.tag().unwrap_or("latest").to_owned(),
    };
    let fetched = repository.manifest(&target).await.map_err(failed)?;
    let digest = fetched.descriptor.digest.clone();
    let manifest: Manifest = match fetched.document {
        ManifestOrIndex::Manifest(manifest) => *manifest,
        ManifestOrIndex::Index(index) => {
            let is_project = |it: &&Descriptor| it.artifact_type.as_deref() == Some(ARTIFACT);
            let found = index.manifests.iter().find(is_project).ok_or_else(|| {
                CliError::Text(format!(
                    "OCI index {name} doesn't refer to compose artifacts"
                ))
            })?;
            let target = found.digest.to_string();
            match repository.manifest(&target).await.map_err(failed)?.document {
                ManifestOrIndex::Manifest(manifest) => *manifest,
                ManifestOrIndex::Index(_) => return Err(not_a_project(name, "an index")),
            }
        }
    };
    match manifest.artifact_type.as_deref() {
        Some(ARTIFACT) => {}
        None if manifest.config.media_type == EMPTY_CONFIG => {}
        other => return Err(not_a_project(name, other.unwrap_or_default())),
    }
    let size: u64 = manifest.layers.iter().map(|layer| layer.size).sum();
    if size > BYTES_MAX || manifest.layers.len() > LAYERS_MAX {
        return Err(CliError::Text(format!(
            "{name} is too large for a project: {size} bytes in {} files",
            manifest.layers.len()
        )));
    }
    let mut contents = Contents::new();
    for layer in &manifest.layers {
        let Some(file) = file_name(layer)? else {
            continue;
        };
        let mut reader = repository.blob(layer, 0, ATTEMPTS).await.map_err(failed)?;
        let mut bytes = Vec::new();
        while let Some(piece) = reader.next().await.map_err(failed)? {
            bytes.extend_from_slice(&piece);
        }
        if !layer.digest.matches(&bytes) {
            return Err(CliError::Text(format!(
                "{name}: {} is broken",
                layer.digest
            )));
        }
        // Several files over each other are the documents of one.
        let whole = contents.entry(file).or_default();
        if !whole.is_empty() {
            whole.extend_from_slice(b"\n---\n");
        }
        whole.extend(bytes);
    }
    Ok((digest.hex().to_owned(), contents))
}

fn not_a_project(name: &Reference, kind: &str) -> CliError {
    CliError::Text(format!(
        "{name} is not a compose project OCI artifact, but {kind}"
    ))
}

/// What a layer is called in the project's directory, if it belongs there.
fn file_name(layer: &Descriptor) -> Result<Option<String>, CliError> {
    let none = BTreeMap::new();
    let annotations = layer.annotations.as_ref().unwrap_or(&none);
    let name = match layer.media_type.as_str() {
        FILE if annotations.contains_key(EXTENDS) => annotations.get(FILE_NAME),
        FILE => return Ok(Some("compose.yaml".into())),
        ENV_FILE => annotations.get(ENV_NAME),
        _ => return Ok(None),
    };
    let name = name.map_or("", String::as_str);
    // CVE-2025-62725: a name that is a path would write anywhere.
    let is_plain = !name.contains(['/', '\\', '\0']) && !matches!(name, "" | "." | "..");
    match is_plain {
        true => Ok(Some(name.to_owned())),
        false => Err(CliError::Text("invalid OCI artifact".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_oci::Digest;

    #[test]
    fn a_file_of_an_artifact_stays_in_its_directory() {
        let layer = |kind: &str, annotations: &[(&str, &str)]| {
            let mut layer = Descriptor::new(kind, Digest::of(b"x"), 1);
            let pairs = annotations.iter();
            let pairs = pairs.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            layer.annotations = Some(pairs.collect());
            layer
        };
        for name in ["../x", "/etc/x", "a/b", "a\\b", "..", ".", ""] {
            let file = layer(ENV_FILE, &[(ENV_NAME, name)]);
            assert!(file_name(&file).is_err(), "{name:?}");
            let file = layer(FILE, &[(FILE_NAME, name), (EXTENDS, "true")]);
            assert!(file_name(&file).is_err(), "{name:?}");
        }
        let main = layer(FILE, &[(FILE_NAME, "../../x")]);
        assert_eq!(file_name(&main).unwrap().as_deref(), Some("compose.yaml"));
        let env = layer(ENV_FILE, &[(ENV_NAME, "a.env")]);
        assert_eq!(file_name(&env).unwrap().as_deref(), Some("a.env"));
        assert_eq!(file_name(&layer("text/plain", &[])).unwrap(), None);
    }
}
