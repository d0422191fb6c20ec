//! The one nftables table of our own.
//!
//! ```text
//! table inet corten                             each set and map below once a family
//!   bridges, internal, same                   which networks there are; pairs that may talk
//!   subnets, masqueraded, sources             whose outgoing traffic bears which address
//!   ports, addressed_ports                    maps: published port → container
//!   ranges, addressed_ranges                  maps: published range → container
//!   direct, routed, unprotected, trusted      what is reached without translation
//!   links                                     ports open although a network has no icc
//!
//!   raw         nothing on a bridge speaks to 127.0.0.0/8 of the host
//!   prerouting  to an address of the host: published
//!   output      the same, from the host itself (localhost, too)
//!   published   look the port up, translate the destination
//!   postrouting outgoing traffic takes the host's address; so does what comes from
//!               localhost or from a container to a published port
//!   forward     to a container: answers, published ports, its own network; else dropped
//!
//! table bridge corten                         frames between containers of one bridge
//!   apart, links                              networks without icc; ports open all the same
//!   forward     of a network without icc: linked ports, and the question for addresses
//! ```
//!
//! A published port is one element of a map, and so is a range of any length; a network is
//! a handful of elements. Every change is one transaction of elements only. When somebody
//! else has flushed the table, the next change makes it anew as a whole.
//!
//! Other tables see the same packets: a host whose `FORWARD` policy is DROP (ufw, another
//! container engine) has to let the bridges through, an accept here cannot overrule it.

pub(crate) mod apart;
mod elements;
mod published;
mod rules;
#[cfg(test)]
mod tests;

pub(crate) use elements::{GuardedFamily, GuardedNetwork, OpenLink, links_of};
pub(crate) use published::Published;

use crate::claim::Claim;
use corten_netlink::{
    NetlinkError,
    nft::{Element, Family, Hook, NftBatch, NftSocket},
};
use rustix::io::Errno;
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Name of the table; a second engine on the host has `corten0`.
pub(crate) const TABLE: &str = "corten";

/// Elements by set.
pub(crate) type Elements = BTreeMap<String, Vec<Element>>;

/// Everything the table holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Contents {
    pub networks: Vec<GuardedNetwork>,
    pub ports: Vec<Published>,
    pub links: Vec<OpenLink>,
    /// Host's ends of containers' links on networks without icc.
    pub apart: Vec<String>,
    /// Whether what is neither from nor to a bridge may not be forwarded, since forwarding
    /// is on for containers only.
    pub forward_ours_only: bool,
}

impl Contents {
    fn elements(&self) -> Elements {
        let mut all = Elements::new();
        self.networks.iter().for_each(|it| it.elements(&mut all));
        self.ports.iter().for_each(|it| it.elements(&mut all));
        self.links.iter().for_each(|it| it.elements(&mut all));
        self.apart.iter().for_each(|it| apart::port(it, &mut all));
        all
    }
}

/// A change of what the table holds: one transaction.
#[derive(Debug, Clone, Default)]
pub(crate) struct Change {
    pub add: Elements,
    pub delete: Elements,
}

/// The table in the kernel.
#[derive(Debug)]
pub(crate) struct Firewall {
    // Lock: one transaction at a time.
    nft: Mutex<NftSocket>,
    table: Claim,
    /// Whether there is the table for bridges.
    sees_frames: bool,
}

impl Firewall {
    pub fn open() -> Result<Self, NetlinkError> {
        let table = Claim::first_free("table", TABLE, TABLE, |_| Ok(true))?;
        let table = table.ok_or(NetlinkError::Answer {
            operation: "claiming a table".into(),
        })?;
        let mut nft = NftSocket::open()?;
        let sees_frames = apart::is_wanted(&mut nft, &table.name);
        Ok(Self {
            nft: Mutex::new(nft),
            table,
            sees_frames,
        })
    }

    /// The table's name.
    pub fn table(&self) -> &str {
        &self.table.name
    }

    /// Whether containers of one bridge are kept apart by rules; else the bridge has to.
    pub fn keeps_apart(&self) -> bool {
        self.sees_frames
    }

    /// The number that news of our own changes bear.
    pub fn port(&self) -> Result<u32, NetlinkError> {
        self.nft().port()
    }

    fn nft(&self) -> MutexGuard<'_, NftSocket> {
        self.nft.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Chains of others that drop what passes through this host unless a rule of theirs says
    /// otherwise (ufw, another container engine). An accept of ours cannot overrule them.
    pub fn strangers(&self) -> Result<Vec<String>, NetlinkError> {
        let mut nft = self.nft();
        let mut found = Vec::new();
        for (family, name) in [
            (Family::Ip, "ip"),
            (Family::Ip6, "ip6"),
            (Family::Inet, "inet"),
        ] {
            let chains = nft.base_chains(family)?;
            let dropping = chains.into_iter().filter(|chain| {
                chain.drop && chain.hook == Hook::Forward as u32 && chain.table != self.table()
            });
            found.extend(dropping.map(|it| format!("{name} {} {}", it.table, it.name)));
        }
        Ok(found)
    }

    /// Makes the whole table anew, in one transaction. The contents are asked for when no
    /// other change can come in between.
    pub fn rebuild(&self, contents: impl FnOnce() -> Contents) -> Result<(), NetlinkError> {
        let mut nft = self.nft();
        let contents = contents();
        let mut batch = nft.batch(Family::Inet, self.table());
        batch.add_table();
        batch.delete_table();
        batch.add_table();
        rules::sets(&mut batch);
        rules::rules(&mut batch, contents.forward_ours_only);
        if self.sees_frames {
            batch.about(Family::Bridge, self.table());
            batch.add_table();
            batch.delete_table();
            batch.add_table();
            apart::rules(&mut batch);
        }
        self.each(&mut batch, &contents.elements(), NftBatch::add_elements);
        nft.run(batch)
    }

    /// Does the same to the elements of each set, in its table.
    fn each(
        &self,
        batch: &mut NftBatch,
        elements: &Elements,
        what: impl Fn(&mut NftBatch, &str, &[Element]),
    ) {
        for (set, elements) in elements {
            match set.strip_prefix(apart::PREFIX) {
                Some(set) if self.sees_frames => {
                    batch.about(Family::Bridge, self.table());
                    what(batch, set, elements);
                }
                Some(_) => {}
                None => {
                    batch.about(Family::Inet, self.table());
                    what(batch, set, elements);
                }
            }
        }
    }

    /// Makes a change. `Ok(false)`: the table is not as we left it, rebuild it.
    pub fn change(&self, change: &Change) -> Result<bool, NetlinkError> {
        if change.add.is_empty() && change.delete.is_empty() {
            return Ok(true);
        }
        let mut nft = self.nft();
        let mut batch = nft.batch(Family::Inet, self.table());
        self.each(&mut batch, &change.delete, NftBatch::delete_elements);
        self.each(&mut batch, &change.add, NftBatch::add_elements);
        match nft.run(batch) {
            Err(error) if matches!(error.errno(), Some(Errno::NOENT | Errno::EXIST)) => Ok(false),
            other => other.map(|()| true),
        }
    }

    /// Whether the table in the kernel holds exactly these elements and all rules.
    pub fn is_intact(&self, contents: impl FnOnce() -> Contents) -> Result<bool, NetlinkError> {
        let mut nft = self.nft();
        let contents = contents();
        let tables = nft.tables(Family::Inet)?;
        if !tables.iter().any(|name| name == self.table()) {
            return Ok(false);
        }
        let rules = nft.rules(Family::Inet, self.table())?.len();
        if rules != rules::count(contents.forward_ours_only) {
            return Ok(false);
        }
        let mut wanted = contents.elements();
        let mut sets: Vec<_> = rules::names()
            .into_iter()
            .map(|set| (Family::Inet, set.clone(), set))
            .collect();
        if self.sees_frames {
            let rules = nft.rules(Family::Bridge, self.table())?.len();
            if rules != apart::COUNT {
                return Ok(false);
            }
            let own = apart::SETS.map(|set| {
                let known = format!("{}{set}", apart::PREFIX);
                (Family::Bridge, set.to_owned(), known)
            });
            sets.extend(own);
        }
        for (family, set, known) in sets {
            let mut there = nft.elements(family, self.table(), &set)?;
            let mut here = wanted.remove(&known).unwrap_or_default();
            for elements in [&mut there, &mut here] {
                elements.sort_by(|a, b| (&a.key, a.interval_end).cmp(&(&b.key, b.interval_end)));
            }
            if there != here {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
