//! `publish --app`: the images of a project beside it in its repository, and an index of
//! them that refers to it (OCI image-spec 1.1, § Subject).

use super::VERSION;
use crate::{
    app::App,
    error::CliError,
    image::pull,
    manifest::{copy::Copy, registry},
};
use corten_compose::Project;
use corten_distribution::{Access, Repository};
use corten_oci::{Descriptor, Digest, Reference};
use serde_json::json;
use std::collections::BTreeMap;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Where containerd notes the repository that a blob came from.
const SOURCE: &str = "containerd.io/distribution.source.";

/// Copies the images of a project whose services name them by digest; `subject`: the
/// project's own manifest.
pub async fn push(
    app: &App,
    project: &Project,
    target: &Reference,
    repository: &Repository,
    subject: Descriptor,
) -> Result<(), CliError> {
    let mut manifests = Vec::new();
    for service in project.services().values() {
        let Some(image) = service.text_at(&["image"]).filter(|it| !it.is_empty()) else {
            continue;
        };
        let name = pull::reference(image)?.or_latest();
        let Some(digest) = name.digest() else {
            continue;
        };
        let source = registry::open(app, &name, false, Access::Pull).await?;
        let copy = Copy {
            source: &source,
            name: &name,
            repository,
            target,
        };
        let mut copied = copy.manifest(&digest.to_string()).await?;
        let from = format!("{SOURCE}{}", host(name.domain()));
        let path = name.path().to_owned();
        copied.annotations = Some(BTreeMap::from([(from, path)]));
        manifests.push(copied);
    }
    let index = json!({
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": manifests,
        "subject": subject,
        "annotations": { VERSION: env!("CARGO_PKG_VERSION") },
    });
    let bytes = serde_json::to_vec(&index)
        .map_err(|error| CliError::Text(format!("writing the index: {error}")))?;
    let name = target.with_digest(Digest::of(&bytes));
    registry::put(repository, &name, INDEX, bytes).await?;
    Ok(())
}

/// A registry's host without its port.
fn host(domain: &str) -> &str {
    domain.rsplit_once(':').map_or(domain, |(host, _)| host)
}
