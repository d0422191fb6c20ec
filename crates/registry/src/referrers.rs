//! What is about a manifest: signatures, bills of materials, attestations.
//! OCI distribution-spec 1.1 § Listing Referrers.

use crate::{
    error::Result,
    layout,
    name::{RepositoryName, Tag, Target, digest_key},
    records::StoredManifest,
    registry::Registry,
    storage::Entry,
};
use corten_oci::{Descriptor, Digest, ManifestOrIndex};
use futures_util::{StreamExt, TryStreamExt, stream};

/// Records read at a time.
const READS: usize = 16;

impl Registry {
    /// Notes a manifest with a subject among the subject's referrers.
    pub(crate) async fn put_referrer(
        &self,
        repository: &RepositoryName,
        manifest: &StoredManifest,
    ) -> Result<()> {
        let Some(subject) = &manifest.record.subject else {
            return Ok(());
        };
        let size = manifest.bytes.len() as u64;
        let kind = manifest.record.media_type.clone();
        let mut descriptor = Descriptor::new(kind, manifest.digest.clone(), size);
        descriptor.artifact_type = manifest.record.artifact_type.clone();
        let document = ManifestOrIndex::parse(Some(&manifest.record.media_type), &manifest.bytes);
        descriptor.annotations = match document {
            Ok(ManifestOrIndex::Manifest(manifest)) => manifest.annotations,
            Ok(ManifestOrIndex::Index(index)) => index.annotations,
            Err(_) => None,
        };
        let key = layout::referrer(repository, subject, &manifest.digest);
        self.put_record(&key, &descriptor).await
    }

    /// The referrers of a manifest, which need not be there, by digest; with those that a
    /// client noted under the subject's fallback tag before.
    pub(crate) async fn referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
    ) -> Result<Vec<Descriptor>> {
        let prefix = layout::referrers(repository, subject);
        let entries = self.0.storage.entries(&prefix).await?;
        let key = |entry: Entry| format!("{prefix}/{}", entry.name);
        let keys: Vec<String> = entries.into_iter().map(key).collect();
        let reads = stream::iter(keys)
            .map(|key| async move { self.record::<Descriptor>(&key).await })
            .buffered(READS);
        let read: Vec<Option<Descriptor>> = reads.try_collect().await?;
        let mut list: Vec<Descriptor> = read.into_iter().flatten().collect();
        for noted in self.noted_by_clients(repository, subject).await? {
            if list.iter().all(|known| known.digest != noted.digest) {
                list.push(noted);
            }
        }
        list.sort_by(|a, b| a.digest.cmp(&b.digest));
        Ok(list)
    }

    /// The entries of the index under the fallback tag that this repository has.
    /// OCI distribution-spec 1.1 § Referrers Tag Schema.
    async fn noted_by_clients(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
    ) -> Result<Vec<Descriptor>> {
        // The schema cuts the digits at 64, and the whole at a tag's 128.
        let mut name = digest_key(subject);
        name.truncate(subject.algorithm().as_str().len() + 1 + 64);
        let target = Target::Tag(Tag::parse(&name)?);
        let Some(manifest) = self.find_manifest(repository, &target).await? else {
            return Ok(Vec::new());
        };
        let document = ManifestOrIndex::parse(Some(&manifest.record.media_type), &manifest.bytes);
        let Ok(ManifestOrIndex::Index(index)) = document else {
            return Ok(Vec::new());
        };
        let mut here = Vec::new();
        for entry in index.manifests {
            let key = layout::manifest(repository, &entry.digest);
            if self.0.storage.stat(&key).await?.is_some() {
                here.push(entry);
            }
        }
        Ok(here)
    }
}
