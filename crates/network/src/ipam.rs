//! Which addresses are taken, and the choice of subnets from pools.

use crate::{AddressPool, NetworkError};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// The addresses of one subnet. The lowest free one is handed out, as Docker does.
#[derive(Debug, Clone)]
pub(crate) struct Subnet {
    net: IpNet,
    /// The part of the subnet that is handed out.
    range: IpNet,
    taken: BTreeSet<u128>,
    /// Below this, nothing of the range is free.
    lowest: u128,
}

impl Subnet {
    /// With the network's and the broadcast address taken.
    pub fn new(net: IpNet, range: Option<IpNet>) -> Self {
        let net = net.trunc();
        let range = range.map_or(net, |range| range.trunc());
        let mut subnet = Self {
            net,
            range,
            taken: BTreeSet::new(),
            lowest: number(range.network()),
        };
        match net {
            // RFC 3021: a /31 has neither.
            IpNet::V4(net) if net.prefix_len() < 31 => {
                subnet.take(net.network().into());
                subnet.take(net.broadcast().into());
            }
            // RFC 4291, § 2.6.1: the first is the routers' common address.
            IpNet::V6(net) if net.prefix_len() < 127 => {
                subnet.take(net.network().into());
            }
            _ => {}
        }
        subnet
    }

    pub fn net(&self) -> IpNet {
        self.net
    }

    /// What addresses may be asked for by name.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.net.contains(&address)
    }

    /// Takes one certain address; false if it is outside the subnet or taken.
    pub fn take(&mut self, address: IpAddr) -> bool {
        self.net.contains(&address) && self.taken.insert(number(address))
    }

    /// Takes the lowest free address of the range.
    pub fn allocate(&mut self) -> Option<IpAddr> {
        let last = number(self.range.broadcast());
        let mut next = self.lowest;
        if next > last {
            return None;
        }
        for taken in self.taken.range(self.lowest..=last) {
            if *taken != next {
                break;
            }
            next = taken.checked_add(1)?;
        }
        if next > last {
            return None;
        }
        self.taken.insert(next);
        self.lowest = next.saturating_add(1);
        Some(match self.net {
            IpNet::V4(_) => Ipv4Addr::from(next as u32).into(),
            IpNet::V6(_) => Ipv6Addr::from(next).into(),
        })
    }

    /// Gives an address back.
    pub fn free(&mut self, address: IpAddr) {
        if self.net.contains(&address) && self.taken.remove(&number(address)) {
            let number = number(address);
            if self.range.contains(&address) {
                self.lowest = self.lowest.min(number);
            }
        }
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}

/// Docker's pools: 172.17 to 172.31 with 16 bits each, then 192.168 with 20; and where
/// Docker gives up, 65,536 more of 24 bits.
pub(crate) fn default_pools() -> Vec<AddressPool> {
    let pool = |a, b, prefix, size| AddressPool {
        base: IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, 0, 0), prefix)),
        size,
    };
    vec![
        pool(172, 17, 16, 16),
        pool(172, 18, 16, 16),
        pool(172, 19, 16, 16),
        pool(172, 20, 14, 16),
        pool(172, 24, 14, 16),
        pool(172, 28, 14, 16),
        pool(192, 168, 16, 20),
        pool(10, 0, 8, 24),
    ]
}

/// A pool of IPv6 subnets of this host's own (RFC 4193), always the same for one host.
pub(crate) fn local_pool(host: &str) -> AddressPool {
    // FNV-1a; nothing depends on more than that hosts differ.
    let hash = host.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let global = u128::from(hash & 0xff_ffff_ffff);
    let base = Ipv6Addr::from(0xfd_u128 << 120 | global << 80);
    AddressPool {
        base: IpNet::V6(Ipv6Net::new_assert(base, 48)),
        size: 64,
    }
}

/// The first subnet of the pools of one family that overlaps nothing in `used` (networks of
/// ours, routes and addresses of the host).
pub(crate) fn choose(
    pools: &[AddressPool],
    ipv6: bool,
    used: &[IpNet],
) -> Result<IpNet, NetworkError> {
    let pools = pools
        .iter()
        .filter(|pool| matches!(pool.base, IpNet::V6(_)) == ipv6);
    pools
        .filter_map(|pool| free_part(pool, used))
        .next()
        .ok_or(NetworkError::PoolsExhausted)
}

/// The first free part of a pool. What is used is skipped as a whole: a /48 has 65,536
/// parts, and a route may cover most of them.
fn free_part(pool: &AddressPool, used: &[IpNet]) -> Option<IpNet> {
    let base = pool.base.trunc();
    let step = 1_u128.checked_shl(u32::from(base.max_prefix_len().checked_sub(pool.size)?))?;
    let last = number(base.broadcast());
    let mut start = number(base.network());
    while start <= last {
        let part = match base {
            IpNet::V4(_) => IpNet::new(Ipv4Addr::from(start as u32).into(), pool.size).ok()?,
            IpNet::V6(_) => IpNet::new(Ipv6Addr::from(start).into(), pool.size).ok()?,
        };
        match used.iter().find(|other| overlap(part, **other)) {
            None => return Some(part),
            Some(other) => {
                let end = number(other.trunc().broadcast()).max(start + (step - 1));
                // The next part that begins behind it.
                start = (end.checked_add(1)?.checked_add(step - 1)?) / step * step;
            }
        }
    }
    None
}

/// Whether two subnets share an address.
pub(crate) fn overlap(a: IpNet, b: IpNet) -> bool {
    a.contains(&b.network()) || b.contains(&a.network())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(net: &str, range: Option<&str>) -> Subnet {
        Subnet::new(
            net.parse().unwrap(),
            range.map(|range| range.parse().unwrap()),
        )
    }

    #[test]
    fn the_lowest_free_address_is_next() {
        let mut subnet = subnet("172.17.0.0/16", None);
        assert!(subnet.take([172, 17, 0, 1].into()));
        for last in 2..200_u8 {
            assert_eq!(subnet.allocate().unwrap(), IpAddr::from([172, 17, 0, last]));
        }
        subnet.free([172, 17, 0, 7].into());
        assert_eq!(subnet.allocate().unwrap(), IpAddr::from([172, 17, 0, 7]));
        assert_eq!(subnet.allocate().unwrap(), IpAddr::from([172, 17, 0, 200]));
        assert!(!subnet.take([172, 17, 0, 9].into()) && !subnet.take([10, 0, 0, 1].into()));
    }

    #[test]
    fn a_small_subnet_runs_out_without_its_edges() {
        let mut small = subnet("10.0.0.0/29", None);
        small.take([10, 0, 0, 1].into());
        assert_eq!(std::iter::from_fn(|| small.allocate()).count(), 5);
        assert_eq!(small.allocate(), None);
        let mut ranged = subnet("10.0.0.0/16", Some("10.0.1.0/30"));
        let all: Vec<_> = std::iter::from_fn(|| ranged.allocate()).collect();
        assert_eq!(all.first(), Some(&IpAddr::from([10, 0, 1, 0])));
        assert_eq!(all.len(), 4);
        let mut six = subnet("fd00::/126", None);
        let all: Vec<_> = std::iter::from_fn(|| six.allocate()).collect();
        assert_eq!(
            all,
            ["fd00::1", "fd00::2", "fd00::3"].map(|a| a.parse::<IpAddr>().unwrap())
        );
    }

    #[test]
    fn pools_avoid_what_the_host_uses() {
        let nets =
            |all: &[&str]| -> Vec<IpNet> { all.iter().map(|n| n.parse().unwrap()).collect() };
        let pools = default_pools();
        let chosen = |used: &[&str]| choose(&pools, false, &nets(used)).unwrap().to_string();
        assert_eq!(
            chosen(&["172.17.3.0/24", "172.18.0.0/15", "fd00::/8"]),
            "172.20.0.0/16"
        );
        assert_eq!(chosen(&[]), "172.17.0.0/16");
        assert_eq!(chosen(&["172.16.0.0/12"]), "192.168.0.0/20");
        let private = [
            "172.16.0.0/12",
            "192.168.0.0/16",
            "10.0.0.0/16",
            "10.1.0.7/32",
        ];
        assert_eq!(chosen(&private), "10.1.1.0/24");
        assert!(choose(&pools, false, &nets(&["0.0.0.0/1", "128.0.0.0/1"])).is_err());
        let local = [local_pool("a host"), local_pool("another")];
        assert_ne!(local[0], local[1]);
        let first = choose(&local, true, &[]).unwrap();
        let second = choose(&local, true, &[first]).unwrap();
        assert!(
            first != second && local[0].base.contains(&second),
            "{second}"
        );
        assert!(choose(&local[..1], true, &nets(&["fd00::/8"])).is_err());
    }
}
