//! User namespaces: who the users of a container are on the host.
//!
//! Every container with a user namespace has an ID map in its record: for all alike the
//! one that `userns-remap` names ([`remap`]), or a range of its own (`--userns=auto`,
//! [`ranges`]). On disk, layers and volumes keep the owners that the container sees: they
//! are mounted through the map (idmapped mounts, mount_setattr(2)), nothing is ever
//! changed by `chown`, and no file of the engine belongs to a mapped user of the host.

pub(crate) mod ranges;
pub(crate) mod remap;
pub(crate) mod subordinate;

use corten_model::{IdMap, IdRange};
use corten_oci::runtime::IdMapping;

/// As the runtime specification has it.
pub(crate) fn mappings(ranges: &[IdRange]) -> Vec<IdMapping> {
    let mapping = |range: &IdRange| IdMapping {
        container_id: range.container,
        host_id: range.host,
        size: range.size,
    };
    ranges.iter().map(mapping).collect()
}

/// For whoever looks into such a container from outside.
pub(crate) fn owners(map: &IdMap) -> corten_archive::Owners {
    corten_archive::Owners {
        uids: mappings(&map.uids),
        gids: mappings(&map.gids),
    }
}
