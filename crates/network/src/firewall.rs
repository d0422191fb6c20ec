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

use crate::{PortBinding, Protocol, claim::Claim};
use corten_netlink::{
    NetlinkError,
    nft::{
        BaseChain, Compared, DataType, Element, Expression, Family, Hook, MetaKey, NftBatch,
        NftSocket, Register, Set, Verdict,
    },
};
use ipnet::Ipv4Net;
use rustix::io::Errno;
use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{Mutex, PoisonError},
};

/// Name of the table; a second engine on the host has `corten0`.
pub(crate) const TABLE: &str = "corten";
/// linux/rtnetlink.h, `RTN_LOCAL`
const KIND_LOCAL: u32 = 2;
/// linux/netfilter/nf_conntrack_common.h, `IPS_DST_NAT`
const STATUS_TRANSLATED: u32 = 0x20;
/// nft's bits for the states established and related.
const STATE_ANSWER: u32 = 0x6;
/// Offsets and length of the addresses in an IPv4 header.
const SOURCE: (u32, u32) = (12, 4);
const DESTINATION: (u32, u32) = (16, 4);

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
        sets(&mut batch);
        networks(&mut batch, &contents.networks);
        rules(&mut batch, contents.forward_ours_only);
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
        let expected = RULES + usize::from(contents.forward_ours_only);
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

fn sets(batch: &mut NftBatch) {
    let set = |name, key, interval| Set {
        name,
        key,
        data: &[],
        verdicts: false,
        interval,
    };
    batch.add_set(&set("bridges", &[DataType::LinkName], false));
    batch.add_set(&set("internal", &[DataType::LinkName], false));
    batch.add_set(&set(
        "same",
        &[DataType::LinkName, DataType::LinkName],
        false,
    ));
    batch.add_set(&set("subnets", &[DataType::Ipv4], true));
    batch.add_set(&set("masqueraded", &[DataType::Ipv4], true));
    let data = &[DataType::Ipv4, DataType::Port];
    batch.add_set(&Set {
        data,
        ..set("ports", &[DataType::Protocol, DataType::Port], false)
    });
    batch.add_set(&Set {
        data,
        ..set(
            "addressed_ports",
            &[DataType::Ipv4, DataType::Protocol, DataType::Port],
            false,
        )
    });
}

fn networks(batch: &mut NftBatch, networks: &[GuardedNetwork]) {
    for network in networks {
        let name = link_name(&network.bridge);
        let range = Element::subnet(network.subnet);
        batch.add_elements("bridges", &[Element::member(name)]);
        batch.add_elements("subnets", &range);
        if network.masquerade && !network.internal {
            batch.add_elements("masqueraded", &range);
        }
        if network.icc {
            batch.add_elements("same", &[Element::member([name, name].concat())]);
        }
        if network.internal {
            batch.add_elements("internal", &[Element::member(name)]);
        }
    }
}

/// How many rules [`rules`] adds, without the optional one.
const RULES: usize = 14;

fn rules(batch: &mut NftBatch, forward_ours_only: bool) {
    use Expression::{Compare, Map, Masquerade, Member, Meta, NoMember, TransportHeader};
    let [r0, r1, r2, r4] = [0, 1, 2, 4].map(Register);
    let input = || Meta(MetaKey::InputName, r0);
    let output = || Meta(MetaKey::OutputName, r0);
    let source = || Expression::Network(SOURCE.0, SOURCE.1, r0);
    let bits = |value: u32| value.to_ne_bytes().to_vec();
    let verdict = |verdict| Expression::Verdict(verdict);
    // The first byte of an address, compared with 127.
    let loopback = |(offset, _)| {
        [
            Expression::Network(offset, 1, r0),
            Compare(r0, Compared::Equal, vec![Ipv4Addr::LOCALHOST.octets()[0]]),
        ]
    };
    let base = |nat, hook, priority| {
        Some(BaseChain {
            nat,
            hook,
            priority,
            drop: false,
        })
    };
    let answer = || {
        let mask = Expression::Mask(r0, bits(STATE_ANSWER));
        [
            Expression::ConnectionState(r0),
            mask,
            Compare(r0, Compared::NotEqual, bits(0)),
        ]
    };
    let translated = || {
        let mask = Expression::Mask(r0, bits(STATUS_TRANSLATED));
        [
            Expression::ConnectionStatus(r0),
            mask,
            Compare(r0, Compared::NotEqual, bits(0)),
        ]
    };
    let local = || {
        [
            Expression::DestinationKind(r0),
            Compare(r0, Compared::Equal, bits(KIND_LOCAL)),
            verdict(Verdict::Jump("published".into())),
        ]
    };
    batch.add_chain("published", None);
    batch.add_chain("raw", base(false, Hook::Prerouting, -300));
    batch.add_chain("prerouting", base(true, Hook::Prerouting, -100));
    batch.add_chain("output", base(true, Hook::Output, -100));
    batch.add_chain("postrouting", base(true, Hook::Postrouting, 100));
    batch.add_chain("forward", base(false, Hook::Forward, 0));
    let mut rule =
        |chain: &str, parts: &[&[Expression<'_>]]| batch.add_rule(chain, &parts.concat());

    // CVE-2020-8558: route_localnet on a bridge must not open the host's loopback.
    let on_bridge = [input(), Member("bridges", r0)];
    rule(
        "raw",
        &[
            &on_bridge,
            &loopback(DESTINATION),
            &[verdict(Verdict::Drop)],
        ],
    );

    rule(
        "prerouting",
        &[&loopback(DESTINATION), &[verdict(Verdict::Return)]],
    );
    rule("prerouting", &[&local()]);
    rule("output", &[&local()]);

    let destination = Expression::DestinationNat {
        family: 2,
        address: r0,
        port: r1,
    };
    let addressed = [
        Expression::Network(DESTINATION.0, DESTINATION.1, r0),
        Meta(MetaKey::Transport, r1),
        TransportHeader(2, 2, r2),
        Map("addressed_ports", r0, r0),
    ];
    rule(
        "published",
        &[&addressed, std::slice::from_ref(&destination)],
    );
    let any = [
        Meta(MetaKey::Transport, r0),
        TransportHeader(2, 2, r1),
        Map("ports", r0, r0),
    ];
    rule("published", &[&any, &[destination]]);

    let to_bridge = [output(), Member("bridges", r0)];
    rule(
        "postrouting",
        &[&to_bridge, &loopback(SOURCE), &[Masquerade]],
    );
    let ours = [source(), Member("subnets", r0)];
    rule(
        "postrouting",
        &[&to_bridge, &translated(), &ours, &[Masquerade]],
    );
    let outgoing = [
        source(),
        Member("masqueraded", r0),
        output(),
        NoMember("bridges", r0),
    ];
    rule("postrouting", &[&outgoing, &[Masquerade]]);

    let accept = [verdict(Verdict::Accept)];
    rule("forward", &[&to_bridge, &answer(), &accept]);
    rule("forward", &[&to_bridge, &translated(), &accept]);
    let pair = [input(), Meta(MetaKey::OutputName, r4), Member("same", r0)];
    rule("forward", &[&pair, &accept]);
    rule("forward", &[&to_bridge, &[verdict(Verdict::Drop)]]);
    rule(
        "forward",
        &[&[input(), Member("internal", r0), verdict(Verdict::Drop)]],
    );
    if forward_ours_only {
        // Only what passes between two links that are no bridges: other engines' containers
        // and virtual machines are their own matter.
        let kind = |key| {
            [
                Meta(key, r0),
                Compare(r0, Compared::NotEqual, link_name("bridge").into()),
            ]
        };
        let (from, to) = (kind(MetaKey::InputKind), kind(MetaKey::OutputKind));
        rule("forward", &[&from, &to, &[verdict(Verdict::Drop)]]);
    }
}

fn link_name(name: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(name.bytes().take(15)) {
        *to = from;
    }
    bytes
}
