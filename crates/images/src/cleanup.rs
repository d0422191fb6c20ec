//! Which images a declared policy lets go: pure, so that a dry run and the real one say the
//! same.
//!
//! An image that a container uses (running or not), that a label or a name protects, or that
//! is among the newest tags of its repository never goes. Of the others go those not used
//! for too long, and then, the longest unused first, as many as the size of all images or
//! the fullness of the disk asks for.

use crate::pattern::matches_pattern;
use corten_base::Timestamp;
use corten_oci::{Digest, Reference};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

/// What is to be kept, and how much of it. Nothing set: nothing goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CleanupPolicy {
    /// Not used (pulled, tagged, started from) for this long.
    pub older_than: Option<Duration>,
    /// Bytes that all images may have on disk, blobs and files.
    pub max_bytes: Option<u64>,
    /// Tags of each repository that stay, the newest images first.
    pub keep_last: usize,
    /// How full the disk may be, in percent.
    pub disk_percent: Option<u8>,
    /// `name` or `name=value`.
    pub protected_labels: Vec<String>,
    /// Patterns of familiar names with or without tag: `team/*`, `postgres:16`.
    pub protected_names: Vec<String>,
}

/// Why an image goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CleanupReason {
    /// Unused for too long.
    Age,
    /// All images together are too large.
    Size,
    /// The disk is too full.
    Disk,
}

/// An image that goes, or would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doomed {
    /// Its ID.
    pub id: Digest,
    /// Its names, as people write them.
    pub names: Vec<String>,
    /// When it was last used.
    pub last_used: Timestamp,
    /// Bytes that nothing else needs once those before it are gone.
    pub bytes: u64,
    /// Why.
    pub reason: CleanupReason,
}

/// Fullness of a file system, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Disk {
    pub used: u64,
    pub total: u64,
}

/// An image as the policy sees it.
#[derive(Debug, Clone)]
pub(crate) struct Fact {
    pub id: Digest,
    pub names: Vec<Reference>,
    pub labels: BTreeMap<String, String>,
    pub created: Timestamp,
    pub last_used: Timestamp,
    /// A container uses it, or an image that was made from it is there.
    pub in_use: bool,
    /// Layers with their bytes, blob and files.
    pub layers: Vec<(Digest, u64)>,
}

/// The images to remove, in order.
pub(crate) fn plan(
    policy: &CleanupPolicy,
    facts: &[Fact],
    disk: Option<Disk>,
    now: Timestamp,
) -> Vec<Doomed> {
    let mut layers = Layers::of(facts);
    let newest = newest(policy, facts);
    let mut free: Vec<&Fact> = facts
        .iter()
        .filter(|fact| !fact.in_use && !newest.contains(&fact.id) && !is_protected(policy, fact))
        .collect();
    free.sort_by_key(|fact| (fact.last_used, fact.id.clone()));
    let too_much = policy
        .max_bytes
        .map(|most| layers.bytes().saturating_sub(most));
    let too_full = policy.disk_percent.zip(disk).map(|(percent, disk)| {
        let allowed = u128::from(disk.total) * u128::from(percent) / 100;
        disk.used.saturating_sub(allowed as u64)
    });
    let (mut doomed, mut freed) = (Vec::new(), 0);
    for fact in free {
        let idle = now
            .unix_seconds()
            .saturating_sub(fact.last_used.unix_seconds());
        let idle = Duration::from_secs(u64::try_from(idle).unwrap_or(0));
        let reason = if policy.older_than.is_some_and(|most| idle > most) {
            CleanupReason::Age
        } else if too_much.is_some_and(|excess| freed < excess) {
            CleanupReason::Size
        } else if too_full.is_some_and(|excess| freed < excess) {
            CleanupReason::Disk
        } else {
            continue;
        };
        let bytes = layers.remove(fact);
        freed += bytes;
        doomed.push(Doomed {
            id: fact.id.clone(),
            names: fact.names.iter().map(Reference::familiar).collect(),
            last_used: fact.last_used,
            bytes,
            reason,
        });
    }
    doomed
}

fn is_protected(policy: &CleanupPolicy, fact: &Fact) -> bool {
    let by_label = policy.protected_labels.iter().any(|label| {
        let (name, value) = match label.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (label.as_str(), None),
        };
        let found = fact.labels.get(name);
        found.is_some_and(|found| value.is_none_or(|value| value == found))
    });
    let by_name = policy.protected_names.iter().any(|pattern| {
        let fits = |name: &Reference| {
            matches_pattern(pattern, &name.familiar_name())
                || matches_pattern(pattern, &name.familiar())
        };
        fact.names.iter().any(fits)
    });
    by_label || by_name
}

/// The images of the newest tags of each repository.
fn newest(policy: &CleanupPolicy, facts: &[Fact]) -> HashSet<Digest> {
    let mut repositories: HashMap<String, Vec<(Timestamp, &Digest)>> = HashMap::new();
    for fact in facts {
        for name in fact.names.iter().filter(|name| name.tag().is_some()) {
            let tags = repositories.entry(name.name()).or_default();
            tags.push((fact.created, &fact.id));
        }
    }
    let mut kept = HashSet::new();
    for tags in repositories.values_mut() {
        tags.sort_by(|a, b| b.cmp(a));
        let first = tags.iter().take(policy.keep_last);
        kept.extend(first.map(|(_, id)| (*id).clone()));
    }
    kept
}

/// How many images need each layer, and its bytes.
struct Layers(HashMap<Digest, (usize, u64)>);

impl Layers {
    fn of(facts: &[Fact]) -> Self {
        let mut layers: HashMap<Digest, (usize, u64)> = HashMap::new();
        for (id, bytes) in facts.iter().flat_map(|fact| &fact.layers) {
            layers.entry(id.clone()).or_insert((0, *bytes)).0 += 1;
        }
        Self(layers)
    }

    fn bytes(&self) -> u64 {
        self.0.values().map(|(_, bytes)| bytes).sum()
    }

    /// Bytes of layers that nothing needs any more.
    fn remove(&mut self, fact: &Fact) -> u64 {
        let mut freed = 0;
        for (id, _) in &fact.layers {
            if let Some((users, bytes)) = self.0.get_mut(id) {
                *users = users.saturating_sub(1);
                if *users == 0 {
                    freed += std::mem::take(bytes);
                }
            }
        }
        freed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * 3600;

    fn at(day: u64) -> Timestamp {
        Timestamp::from_unix((day * DAY) as i64, 0)
    }

    /// An image last used and created on `day`, with layers named by letters of 100 bytes.
    fn image(name: &str, day: u64, layers: &str) -> Fact {
        Fact {
            id: Digest::of(name.as_bytes()),
            names: vec![name.parse().unwrap()],
            labels: BTreeMap::new(),
            created: at(day),
            last_used: at(day),
            in_use: false,
            layers: layers
                .chars()
                .map(|letter| (Digest::of(letter.to_string().as_bytes()), 100))
                .collect(),
        }
    }

    fn gone(policy: &CleanupPolicy, facts: &[Fact], disk: Option<Disk>) -> Vec<String> {
        let doomed = plan(policy, facts, disk, at(100));
        doomed
            .iter()
            .map(|one| format!("{} {} {:?}", one.names[0], one.bytes, one.reason))
            .collect()
    }

    #[test]
    fn without_rules_nothing_goes() {
        let facts = [image("a:1", 1, "x")];
        assert!(gone(&CleanupPolicy::default(), &facts, None).is_empty());
    }

    #[test]
    fn what_was_not_used_for_long_goes_unless_something_protects_it() {
        let policy = CleanupPolicy {
            older_than: Some(Duration::from_secs(30 * DAY)),
            keep_last: 1,
            protected_labels: vec!["keep".into(), "tier=base".into()],
            protected_names: vec!["team/*".into(), "db:16".into()],
            ..CleanupPolicy::default()
        };
        let labelled = |name: &str, label: &str, value: &str| {
            let mut fact = image(name, 1, "x");
            fact.labels.insert(label.into(), value.into());
            fact
        };
        let used = Fact {
            in_use: true,
            ..image("used:1", 1, "x")
        };
        let facts = [
            image("app:3", 10, "abc"),
            image("app:2", 5, "abd"),
            image("app:1", 4, "abe"),
            image("young:1", 90, "x"),
            image("young:2", 91, "x"),
            image("team/one:1", 1, "x"),
            image("team/one:2", 2, "x"),
            image("db:16", 1, "x"),
            image("db:17", 2, "x"),
            used,
            labelled("kept:1", "keep", ""),
            labelled("kept:2", "tier", "base"),
            labelled("free:1", "tier", "other"),
            image("free:2", 50, "x"),
        ];
        assert_eq!(
            gone(&policy, &facts, None),
            ["free:1 0 Age", "app:1 100 Age", "app:2 100 Age"]
        );
    }

    #[test]
    fn the_longest_unused_go_until_size_or_disk_are_right() {
        let facts = [
            image("c:1", 30, "bd"),
            image("a:1", 10, "ab"),
            image("b:1", 20, "bc"),
        ];
        let by_size = |max_bytes| CleanupPolicy {
            max_bytes: Some(max_bytes),
            ..CleanupPolicy::default()
        };
        // Four layers; what others still need is not freed by the first.
        assert!(gone(&by_size(400), &facts, None).is_empty());
        assert_eq!(gone(&by_size(350), &facts, None), ["a:1 100 Size"]);
        assert_eq!(
            gone(&by_size(150), &facts, None),
            ["a:1 100 Size", "b:1 100 Size", "c:1 200 Size"]
        );
        let policy = CleanupPolicy {
            disk_percent: Some(80),
            ..CleanupPolicy::default()
        };
        let disk = |used| Some(Disk { used, total: 1000 });
        assert!(gone(&policy, &facts, disk(800)).is_empty());
        assert_eq!(gone(&policy, &facts, disk(850)), ["a:1 100 Disk"]);
        assert_eq!(gone(&policy, &facts, disk(950)).len(), 2);
    }
}
