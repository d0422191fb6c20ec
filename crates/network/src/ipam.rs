//! Which addresses are taken: a bitmap a subnet, and the choice of subnets from pools.

use crate::{AddressPool, NetworkError};
use ipnet::{IpNet, Ipv4Net};
use std::net::Ipv4Addr;

/// The addresses of one subnet. The lowest free one is handed out, as Docker does.
#[derive(Debug, Clone)]
pub(crate) struct Subnet {
    net: Ipv4Net,
    /// The part of the subnet that is handed out.
    range: Ipv4Net,
    /// One bit an address, counted from the network address; grows as needed.
    taken: Vec<u64>,
}

impl Subnet {
    /// With the network's and the broadcast address taken.
    pub fn new(net: Ipv4Net, range: Option<Ipv4Net>) -> Self {
        let mut subnet = Self {
            net,
            range: range.unwrap_or(net),
            taken: Vec::new(),
        };
        // RFC 3021: a /31 has neither.
        if net.prefix_len() < 31 {
            subnet.take(net.network());
            subnet.take(net.broadcast());
        }
        subnet
    }

    pub fn net(&self) -> Ipv4Net {
        self.net
    }

    /// Takes one certain address; false if it is outside the subnet or taken.
    pub fn take(&mut self, address: Ipv4Addr) -> bool {
        if !self.net.contains(&address) {
            return false;
        }
        let (word, bit) = self.place(address);
        if self.taken.len() <= word {
            // The broadcast address alone would blow the map of a /8 up to 2 MiB; it is
            // excluded by `allocate`.
            if address == self.net.broadcast() {
                return true;
            }
            self.taken.resize(word + 1, 0);
        }
        let free = self.taken[word] & bit == 0;
        self.taken[word] |= bit;
        free
    }

    /// Takes the lowest free address of the range.
    pub fn allocate(&mut self) -> Result<Ipv4Addr, NetworkError> {
        let first = u32::from(self.range.network());
        let mut last = u32::from(self.range.broadcast());
        if self.net.prefix_len() < 31 && self.range.broadcast() == self.net.broadcast() {
            last = last.saturating_sub(1);
        }
        let base = u32::from(self.net.network());
        let mut next = first;
        while next <= last {
            let (word, bit) = self.place(Ipv4Addr::from(next));
            let bits = self.taken.get(word).copied().unwrap_or_default();
            if bits == u64::MAX {
                // A full word: on to the first address of the next.
                match (word as u32 + 1)
                    .checked_mul(64)
                    .and_then(|skip| base.checked_add(skip))
                {
                    Some(skipped) => next = skipped,
                    None => break,
                }
                continue;
            }
            if bits & bit == 0 {
                self.take(Ipv4Addr::from(next));
                return Ok(Ipv4Addr::from(next));
            }
            let Some(after) = next.checked_add(1) else {
                break;
            };
            next = after;
        }
        Err(NetworkError::NoAddresses)
    }

    /// Gives an address back.
    pub fn free(&mut self, address: Ipv4Addr) {
        if self.net.contains(&address) {
            let (word, bit) = self.place(address);
            if let Some(bits) = self.taken.get_mut(word) {
                *bits &= !bit;
            }
        }
    }

    fn place(&self, address: Ipv4Addr) -> (usize, u64) {
        let offset = u32::from(address) - u32::from(self.net.network());
        ((offset / 64) as usize, 1 << (offset % 64))
    }
}

/// Docker's pools: 172.17 to 172.31 with 16 bits each, then 192.168 with 20.
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
    ]
}

/// The first subnet of the pools that overlaps nothing in `used` (networks of ours, routes
/// and addresses of the host).
pub(crate) fn choose(pools: &[AddressPool], used: &[IpNet]) -> Result<Ipv4Net, NetworkError> {
    let free = |net: &Ipv4Net| {
        !used.iter().any(|other| match other {
            IpNet::V4(other) => overlap(*net, *other),
            IpNet::V6(_) => false,
        })
    };
    pools
        .iter()
        .filter_map(|pool| match pool.base {
            IpNet::V4(base) => base.subnets(pool.size).ok(),
            IpNet::V6(_) => None,
        })
        .find_map(|mut subnets| subnets.find(free))
        .ok_or(NetworkError::PoolsExhausted)
}

/// Whether two subnets share an address.
pub(crate) fn overlap(a: Ipv4Net, b: Ipv4Net) -> bool {
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
            assert_eq!(
                subnet.allocate().unwrap(),
                Ipv4Addr::from([172, 17, 0, last])
            );
        }
        subnet.free([172, 17, 0, 7].into());
        assert_eq!(subnet.allocate().unwrap(), Ipv4Addr::from([172, 17, 0, 7]));
        assert!(!subnet.take([172, 17, 0, 9].into()) && !subnet.take([10, 0, 0, 1].into()));
    }

    #[test]
    fn a_small_subnet_runs_out_without_its_edges() {
        let mut small = subnet("10.0.0.0/29", None);
        small.take([10, 0, 0, 1].into());
        let all: Vec<_> = std::iter::from_fn(|| small.allocate().ok()).collect();
        assert_eq!(all.len(), 5);
        assert!(matches!(small.allocate(), Err(NetworkError::NoAddresses)));
        let mut ranged = subnet("10.0.0.0/16", Some("10.0.1.0/30"));
        let all: Vec<_> = std::iter::from_fn(|| ranged.allocate().ok()).collect();
        assert_eq!(all.first(), Some(&Ipv4Addr::from([10, 0, 1, 0])));
        assert_eq!(all.len(), 4);
    }

    #[test]
    fn pools_avoid_what_the_host_uses() {
        let used: Vec<IpNet> = ["172.17.3.0/24", "172.18.0.0/15", "fd00::/8"]
            .map(|net| net.parse().unwrap())
            .into();
        let pools = default_pools();
        assert_eq!(choose(&pools, &used).unwrap().to_string(), "172.20.0.0/16");
        assert_eq!(choose(&pools, &[]).unwrap().to_string(), "172.17.0.0/16");
        let private = ["172.16.0.0/12".parse().unwrap()];
        assert_eq!(
            choose(&pools, &private).unwrap().to_string(),
            "192.168.0.0/20"
        );
        assert!(
            choose(
                &pools,
                &["0.0.0.0/1".parse().unwrap(), "128.0.0.0/1".parse().unwrap()]
            )
            .is_err()
        );
    }
}
