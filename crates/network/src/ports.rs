//! Host ports: which are published, and the sockets that hold them.
//!
//! Traffic to a published port is translated before any socket of the host sees it. The
//! socket is held so that no program of the host takes the port, and so that a port that
//! is in use is found out before anything is changed. Some sockets are served, see
//! [`crate::proxy`].

use crate::{
    PortBinding, PortFirewall, Protocol, PublishRequest,
    hold::{Held, Span, go_words, hold},
    messages::PublishFailure,
    proxy::Hub,
};
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// Where the kernel says which ports it gives to outgoing connections; Docker takes its own
/// from there, too.
const EPHEMERAL_RANGE: &str = "/proc/sys/net/ipv4/ip_local_port_range";
/// The kernel's default range.
const DEFAULT_RANGE: (u16, u16) = (32768, 60999);

/// All host ports of published ports.
#[derive(Debug, Default)]
pub(crate) struct PortTable {
    taken: HashMap<(Protocol, u16), Vec<Taken>>,
    /// The last port that was chosen freely, by protocol: the search goes on behind it, so
    /// that a port is not used again at once.
    last: HashMap<Protocol, u16>,
    hub: Hub,
}

#[derive(Debug)]
struct Taken {
    host_ip: IpAddr,
    /// Container ID.
    owner: String,
    held: Held,
}

/// What [`PortTable::restore`] could not do.
#[derive(Debug)]
pub(crate) struct Retaken {
    /// Sockets that could not be had; a port that is translated works all the same.
    pub problems: Vec<String>,
    /// Ports that another container has been given meanwhile.
    pub lost: Vec<PortBinding>,
}

/// Where a container's published ports lead to, for one family of its addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target {
    pub address: IpAddr,
    /// Nothing is translated; no host port is taken.
    pub routed: bool,
}

/// What shapes the publishing of a container's ports.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Publishing {
    pub ipv4: Option<Target>,
    pub ipv6: Option<Target>,
    /// Host address where none is asked for; 0.0.0.0 stands for all of both families.
    pub default_ip: IpAddr,
    /// Whether the host's IPv6 addresses lead to a container without IPv6, too.
    pub ipv6_to_ipv4: bool,
    /// Whether the host has IPv6.
    pub host_has_ipv6: bool,
    /// Where a port does not say.
    pub firewall: PortFirewall,
    /// Whether who routes to a container reaches its published ports at its own address.
    pub direct_routing: bool,
}

impl Publishing {
    /// Docker: no address means all of both families, one address means that one. An
    /// address of a family that leads nowhere is left out.
    fn addresses(&self, request: &PublishRequest) -> Vec<IpAddr> {
        let all = match request.host_ip.unwrap_or(self.default_ip) {
            all if all == Ipv4Addr::UNSPECIFIED && request.host_ip.is_none() => {
                vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()]
            }
            one => vec![one],
        };
        let leads = |address: &IpAddr| self.target(*address).is_some();
        all.into_iter().filter(leads).collect()
    }

    /// What a host address leads to.
    pub fn target(&self, host: IpAddr) -> Option<Target> {
        match host {
            IpAddr::V4(_) => self.ipv4,
            IpAddr::V6(_) if !self.host_has_ipv6 => None,
            IpAddr::V6(_) => {
                let other = || self.ipv4.filter(|_| self.ipv6_to_ipv4);
                let proxied = || {
                    other().map(|target| Target {
                        routed: false,
                        ..target
                    })
                };
                self.ipv6.or_else(proxied)
            }
        }
    }

    /// Whether the socket on a host address is served, not only held: what the rules do not
    /// translate.
    fn serves(&self, host: IpAddr, firewall: PortFirewall) -> bool {
        match host {
            _ if firewall == PortFirewall::Host => true,
            IpAddr::V4(_) => false,
            // ::1 cannot be translated; and IPv6 not into IPv4.
            IpAddr::V6(host) => self.ipv6.is_none() || host.is_unspecified() || host.is_loopback(),
        }
    }
}

impl PortTable {
    /// Finds and holds a host port for each request; all or none. In the order in which
    /// Docker lists them.
    pub fn reserve(
        &mut self,
        owner: &str,
        requests: &[PublishRequest],
        publishing: &Publishing,
    ) -> Result<Vec<PortBinding>, PublishFailure> {
        let mut ordered: Vec<_> = requests.iter().collect();
        // Fixed ports first, so that a free choice does not take them away.
        ordered.sort_by_key(|r| (r.host_port == 0, r.container_port, r.protocol, r.host_port));
        let mut reserved = Vec::new();
        for request in ordered {
            match self.reserve_one(owner, request, publishing) {
                Ok(bindings) => reserved.extend(bindings),
                Err(failure) => {
                    self.release(owner);
                    return Err(failure);
                }
            }
        }
        Ok(reserved)
    }

    fn reserve_one(
        &mut self,
        owner: &str,
        request: &PublishRequest,
        publishing: &Publishing,
    ) -> Result<Vec<PortBinding>, PublishFailure> {
        let all = publishing.addresses(request);
        let firewall = request.firewall.unwrap_or(publishing.firewall);
        let routed = |ip: &IpAddr| publishing.target(*ip).is_some_and(|target| target.routed);
        let binding = |host_ip: IpAddr, host_port| PortBinding {
            container_port: request.container_port,
            protocol: request.protocol,
            host_ip,
            host_port,
            firewall,
            direct: publishing.direct_routing && !host_ip.is_loopback(),
        };
        let (direct, held): (Vec<IpAddr>, Vec<IpAddr>) = all.into_iter().partition(routed);
        let mut bindings: Vec<PortBinding> = direct.iter().map(|ip| binding(*ip, 0)).collect();
        if held.is_empty() {
            return Ok(bindings);
        }
        let candidates = self.candidates(request);
        let is_choice = candidates.len() > 1;
        let mut failure = PublishFailure::AllAllocated;
        for port in candidates {
            if let Some(host_ip) = self.conflict(request.protocol, &held, port) {
                if !is_choice {
                    return Err(PublishFailure::AlreadyAllocated {
                        host_ip,
                        host_port: port,
                    });
                }
                continue;
            }
            let wanted: Vec<_> = held.iter().map(|ip| binding(*ip, port)).collect();
            match self.hold_all(&wanted, publishing) {
                Ok(sockets) => {
                    self.take(owner, &wanted, sockets);
                    if request.host_port == 0 {
                        self.last.insert(request.protocol, port);
                    }
                    bindings.extend(wanted);
                    return Ok(bindings);
                }
                Err(error) if is_choice => failure = error,
                Err(error) => return Err(error),
            }
        }
        Err(failure)
    }

    fn candidates(&self, request: &PublishRequest) -> Vec<u16> {
        if request.host_port != 0 {
            return (request.host_port..=request.host_port_end.max(request.host_port)).collect();
        }
        let (first, last) = ephemeral_range();
        let next = self
            .last
            .get(&request.protocol)
            .map_or(first, |port| port.saturating_add(1));
        let next = if (first..=last).contains(&next) {
            next
        } else {
            first
        };
        (next..=last).chain(first..next).collect()
    }

    /// The address under which a port is taken already.
    fn conflict(&self, protocol: Protocol, addresses: &[IpAddr], port: u16) -> Option<IpAddr> {
        let taken = self.taken.get(&(protocol, port))?;
        let clash = |a: IpAddr, b: IpAddr| {
            a.is_ipv4() == b.is_ipv4() && (a == b || a.is_unspecified() || b.is_unspecified())
        };
        taken
            .iter()
            .map(|t| t.host_ip)
            .find(|ip| addresses.iter().any(|wanted| clash(*ip, *wanted)))
    }

    /// Takes ports again that a live container has had, after a restart of the daemon.
    pub fn restore(
        &mut self,
        owner: &str,
        bindings: &[PortBinding],
        publishing: &Publishing,
    ) -> Retaken {
        let (held, lost): (Vec<PortBinding>, Vec<PortBinding>) = bindings
            .iter()
            .filter(|it| it.host_port != 0)
            .partition(|it| {
                let others = self.conflict(it.protocol, &[it.host_ip], it.host_port);
                others.is_none()
            });
        let mut problems = Vec::new();
        let port = |it: &PortBinding| (it.protocol, it.host_port, it.container_port);
        for group in held.chunk_by(|a, b| port(a) == port(b)) {
            let sockets = self.hold_both(group, publishing).unwrap_or_else(|| {
                let mut one = |binding| {
                    self.hold_one(binding, publishing)
                        .unwrap_or_else(|failure| {
                            problems.push(failure.to_string());
                            Held::Nothing
                        })
                };
                group.iter().map(&mut one).collect()
            });
            self.take(owner, group, sockets);
        }
        Retaken { problems, lost }
    }

    /// Enters sockets of one container's bindings of one host port.
    fn take(&mut self, owner: &str, bindings: &[PortBinding], sockets: Vec<Held>) {
        for (binding, held) in bindings.iter().zip(sockets) {
            let port = (binding.protocol, binding.host_port);
            self.taken.entry(port).or_default().push(Taken {
                host_ip: binding.host_ip,
                owner: owner.to_owned(),
                held,
            });
        }
    }

    fn hold_all(
        &self,
        wanted: &[PortBinding],
        publishing: &Publishing,
    ) -> Result<Vec<Held>, PublishFailure> {
        if let Some(held) = self.hold_both(wanted, publishing) {
            return Ok(held);
        }
        wanted
            .iter()
            .map(|binding| self.hold_one(binding, publishing))
            .collect()
    }

    /// Holds a port that is wanted on all addresses of both families with one socket, which
    /// is half the descriptors. None if that is not what is wanted, or cannot be had: one
    /// after the other then tells which of the two is in the way. Only where IPv4 is
    /// translated, so that whoever is served comes by IPv6.
    fn hold_both(&self, wanted: &[PortBinding], publishing: &Publishing) -> Option<Vec<Held>> {
        let [four, six] = wanted else { return None };
        let everywhere =
            four.host_ip == Ipv4Addr::UNSPECIFIED && six.host_ip == Ipv6Addr::UNSPECIFIED;
        if !everywhere || publishing.serves(four.host_ip, four.firewall) {
            return None;
        }
        let span = Span::Everywhere(six.host_port);
        let held = self.hold_span(span, six, publishing).ok()?;
        match held {
            Held::Nothing => None,
            both => Some(vec![Held::Nothing, both]),
        }
    }

    fn hold_one(
        &self,
        binding: &PortBinding,
        publishing: &Publishing,
    ) -> Result<Held, PublishFailure> {
        let host = SocketAddr::new(binding.host_ip, binding.host_port);
        self.hold_span(Span::Address(host), binding, publishing)
    }

    fn hold_span(
        &self,
        span: Span,
        binding: &PortBinding,
        publishing: &Publishing,
    ) -> Result<Held, PublishFailure> {
        let target = publishing.target(binding.host_ip).map(|it| it.address);
        let target = target.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let target = SocketAddr::new(target, binding.container_port);
        let served = publishing.serves(binding.host_ip, binding.firewall);
        let hub = served.then_some(&self.hub);
        hold(span, binding.protocol, target, hub).map_err(|errno| PublishFailure::Bind {
            host: SocketAddr::new(binding.host_ip, binding.host_port),
            container: target,
            protocol: binding.protocol.as_str(),
            reason: go_words(errno),
        })
    }

    /// All ports of one container become another's as they are, without a moment in which
    /// they are nobody's; `bindings` are these ports.
    pub fn pass_on(
        &mut self,
        from: &str,
        to: &str,
        bindings: &[PortBinding],
        publishing: &Publishing,
    ) {
        for ((protocol, host_port), all) in &mut self.taken {
            for taken in all.iter_mut().filter(|taken| taken.owner == from) {
                to.clone_into(&mut taken.owner);
                let binding = bindings.iter().find(|binding| {
                    (binding.protocol, binding.host_port, binding.host_ip)
                        == (*protocol, *host_port, taken.host_ip)
                });
                let target = publishing.target(taken.host_ip).map(|it| it.address);
                if let (Held::Served { serving }, Some(binding), Some(target)) =
                    (&taken.held, binding, target)
                {
                    serving.lead_to(SocketAddr::new(target, binding.container_port));
                }
            }
        }
    }

    /// Lets go of all ports of a container.
    pub fn release(&mut self, owner: &str) {
        self.taken.retain(|_, taken| {
            taken.retain(|t| t.owner != owner);
            !taken.is_empty()
        });
    }
}

/// Whether the ports that somebody had are just those that are requested, so that they can
/// be passed on as they are.
pub(crate) fn are_those(
    had: &[PortBinding],
    requests: &[PublishRequest],
    publishing: &Publishing,
) -> bool {
    let pinned = pinned(requests, had);
    let mut wanted: Vec<_> = pinned
        .iter()
        .flat_map(|request| {
            let addresses = publishing.addresses(request).into_iter();
            addresses.map(|host_ip| {
                let routed = publishing.target(host_ip).is_some_and(|it| it.routed);
                let host_port = if routed { 0 } else { request.host_port };
                (request.protocol, request.container_port, host_ip, host_port)
            })
        })
        .collect();
    let mut had: Vec<_> = had
        .iter()
        .map(|it| (it.protocol, it.container_port, it.host_ip, it.host_port))
        .collect();
    wanted.sort_unstable();
    had.sort_unstable();
    wanted == had
}

/// The requests with those host ports that were chosen before, so that a container keeps
/// its ports when they move to another of its networks.
pub(crate) fn pinned(requests: &[PublishRequest], had: &[PortBinding]) -> Vec<PublishRequest> {
    let mut left: Vec<&PortBinding> = had.iter().filter(|b| b.host_port != 0).collect();
    let pin = |request: &PublishRequest| {
        let fits = |binding: &&PortBinding| {
            binding.container_port == request.container_port
                && binding.protocol == request.protocol
                && request.host_ip.is_none_or(|ip| ip == binding.host_ip)
                && (request.host_port == 0
                    || (request.host_port..=request.host_port_end).contains(&binding.host_port))
        };
        let Some(port) = left.iter().find(|b| fits(b)).map(|b| b.host_port) else {
            return request.clone();
        };
        left.retain(|b| !(fits(b) && b.host_port == port));
        PublishRequest {
            host_port: port,
            host_port_end: port,
            ..request.clone()
        }
    };
    requests.iter().map(pin).collect()
}

fn ephemeral_range() -> (u16, u16) {
    let text = std::fs::read_to_string(EPHEMERAL_RANGE).unwrap_or_default();
    let mut numbers = text.split_whitespace().map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(first)), Some(Ok(last))) if first <= last => (first, last),
        _ => DEFAULT_RANGE,
    }
}

#[cfg(test)]
mod tests;
