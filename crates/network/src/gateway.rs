//! Through which of its networks a container reaches the outside, as Docker 28 chooses.
//!
//! Endpoints stand in an order: the higher priority first, then those that lead outside,
//! then those with more families, then by the network's name. The first with both families
//! is the gateway for both; without such a one each family has its own.

use crate::{Driver, Endpoint, registry::Registry};
use corten_base::Id;
use std::cmp::Reverse;

/// The endpoints with the default routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Gateways {
    pub ipv4: Option<Id>,
    pub ipv6: Option<Id>,
}

impl Registry {
    /// A container's endpoints in Docker's order.
    pub fn ordered(&self, container_id: &str) -> Vec<&Endpoint> {
        let all = self.endpoints.get(container_id);
        let mut all: Vec<&Endpoint> = all.into_iter().flatten().collect();
        let rank = |endpoint: &&Endpoint| {
            let network = self.networks.get(&endpoint.network_id);
            let internal = network.is_some_and(|network| network.record.info.internal);
            let families = [false, true].map(|ipv6| endpoint.next_hop(ipv6));
            let families = families.into_iter().flatten().count();
            (
                Reverse(endpoint.gateway_priority),
                internal,
                Reverse(families),
                endpoint.network_name.clone(),
            )
        };
        all.sort_by_cached_key(rank);
        all
    }

    /// Which of a container's endpoints have the default routes.
    pub fn gateways(&self, container_id: &str) -> Gateways {
        let mut chosen = Gateways::default();
        for endpoint in self.ordered(container_id) {
            let network = self.networks.get(&endpoint.network_id);
            let leads =
                network.is_some_and(|it| !matches!(it.driver(), Driver::Host | Driver::Null));
            let id = Some(endpoint.endpoint_id).filter(|_| leads);
            let [ipv4, ipv6] = [false, true].map(|ipv6| endpoint.next_hop(ipv6).is_some());
            match (ipv4, ipv6) {
                (true, true) => return Gateways { ipv4: id, ipv6: id },
                (true, false) => chosen.ipv4 = chosen.ipv4.or(id),
                (false, true) => chosen.ipv6 = chosen.ipv6.or(id),
                (false, false) => {}
            }
        }
        chosen
    }
}
