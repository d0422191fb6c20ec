//! What a name stands for at its registry.

use super::super::error;
use crate::{app::App, error::CliError, manifest::registry, output::Json};
use corten_distribution::{Access, Error, FetchedManifest, Repository};
use corten_oci::{Descriptor, Digest, Reference};
use std::sync::Arc;

/// Attempts for a blob.
const ATTEMPTS: u32 = 3;
/// Bytes of a configuration or an attestation, which is held in memory: lists of packages
/// of large images have a few tens of megabytes.
const BLOB_BYTES_MAX: u64 = 128 << 20;

/// A repository, and what of it is meant.
pub struct Remote {
    /// With a tag or a digest.
    pub name: Reference,
    pub repository: Arc<Repository>,
}

impl Remote {
    /// Opens a repository for reading. Nothing is asked yet.
    pub async fn open(app: &App, name: Reference) -> Result<Self, CliError> {
        let repository = registry::open(app, &name, false, Access::Pull).await?;
        Ok(Self { name, repository })
    }

    /// The manifest or index of the name.
    pub async fn manifest(&self) -> Result<FetchedManifest, CliError> {
        let target = match self.name.digest() {
            Some(digest) => digest.to_string(),
            None => self.name.tag().unwrap_or_default().to_owned(),
        };
        let fetched = self.repository.manifest(&target).await;
        fetched.map_err(|why| refused(&self.name, &why))
    }

    /// A manifest of the same repository.
    pub async fn other(&self, digest: &Digest) -> Result<FetchedManifest, CliError> {
        let name = self.name.with_digest(digest.clone());
        let fetched = self.repository.manifest(&digest.to_string()).await;
        fetched.map_err(|why| refused(&name, &why))
    }

    /// A small blob that is JSON.
    pub async fn json(&self, blob: &Descriptor) -> Result<Json, CliError> {
        let name = self.name.with_digest(blob.digest.clone());
        if blob.size > BLOB_BYTES_MAX {
            let size = blob.size;
            return Err(error(&format!(
                "{name} has {size} bytes, more than the {BLOB_BYTES_MAX} that are read"
            )));
        }
        let failed = |why: Error| refused(&name, &why);
        let reader = self.repository.blob(blob, 0, ATTEMPTS).await;
        let mut reader = reader.map_err(failed)?;
        let mut bytes = Vec::new();
        while let Some(piece) = reader.next().await.map_err(failed)? {
            bytes.extend_from_slice(&piece);
        }
        if !blob.digest.matches(&bytes) {
            return Err(error(&format!("{name}: the content has another digest")));
        }
        json(&name, &bytes)
    }
}

/// JSON of a registry.
pub fn json(name: &Reference, bytes: &[u8]) -> Result<Json, CliError> {
    serde_json::from_slice(bytes).map_err(|why| error(&format!("{name}: {why}")))
}

/// A name as it is written, with the usual tag where there is none.
pub fn reference(text: &str) -> Result<Reference, CliError> {
    let name = text.parse().map(Reference::or_latest);
    name.map_err(|why| error(&why.to_string()))
}

/// The registry's refusal in containerd's words.
fn refused(name: &Reference, why: &Error) -> CliError {
    let unknown = ["MANIFEST_UNKNOWN", "NAME_UNKNOWN", "BLOB_UNKNOWN"];
    let is_missing = why
        .registry()
        .is_some_and(|it| unknown.contains(&it.code()) || it.status.as_u16() == 404);
    match (is_missing, why) {
        (true, _) => error(&format!("{name}: not found")),
        (_, Error::Transport { .. }) => error(&format!("failed to do request: {why}")),
        (_, why) => error(&why.to_string()),
    }
}
