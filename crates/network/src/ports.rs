//! Host ports: which are published, and the sockets that hold them.
//!
//! Traffic to a published port is translated before any socket of the host sees it. The
//! socket is held so that no program of the host takes the port, and so that a port that
//! is in use is found out. Sockets of the host's IPv6 addresses are served, see
//! [`crate::proxy`].

use crate::{
    PortBinding, Protocol, PublishRequest,
    hold::{Held, go_words, hold},
    messages::PublishFailure,
};
use corten_base::Id;
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4},
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
}

#[derive(Debug)]
struct Taken {
    host_ip: IpAddr,
    owner: Id,
    _held: Held,
}

/// Ports of one endpoint, in the order Docker lists them.
pub(crate) type Reserved = Vec<PortBinding>;

impl PortTable {
    /// Finds and holds a host port for each request; all or none.
    pub fn reserve(
        &mut self,
        owner: Id,
        target: Ipv4Addr,
        requests: &[PublishRequest],
        default_ip: IpAddr,
        with_ipv6: bool,
    ) -> Result<Reserved, PublishFailure> {
        let mut ordered: Vec<_> = requests.iter().collect();
        // Fixed ports first, so that a free choice does not take them away.
        ordered.sort_by_key(|r| (r.host_port == 0, r.container_port, r.protocol, r.host_port));
        let mut reserved = Reserved::new();
        for request in ordered {
            match self.reserve_one(owner, target, request, default_ip, with_ipv6) {
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
        owner: Id,
        target: Ipv4Addr,
        request: &PublishRequest,
        default_ip: IpAddr,
        with_ipv6: bool,
    ) -> Result<Reserved, PublishFailure> {
        // Docker: no address means all of both families, one address means that one.
        let addresses = match request.host_ip {
            Some(address) => vec![address],
            None if default_ip.is_unspecified() && with_ipv6 => {
                vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()]
            }
            None => vec![default_ip],
        };
        let candidates = self.candidates(request);
        let is_choice = candidates.len() > 1;
        let mut failure = PublishFailure::AllAllocated;
        for port in candidates {
            if let Some(host_ip) = self.conflict(request.protocol, &addresses, port) {
                if !is_choice {
                    return Err(PublishFailure::AlreadyAllocated {
                        host_ip,
                        host_port: port,
                    });
                }
                continue;
            }
            match hold_all(&addresses, port, request, target) {
                Ok(sockets) => {
                    let taken = self.taken.entry((request.protocol, port)).or_default();
                    for (host_ip, socket) in addresses.iter().zip(sockets) {
                        taken.push(Taken {
                            host_ip: *host_ip,
                            owner,
                            _held: socket,
                        });
                    }
                    if request.host_port == 0 {
                        self.last.insert(request.protocol, port);
                    }
                    return Ok(addresses
                        .iter()
                        .map(|ip| binding(request, *ip, port))
                        .collect());
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

    /// Takes ports again that a live container has had, after a restart of the daemon. A
    /// socket that cannot be had is reported; the port works all the same.
    pub fn restore(
        &mut self,
        owner: Id,
        target: Ipv4Addr,
        bindings: &[PortBinding],
    ) -> Vec<String> {
        let mut problems = Vec::new();
        for binding in bindings {
            let address = SocketAddr::new(binding.host_ip, binding.host_port);
            let target = SocketAddrV4::new(target, binding.container_port);
            let socket = hold(address, binding.protocol, target).unwrap_or_else(|errno| {
                problems.push(format!(
                    "holding port {address}/{}: {errno}",
                    binding.protocol
                ));
                Held::Nothing
            });
            let taken = self
                .taken
                .entry((binding.protocol, binding.host_port))
                .or_default();
            taken.push(Taken {
                host_ip: binding.host_ip,
                owner,
                _held: socket,
            });
        }
        problems
    }

    /// Lets go of all ports of an endpoint.
    pub fn release(&mut self, owner: Id) {
        self.taken.retain(|_, taken| {
            taken.retain(|t| t.owner != owner);
            !taken.is_empty()
        });
    }
}

fn binding(request: &PublishRequest, host_ip: IpAddr, host_port: u16) -> PortBinding {
    PortBinding {
        container_port: request.container_port,
        protocol: request.protocol,
        host_ip,
        host_port,
        firewall: request.firewall.unwrap_or_default(),
    }
}

fn hold_all(
    addresses: &[IpAddr],
    port: u16,
    request: &PublishRequest,
    target: Ipv4Addr,
) -> Result<Vec<Held>, PublishFailure> {
    let target = SocketAddrV4::new(target, request.container_port);
    let mut sockets = Vec::new();
    for address in addresses {
        let host = SocketAddr::new(*address, port);
        match hold(host, request.protocol, target) {
            Ok(socket) => sockets.push(socket),
            Err(errno) => {
                return Err(PublishFailure::Bind {
                    host,
                    container: target.into(),
                    protocol: request.protocol.as_str(),
                    reason: go_words(errno),
                });
            }
        }
    }
    Ok(sockets)
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
mod tests {
    use super::*;

    fn request(port: u16, host: (u16, u16), ip: Option<&str>) -> PublishRequest {
        PublishRequest {
            container_port: port,
            protocol: Protocol::Tcp,
            host_ip: ip.map(|ip| ip.parse().unwrap()),
            host_port: host.0,
            host_port_end: host.1,
            firewall: None,
        }
    }

    fn id(letter: &str) -> Id {
        format!("{:0>64}", letter).parse().unwrap()
    }

    fn reserve(
        table: &mut PortTable,
        owner: &str,
        wanted: PublishRequest,
    ) -> Result<Vec<String>, String> {
        let all = IpAddr::from([0, 0, 0, 0]);
        table
            .reserve(id(owner), [172, 17, 0, 2].into(), &[wanted], all, false)
            .map(|ports| {
                ports
                    .iter()
                    .map(|p| format!("{}:{}", p.host_ip, p.host_port))
                    .collect()
            })
            .map_err(|failure| failure.to_string())
    }

    /// Binding ports needs a namespace where nobody else has any.
    fn alone(work: impl FnOnce() + Send) {
        corten_netlink::Netns::create().unwrap().run(work).unwrap();
    }

    #[test]
    fn a_port_of_another_container_is_already_allocated() {
        alone(|| {
            let mut table = PortTable::default();
            let first = reserve(
                &mut table,
                "a",
                request(80, (8080, 8080), Some("127.0.0.1")),
            );
            assert_eq!(first.unwrap(), ["127.0.0.1:8080"]);
            let second = reserve(&mut table, "b", request(80, (8080, 8080), None));
            assert_eq!(
                second.unwrap_err(),
                "Bind for 127.0.0.1:8080 failed: port is already allocated"
            );
            let other = reserve(
                &mut table,
                "b",
                request(80, (8080, 8080), Some("127.0.0.2")),
            );
            assert_eq!(other.unwrap(), ["127.0.0.2:8080"]);
            table.release(id("a"));
            table.release(id("b"));
            assert!(reserve(&mut table, "c", request(80, (8080, 8080), None)).is_ok());
        });
    }

    #[test]
    fn a_port_of_a_program_on_the_host_is_in_use() {
        alone(|| {
            let _program = std::net::TcpListener::bind("0.0.0.0:9123").unwrap();
            let mut table = PortTable::default();
            let taken = reserve(&mut table, "a", request(80, (9123, 9123), None));
            assert_eq!(
                taken.unwrap_err(),
                "failed to bind host port for 0.0.0.0:9123:172.17.0.2:80/tcp: address already in use"
            );
            let absent = reserve(&mut table, "a", request(80, (9124, 9124), Some("10.9.9.9")));
            assert_eq!(
                absent.unwrap_err(),
                "failed to bind host port for 10.9.9.9:9124:172.17.0.2:80/tcp: cannot assign requested address"
            );
            // A range goes on to the next port.
            let range = reserve(&mut table, "a", request(80, (9123, 9124), None));
            assert_eq!(range.unwrap(), ["0.0.0.0:9124"]);
        });
    }

    #[test]
    fn ranges_and_free_choices_take_one_port_after_the_other() {
        alone(|| {
            let mut table = PortTable::default();
            for (owner, wanted) in [("a", "0.0.0.0:8092"), ("b", "0.0.0.0:8093")] {
                let got = reserve(&mut table, owner, request(80, (8092, 8093), None));
                assert_eq!(got.unwrap(), [wanted]);
            }
            let full = reserve(&mut table, "c", request(80, (8092, 8093), None));
            assert_eq!(full.unwrap_err(), "all ports are allocated");
            let (first, _) = ephemeral_range();
            let free = reserve(&mut table, "d", request(80, (0, 0), None));
            assert_eq!(free.unwrap(), [format!("0.0.0.0:{first}")]);
            table.release(id("d"));
            let free = reserve(&mut table, "e", request(80, (0, 0), None));
            assert_eq!(free.unwrap(), [format!("0.0.0.0:{}", first + 1)]);
        });
    }

    #[test]
    fn a_failure_in_the_middle_holds_nothing() {
        alone(|| {
            let mut table = PortTable::default();
            let wanted = [
                request(80, (8080, 8080), None),
                request(81, (8081, 8081), Some("9.9.9.9")),
            ];
            let all = IpAddr::from([0, 0, 0, 0]);
            assert!(
                table
                    .reserve(id("a"), [172, 17, 0, 2].into(), &wanted, all, false)
                    .is_err()
            );
            assert!(std::net::TcpListener::bind("0.0.0.0:8080").is_ok());
        });
    }
}
