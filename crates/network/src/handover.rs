//! One container takes the place of another that still runs: its published ports and its
//! names, in one step and without a moment in which they are nobody's.
//!
//! ```text
//! successor starts      names: predecessor's first   ports: predecessor's
//! hand_over             names: successor's first     ports: successor's
//! predecessor is gone   names: successor's           ports: successor's
//! ```
//!
//! Connections that are there stay where they are: the kernel has noted where they were
//! translated to.

use crate::{
    NetworkError, Networks, PortBinding, PublishRequest,
    ports::are_those,
    publish::{difference, elements_of},
    registry::Registry,
};
use corten_base::step::step;
use std::net::IpAddr;

impl Networks {
    /// A container's names lead to others as long as others bear them, or, `aside` being
    /// false, to all alike again. To be said again when the daemon comes up; ends with the
    /// container's endpoints.
    pub fn stand_aside(&self, container_id: &str, aside: bool) {
        let mut registry = self.registry();
        let changed = match aside {
            true => registry.aside.insert(container_id.to_owned()),
            false => registry.aside.remove(container_id),
        };
        if changed {
            self.tell_names(&registry, container_id);
        }
    }

    /// Passes the published ports of a container to another one, which publishes
    /// `requests`, and the names that both bear. Ports that are the same on both sides stay
    /// held; others are given back and taken anew, and if one of these is somebody else's,
    /// all is as it was.
    pub fn hand_over(
        &self,
        from: &str,
        to: &str,
        requests: &[PublishRequest],
    ) -> Result<(), NetworkError> {
        let (before, change) = {
            let mut registry = self.registry();
            let before = registry.endpoints.get(from).cloned().unwrap_or_default();
            let elements = |registry: &Registry| {
                let mut all = elements_of(registry, from);
                for (set, elements) in elements_of(registry, to) {
                    all.entry(set).or_default().extend(elements);
                }
                all
            };
            let was = elements(&registry);
            self.pass_ports(&mut registry, from, to, requests)?;
            let change = difference(was, elements(&registry));
            registry.aside.remove(to);
            if registry.endpoints.contains_key(from) {
                registry.aside.insert(from.to_owned());
            }
            self.tell_names(&registry, to);
            self.tell_names(&registry, from);
            (before, change)
        };
        step("handover.firewall");
        let changed = self.change_firewall(&change);
        for endpoint in &before {
            self.forget_connections(endpoint);
        }
        let (old, new) = {
            let registry = self.registry();
            (registry.kept(from), registry.kept(to))
        };
        step("handover.record");
        let kept =
            self.records
                .keep_endpoints(to, new)
                .and_then(|()| match old.endpoints.is_empty() {
                    true => Ok(()),
                    false => self.records.keep_endpoints(from, old),
                });
        step("handover.done");
        changed.and(kept)
    }

    /// The books of [`Self::hand_over`]: all or nothing.
    fn pass_ports(
        &self,
        registry: &mut Registry,
        from: &str,
        to: &str,
        requests: &[PublishRequest],
    ) -> Result<(), NetworkError> {
        let had: Vec<PortBinding> = {
            let endpoints = registry.endpoints.get(from).into_iter().flatten();
            endpoints.flat_map(|it| it.ports.iter().copied()).collect()
        };
        let (publishing, ids) = self.publishing(registry, to);
        let before = registry.requests.remove(from);
        registry.requests.insert(to.to_owned(), requests.to_vec());
        if are_those(&had, requests, &publishing) {
            registry.ports.pass_on(from, to, &had, &publishing);
            let old = registry.endpoints.get_mut(from).into_iter().flatten();
            old.for_each(|endpoint| endpoint.ports.clear());
            for binding in had {
                let through = match binding.host_ip {
                    IpAddr::V4(_) => ids.ipv4,
                    IpAddr::V6(_) => ids.ipv6.or(ids.ipv4),
                };
                let mut new = registry.endpoints.get_mut(to).into_iter().flatten();
                if let Some(endpoint) = new.find(|it| Some(it.endpoint_id) == through) {
                    endpoint.ports.push(binding);
                }
            }
            return Ok(());
        }
        let settled = self
            .settle_ports(registry, from)
            .and_then(|()| self.settle_ports(registry, to));
        let Err(reason) = settled else {
            return Ok(());
        };
        registry.requests.remove(to);
        if let Some(before) = before {
            registry.requests.insert(from.to_owned(), before);
        }
        let old = registry.endpoints.get_mut(from).into_iter().flatten();
        // The numbers it had are the ones it gets again.
        if let Some(first) = old.into_iter().next() {
            first.ports = had;
        }
        if let Err(failure) = self.settle_ports(registry, from) {
            tracing::warn!(container = from, %failure, "ports that a container had are lost");
        }
        let endpoint = registry.endpoints.get(to).and_then(|all| all.first());
        Err(NetworkError::Publish {
            endpoint: endpoint
                .map(|it| it.container_name.clone())
                .unwrap_or_default(),
            endpoint_id: endpoint
                .map(|it| it.endpoint_id.to_string())
                .unwrap_or_default(),
            reason: Box::new(reason),
        })
    }
}
