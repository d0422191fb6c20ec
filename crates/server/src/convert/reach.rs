//! From where a container is reached.

use corten_api::container as wire;
use corten_engine::{Reach, ReachedFrom};

pub(crate) fn reach(reach: Reach) -> wire::Reach {
    let Reach {
        port,
        address,
        address_port,
        from,
    } = reach;
    wire::Reach {
        private_port: port.map(|(number, _)| number).unwrap_or_default(),
        protocol: port.map(|(_, it)| it.to_string()).unwrap_or_default(),
        ip: address.to_string(),
        public_port: address_port,
        from: match from {
            ReachedFrom::Host => wire::ReachedFrom::Host,
            ReachedFrom::Outside => wire::ReachedFrom::Outside,
            ReachedFrom::HostRules => wire::ReachedFrom::HostRules,
            ReachedFrom::Routed => wire::ReachedFrom::Routed,
            ReachedFrom::Wire => wire::ReachedFrom::Wire,
        },
    }
}
