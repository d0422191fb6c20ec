//! What the table consists of.

use super::elements::of_family;
use corten_netlink::nft::{
    BaseChain, Compared, DataType, Expression, Hook, MetaKey, NftBatch, Register, Set, Verdict,
};
use std::net::Ipv4Addr;

/// linux/rtnetlink.h, `RTN_LOCAL`
const KIND_LOCAL: u32 = 2;
/// linux/netfilter/nf_conntrack_common.h, `IPS_DST_NAT`
const STATUS_TRANSLATED: u32 = 0x20;
/// nft's bits for the states established and related.
const STATE_ANSWER: u32 = 0x6;
/// Sets without a family.
const COMMON: [&str; 5] = ["bridges", "internal", "same", "trusted", "links"];
/// Sets of each family.
const BY_FAMILY: [&str; 11] = [
    "subnets",
    "masqueraded",
    "sources",
    "ports",
    "addressed_ports",
    "ranges",
    "addressed_ranges",
    "direct",
    "reached",
    "routed",
    "unprotected",
];

/// What differs between IPv4 and IPv6.
#[derive(Debug, Clone, Copy)]
struct Ip {
    /// The number of the family.
    number: u32,
    address: DataType,
    /// Offset and length of the addresses in the header.
    source: (u32, u32),
    destination: (u32, u32),
    /// The protocol that carries errors and pings.
    control: u8,
}

const IPV4: Ip = Ip {
    number: 2,
    address: DataType::Ipv4,
    source: (12, 4),
    destination: (16, 4),
    control: 1,
};
const IPV6: Ip = Ip {
    number: 10,
    address: DataType::Ipv6,
    source: (8, 16),
    destination: (24, 16),
    control: 58,
};

impl Ip {
    fn set(self, name: &str) -> String {
        of_family(name, self.number == IPV6.number)
    }

    /// The register behind an address in the first ones.
    fn behind(self, registers: u8) -> Register {
        Register((self.source.1 / 4) as u8 + registers)
    }
}

/// Names of all sets and maps.
pub(super) fn names() -> Vec<String> {
    let common = COMMON.iter().map(|name| (*name).to_owned());
    let both = [false, true].into_iter();
    common
        .chain(both.flat_map(|ipv6| BY_FAMILY.map(|name| of_family(name, ipv6))))
        .collect()
}

/// Makes the sets and maps.
pub(super) fn sets(batch: &mut NftBatch) {
    use DataType::{Ipv4, LinkName, Port, Protocol};
    let mut set = |name: &str, key: &[DataType], data: &[DataType], interval| {
        batch.add_set(&Set {
            name,
            key,
            data,
            verdicts: false,
            interval,
        });
    };
    set("bridges", &[LinkName], &[], false);
    set("internal", &[LinkName], &[], false);
    set("same", &[LinkName, LinkName], &[], false);
    set("trusted", &[LinkName, LinkName], &[], false);
    set("links", &[Ipv4, Ipv4, Protocol, Port], &[], false);
    for ip in [IPV4, IPV6] {
        let address = ip.address;
        let (plain, addressed) = ([Protocol, Port], [address, Protocol, Port]);
        let (one, range) = ([address, Port], [address, Port, Port]);
        set(&ip.set("subnets"), &[address], &[], true);
        set(&ip.set("masqueraded"), &[address], &[], true);
        set(&ip.set("sources"), &[address], &[address], true);
        set(&ip.set("ports"), &plain, &one, false);
        set(&ip.set("addressed_ports"), &addressed, &one, false);
        set(&ip.set("ranges"), &plain, &range, true);
        set(&ip.set("addressed_ranges"), &addressed, &range, true);
        set(&ip.set("direct"), &addressed, &[], true);
        set(&ip.set("reached"), &addressed, &[], true);
        set(&ip.set("routed"), &[LinkName], &[], false);
        set(&ip.set("unprotected"), &[LinkName], &[], false);
    }
}

/// How many rules [`rules`] makes.
pub(super) fn count(forward_ours_only: bool) -> usize {
    let mut count = 0;
    each(forward_ours_only, &mut |_, _| count += 1);
    count
}

/// Makes chains and rules.
pub(super) fn rules(batch: &mut NftBatch, forward_ours_only: bool) {
    let base = |nat, hook, priority| {
        Some(BaseChain {
            nat,
            hook,
            priority,
            drop: false,
        })
    };
    batch.add_chain("published", None);
    batch.add_chain("raw", base(false, Hook::Prerouting, -300));
    batch.add_chain("prerouting", base(true, Hook::Prerouting, -100));
    batch.add_chain("output", base(true, Hook::Output, -100));
    batch.add_chain("postrouting", base(true, Hook::Postrouting, 100));
    batch.add_chain("forward", base(false, Hook::Forward, 0));
    each(forward_ours_only, &mut |chain, parts| {
        batch.add_rule(chain, parts);
    });
}

type Rule<'r> = &'r mut dyn FnMut(&str, &[Expression<'_>]);

fn each(forward_ours_only: bool, rule: Rule<'_>) {
    addresses(rule);
    for ip in [IPV4, IPV6] {
        published(ip, rule);
        outgoing(ip, rule);
    }
    forward(rule);
    if forward_ours_only {
        // Only what passes between two links that are no bridges: other engines' containers
        // and virtual machines are their own matter.
        let kind = |key| {
            [
                Expression::Meta(key, R0),
                Expression::Compare(R0, Compared::NotEqual, link_name("bridge").into()),
            ]
        };
        let (from, to) = (kind(MetaKey::InputKind), kind(MetaKey::OutputKind));
        rule(
            "forward",
            &[&from[..], &to, &[verdict(Verdict::Drop)]].concat(),
        );
    }
}

const R0: Register = Register(0);

fn verdict<'a>(verdict: Verdict) -> Expression<'a> {
    Expression::Verdict(verdict)
}

fn input<'a>(set: &'a str) -> [Expression<'a>; 2] {
    [
        Expression::Meta(MetaKey::InputName, R0),
        Expression::Member(set, R0),
    ]
}

fn output<'a>(set: &'a str) -> [Expression<'a>; 2] {
    [
        Expression::Meta(MetaKey::OutputName, R0),
        Expression::Member(set, R0),
    ]
}

fn not_output<'a>(set: &'a str) -> [Expression<'a>; 2] {
    [
        Expression::Meta(MetaKey::OutputName, R0),
        Expression::NoMember(set, R0),
    ]
}

/// The links it comes in and goes out by, as one key.
fn pair<'a>(set: &'a str) -> [Expression<'a>; 3] {
    [
        Expression::Meta(MetaKey::InputName, R0),
        Expression::Meta(MetaKey::OutputName, Register(4)),
        Expression::Member(set, R0),
    ]
}

fn is<'a>(ip: Ip) -> [Expression<'a>; 2] {
    [
        Expression::Meta(MetaKey::Family, R0),
        Expression::Compare(R0, Compared::Equal, vec![ip.number as u8]),
    ]
}

fn has_bits<'a>(load: Expression<'a>, mask: u32) -> [Expression<'a>; 3] {
    [
        load,
        Expression::Mask(R0, mask.to_ne_bytes().to_vec()),
        Expression::Compare(R0, Compared::NotEqual, 0_u32.to_ne_bytes().to_vec()),
    ]
}

fn translated<'a>() -> [Expression<'a>; 3] {
    has_bits(Expression::ConnectionStatus(R0), STATUS_TRANSLATED)
}

/// The first byte of an IPv4 address, compared with 127.
fn loopback<'a>((offset, _): (u32, u32)) -> [Expression<'a>; 2] {
    [
        Expression::Network(offset, 1, R0),
        Expression::Compare(R0, Compared::Equal, vec![Ipv4Addr::LOCALHOST.octets()[0]]),
    ]
}

/// `::1`, as source or destination.
fn loopback_6<'a>((offset, length): (u32, u32), compared: Compared) -> [Expression<'a>; 2] {
    let address = std::net::Ipv6Addr::LOCALHOST.octets().to_vec();
    [
        Expression::Network(offset, length, R0),
        Expression::Compare(R0, compared, address),
    ]
}

fn addresses(rule: Rule<'_>) {
    let drop = [verdict(Verdict::Drop)];
    let leave = [verdict(Verdict::Return)];
    let jump = [verdict(Verdict::Jump("published".into()))];
    let is_local = [
        Expression::DestinationKind(R0),
        Expression::Compare(R0, Compared::Equal, KIND_LOCAL.to_ne_bytes().to_vec()),
    ];
    // CVE-2020-8558: route_localnet on a bridge must not open the host's loopback.
    let to_loopback = [&is(IPV4)[..], &loopback(IPV4.destination)].concat();
    rule(
        "raw",
        &[&input("bridges")[..], &to_loopback, &drop].concat(),
    );
    rule("prerouting", &[&to_loopback[..], &leave].concat());
    rule("prerouting", &[&is_local[..], &jump].concat());
    // What is sent from ::1 could not be answered: a socket of the host serves it.
    let to_loopback_6 = loopback_6(IPV6.destination, Compared::Equal);
    rule("output", &[&is(IPV6)[..], &to_loopback_6, &leave].concat());
    rule("output", &[&is_local[..], &jump].concat());
}

fn published(ip: Ip, rule: Rule<'_>) {
    use Expression::{Map, Meta, Network, TransportHeader};
    let (offset, length) = ip.destination;
    let (first, last) = (ip.behind(0), ip.behind(1));
    let one = Expression::DestinationNat {
        family: ip.number,
        address: R0,
        port: first,
    };
    let range = Expression::DestinationNatByOffset {
        family: ip.number,
        address: R0,
        first,
        last,
    };
    for (name, translation) in [("ports", one), ("ranges", range)] {
        let addressed = ip.set(&format!("addressed_{name}"));
        let key = [
            Network(offset, length, R0),
            Meta(MetaKey::Transport, ip.behind(0)),
            TransportHeader(2, 2, ip.behind(1)),
            Map(&addressed, R0, R0),
            translation.clone(),
        ];
        rule("published", &[&is(ip)[..], &key].concat());
        let plain = ip.set(name);
        let key = [
            Meta(MetaKey::Transport, R0),
            TransportHeader(2, 2, Register(1)),
            Map(&plain, R0, R0),
            translation,
        ];
        rule("published", &[&is(ip)[..], &key].concat());
    }
}

fn outgoing(ip: Ip, rule: Rule<'_>) {
    let masquerade = [Expression::Masquerade];
    let source = || Expression::Network(ip.source.0, ip.source.1, R0);
    let to_bridge = output("bridges");
    if ip.number == IPV4.number {
        let from_loopback = loopback(ip.source);
        rule(
            "postrouting",
            &[&is(ip)[..], &to_bridge, &from_loopback, &masquerade].concat(),
        );
    }
    let subnets = ip.set("subnets");
    let ours = [source(), Expression::Member(&subnets, R0)];
    rule(
        "postrouting",
        &[&is(ip)[..], &to_bridge, &translated(), &ours, &masquerade].concat(),
    );
    let (sources, masqueraded, routed) =
        (ip.set("sources"), ip.set("masqueraded"), ip.set("routed"));
    let chosen = [
        source(),
        Expression::Map(&sources, R0, R0),
        Expression::SourceNat(ip.number, R0),
    ];
    let outside = not_output("bridges");
    rule("postrouting", &[&is(ip)[..], &outside, &chosen].concat());
    let hidden = [source(), Expression::Member(&masqueraded, R0)];
    rule(
        "postrouting",
        &[&is(ip)[..], &outside, &hidden, &masquerade].concat(),
    );
    // To a network that is routed, another is as far as anybody else.
    rule(
        "postrouting",
        &[&is(ip)[..], &output(&routed), &hidden, &masquerade].concat(),
    );
}

fn forward(rule: Rule<'_>) {
    use Expression::{Meta, Network, TransportHeader};
    let accept = [verdict(Verdict::Accept)];
    let drop = [verdict(Verdict::Drop)];
    let to_bridge = output("bridges");
    let answer = has_bits(Expression::ConnectionState(R0), STATE_ANSWER);
    rule("forward", &[&pair("same")[..], &accept].concat());
    rule("forward", &[&input("internal")[..], &drop].concat());
    rule("forward", &[&output("internal")[..], &drop].concat());
    rule("forward", &[&to_bridge[..], &answer, &accept].concat());
    rule(
        "forward",
        &[&to_bridge[..], &translated(), &accept].concat(),
    );
    let linked = [
        Network(IPV4.source.0, 4, R0),
        Network(IPV4.destination.0, 4, Register(1)),
        Meta(MetaKey::Transport, Register(2)),
        TransportHeader(2, 2, Register(3)),
        Expression::Member("links", R0),
    ];
    rule("forward", &[&is(IPV4)[..], &linked, &accept].concat());
    rule("forward", &[&pair("trusted")[..], &accept].concat());
    for ip in [IPV4, IPV6] {
        let (direct, reached) = (ip.set("direct"), ip.set("reached"));
        let (routed, open) = (ip.set("routed"), ip.set("unprotected"));
        let port = [
            Network(ip.destination.0, ip.destination.1, R0),
            Meta(MetaKey::Transport, ip.behind(0)),
            TransportHeader(2, 2, ip.behind(1)),
        ];
        let member = [Expression::Member(&direct, R0)];
        rule("forward", &[&is(ip)[..], &port, &member, &accept].concat());
        let control = [
            Meta(MetaKey::Transport, R0),
            Expression::Compare(R0, Compared::Equal, vec![ip.control]),
        ];
        rule(
            "forward",
            &[&is(ip)[..], &output(&routed), &control, &accept].concat(),
        );
        // Other networks are kept apart all the same.
        let from_outside = [
            Meta(MetaKey::InputName, R0),
            Expression::NoMember("bridges", R0),
        ];
        let member = [Expression::Member(&reached, R0)];
        rule(
            "forward",
            &[&is(ip)[..], &from_outside, &port, &member, &accept].concat(),
        );
        rule(
            "forward",
            &[&is(ip)[..], &output(&open), &from_outside, &accept].concat(),
        );
    }
    rule("forward", &[&to_bridge[..], &drop].concat());
}

pub(super) fn link_name(name: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(name.bytes().take(15)) {
        *to = from;
    }
    bytes
}
