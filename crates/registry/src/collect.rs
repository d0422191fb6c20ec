//! Retention and collection while the registry serves: nothing is read-only meanwhile.
//!
//! A collector works from old lists; a client may need again what they call garbage. Both
//! write before they look, so that one of them sees the other:
//!
//! ```text
//!  collector                         client
//!  ---------                         ------
//!  old and unreferenced in my list
//!  write mark                        write link or manifest (its time is new)
//!  look again: still old, no link?   is there a mark? wait until it is gone
//!  remove                            is the content there? else send or refuse
//!  remove mark
//! ```
//! A collector that took longer than [`limits::MARK_TIME`] between mark and removal gives
//! up; a mark older than [`limits::MARK_DEAD`] is a dead collector's. Marks bear their
//! collector's name, so that replicas may collect at the same time.

use crate::{
    config::{Retention, matches},
    error::{Error, Result},
    layout,
    limits::{self, UPLOAD_AGE},
    metrics::add,
    name::{RepositoryName, Tag, digest_from_key},
    records::StoredManifest,
    registry::Registry,
    storage::Stat,
};
use bytes::Bytes;
use corten_oci::{Digest, ManifestOrIndex};
use futures_util::{StreamExt, TryStreamExt, stream};
use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

/// Records read at a time.
const READS: usize = 16;
const DAY: Duration = Duration::from_secs(24 * 3600);

/// What a collection removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Collected {
    /// Tags, by rules of retention.
    pub tags: u64,
    /// Manifests, by rules of retention.
    pub manifests: u64,
    /// Blobs taken from a repository whose manifests need them no more.
    pub links: u64,
    /// Blobs that no repository has.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Uploads nobody went on with, also those that a replica was killed in.
    pub uploads: u64,
}

/// The manifests of one repository, as far as they matter here.
struct Contents {
    manifests: HashMap<Digest, (StoredManifest, Stat)>,
    tags: Vec<(Tag, Stat, Digest)>,
}

impl Registry {
    /// Applies the rules of retention and removes what nothing refers to. May run beside
    /// any request and beside collectors of other replicas.
    pub async fn collect(&self) -> Result<Collected> {
        let mut collected = Collected::default();
        let mut name = [0; 8];
        // Zeros are a name, too; two collectors with one only spare what the other marks.
        let _ = getrandom::fill(&mut name);
        let collector = hex::encode(name);
        self.drop_dead_marks().await?;
        self.collect_uploads(&mut collected).await?;
        collected.uploads += self.0.storage.abort_dead_multiparts().await?;
        let mut linked = HashSet::new();
        for repository in self.all_repositories().await? {
            let links = self.link_list(&repository).await?;
            linked.extend(links.iter().map(|(digest, _)| digest.clone()));
            let done = self.collect_repository(&repository, links, &collector, &mut collected);
            match done.await {
                // What a damaged manifest needs is not known: all of its repository stays.
                Err(error @ Error::Damaged { .. }) => {
                    add(&self.0.metrics.damaged_records, 1);
                    tracing::error!(%repository, %error, "a repository is not collected");
                }
                other => other?,
            }
        }
        self.collect_blobs(&linked, &collector, &mut collected)
            .await?;
        let metrics = &self.0.metrics;
        add(&metrics.collections, 1);
        add(&metrics.collected_blobs, collected.blobs);
        add(&metrics.collected_bytes, collected.bytes);
        Ok(collected)
    }

    /// The age below which nothing without a reference is collected.
    pub(crate) fn grace(&self) -> Duration {
        self.0.config.grace().max(self.0.storage.clock_grain())
    }

    /// Every repository with anything in it, in the catalogue or not.
    pub(crate) async fn all_repositories(&self) -> Result<Vec<RepositoryName>> {
        let keys = self.0.storage.directories(layout::REPOSITORIES).await?;
        let names = keys.iter().filter_map(|key| RepositoryName::from_key(key));
        Ok(names.collect())
    }

    async fn drop_dead_marks(&self) -> Result<()> {
        for digest in self.0.storage.directories(layout::REMOVING).await? {
            let directory = format!("{}/{digest}", layout::REMOVING);
            for mark in self.0.storage.entries(&directory).await? {
                if mark.stat.age() > limits::MARK_DEAD {
                    self.0
                        .storage
                        .remove(&format!("{directory}/{}", mark.name))
                        .await?;
                }
            }
        }
        Ok(())
    }

    async fn collect_uploads(&self, collected: &mut Collected) -> Result<()> {
        for upload in self.0.storage.directories(layout::UPLOADS).await? {
            let directory = layout::upload(&upload);
            let mut entries = self.0.storage.entries(&directory).await?;
            entries.extend(
                self.0
                    .storage
                    .entries(&format!("{directory}/pieces"))
                    .await?,
            );
            let is_old = entries.iter().all(|entry| entry.stat.age() > UPLOAD_AGE);
            if is_old && !entries.is_empty() {
                self.0.storage.upload_remove(&upload).await?;
                collected.uploads += 1;
            }
        }
        Ok(())
    }

    async fn collect_repository(
        &self,
        repository: &RepositoryName,
        links: Vec<(Digest, Stat)>,
        collector: &str,
        collected: &mut Collected,
    ) -> Result<()> {
        let mut contents = self.contents(repository).await?;
        for tag in self.tags_to_go(repository, &contents) {
            if self
                .0
                .storage
                .remove(&layout::tag(repository, &tag))
                .await?
            {
                collected.tags += 1;
            }
            contents.tags.retain(|(other, ..)| *other != tag);
        }
        for digest in self.manifests_to_go(repository, &contents) {
            let key = layout::manifest(repository, &digest);
            let Some((manifest, stat)) = contents.manifests.get(&digest) else {
                continue;
            };
            let mark = self.mark(&digest, collector).await?;
            // A push since then has written it anew, or a tag leads to it.
            let now = self.0.storage.stat(&key).await?;
            let same = now.is_some_and(|now| now.is_still(stat));
            if same && !self.is_tagged(repository, &digest).await? && mark.is_timely() {
                self.remove_manifest(repository, manifest).await?;
                collected.manifests += 1;
                contents.manifests.remove(&digest);
            }
            self.unmark(mark).await?;
        }
        let needed = contents.blobs();
        for (digest, stat) in links {
            if needed.contains(&digest) || stat.age() <= self.grace() {
                continue;
            }
            let key = layout::link(repository, &digest);
            let mark = self.mark(&digest, collector).await?;
            let now = self.0.storage.stat(&key).await?;
            if now.is_some_and(|now| now.is_still(&stat)) && mark.is_timely() {
                self.0.storage.remove(&key).await?;
                collected.links += 1;
            }
            self.unmark(mark).await?;
        }
        if contents.manifests.is_empty() && self.manifest_list(repository).await?.is_empty() {
            self.leave_catalog(repository).await?;
        }
        Ok(())
    }

    /// Takes an empty repository out of the catalogue; a push meanwhile puts it back.
    async fn leave_catalog(&self, repository: &RepositoryName) -> Result<()> {
        let key = layout::catalog(repository);
        let Some(stat) = self.0.storage.stat(&key).await? else {
            return Ok(());
        };
        if stat.age() <= self.grace() {
            return Ok(());
        }
        self.0.storage.remove(&key).await?;
        if !self.manifest_list(repository).await?.is_empty() {
            self.0.storage.write(&key, Bytes::new()).await?;
        }
        Ok(())
    }

    async fn contents(&self, repository: &RepositoryName) -> Result<Contents> {
        let tags = stream::iter(self.tag_list(repository).await?)
            .map(|(tag, stat)| async move {
                let record = self.tag_record(repository, &tag).await?;
                Ok::<_, Error>(record.map(|record| (tag, stat, record.digest)))
            })
            .buffered(READS)
            .try_collect::<Vec<_>>()
            .await?;
        let manifests = stream::iter(self.manifest_list(repository).await?)
            .map(|(digest, stat)| async move {
                let manifest = self.stored_manifest(repository, &digest).await?;
                Ok::<_, Error>(manifest.map(|manifest| (digest, (manifest, stat))))
            })
            .buffered(READS)
            .try_collect::<Vec<_>>()
            .await?;
        Ok(Contents {
            manifests: manifests.into_iter().flatten().collect(),
            tags: tags.into_iter().flatten().collect(),
        })
    }

    /// The rules for a repository.
    fn rules(&self, repository: &RepositoryName) -> Vec<&Retention> {
        let fits = |rule: &&Retention| {
            rule.repositories
                .iter()
                .any(|pattern| matches(pattern, repository.as_str()))
        };
        self.0.config.retention.iter().filter(fits).collect()
    }

    fn tags_to_go(&self, repository: &RepositoryName, contents: &Contents) -> Vec<Tag> {
        let rules = self.rules(repository);
        let protected = |tag: &Tag| {
            let mut patterns = rules.iter().flat_map(|rule| &rule.protect);
            patterns.any(|pattern| matches(pattern, tag.as_str()))
        };
        let mut newest: Vec<&(Tag, Stat, Digest)> = contents
            .tags
            .iter()
            .filter(|(tag, ..)| !protected(tag))
            .collect();
        newest.sort_by(|a, b| b.1.modified.cmp(&a.1.modified).then(b.0.cmp(&a.0)));
        let kept = self.0.upstreams.keep_time(repository);
        let goes = |(index, (_, stat, _)): &(usize, &(Tag, Stat, Digest))| {
            let by_rule = rules.iter().any(|rule| {
                let too_many = rule.keep_last.is_some_and(|keep| *index >= keep);
                let days = rule
                    .older_than_days
                    .map(|days| DAY * days.min(u32::MAX.into()) as u32);
                too_many || days.is_some_and(|days| stat.age() > days)
            });
            by_rule || kept.is_some_and(|kept| stat.age() > kept)
        };
        newest
            .into_iter()
            .enumerate()
            .filter(goes)
            .map(|(_, (tag, ..))| tag.clone())
            .collect()
    }

    /// Manifests that nothing leads to and that are old enough, if a rule says how old.
    fn manifests_to_go(&self, repository: &RepositoryName, contents: &Contents) -> Vec<Digest> {
        let rules = self.rules(repository);
        let by_rule = rules
            .iter()
            .filter_map(|rule| rule.untagged_after_days)
            .min();
        let by_rule = by_rule.map(|days| DAY * days.min(u32::MAX.into()) as u32);
        let Some(age) = by_rule.or(self.0.upstreams.keep_time(repository)) else {
            return Vec::new();
        };
        let age = age.max(self.grace());
        let reached = contents.reached();
        let goes = contents
            .manifests
            .iter()
            .filter(|(digest, (_, stat))| !reached.contains(*digest) && stat.age() > age);
        goes.map(|(digest, _)| digest.clone()).collect()
    }

    async fn is_tagged(&self, repository: &RepositoryName, digest: &Digest) -> Result<bool> {
        for (tag, _) in self.tag_list(repository).await? {
            let record = self.tag_record(repository, &tag).await?;
            if record.is_some_and(|record| record.digest == *digest) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn collect_blobs(
        &self,
        linked: &HashSet<Digest>,
        collector: &str,
        collected: &mut Collected,
    ) -> Result<()> {
        for shard in self.0.storage.directories(layout::BLOBS).await? {
            let entries = self
                .0
                .storage
                .entries(&format!("{}/{shard}", layout::BLOBS))
                .await?;
            for entry in entries {
                let Some(digest) = digest_from_key(&entry.name) else {
                    continue;
                };
                if linked.contains(&digest) || entry.stat.age() <= self.grace() {
                    continue;
                }
                let mark = self.mark(&digest, collector).await?;
                if !self.is_linked(&digest).await? && mark.is_timely() {
                    self.0.storage.remove(&layout::blob(&digest)).await?;
                    collected.blobs += 1;
                    collected.bytes += entry.stat.size;
                }
                self.unmark(mark).await?;
            }
        }
        Ok(())
    }

    async fn is_linked(&self, digest: &Digest) -> Result<bool> {
        for repository in self.all_repositories().await? {
            let key = layout::link(&repository, digest);
            if self.0.storage.stat(&key).await?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn mark(&self, digest: &Digest, collector: &str) -> Result<Mark> {
        let key = format!("{}/{collector}", layout::removing(digest));
        let since = Instant::now();
        self.0.storage.write(&key, Bytes::new()).await?;
        Ok(Mark { key, since })
    }

    async fn unmark(&self, mark: Mark) -> Result<()> {
        self.0.storage.remove(&mark.key).await.map(drop)
    }
}

/// Our mark on a digest.
struct Mark {
    key: String,
    since: Instant,
}

impl Mark {
    fn is_timely(&self) -> bool {
        self.since.elapsed() < limits::MARK_TIME
    }
}

impl Contents {
    /// What a tag leads to: manifests, entries of indexes, and what is about any of these.
    fn reached(&self) -> HashSet<Digest> {
        let mut about: HashMap<&Digest, Vec<&Digest>> = HashMap::new();
        for (digest, (manifest, _)) in &self.manifests {
            if let Some(subject) = &manifest.record.subject {
                about.entry(subject).or_default().push(digest);
            }
        }
        let mut reached = HashSet::new();
        let mut next: Vec<Digest> = self
            .tags
            .iter()
            .map(|(.., digest)| digest.clone())
            .collect();
        while let Some(digest) = next.pop() {
            if reached.contains(&digest) {
                continue;
            }
            next.extend(
                about
                    .get(&digest)
                    .into_iter()
                    .flatten()
                    .map(|d| (*d).clone()),
            );
            if let Some((manifest, _)) = self.manifests.get(&digest)
                && let Some(ManifestOrIndex::Index(index)) = document(manifest)
            {
                next.extend(index.manifests.into_iter().map(|child| child.digest));
            }
            reached.insert(digest);
        }
        reached
    }

    /// The blobs that the manifests need.
    fn blobs(&self) -> HashSet<Digest> {
        let mut blobs = HashSet::new();
        for (manifest, _) in self.manifests.values() {
            if let Some(ManifestOrIndex::Manifest(manifest)) = document(manifest) {
                blobs.insert(manifest.config.digest);
                blobs.extend(manifest.layers.into_iter().map(|layer| layer.digest));
            }
        }
        blobs
    }
}

fn document(manifest: &StoredManifest) -> Option<ManifestOrIndex> {
    ManifestOrIndex::parse(Some(&manifest.record.media_type), &manifest.bytes).ok()
}
