//! What goes of the cache: results of steps, cache mounts and clients' directories, the least recently used
//! first, never what somebody has now.

use crate::{
    Result,
    build::{Builder, Inner},
    cache::CacheEntry,
    cache_mount::CacheMount,
    filter::{Filter, Subject},
};
use corten_base::Timestamp;
use corten_oci::Digest;
use std::{collections::HashSet, sync::Arc};

/// What to drop.
#[derive(Debug, Clone, Default)]
pub struct PruneOptions {
    /// Leave entries whose own layer is one of these: what images have.
    pub shared: HashSet<Digest>,
    /// Drop no more than needed to come down to this.
    pub keep: Keep,
    /// Only what was last used before this.
    pub until: Option<Timestamp>,
    /// Only what one of these fits; none: everything.
    pub filters: Vec<Filter>,
}

/// How much may stay; where all are 0, nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Keep {
    /// So much stays in any case.
    pub reserved_bytes: u64,
    /// What is above this goes.
    pub max_used_bytes: u64,
    /// So much shall be free on the file system; what is missing goes.
    pub min_free_bytes: u64,
}

impl Keep {
    /// Down to how many of the `used` bytes to come, with so many `free` on the file
    /// system; `None`: to none (BuildKit's `calculateKeepBytes`, but for one thing: where
    /// enough is free and nothing else is asked for, all stays).
    fn bytes(self, used: u64, free: u64) -> Option<u64> {
        if self == Self::default() {
            return None;
        }
        let missing = self.min_free_bytes.saturating_sub(free);
        let most = match (self.max_used_bytes, self.min_free_bytes) {
            // Only what is reserved is known.
            (0, 0) => 0,
            (0, _) => used,
            (most, _) => most,
        };
        Some(
            most.min(used.saturating_sub(missing))
                .max(self.reserved_bytes),
        )
    }
}

/// What was dropped.
#[derive(Debug, Clone, Default)]
pub struct Pruned {
    /// The entries, by key.
    pub entries: Vec<(Digest, CacheEntry)>,
    /// The cache mounts and clients' directories, by key.
    pub mounts: Vec<(Digest, CacheMount)>,
}

impl Pruned {
    /// Nothing was dropped.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.mounts.is_empty()
    }
}

enum Part {
    Entry(CacheEntry),
    Mount(CacheMount),
}

impl Part {
    fn last_used(&self) -> Timestamp {
        match self {
            Self::Entry(entry) => entry.last_used,
            Self::Mount(mount) => mount.last_used,
        }
    }
}

impl PruneOptions {
    fn wants(&self, key: &Digest, part: &Part) -> bool {
        let subject = match part {
            Part::Entry(entry) => Subject::of_entry(key, entry),
            Part::Mount(mount) => Subject::of_mount(key, mount, false),
        };
        let shared = match part {
            Part::Entry(entry) => entry
                .layers
                .last()
                .is_some_and(|it| self.shared.contains(it)),
            Part::Mount(_) => false,
        };
        !shared
            && self.until.is_none_or(|until| part.last_used() < until)
            && (self.filters.is_empty() || self.filters.iter().any(|it| it.fits(&subject)))
    }
}

impl Inner {
    /// Bytes of the cache: layers of steps, each once, and cache mounts.
    pub(crate) fn cache_bytes(&self) -> u64 {
        self.cache.size_bytes() + self.mounts.size_bytes()
    }

    /// Drops parts of the cache. Layers go with the next collection of the image store.
    /// Blocking.
    pub(crate) fn prune(&self, options: &PruneOptions) -> Result<Pruned> {
        // Keys that lead to an entry go with it: it is what is shown and named.
        let mut further = self.cache.keys_of_contents();
        let entries = self.cache.list().into_iter().filter(|(_, entry)| {
            let content = entry.content_key.as_ref();
            !content.is_some_and(|content| self.cache.knows(content))
        });
        let mounts = self.mounts.list().into_iter();
        let mut parts: Vec<(Digest, Part)> = entries
            .map(|(key, entry)| (key, Part::Entry(entry)))
            .chain(
                mounts
                    .filter(|(_, _, used)| !used)
                    .map(|(key, mount, _)| (key, Part::Mount(mount))),
            )
            .collect();
        parts.sort_by_key(|(_, part)| part.last_used());
        let mut pruned = Pruned::default();
        let keep = match options.keep.min_free_bytes {
            0 => options.keep.bytes(self.cache_bytes(), 0),
            _ => {
                let free = self.mounts.free_bytes()?;
                options.keep.bytes(self.cache_bytes(), free)
            }
        };
        for (key, part) in parts {
            if !options.wants(&key, &part) {
                continue;
            }
            if keep.is_some_and(|keep| self.cache_bytes() <= keep) {
                break;
            }
            match part {
                Part::Entry(entry) => {
                    for other in further.remove(&key).unwrap_or_default() {
                        self.cache.remove(&other)?;
                    }
                    self.cache.remove(&key)?;
                    pruned.entries.push((key, entry));
                }
                Part::Mount(_) => {
                    let removed = self.mounts.remove(&key)?;
                    pruned.mounts.extend(removed.map(|mount| (key, mount)));
                }
            }
        }
        Ok(pruned)
    }

    /// What is done when a build is over: uses on record, the cache within its bounds.
    /// Answers whether something went, so that its layers can go, too. Blocking.
    pub(crate) fn after(&self, used: &[Digest]) -> Result<bool> {
        self.cache.save_uses(used)?;
        self.bound()
    }

    /// Counts the bytes of cache mounts that a build has had, behind its back: they may
    /// have many files.
    pub(crate) fn measure_later(self: &Arc<Self>, keys: Vec<Digest>) {
        if keys.is_empty() {
            return;
        }
        let inner = Arc::clone(self);
        tokio::spawn(async move {
            let ours = Arc::clone(&inner);
            let measured = inner.blocking(move || {
                ours.mounts.measure(&keys)?;
                ours.bound()
            });
            match measured.await {
                Ok(true) => {
                    if let Err(error) = inner.images.collect().await {
                        let error = corten_base::chain(&error);
                        tracing::warn!(error, "layers that the build cache let go stay");
                    }
                }
                Ok(false) => {}
                Err(error) => {
                    let error = corten_base::chain(&error);
                    tracing::warn!(error, "the size of cache mounts is not known");
                }
            }
        });
    }

    /// Puts the use of a client's directory on record behind the build's back, with its
    /// bytes where files have come.
    pub(crate) fn note_context(self: &Arc<Self>, key: Digest, changed: bool) {
        if changed {
            return self.measure_later(vec![key]);
        }
        let inner = Arc::clone(self);
        tokio::spawn(async move {
            let ours = Arc::clone(&inner);
            let saved = inner.blocking(move || ours.mounts.save_uses(&[key]));
            if let Err(error) = saved.await {
                let error = corten_base::chain(&error);
                tracing::warn!(error, "the use of a context is not on record");
            }
        });
    }

    /// Drops what was not used for longest, until the cache is within its bounds.
    pub(crate) fn bound(&self) -> Result<bool> {
        if self.bytes_max == 0 || self.cache_bytes() <= self.bytes_max {
            return Ok(false);
        }
        let options = PruneOptions {
            keep: Keep {
                max_used_bytes: self.bytes_max,
                ..Keep::default()
            },
            ..PruneOptions::default()
        };
        Ok(!self.prune(&options)?.is_empty())
    }
}

impl Builder {
    /// Drops parts of the cache. Layers go with the next collection of the image store.
    /// Blocking.
    ///
    /// # Errors
    /// The store's, and directories that cannot be removed.
    pub fn prune(&self, options: &PruneOptions) -> Result<Pruned> {
        self.0.prune(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_much_is_kept_as_may_be() {
        for ((reserved_bytes, max_used_bytes, min_free_bytes), wanted) in [
            ((0, 0, 0), None),
            ((30, 0, 0), Some(30)),
            ((0, 40, 0), Some(40)),
            ((50, 40, 0), Some(50)),
            // Of 100 used, with 20 free.
            ((0, 0, 10), Some(100)),
            ((0, 0, 50), Some(70)),
            ((0, 60, 50), Some(60)),
            ((80, 60, 50), Some(80)),
            ((0, 0, 900), Some(0)),
        ] {
            let keep = Keep {
                reserved_bytes,
                max_used_bytes,
                min_free_bytes,
            };
            assert_eq!(keep.bytes(100, 20), wanted, "{keep:?}");
        }
    }
}
