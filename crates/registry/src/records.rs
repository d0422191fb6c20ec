//! What stands in the small objects: manifests, tags, descriptors.

use crate::{
    error::{Error, Result},
    layout,
    limits::MANIFEST_BYTES,
    name::{RepositoryName, Tag, digest_from_key},
    registry::Registry,
    storage::{Entry, Stat},
};
use bytes::Bytes;
use corten_oci::Digest;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Bytes of a small record.
const RECORD_BYTES: u64 = 1 << 20;

/// The first line of a stored manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ManifestRecord {
    pub media_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
}

/// A manifest as it was pushed.
#[derive(Debug, Clone)]
pub(crate) struct StoredManifest {
    pub digest: Digest,
    pub record: ManifestRecord,
    pub bytes: Bytes,
}

/// What a tag stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TagRecord {
    pub digest: Digest,
    pub media_type: String,
    /// Bytes of the manifest.
    pub size: u64,
    /// When an upstream was last asked, in seconds since 1970; of a pull-through cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked: Option<u64>,
}

impl TagRecord {
    /// How long ago the upstream was asked.
    pub fn checked_ago(&self) -> Option<Duration> {
        let at = UNIX_EPOCH + Duration::from_secs(self.checked?);
        Some(at.elapsed().unwrap_or_default())
    }
}

/// Now, in seconds since 1970.
pub(crate) fn now_seconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

impl Registry {
    /// A record, if it is there.
    pub(crate) async fn record<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        let Some(bytes) = self.0.storage.read(key, RECORD_BYTES).await? else {
            return Ok(None);
        };
        let value = serde_json::from_slice(&bytes).map_err(|error| Error::Damaged {
            key: key.to_owned(),
            reason: error.to_string(),
        });
        value.map(Some)
    }

    /// Writes a record.
    pub(crate) async fn put_record<T: Serialize>(&self, key: &str, value: &T) -> Result<()> {
        let bytes = serde_json::to_vec(value).expect("a record of strings and numbers is JSON");
        self.0.storage.write(key, bytes.into()).await
    }

    /// A manifest of a repository, its bytes checked against their digest.
    pub(crate) async fn stored_manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<StoredManifest>> {
        let key = layout::manifest(repository, digest);
        let limit = MANIFEST_BYTES as u64 + RECORD_BYTES;
        let Some(mut whole) = self.0.storage.read(&key, limit).await? else {
            return Ok(None);
        };
        let damaged = |reason: String| Error::Damaged {
            key: key.clone(),
            reason,
        };
        let end = whole.iter().position(|byte| *byte == b'\n');
        let end = end.ok_or_else(|| damaged("it has no first line".into()))?;
        let line = whole.split_to(end);
        let bytes = whole.split_off(1);
        let record = serde_json::from_slice(&line).map_err(|e| damaged(e.to_string()))?;
        if !digest.matches(&bytes) {
            return Err(damaged("its bytes have another digest".into()));
        }
        Ok(Some(StoredManifest {
            digest: digest.clone(),
            record,
            bytes,
        }))
    }

    pub(crate) async fn put_stored_manifest(
        &self,
        repository: &RepositoryName,
        manifest: &StoredManifest,
    ) -> Result<()> {
        let mut whole =
            serde_json::to_vec(&manifest.record).expect("a record of strings and numbers is JSON");
        whole.push(b'\n');
        whole.extend_from_slice(&manifest.bytes);
        let key = layout::manifest(repository, &manifest.digest);
        self.0.storage.write(&key, whole.into()).await
    }

    /// The digests of a repository's manifests, with size and time of their objects.
    pub(crate) async fn manifest_list(
        &self,
        repository: &RepositoryName,
    ) -> Result<Vec<(Digest, Stat)>> {
        let entries = self
            .0
            .storage
            .entries(&layout::manifests(repository))
            .await?;
        Ok(digests(entries))
    }

    /// The digests of a repository's blobs, with the times of their links.
    pub(crate) async fn link_list(
        &self,
        repository: &RepositoryName,
    ) -> Result<Vec<(Digest, Stat)>> {
        let entries = self.0.storage.entries(&layout::links(repository)).await?;
        Ok(digests(entries))
    }

    /// A repository's tags, sorted by name.
    pub(crate) async fn tag_list(&self, repository: &RepositoryName) -> Result<Vec<(Tag, Stat)>> {
        let entries = self.0.storage.entries(&layout::tags(repository)).await?;
        let tag = |entry: Entry| Some((Tag::parse(&entry.name).ok()?, entry.stat));
        Ok(entries.into_iter().filter_map(tag).collect())
    }

    pub(crate) async fn tag_record(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
    ) -> Result<Option<TagRecord>> {
        self.record(&layout::tag(repository, tag)).await
    }
}

fn digests(entries: Vec<Entry>) -> Vec<(Digest, Stat)> {
    let digest = |entry: Entry| Some((digest_from_key(&entry.name)?, entry.stat));
    entries.into_iter().filter_map(digest).collect()
}
