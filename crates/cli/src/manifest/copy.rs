//! Manifests with their blobs, from one repository to another.
//!
//! Blobs come before the manifests that name them, and a blob that the target has is not
//! sent. Within one registry the target is asked to take it from the source's repository.

use super::registry;
use crate::error::CliError;
use corten_distribution::{Begun, Repository, UploadBody};
use corten_oci::{Descriptor, ManifestOrIndex, Reference, media_type};
use futures_util::stream;
use std::{future::Future, pin::Pin, sync::Arc};

/// Attempts for each blob that is copied.
const ATTEMPTS: u32 = 3;
/// An index in an index in an index is none that anybody made.
const DEPTH: usize = 3;

/// From one repository to another.
pub struct Copy<'a> {
    pub source: &'a Arc<Repository>,
    /// What the source is called.
    pub name: &'a Reference,
    pub repository: &'a Repository,
    /// What the target is called.
    pub target: &'a Reference,
}

type Copied<'f> = Pin<Box<dyn Future<Output = Result<Descriptor, CliError>> + 'f>>;

impl Copy<'_> {
    fn failed(&self, error: corten_distribution::Error) -> CliError {
        let (name, target) = (self.name, self.target);
        CliError::Text(format!("failed to copy {name} to {target}: {error}"))
    }

    /// A manifest with its blobs, or an index with its manifests, those first.
    pub async fn manifest(&self, digest: &str) -> Result<Descriptor, CliError> {
        self.deeper(digest, DEPTH).await
    }

    fn deeper<'f>(&'f self, digest: &'f str, depth: usize) -> Copied<'f> {
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
                        self.deeper(&listed.digest.to_string(), depth - 1).await?;
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
        let failed = |error| self.failed(error);
        if media_type::is_foreign_layer(&blob.media_type)
            && self
                .source
                .blob_size(&blob.digest)
                .await
                .map_err(failed)?
                .is_none()
        {
            // It lies elsewhere, and the manifest says where.
            return Ok(());
        }
        let begun = begin(self.repository, &blob.digest, from).await;
        let Some(Begun::Upload(at)) = begun.map_err(failed)? else {
            return Ok(());
        };
        let body = || {
            let opening = Box::new((Arc::clone(self.source), blob.clone()));
            let pieces = stream::try_unfold(Piece::Begin(opening), next);
            Ok(UploadBody::new(pieces, blob.size))
        };
        let uploaded = self.repository.upload(at, &blob.digest, body).await;
        uploaded.map_err(failed)
    }
}

/// Begins to upload a blob; nothing where the repository has it, or takes it from `from`.
pub async fn begin(
    repository: &Repository,
    digest: &corten_oci::Digest,
    from: Option<&str>,
) -> corten_distribution::Result<Option<Begun>> {
    if repository.blob_size(digest).await?.is_some() {
        return Ok(None);
    }
    repository.begin_upload(digest, from).await.map(Some)
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
