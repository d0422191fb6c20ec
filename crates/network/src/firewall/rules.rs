//! What the table consists of.

use super::GuardedNetwork;
use corten_netlink::nft::{
    BaseChain, Compared, DataType, Element, Expression, Hook, MetaKey, NftBatch, Register, Set,
    Verdict,
};
use std::net::Ipv4Addr;

/// linux/rtnetlink.h, `RTN_LOCAL`
const KIND_LOCAL: u32 = 2;
/// linux/netfilter/nf_conntrack_common.h, `IPS_DST_NAT`
const STATUS_TRANSLATED: u32 = 0x20;
/// nft's bits for the states established and related.
const STATE_ANSWER: u32 = 0x6;
/// Offsets and length of the addresses in an IPv4 header.
const SOURCE: (u32, u32) = (12, 4);
const DESTINATION: (u32, u32) = (16, 4);

/// Makes the sets and maps.
pub(super) fn sets(batch: &mut NftBatch) {
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

/// Puts the networks into the sets.
pub(super) fn networks(batch: &mut NftBatch, networks: &[GuardedNetwork]) {
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
pub(super) const COUNT: usize = 14;

/// Makes chains and rules.
pub(super) fn rules(batch: &mut NftBatch, forward_ours_only: bool) {
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
