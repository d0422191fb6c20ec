//! Ranges of IDs that nobody on the host has: one for each container with
//! `--userns=auto`, taken at its creation, kept in its record, given back at its removal.
//!
//! They lie above 2^31, where neither useradd(8) nor systemd hand out IDs; what
//! `/etc/passwd`, `/etc/group`, `/etc/subuid` and `/etc/subgid` name is left out all the
//! same.

use super::subordinate::HostIds;
use corten_model::{ContainerId, IdMap, IdRange};
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// IDs of a range, as many as useradd(8) gives a user: every user of usual images.
pub(crate) const IDS: u32 = 65536;
/// Stands for `default` where the system has no user `dockremap`.
const DEFAULT: u32 = 1 << 31;
/// The first range of a container's own.
const FIRST: u32 = DEFAULT + IDS;
/// The last range's first ID: behind it are the two IDs that are none.
const LAST: u32 = u32::MAX - 2 * IDS + 1;

/// Which are taken.
// Lock: held for look-ups only.
#[derive(Debug, Default)]
pub(crate) struct UserRanges(Mutex<Taken>);

#[derive(Debug, Default)]
struct Taken {
    by_first: BTreeMap<u32, ContainerId>,
    /// The one given last: a range that was given back is the last to be given again, so
    /// that what a container has left in a directory of the host is nobody's for long.
    latest: u32,
}

impl UserRanges {
    /// A range for a container; `None`: there are no more.
    pub(crate) fn take(&self, container: ContainerId, host: &HostIds) -> Option<IdMap> {
        let mut taken = self.lock();
        let steps = (LAST - FIRST) / IDS + 1;
        let from = match taken.latest {
            0 => 0,
            latest => (latest - FIRST) / IDS + 1,
        };
        let first = (0..steps)
            .map(|step| FIRST + (from + step) % steps * IDS)
            .find(|first| !taken.by_first.contains_key(first) && !host.any_in(*first, IDS))?;
        taken.by_first.insert(first, container);
        taken.latest = first;
        Some(whole(first))
    }

    /// A container that is there already has this map.
    pub(crate) fn keep(&self, container: ContainerId, map: &IdMap) {
        if let Some(range) = map.uids.first().filter(|it| it.host >= FIRST) {
            let mut taken = self.lock();
            taken.by_first.insert(range.host, container);
            taken.latest = taken.latest.max(range.host);
        }
    }

    /// Its range is free again.
    pub(crate) fn give_back(&self, container: ContainerId) {
        self.lock().by_first.retain(|_, owner| *owner != container);
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The range of `default`.
pub(crate) fn of_default() -> IdMap {
    whole(DEFAULT)
}

fn whole(first: u32) -> IdMap {
    let range = IdRange {
        container: 0,
        host: first,
        size: IDS,
    };
    IdMap {
        uids: vec![range],
        gids: vec![range],
    }
}

#[cfg(test)]
mod tests {
    use super::super::subordinate::subordinates;
    use super::*;

    #[test]
    fn two_containers_never_share_a_range_and_the_hosts_are_left_out() {
        let ranges = UserRanges::default();
        let host = HostIds {
            subuids: subordinates(&format!("x:{}:1\n", FIRST + IDS + 5)),
            ..HostIds::default()
        };
        let (one, two, three) = (
            ContainerId::random(),
            ContainerId::random(),
            ContainerId::random(),
        );
        let first = |id| ranges.take(id, &host).expect("a range").uids[0].host;
        assert_eq!(first(one), FIRST);
        assert_eq!(first(two), FIRST + 2 * IDS);
        ranges.give_back(one);
        assert_eq!(first(three), FIRST + 3 * IDS);
        // After a restart of the daemon the records say who has which.
        let later = UserRanges::default();
        later.keep(two, &whole(FIRST));
        let next = later.take(one, &HostIds::default()).expect("a range");
        assert_eq!(next.uids[0].host, FIRST + IDS);
    }

    #[test]
    fn there_is_an_end_of_ranges() {
        let ranges = UserRanges::default();
        let all = HostIds {
            subuids: subordinates(&format!("x:{FIRST}:{}\n", u32::MAX - FIRST)),
            ..HostIds::default()
        };
        assert!(ranges.take(ContainerId::random(), &all).is_none());
        assert!(LAST.checked_add(IDS).is_some());
    }
}
