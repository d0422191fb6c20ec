//! What published ports are in the table's maps.

use super::{
    Elements,
    elements::{octets, of_family, put},
};
use crate::{Endpoint, PortBinding, PortFirewall, Protocol};
use corten_netlink::nft::Element;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Runs of ports from this length on are one element, a range; shorter ones are an element
/// a port, which is found faster.
const RANGE_MIN: usize = 8;

/// A published port, or a run of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Published {
    pub host_ip: IpAddr,
    /// First and last host port; 0 where nothing is translated.
    pub host_ports: (u16, u16),
    pub protocol: Protocol,
    pub target: IpAddr,
    /// First and last port of the container.
    pub target_ports: (u16, u16),
    /// Where nothing is translated: other networks' containers are kept from it.
    pub from_outside: bool,
}

impl Published {
    /// What of an endpoint's ports is the firewall's matter: those that its addresses are
    /// reached at, not those that sockets of the host are answered at.
    pub fn of(endpoint: &Endpoint) -> Vec<Self> {
        let mut single = Vec::new();
        for port in &endpoint.ports {
            let target = match port.host_ip {
                IpAddr::V4(_) => endpoint.ipv4.map(IpAddr::V4),
                IpAddr::V6(_) => endpoint.ipv6.map(IpAddr::V6),
            };
            let Some(target) = target.filter(|_| port.firewall == PortFirewall::Open) else {
                continue;
            };
            single.push(Self::single(port, target));
            if port.direct && port.host_port != 0 {
                single.push(Self::directly(port, target));
            }
        }
        single.sort_by_key(|it| {
            let place = (it.host_ip, it.protocol, it.host_ports, it.target_ports);
            (it.from_outside, place)
        });
        single.dedup();
        let mut runs: Vec<Vec<Self>> = Vec::new();
        for one in single {
            match runs.last_mut() {
                Some(run) if run.last().is_some_and(|last| last.leads_to(&one)) => run.push(one),
                _ => runs.push(vec![one]),
            }
        }
        runs.into_iter().flat_map(joined).collect()
    }

    fn single(port: &PortBinding, target: IpAddr) -> Self {
        Self {
            host_ip: port.host_ip,
            host_ports: (port.host_port, port.host_port),
            protocol: port.protocol,
            target,
            target_ports: (port.container_port, port.container_port),
            from_outside: false,
        }
    }

    /// The same port at the container's own address.
    fn directly(port: &PortBinding, target: IpAddr) -> Self {
        let unspecified = match target {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        Self {
            host_ip: unspecified,
            host_ports: (0, 0),
            from_outside: true,
            ..Self::single(port, target)
        }
    }

    /// Whether the next port follows in the same run.
    fn leads_to(&self, next: &Self) -> bool {
        let follows = |a: (u16, u16), b: (u16, u16)| a.1.checked_add(1) == Some(b.0);
        (self.host_ip, self.protocol, self.from_outside)
            == (next.host_ip, next.protocol, next.from_outside)
            && follows(self.target_ports, next.target_ports)
            && match self.host_ports.0 {
                0 => next.host_ports.0 == 0,
                _ => follows(self.host_ports, next.host_ports),
            }
    }

    pub(crate) fn elements(&self, all: &mut Elements) {
        let ipv6 = self.target.is_ipv6();
        let protocol = [self.protocol.number(), 0, 0, 0];
        let key = |address: &[u8], port: u16| {
            let mut key = address.to_vec();
            key.extend(protocol);
            key.extend(field(port));
            key
        };
        if self.host_ports.0 == 0 {
            let address = octets(self.target);
            let (first, last) = self.target_ports;
            let range = Element::range(key(&address, first), key(&address, last));
            let set = match self.from_outside {
                true => "reached",
                false => "direct",
            };
            return put(all, &of_family(set, ipv6), range);
        }
        let (host, prefix) = match self.host_ip.is_unspecified() {
            true => (Vec::new(), ""),
            false => (octets(self.host_ip), "addressed_"),
        };
        let (first, last) = self.host_ports;
        let mut value = octets(self.target);
        if first == last {
            value.extend(field(self.target_ports.0));
            let set = of_family(&format!("{prefix}ports"), ipv6);
            return put(all, &set, Element::pair(key(&host, first), value));
        }
        let (from, to) = offset_range(self.host_ports, self.target_ports.0).unwrap_or_default();
        value.extend(field(from));
        value.extend(field(to));
        let range = Element::range(key(&host, first), key(&host, last)).leading_to(value);
        put(all, &of_family(&format!("{prefix}ranges"), ipv6), range);
    }
}

/// A run as one range if it is long enough, and if the kernel can count its ports.
fn joined(run: Vec<Published>) -> Vec<Published> {
    let (Some(first), Some(last)) = (run.first(), run.last()) else {
        return run;
    };
    let whole = Published {
        host_ports: (first.host_ports.0, last.host_ports.1),
        target_ports: (first.target_ports.0, last.target_ports.1),
        ..*first
    };
    let is_direct = whole.host_ports.0 == 0;
    let counts = is_direct || offset_range(whole.host_ports, whole.target_ports.0).is_some();
    if run.len() >= RANGE_MIN && counts {
        vec![whole]
    } else {
        run
    }
}

/// The range from which the kernel counts: `from + port % (to - from + 1)` is the
/// container's port for each of the host's. `None` if there is no such range.
fn offset_range((first, last): (u16, u16), target: u16) -> Option<(u16, u16)> {
    let (first, target) = (u32::from(first), u32::from(target));
    let ports = u32::from(last) + 1 - first;
    let fits = |size: u32| {
        let rest = first % size;
        let from = target.checked_sub(rest)?;
        let to = from + size - 1;
        (rest + ports <= size && to <= 65_535).then_some((from as u16, to as u16))
    };
    // Upward there is always one; downward the smallest that does.
    if target >= first {
        return fits(65_536 - (target - first));
    }
    (ports..=65_535).find_map(fits)
}

/// A port as a field of a key: padded to four bytes.
fn field(port: u16) -> [u8; 4] {
    let [high, low] = port.to_be_bytes();
    [high, low, 0, 0]
}

#[cfg(test)]
pub(super) mod offsets {
    use super::offset_range;

    #[test]
    fn every_port_of_a_range_is_counted_right() {
        for (first, last, target) in [
            (7000, 7999, 7000),
            (7000, 7999, 9000),
            (9000, 9999, 80),
            (40_000, 49_999, 30_000),
            (60_000, 65_535, 1),
            (1, 65_535, 1),
            (8000, 18_000, 8000),
        ] {
            let (from, to) = offset_range((first, last), target).unwrap();
            let size = u32::from(to - from) + 1;
            for port in first..=last {
                let counted = u32::from(from) + u32::from(port) % size;
                assert_eq!(counted, u32::from(target) + u32::from(port - first));
            }
        }
    }
}
