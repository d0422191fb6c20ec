//! nf_tables: tables, chains, sets, maps and rules, changed in atomic transactions.
//!
//! A [`NftBatch`] is one transaction: all of it takes effect at once, or nothing.
//! (linux/netfilter/nf_tables.h, nft(8))

mod dump;
mod expression;
mod set;
mod watch;

pub use dump::ListedChain;
pub use expression::{Compared, Expression, MetaKey, Register, Verdict};
pub use set::{DataType, Element, ElementData, Set};
pub use watch::NftWatch;

use crate::{
    NetlinkError,
    message::{self, ACK, APPEND, CREATE, EXCLUSIVE, REQUEST},
    socket::{Requests, Socket},
};
use rustix::net::netlink;
use std::borrow::Cow;

// linux/netfilter/nfnetlink.h, nf_tables.h
const SUBSYSTEM: u16 = 10;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const NEW_TABLE: u16 = 0;
const DELETE_TABLE: u16 = 2;
const NEW_CHAIN: u16 = 3;
const NEW_RULE: u16 = 6;
const NEW_SET: u16 = 9;
const NEW_ELEMENT: u16 = 12;
const DELETE_ELEMENT: u16 = 14;

/// Which packets a table sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4.
    Ip,
    /// IPv6.
    Ip6,
    /// Both.
    Inet,
    /// Frames of a bridge.
    Bridge,
}

impl Family {
    fn number(self) -> u8 {
        match self {
            Self::Inet => 1,
            Self::Ip => 2,
            Self::Bridge => 7,
            Self::Ip6 => 10,
        }
    }
}

/// Where a base chain hangs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// Before routing.
    Prerouting = 0,
    /// To this host.
    Input = 1,
    /// Through this host.
    Forward = 2,
    /// From this host.
    Output = 3,
    /// After routing.
    Postrouting = 4,
}

/// A base chain's place.
#[derive(Debug, Clone, Copy)]
pub struct BaseChain {
    /// `nat` instead of `filter`.
    pub nat: bool,
    /// Where.
    pub hook: Hook,
    /// Order among chains of the same hook; -300 raw, -100 dstnat, 0 filter, 100 srcnat.
    pub priority: i32,
    /// What happens to packets that no rule decides; true drops them.
    pub drop: bool,
}

/// A conversation with the nf_tables of one network namespace.
#[derive(Debug)]
pub struct NftSocket {
    socket: Socket,
}

/// One transaction for one table family and table.
#[derive(Debug)]
pub struct NftBatch {
    requests: Requests,
    family: Family,
    table: String,
    sets: u32,
}

impl NftSocket {
    /// In the calling thread's namespace.
    pub fn open() -> Result<Self, NetlinkError> {
        Ok(Self {
            socket: Socket::open(Some(netlink::NETFILTER), 0)?,
        })
    }

    /// The number by which news tell that a change was this socket's.
    pub fn port(&self) -> Result<u32, NetlinkError> {
        self.socket.port()
    }

    /// An empty transaction about `table`.
    pub fn batch(&self, family: Family, table: &str) -> NftBatch {
        let mut requests = self.socket.requests();
        requests.sequence += 1;
        let sequence = requests.sequence;
        let header = header(0, SUBSYSTEM);
        message::append(
            &mut requests.bytes,
            BATCH_BEGIN,
            REQUEST,
            sequence,
            &header,
            |_| {},
        );
        NftBatch {
            requests,
            family,
            table: table.to_owned(),
            sets: 0,
        }
    }

    /// Commits a transaction.
    pub fn run(&mut self, batch: NftBatch) -> Result<(), NetlinkError> {
        let mut requests = batch.requests;
        requests.sequence += 1;
        let sequence = requests.sequence;
        let header = header(0, SUBSYSTEM);
        message::append(
            &mut requests.bytes,
            BATCH_END,
            REQUEST,
            sequence,
            &header,
            |_| {},
        );
        self.socket.run(requests)
    }
}

impl NftBatch {
    /// Whether nothing has been added.
    pub fn is_empty(&self) -> bool {
        self.requests.names.is_empty()
    }

    /// What follows is about another table, in the same transaction.
    pub fn about(&mut self, family: Family, table: &str) {
        self.family = family;
        table.clone_into(&mut self.table);
    }

    /// Makes the table unless it is there.
    pub fn add_table(&mut self) {
        let (table, name) = (self.table.clone(), format!("making table {}", self.table));
        self.add(name, NEW_TABLE, CREATE, |a| a.text(1, &table));
    }

    /// Makes the table; fails the transaction if it is there.
    pub fn add_new_table(&mut self) {
        let (table, name) = (self.table.clone(), format!("making table {}", self.table));
        self.add(name, NEW_TABLE, CREATE | EXCLUSIVE, |a| a.text(1, &table));
    }

    /// Deletes the table with all that is in it. The kernel waits for a grace period, some
    /// 10 ms, before the socket can be closed.
    pub fn delete_table(&mut self) {
        let (table, name) = (self.table.clone(), format!("deleting table {}", self.table));
        self.add(name, DELETE_TABLE, 0, |a| a.text(1, &table));
    }

    /// Makes a chain; one without a base is jumped to.
    pub fn add_chain(&mut self, chain: &str, base: Option<BaseChain>) {
        let table = self.table.clone();
        self.add(format!("making chain {chain}"), NEW_CHAIN, CREATE, |a| {
            a.text(1, &table);
            a.text(3, chain);
            if let Some(base) = base {
                a.nest(4, |a| {
                    a.u32_be(1, base.hook as u32);
                    a.u32_be(2, base.priority as u32);
                });
                a.u32_be(5, u32::from(!base.drop));
                a.text(7, if base.nat { "nat" } else { "filter" });
            }
        });
    }

    /// Appends a rule to a chain.
    pub fn add_rule(&mut self, chain: &str, expressions: &[Expression<'_>]) {
        let table = self.table.clone();
        self.add(
            format!("adding a rule to {chain}"),
            NEW_RULE,
            CREATE | APPEND,
            |a| {
                a.text(1, &table);
                a.text(2, chain);
                a.nest(4, |a| {
                    expressions
                        .iter()
                        .for_each(|expression| expression.write(a))
                });
            },
        );
    }

    /// Makes a set or a map.
    pub fn add_set(&mut self, set: &Set<'_>) {
        self.sets += 1;
        let (table, number) = (self.table.clone(), self.sets);
        self.add(format!("making set {}", set.name), NEW_SET, CREATE, |a| {
            set.write(&table, number, a);
        });
    }

    /// Adds elements; one whose key is there already fails the transaction.
    pub fn add_elements(&mut self, set: &str, elements: &[Element]) {
        self.elements("adding to", NEW_ELEMENT, CREATE | EXCLUSIVE, set, elements);
    }

    /// Deletes elements; one that is missing fails the transaction.
    pub fn delete_elements(&mut self, set: &str, elements: &[Element]) {
        self.elements("deleting from", DELETE_ELEMENT, 0, set, elements);
    }

    fn elements(&mut self, verb: &str, kind: u16, flags: u16, set: &str, elements: &[Element]) {
        // An attribute holds 64 KiB at most; an element takes less than 128 bytes.
        for chunk in elements.chunks(500) {
            let table = self.table.clone();
            self.add(format!("{verb} set {set}"), kind, flags, |a| {
                a.text(1, &table);
                a.text(2, set);
                a.nest(3, |a| chunk.iter().for_each(|element| element.write(a)));
            });
        }
    }

    fn add(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        kind: u16,
        flags: u16,
        fill: impl FnOnce(&mut message::Attributes<'_>),
    ) {
        let sequence = self.requests.next(name);
        let header = header(self.family.number(), 0);
        let kind = SUBSYSTEM << 8 | kind;
        let flags = REQUEST | ACK | flags;
        message::append(
            &mut self.requests.bytes,
            kind,
            flags,
            sequence,
            &header,
            fill,
        );
    }
}

// struct nfgenmsg
fn header(family: u8, resource: u16) -> [u8; 4] {
    let [high, low] = resource.to_be_bytes();
    [family, 0, high, low]
}
