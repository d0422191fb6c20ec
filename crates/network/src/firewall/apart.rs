//! Frames between containers of one bridge, where they are to be kept apart (`icc` off).
//! Known by the host's ends of their links: not every kernel tells rules the bridge.
//!
//! The bridge alone could isolate its ports, but then no linked port could be open.

use super::elements::put_named;
use super::{Elements, rules::link_name};
use corten_netlink::nft::{
    BaseChain, Compared, DataType, Element, Expression, Family, Hook, MetaKey, NftBatch, NftSocket,
    Register, Set, Verdict,
};

/// Marks sets of this table among all elements.
pub(super) const PREFIX: &str = "bridge.";
/// Its sets.
pub(super) const SETS: [&str; 2] = ["apart", "links"];
/// How many rules [`rules`] makes.
pub(super) const COUNT: usize = 5;
/// linux/if_ether.h
const IPV4: u16 = 0x0800;
const ARP: u16 = 0x0806;
/// Offsets of the addresses in an IPv4 header.
const SOURCE: u32 = 12;
const DESTINATION: u32 = 16;

/// Whether this table is to be made: with br_netfilter the other one sees the frames, too,
/// and translated ones would be lost here; and not every kernel has tables for bridges.
pub(super) fn is_wanted(nft: &mut NftSocket, table: &str) -> bool {
    if crate::drivers::firewall_sees_bridged_frames() {
        return false;
    }
    let known = nft.tables(Family::Bridge);
    if known.is_ok_and(|tables| tables.iter().any(|name| name == table)) {
        return true;
    }
    let mut batch = nft.batch(Family::Bridge, table);
    batch.add_table();
    rules(&mut batch);
    nft.run(batch).is_ok()
}

/// Puts the host's end of a container's link on a network without icc into the table.
pub(crate) fn port(link: &str, all: &mut Elements) {
    put_named(all, PREFIX, "apart", Element::member(link_name(link)));
}

/// Puts an open port into the table.
pub(super) fn link(key: &[u8], all: &mut Elements) {
    put_named(all, PREFIX, "links", Element::member(key));
}

/// Makes sets, the chain and its rules.
pub(super) fn rules(batch: &mut NftBatch) {
    use DataType::{Ipv4, LinkName, Port, Protocol};
    use Expression::{Compare, Member, Meta, Network, TransportHeader};
    for (name, key) in [
        ("apart", &[LinkName][..]),
        ("links", &[Ipv4, Ipv4, Protocol, Port]),
    ] {
        batch.add_set(&Set {
            name,
            key,
            data: &[],
            verdicts: false,
            interval: false,
        });
    }
    batch.add_chain(
        "forward",
        Some(BaseChain {
            nat: false,
            hook: Hook::Forward,
            priority: 0,
            drop: false,
        }),
    );
    let [r0, r1, r2, r3] = [0, 1, 2, 3].map(Register);
    // Either end: one that was given back may live a little longer.
    let from = [Meta(MetaKey::InputName, r0), Member("apart", r0)];
    let to = [Meta(MetaKey::OutputName, r0), Member("apart", r0)];
    let kind = |kind: u16| {
        [
            Meta(MetaKey::FrameKind, r0),
            Compare(r0, Compared::Equal, kind.to_be_bytes().to_vec()),
        ]
    };
    // From who is linked to the port, and back from the port.
    let linked = |from: u32, to: u32, port: u32| {
        [
            Network(from, 4, r0),
            Network(to, 4, r1),
            Meta(MetaKey::Transport, r2),
            TransportHeader(port, 2, r3),
            Member("links", r0),
        ]
    };
    let accept = [Expression::Verdict(Verdict::Accept)];
    let drop = [Expression::Verdict(Verdict::Drop)];
    let (there, back) = (
        linked(SOURCE, DESTINATION, 2),
        linked(DESTINATION, SOURCE, 0),
    );
    for parts in [
        [&to[..], &kind(ARP), &accept].concat(),
        [&to[..], &kind(IPV4), &there, &accept].concat(),
        [&to[..], &kind(IPV4), &back, &accept].concat(),
        [&to[..], &drop].concat(),
        [&from[..], &drop].concat(),
    ] {
        batch.add_rule("forward", &parts);
    }
}
