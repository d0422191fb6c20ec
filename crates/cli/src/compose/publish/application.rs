//! `publish --app`: the images of a project beside it in its repository, and an index of
//! them that refers to it (OCI image-spec 1.1, § Subject).

use super::{VERSION, upload_from};
use crate::{app::App, error::CliError, image::pull, manifest::registry};
use corten_compose::Project;
use corten_distribution::{Access, Begun, Repository, UploadBody};
use corten_oci::{Descriptor, Digest, ManifestOrIndex, Reference};
use futures_util::stream;
use serde_json::json;
use std::{collections::BTreeMap, future::Future, pin::Pin, sync::Arc};

/// Attempts for each blob that is copied.
const ATTEMPTS: u32 = 3;
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Where containerd notes the repository that a blob came from.
const SOURCE: &str = "containerd.io/distribution.source.";
/// An index in an index in an index is none that anybody made.
const DEPTH: usize = 3;

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
        let mut copied = copy.manifest(&digest.to_string(), DEPTH).await?;
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

/// From one repository to another.
struct Copy<'a> {
    source: &'a Arc<Repository>,
    name: &'a Reference,
    repository: &'a Repository,
    target: &'a Reference,
}

type Copied<'f> = Pin<Box<dyn Future<Output = Result<Descriptor, CliError>> + 'f>>;

impl Copy<'_> {
    fn failed(&self, error: corten_distribution::Error) -> CliError {
        let (name, target) = (self.name, self.target);
        CliError::Text(format!("failed to copy {name} to {target}: {error}"))
    }

    /// A manifest with its blobs, or an index with its manifests, those first.
    fn manifest<'f>(&'f self, digest: &'f str, depth: usize) -> Copied<'f> {
        Box::pin(async move {
            let fetched = self.source.manifest(digest).await;
            let fetched = fetched.map_err(|error| self.failed(error))?;
            match &fetched.document {
                ManifestOrIndex::Index(_) if depth == 0 => {
                    return Err(CliError::Text(format!(
                        "{} has indexes in indexes, more than {DEPTH} deep",
                        self.name
                    )));
                }
                ManifestOrIndex::Index(index) => {
                    for listed in &index.manifests {
                        self.manifest(&listed.digest.to_string(), depth - 1).await?;
                    }
                }
                ManifestOrIndex::Manifest(manifest) => {
                    self.blob(&manifest.config).await?;
                    for layer in &manifest.layers {
                        self.blob(layer).await?;
                    }
                }
            }
            let descriptor = fetched.descriptor;
            let kind = &descriptor.media_type;
            let name = self.target.with_digest(descriptor.digest.clone());
            registry::put(self.repository, &name, kind, fetched.bytes.to_vec()).await?;
            Ok(descriptor)
        })
    }

    async fn blob(&self, blob: &Descriptor) -> Result<(), CliError> {
        let same = self.name.domain() == self.target.domain();
        let from = same.then(|| self.name.path());
        let begun = upload_from(self.repository, &blob.digest, from).await;
        let Some(Begun::Upload(at)) = begun.map_err(|error| self.failed(error))? else {
            return Ok(());
        };
        let body = || {
            let opening = Box::new((Arc::clone(self.source), blob.clone()));
            let pieces = stream::try_unfold(Piece::Begin(opening), next);
            Ok(UploadBody::new(pieces, blob.size))
        };
        let uploaded = self.repository.upload(at, &blob.digest, body).await;
        uploaded.map_err(|error| self.failed(error))
    }
}

/// How far a blob is read.
enum Piece {
    Begin(Box<(Arc<Repository>, Descriptor)>),
    Reading(Box<corten_distribution::BlobReader>),
}

async fn next(piece: Piece) -> std::io::Result<Option<(bytes::Bytes, Piece)>> {
    let mut reader = match piece {
        Piece::Reading(reader) => reader,
        Piece::Begin(opening) => {
            let (source, blob) = *opening;
            let reader = source.blob(&blob, 0, ATTEMPTS).await;
            Box::new(reader.map_err(std::io::Error::other)?)
        }
    };
    let bytes = reader.next().await.map_err(std::io::Error::other)?;
    Ok(bytes.map(|bytes| (bytes, Piece::Reading(reader))))
}
