//! Putting records, kernel and live containers in accord, after any kind of end.

use crate::{
    LiveContainer, NetworkError, Networks, Reconciled,
    disconnect::addresses,
    drivers::PAIR_PREFIX,
    messages::{self, Refusal},
    networks::kernel,
    registry::Registry,
};
use corten_base::error::chain;
use corten_netlink::{NetlinkError, Netns};
use rustix::io::Errno;
use std::collections::BTreeSet;

impl Networks {
    /// Takes the records of earlier runs into the books: addresses and ports count as taken
    /// until it is known whose container lives.
    pub(crate) fn restore_endpoints(&self) -> Result<(), NetworkError> {
        let (all, broken) = self.records.endpoints()?;
        for error in broken {
            tracing::warn!(error = chain(&error), "an endpoint's record was left out");
        }
        let mut guard = self.registry();
        let registry = &mut *guard;
        let mut containers = Vec::new();
        for kept in all {
            let Some(first) = kept.endpoints.first() else {
                continue;
            };
            let id = first.container_id.clone();
            if let Some(names) = kept.names {
                registry.names.insert(id.clone(), names);
            }
            registry.requests.insert(id.clone(), kept.publish);
            for endpoint in &kept.endpoints {
                if let Some(network) = registry.networks.get_mut(&endpoint.network_id) {
                    for address in addresses(endpoint) {
                        network.retake(address);
                    }
                }
            }
            registry.endpoints.insert(id.clone(), kept.endpoints);
            containers.push(id);
        }
        for id in containers {
            self.retake_ports(registry, &id);
        }
        Ok(())
    }

    /// The ports that a container's endpoints have on record are held again. Those that
    /// another one has taken over meanwhile are taken off the record.
    pub(crate) fn retake_ports(&self, registry: &mut Registry, container: &str) {
        let (publishing, _) = self.publishing(registry, container);
        let endpoints = registry.endpoints.get(container).into_iter().flatten();
        let ports: Vec<_> = endpoints.flat_map(|it| it.ports.iter().copied()).collect();
        let retaken = registry.ports.restore(container, &ports, &publishing);
        for problem in retaken.problems {
            tracing::warn!(container, problem, "a published port");
        }
        if retaken.lost.is_empty() {
            return;
        }
        tracing::info!(container, ports = ?retaken.lost, "published ports have passed on");
        let endpoints = registry.endpoints.get_mut(container).into_iter().flatten();
        endpoints.for_each(|it| it.ports.retain(|port| !retaken.lost.contains(port)));
        registry.requests.remove(container);
    }

    /// Makes the firewall's table anew unless it is just as it should be. True if it was
    /// made.
    pub(crate) fn check_firewall(&self) -> Result<bool, NetworkError> {
        let Some(firewall) = &self.firewall else {
            return Ok(false);
        };
        let contents = || self.registry().firewall(self.forward_ours_only);
        let failed = |source: NetlinkError| match source.errno() {
            // linux/netfilter/nfnetlink.c: the subsystem is not there.
            Some(Errno::OPNOTSUPP | Errno::PROTONOSUPPORT) => {
                NetworkError::Unsupported(Refusal(messages::NO_NFTABLES.into()))
            }
            _ => kernel("making the firewall's table", source),
        };
        for chain in firewall.strangers().unwrap_or_default() {
            tracing::warn!(
                chain,
                "drops what it does not accept, containers' packets too: let the bridges through there"
            );
        }
        if firewall.is_intact(contents).unwrap_or(false) {
            return Ok(false);
        }
        firewall.rebuild(contents).map_err(failed)?;
        Ok(true)
    }

    /// Makes the firewall's table anew from the books.
    pub(crate) fn restore_firewall(&self) -> Result<(), NetworkError> {
        let Some(firewall) = &self.firewall else {
            return Ok(());
        };
        let contents = || self.registry().firewall(self.forward_ours_only);
        firewall
            .rebuild(contents)
            .map_err(|source| kernel("making the firewall's table", source))
    }

    /// Compares records, kernel and live containers, and puts all three in accord: what
    /// belongs to none of the live containers is taken back. Call it before containers are
    /// started, since links of a start under way would look abandoned.
    pub fn reconcile(&self, live: Vec<LiveContainer>) -> Result<Reconciled, NetworkError> {
        let mut gone: BTreeSet<String> = self.registry().endpoints.keys().cloned().collect();
        for container in &live {
            gone.remove(&container.id);
        }
        let mut report = Reconciled::default();
        for container in gone {
            match self.release(&container) {
                Ok(()) => report.released.push(container),
                Err(error) => report.problems.push(chain(&error)),
            }
        }
        self.serve_names_again(live, &mut report);
        self.delete_abandoned_links(&mut report)?;
        report.firewall_rebuilt = self.check_firewall()?;
        report.restored = self.registry().endpoints.values().map(Vec::len).sum();
        Ok(report)
    }

    /// The sockets of an earlier run are gone; live containers get new ones.
    fn serve_names_again(&self, live: Vec<LiveContainer>, report: &mut Reconciled) {
        for container in live {
            let names = {
                let registry = self.registry();
                self.tell_names(&registry, &container.id);
                registry.names.get(&container.id).cloned()
            };
            let (Some(names), Some(netns)) = (names, container.netns) else {
                continue;
            };
            let served = Netns::from_fd(netns)
                .map_err(|source| kernel("opening the container's namespace", source))
                .and_then(|netns| self.serve_names(&netns, &names));
            if let Err(error) = served {
                report.problems.push(chain(&error));
            }
        }
    }

    fn delete_abandoned_links(&self, report: &mut Reconciled) -> Result<(), NetworkError> {
        let failed = |source| kernel("listing links", source);
        let links = self.host.route().links().map_err(failed)?;
        let (bridges, wanted): (BTreeSet<String>, BTreeSet<String>) = {
            let registry = self.registry();
            let bridges = registry
                .networks
                .values()
                .map(|network| network.record.bridge.clone());
            let ends = registry.endpoints.values().flatten();
            (
                bridges.collect(),
                ends.map(|endpoint| endpoint.host_interface.clone())
                    .collect(),
            )
        };
        let numbers: BTreeSet<u32> = links
            .iter()
            .filter(|link| bridges.contains(&link.name))
            .map(|link| link.index)
            .collect();
        let abandoned = links.iter().filter(|link| {
            link.kind == "veth"
                && link.name.starts_with(PAIR_PREFIX)
                && link.master.is_some_and(|master| numbers.contains(&master))
                && !wanted.contains(&link.name)
        });
        for link in abandoned {
            match self.host.delete_link(&link.name) {
                Ok(()) => report.links_deleted.push(link.name.clone()),
                Err(error) => report.problems.push(chain(&error)),
            }
        }
        for name in wanted.iter().filter(|name| !name.is_empty()) {
            if !links.iter().any(|link| &link.name == name) {
                report
                    .problems
                    .push(format!("the link {name} of a live container is gone"));
            }
        }
        Ok(())
    }
}
