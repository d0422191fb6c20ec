//! Owners seen through the maps of a user namespace, user_namespaces(7).
//!
//! Who looks into a container from outside finds the host's numbers on its files; an
//! archive has the container's.

use corten_oci::runtime::IdMapping;

/// What an ID without a place in the maps is shown as (`kernel.overflowuid`).
const NOBODY: u32 = 65534;

/// `VFS_CAP_REVISION_2` and `_3` of linux/capability.h, in the highest byte of the first
/// word; the third has the user ID of the namespace's root behind.
const REVISION_2: u8 = 2;
const REVISION_3: u8 = 3;
/// Bytes of either.
const BYTES_2: usize = 20;
const BYTES_3: usize = 24;

/// The maps of the container that a tree belongs to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Owners {
    /// Of users.
    pub uids: Vec<IdMapping>,
    /// Of groups.
    pub gids: Vec<IdMapping>,
}

impl Owners {
    /// Who a user and a group of the host are in the container.
    pub(crate) fn inside(&self, uid: u32, gid: u32) -> (u32, u32) {
        let find = |maps: &[IdMapping], id: u32| {
            let offset = |it: &IdMapping| id.checked_sub(it.host_id).filter(|at| *at < it.size);
            let mut found = maps
                .iter()
                .filter_map(|it| Some(it.container_id + offset(it)?));
            found.next().unwrap_or(NOBODY)
        };
        (find(&self.uids, uid), find(&self.gids, gid))
    }

    /// Who a user and a group of the container are on the host; `None`: nobody.
    pub fn outside(&self, uid: u32, gid: u32) -> Option<(u32, u32)> {
        let find = |maps: &[IdMapping], id: u32| {
            let offset =
                |it: &IdMapping| id.checked_sub(it.container_id).filter(|at| *at < it.size);
            maps.iter().find_map(|it| Some(it.host_id + offset(it)?))
        };
        Some((find(&self.uids, uid)?, find(&self.gids, gid)?))
    }

    /// A file's capabilities as the container sees them.
    pub(crate) fn capability_inside(&self, value: &[u8]) -> Vec<u8> {
        let root = self.outside(0, 0).map(|(uid, _)| uid.to_le_bytes());
        let own = value.len() == BYTES_3
            && value[3] == REVISION_3
            && root.is_some_and(|root| value[BYTES_2..] == root);
        let mut seen = value.to_vec();
        if own {
            seen.truncate(BYTES_2);
            seen[3] = REVISION_2;
        }
        seen
    }

    /// The same the other way round.
    pub(crate) fn capability_outside(&self, value: &[u8]) -> Vec<u8> {
        let mut seen = value.to_vec();
        if let (Some((root, _)), BYTES_2, Some(&REVISION_2)) =
            (self.outside(0, 0), value.len(), value.get(3))
        {
            seen[3] = REVISION_3;
            seen.extend(root.to_le_bytes());
        }
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_found_on_both_sides_and_strangers_are_nobody() {
        let map = |container_id, host_id, size| IdMapping {
            container_id,
            host_id,
            size,
        };
        let owners = Owners {
            uids: vec![map(0, 100_000, 10), map(10, 500, 2)],
            gids: vec![map(0, 200_000, 12)],
        };
        assert_eq!(owners.outside(11, 11), Some((501, 200_011)));
        assert_eq!(owners.inside(501, 200_011), (11, 11));
        assert_eq!(owners.inside(0, 0), (NOBODY, NOBODY));
        assert_eq!(owners.outside(12, 0), None);
        let capability = b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
        let outside = owners.capability_outside(capability);
        assert_eq!(outside.len(), BYTES_3);
        assert_eq!(owners.capability_inside(&outside), capability);
    }
}
