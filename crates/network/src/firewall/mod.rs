//! The one nftables table of our own.
//!
//! ```text
//! table ip corten
//!   bridges, subnets, masqueraded, internal   sets: which networks there are
//!   same                                      pairs of bridges that may talk (icc)
//!   ports, addressed_ports                    maps: published port → container
//!
//!   raw         nothing on a bridge speaks to 127.0.0.0/8 of the host
//!   prerouting  to an address of the host: published
//!   output      the same, from the host itself (localhost, too)
//!   published   look the port up, translate the destination
//!   postrouting outgoing traffic takes the host's address; so does what comes from
//!               localhost or from a container to a published port
//!   forward     to a container: answers, published ports, its own network; else dropped
//! ```
//!
//! A published port is one element of a map. When somebody else has flushed the table, the
//! next change makes it anew as a whole.
//!
//! Other tables see the same packets: a host whose `FORWARD` policy is DROP (ufw, another
//! container engine) has to let the bridges through, an accept here cannot overrule it.

mod rules;

use crate::{PortBinding, Protocol, claim::Claim};
use corten_netlink::{
    NetlinkError,
    nft::{Element, Family, NftBatch, NftSocket},
};
use ipnet::Ipv4Net;
use rustix::io::Errno;
use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{Mutex, PoisonError},
};

/// Name of the table; a second engine on the host has `corten0`.
pub(crate) const TABLE: &str = "corten";
/// A network as far as the firewall cares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GuardedNetwork {
    pub bridge: String,
    pub subnet: Ipv4Net,
    pub masquerade: bool,
    pub icc: bool,
    pub internal: bool,
}

/// A published port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Published {
    pub host_ip: Ipv4Addr,
    pub host_port: u16,
    pub protocol: Protocol,
    pub target: Ipv4Addr,
    pub target_port: u16,
}

impl Published {
    /// The IPv4 part of an endpoint's ports.
    pub fn of(ports: &[PortBinding], target: Ipv4Addr) -> Vec<Self> {
        let published = ports.iter().filter_map(|port| match port.host_ip {
            IpAddr::V4(host_ip) => Some(Self {
                host_ip,
                host_port: port.host_port,
                protocol: port.protocol,
                target,
                target_port: port.container_port,
            }),
            IpAddr::V6(_) => None,
        });
        published.collect()
    }

    fn element(&self) -> (&'static str, Element) {
        let mut key = Vec::with_capacity(12);
        let map = if self.host_ip.is_unspecified() {
            "ports"
        } else {
            key.extend(self.host_ip.octets());
            "addressed_ports"
        };
        key.extend([self.protocol.number(), 0, 0, 0]);
        key.extend(self.host_port.to_be_bytes());
        key.extend([0; 2]);
        let mut value = self.target.octets().to_vec();
        value.extend(self.target_port.to_be_bytes());
        value.extend([0; 2]);
        (map, Element::pair(key, value))
    }
}

/// Everything the table holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Contents {
    pub networks: Vec<GuardedNetwork>,
    pub ports: Vec<Published>,
    /// Whether what is neither from nor to a bridge may not be forwarded, since forwarding
    /// is on for containers only.
    pub forward_ours_only: bool,
}

/// The table in the kernel.
#[derive(Debug)]
pub(crate) struct Firewall {
    // Lock: one transaction at a time.
    nft: Mutex<NftSocket>,
    table: Claim,
}

impl Firewall {
    pub fn open() -> Result<Self, NetlinkError> {
        let table = Claim::first_free("table", TABLE, TABLE, |_| Ok(true))?;
        let table = table.ok_or(NetlinkError::Answer {
            operation: "claiming a table".into(),
        })?;
        Ok(Self {
            nft: Mutex::new(NftSocket::open()?),
            table,
        })
    }

    /// The table's name.
    pub fn table(&self) -> &str {
        &self.table.name
    }

    fn nft(&self) -> std::sync::MutexGuard<'_, NftSocket> {
        self.nft.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the whole table anew, in one transaction. The contents are asked for when no
    /// other change can come in between.
    pub fn rebuild(&self, contents: impl FnOnce() -> Contents) -> Result<(), NetlinkError> {
        let mut nft = self.nft();
        let contents = contents();
        let mut batch = nft.batch(Family::Ip, self.table());
        batch.add_table();
        batch.delete_table();
        batch.add_table();
        rules::sets(&mut batch);
        rules::networks(&mut batch, &contents.networks);
        rules::rules(&mut batch, contents.forward_ours_only);
        for (map, elements) in by_map(&contents.ports) {
            batch.add_elements(map, &elements);
        }
        nft.run(batch)
    }

    /// Publishes ports. `Ok(false)`: the table is not as we left it, rebuild it.
    pub fn publish(&self, ports: &[Published]) -> Result<bool, NetlinkError> {
        self.change(ports, |batch, map, elements| {
            batch.add_elements(map, elements)
        })
    }

    /// Takes ports back. `Ok(false)`: the table is not as we left it, rebuild it.
    pub fn withdraw(&self, ports: &[Published]) -> Result<bool, NetlinkError> {
        self.change(ports, |batch, map, elements| {
            batch.delete_elements(map, elements)
        })
    }

    fn change(
        &self,
        ports: &[Published],
        add: impl Fn(&mut NftBatch, &str, &[Element]),
    ) -> Result<bool, NetlinkError> {
        if ports.is_empty() {
            return Ok(true);
        }
        let mut nft = self.nft();
        let mut batch = nft.batch(Family::Ip, self.table());
        for (map, elements) in by_map(ports) {
            add(&mut batch, map, &elements);
        }
        match nft.run(batch) {
            Err(error) if matches!(error.errno(), Some(Errno::NOENT | Errno::EXIST)) => Ok(false),
            other => other.map(|()| true),
        }
    }

    /// Whether the table in the kernel holds exactly these ports and all rules.
    pub fn is_intact(&self, contents: impl FnOnce() -> Contents) -> Result<bool, NetlinkError> {
        let mut nft = self.nft();
        let contents = contents();
        if !nft
            .tables(Family::Ip)?
            .iter()
            .any(|name| name == self.table())
        {
            return Ok(false);
        }
        let rules = nft.rules(Family::Ip, self.table())?.len();
        let mut wanted: Vec<Element> = contents.ports.iter().map(|port| port.element().1).collect();
        let mut there = nft.elements(Family::Ip, self.table(), "ports")?;
        there.extend(nft.elements(Family::Ip, self.table(), "addressed_ports")?);
        let bridges = nft.elements(Family::Ip, self.table(), "bridges")?.len();
        wanted.sort_by(|a, b| a.key.cmp(&b.key));
        there.sort_by(|a, b| a.key.cmp(&b.key));
        let expected = rules::COUNT + usize::from(contents.forward_ours_only);
        Ok(rules == expected && bridges == contents.networks.len() && wanted == there)
    }
}

fn by_map(ports: &[Published]) -> Vec<(&'static str, Vec<Element>)> {
    let mut maps = vec![("ports", Vec::new()), ("addressed_ports", Vec::new())];
    for (map, element) in ports.iter().map(Published::element) {
        maps.iter_mut()
            .filter(|(name, _)| *name == map)
            .for_each(|(_, all)| all.push(element.clone()));
    }
    maps.retain(|(_, elements)| !elements.is_empty());
    maps
}
