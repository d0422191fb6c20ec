//! Manifests and tags: pushed, found, deleted.

use crate::{
    error::{Code, Error, Result},
    layout,
    limits::MANIFEST_BYTES,
    name::{RepositoryName, Tag, Target},
    records::{ManifestRecord, StoredManifest, TagRecord},
    registry::Registry,
};
use bytes::Bytes;
use corten_oci::{Descriptor, Digest, ManifestError, ManifestOrIndex, media_type};
use http::StatusCode;
use serde::Deserialize;
use std::time::Instant;

/// What a push of a manifest did.
pub(crate) struct Pushed {
    pub manifest: StoredManifest,
    /// Tags that stand for it now.
    pub tags: Vec<Tag>,
}

/// Members that every kind of manifest may have.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Common {
    #[serde(default)]
    subject: Option<Descriptor>,
    #[serde(default)]
    artifact_type: Option<String>,
}

/// A manifest that passed the checks of its form.
pub(crate) struct Checked {
    pub record: ManifestRecord,
    pub document: ManifestOrIndex,
}

/// Checks the form of a manifest. What it refers to is not looked at.
pub(crate) fn check(content_type: Option<&str>, bytes: &[u8]) -> Result<Checked> {
    let document = ManifestOrIndex::parse(content_type, bytes).map_err(|error| match error {
        ManifestError::TooLarge(_) => too_large(),
        error => Error::with(
            Code::ManifestInvalid,
            format!("manifest invalid: {}", corten_base::chain(&error)),
        ),
    })?;
    let common: Common = serde_json::from_slice(bytes).map_err(|error| {
        Error::with(Code::ManifestInvalid, format!("manifest invalid: {error}"))
    })?;
    let own = match &document {
        ManifestOrIndex::Manifest(manifest) => (&manifest.media_type, media_type::OCI_MANIFEST),
        ManifestOrIndex::Index(index) => (&index.media_type, media_type::OCI_INDEX),
    };
    let known = content_type.filter(|t| media_type::is_manifest(t) || media_type::is_index(t));
    let kind = own.0.as_deref().filter(|own| !own.is_empty()).or(known);
    // An image without a type of its own has that of its configuration.
    // OCI distribution-spec 1.1 § Listing Referrers.
    let config_type = match &document {
        ManifestOrIndex::Manifest(manifest) => Some(manifest.config.media_type.clone()),
        ManifestOrIndex::Index(_) => None,
    };
    let artifact_type = common.artifact_type.filter(|t| !t.is_empty());
    Ok(Checked {
        record: ManifestRecord {
            media_type: kind.unwrap_or(own.1).to_owned(),
            subject: common.subject.map(|subject| subject.digest),
            artifact_type: artifact_type.or(config_type).filter(|t| !t.is_empty()),
        },
        document,
    })
}

pub(crate) fn too_large() -> Error {
    Error::at(
        Code::ManifestInvalid,
        StatusCode::PAYLOAD_TOO_LARGE,
        format!("a manifest may have at most {MANIFEST_BYTES} bytes"),
    )
}

impl Registry {
    /// Takes a manifest in, under a tag or its digest, with more tags beside.
    pub(crate) async fn push_manifest(
        &self,
        repository: &RepositoryName,
        target: &Target,
        mut tags: Vec<Tag>,
        content_type: Option<&str>,
        bytes: Bytes,
    ) -> Result<Pushed> {
        let checked = check(content_type, &bytes)?;
        let digest = match target {
            Target::Digest(digest) if digest.matches(&bytes) => digest.clone(),
            Target::Digest(_) => return Err(Error::code(Code::DigestInvalid)),
            Target::Tag(tag) => {
                tags.push(tag.clone());
                Digest::of(&bytes)
            }
        };
        let began = Instant::now();
        self.check_references(repository, &checked.document).await?;
        let manifest = StoredManifest {
            digest,
            record: checked.record,
            bytes,
        };
        let key = layout::manifest(repository, &manifest.digest);
        let was_there = self.0.storage.stat(&key).await?.is_some();
        self.keep_manifest(repository, &manifest).await?;
        // The first check spares what it found for half the grace. Who took longer cannot
        // know whether a collector has seen the manifest, and looks again.
        if began.elapsed() >= self.grace() / 4
            && let Err(error) = self.check_references(repository, &checked.document).await
        {
            if !was_there {
                self.remove_manifest(repository, &manifest).await?;
            }
            return Err(error);
        }
        for tag in &tags {
            self.put_tag(repository, tag, &manifest, None).await?;
        }
        Ok(Pushed { manifest, tags })
    }

    /// Records a manifest: itself, what it is about, the catalogue. Tags come after.
    pub(crate) async fn keep_manifest(
        &self,
        repository: &RepositoryName,
        manifest: &StoredManifest,
    ) -> Result<()> {
        self.put_manifest_for_good(repository, manifest).await?;
        self.put_referrer(repository, manifest).await?;
        let key = layout::catalog(repository);
        if self.0.storage.stat(&key).await?.is_none() {
            self.0.storage.write(&key, Bytes::new()).await?;
        }
        Ok(())
    }

    /// Writes a manifest, again if a collector took the one before for garbage.
    async fn put_manifest_for_good(
        &self,
        repository: &RepositoryName,
        manifest: &StoredManifest,
    ) -> Result<()> {
        let key = layout::manifest(repository, &manifest.digest);
        loop {
            self.put_stored_manifest(repository, manifest).await?;
            self.wait_for_removal(&manifest.digest).await?;
            if self.0.storage.stat(&key).await?.is_some() {
                return Ok(());
            }
        }
    }

    /// Whether a repository has a manifest. The answer lets an index refer to it, so its
    /// time is made young again.
    async fn has_manifest(&self, repository: &RepositoryName, digest: &Digest) -> Result<bool> {
        let key = layout::manifest(repository, digest);
        let Some(stat) = self.0.storage.stat(&key).await? else {
            return Ok(false);
        };
        if stat.age() <= self.grace() / 2 {
            return Ok(true);
        }
        let Some(manifest) = self.stored_manifest(repository, digest).await? else {
            return Ok(false);
        };
        self.put_manifest_for_good(repository, &manifest).await?;
        Ok(true)
    }

    pub(crate) async fn put_tag(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        manifest: &StoredManifest,
        checked: Option<u64>,
    ) -> Result<()> {
        let record = TagRecord {
            digest: manifest.digest.clone(),
            media_type: manifest.record.media_type.clone(),
            size: manifest.bytes.len() as u64,
            checked,
        };
        self.put_record(&layout::tag(repository, tag), &record)
            .await
    }

    /// Everything a manifest refers to must be in its repository, but layers that lie
    /// elsewhere and the subject, which may come later.
    async fn check_references(
        &self,
        repository: &RepositoryName,
        document: &ManifestOrIndex,
    ) -> Result<()> {
        let missing = |digest: &Digest| {
            Error::with(
                Code::ManifestBlobUnknown,
                format!("{}: {digest}", Code::ManifestBlobUnknown.sentence()),
            )
        };
        match document {
            ManifestOrIndex::Manifest(manifest) => {
                let layers = manifest.layers.iter();
                let here = |layer: &&Descriptor| !media_type::is_foreign_layer(&layer.media_type);
                for blob in std::iter::once(&manifest.config).chain(layers.filter(here)) {
                    match self.blob_size(repository, &blob.digest).await? {
                        Some(size) if size == blob.size => {}
                        Some(size) => {
                            return Err(Error::with(
                                Code::ManifestInvalid,
                                format!(
                                    "manifest invalid: {} has {size} bytes instead of {}",
                                    blob.digest, blob.size
                                ),
                            ));
                        }
                        None => return Err(missing(&blob.digest)),
                    }
                }
            }
            ManifestOrIndex::Index(index) => {
                for child in &index.manifests {
                    if !self.has_manifest(repository, &child.digest).await? {
                        return Err(missing(&child.digest));
                    }
                }
            }
        }
        Ok(())
    }

    /// The manifest a tag or digest stands for.
    pub(crate) async fn find_manifest(
        &self,
        repository: &RepositoryName,
        target: &Target,
    ) -> Result<Option<StoredManifest>> {
        let digest = match target {
            Target::Digest(digest) => digest.clone(),
            Target::Tag(tag) => match self.tag_record(repository, tag).await? {
                Some(record) => record.digest,
                None => return Ok(None),
            },
        };
        self.stored_manifest(repository, &digest).await
    }

    /// Deletes a tag, or a manifest with every tag that stands for it.
    pub(crate) async fn delete_manifest(
        &self,
        repository: &RepositoryName,
        target: &Target,
    ) -> Result<()> {
        match target {
            Target::Tag(tag) => match self.0.storage.remove(&layout::tag(repository, tag)).await? {
                true => Ok(()),
                false => Err(Error::manifest_unknown(tag)),
            },
            Target::Digest(digest) => match self.stored_manifest(repository, digest).await? {
                Some(manifest) => {
                    self.delete_tags_of(repository, digest).await?;
                    self.remove_manifest(repository, &manifest).await
                }
                None => Err(Error::manifest_unknown(digest)),
            },
        }
    }

    async fn delete_tags_of(&self, repository: &RepositoryName, digest: &Digest) -> Result<()> {
        for (tag, _) in self.tag_list(repository).await? {
            let record = self.tag_record(repository, &tag).await?;
            if record.is_some_and(|record| record.digest == *digest) {
                self.0
                    .storage
                    .remove(&layout::tag(repository, &tag))
                    .await?;
            }
        }
        Ok(())
    }

    /// Removes a manifest without tags, and its place among the referrers of its subject.
    pub(crate) async fn remove_manifest(
        &self,
        repository: &RepositoryName,
        manifest: &StoredManifest,
    ) -> Result<()> {
        let digest = &manifest.digest;
        if let Some(subject) = &manifest.record.subject {
            let key = layout::referrer(repository, subject, digest);
            self.0.storage.remove(&key).await?;
        }
        let key = layout::manifest(repository, digest);
        self.0.storage.remove(&key).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_what_its_type_and_its_members_agree_on() {
        let digest = Digest::of(b"{}");
        let config = format!(r#"{{"mediaType":"application/x","digest":"{digest}","size":2}}"#);
        let image = format!(r#"{{"schemaVersion":2,"config":{config},"layers":[]}}"#);
        let checked = check(Some(media_type::OCI_MANIFEST), image.as_bytes()).unwrap();
        assert_eq!(checked.record.media_type, media_type::OCI_MANIFEST);
        assert_eq!(
            checked.record.artifact_type.as_deref(),
            Some("application/x")
        );
        let docker = check(Some(media_type::DOCKER_MANIFEST), image.as_bytes()).unwrap();
        assert_eq!(docker.record.media_type, media_type::DOCKER_MANIFEST);
        for (kind, text) in [
            (media_type::OCI_INDEX, image.as_str()),
            (media_type::OCI_MANIFEST, "{}"),
            (media_type::OCI_MANIFEST, "[]"),
            (media_type::OCI_MANIFEST, ""),
            ("application/vnd.unknown+json", r#"{"schemaVersion":2}"#),
            (
                media_type::DOCKER_SCHEMA1,
                r#"{"schemaVersion":1,"fsLayers":[]}"#,
            ),
        ] {
            let error = check(Some(kind), text.as_bytes()).err().unwrap();
            assert_eq!(error.answer().0, Code::ManifestInvalid, "{kind} {text}");
            assert_eq!(error.answer().1, StatusCode::BAD_REQUEST);
        }
    }
}
