//! What rules are made of.

use crate::message::Attributes;

/// One of the sixteen 32-bit registers. A value longer than that takes the following ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Register(pub u8);

impl Register {
    // NFT_REG32_00
    fn number(self) -> u32 {
        8 + u32::from(self.0)
    }
}

/// A packet's property beside its bytes. (`NFT_META_…`)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetaKey {
    /// Kind of a frame, two bytes in network order: 0x0800 for IPv4.
    FrameKind = 1,
    /// Name of the link it came in by, 16 bytes.
    InputName = 6,
    /// Name of the link it goes out by, 16 bytes.
    OutputName = 7,
    /// Family of the packet, one byte: 2 for IPv4, 10 for IPv6 (tables of both).
    Family = 15,
    /// Transport protocol, one byte.
    Transport = 16,
    /// Kind of the link it came in by (`bridge`), 16 bytes; Linux 5.5.
    InputKind = 26,
    /// Kind of the link it goes out by, 16 bytes.
    OutputKind = 27,
}

/// How a register is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compared {
    /// Equal.
    Equal = 0,
    /// Not equal.
    NotEqual = 1,
}

/// What becomes of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It passes this chain's hook.
    Accept,
    /// It is gone.
    Drop,
    /// Back to the calling chain.
    Return,
    /// On to another chain, and back.
    Jump(String),
    /// On to another chain.
    Goto(String),
}

impl Verdict {
    pub(super) fn write(&self, a: &mut Attributes<'_>) {
        let (code, chain) = match self {
            Self::Drop => (0, None),
            Self::Accept => (1, None),
            Self::Jump(chain) => (-3, Some(chain)),
            Self::Goto(chain) => (-4, Some(chain)),
            Self::Return => (-5, None),
        };
        // NFTA_DATA_VERDICT
        a.nest(2, |a| {
            a.u32_be(1, code as u32);
            if let Some(chain) = chain {
                a.text(2, chain);
            }
        });
    }
}

/// One step of a rule. A step that compares ends the rule when it does not hold.
#[derive(Debug, Clone)]
pub enum Expression<'a> {
    /// Loads a property.
    Meta(MetaKey, Register),
    /// Loads bytes of the network header: offset, length, register.
    Network(u32, u32, Register),
    /// Loads bytes of the transport header: offset, length, register.
    TransportHeader(u32, u32, Register),
    /// Puts two bytes from a register into the transport header (a port), and mends the
    /// checksum: offset, offset of the checksum, register.
    SetTransport(u32, u32, Register),
    /// Loads a constant.
    Constant(Register, Vec<u8>),
    /// Loads the kind of the destination address (2 is local). (`NFT_FIB_RESULT_ADDRTYPE`)
    DestinationKind(Register),
    /// Loads the kind of the source address.
    SourceKind(Register),
    /// Loads the connection's state bits: 2 established, 4 related.
    ConnectionState(Register),
    /// Loads the connection's status bits: 0x20 destination translated.
    ConnectionStatus(Register),
    /// Keeps the masked bits.
    Mask(Register, Vec<u8>),
    /// Compares.
    Compare(Register, Compared, Vec<u8>),
    /// Holds if the register is in the set.
    Member(&'a str, Register),
    /// Holds if it is not.
    NoMember(&'a str, Register),
    /// Looks the first register up in a map and puts what is found into the second; ends
    /// the rule if nothing is found.
    Map(&'a str, Register, Register),
    /// Changes the destination to the address and port in the registers (of the IPv4 or
    /// IPv6 family, by number).
    DestinationNat {
        /// 2 for IPv4, 10 for IPv6.
        family: u32,
        /// The address.
        address: Register,
        /// The port.
        port: Register,
    },
    /// Changes the destination to the address in a register, and the port to one that is
    /// counted from the packet's own: `first + port % (last - first + 1)`.
    /// (`NF_NAT_RANGE_PROTO_OFFSET`, counted from port 0; Linux 4.18)
    DestinationNatByOffset {
        /// 2 for IPv4, 10 for IPv6.
        family: u32,
        /// The address.
        address: Register,
        /// The first port.
        first: Register,
        /// The last port.
        last: Register,
    },
    /// Changes the source to the address in the register: family, register.
    SourceNat(u32, Register),
    /// Changes the source to the address of the link the packet goes out by.
    Masquerade,
    /// Counts packets and bytes.
    Counter,
    /// Ends the rule with a verdict.
    Verdict(Verdict),
}

/// `NF_NAT_RANGE_PROTO_OFFSET`, linux/netfilter/nf_nat.h
const RANGE_OFFSET: u32 = 1 << 5;

impl Expression<'_> {
    pub(super) fn write(&self, a: &mut Attributes<'_>) {
        let name = match self {
            Self::Meta(..) => "meta",
            Self::Network(..) | Self::TransportHeader(..) | Self::SetTransport(..) => "payload",
            Self::DestinationKind(_) | Self::SourceKind(_) => "fib",
            Self::ConnectionState(_) | Self::ConnectionStatus(_) => "ct",
            Self::Mask(..) => "bitwise",
            Self::Compare(..) => "cmp",
            Self::Member(..) | Self::NoMember(..) | Self::Map(..) => "lookup",
            Self::DestinationNat { .. }
            | Self::DestinationNatByOffset { .. }
            | Self::SourceNat(..) => "nat",
            Self::Masquerade => "masq",
            Self::Counter => "counter",
            Self::Verdict(_) | Self::Constant(..) => "immediate",
        };
        a.nest(1, |a| {
            a.text(1, name);
            a.nest(2, |a| self.write_data(a));
        });
    }

    fn write_data(&self, a: &mut Attributes<'_>) {
        match self {
            Self::Meta(key, register) => {
                a.u32_be(1, register.number());
                a.u32_be(2, *key as u32);
            }
            Self::Network(offset, length, register) => payload(a, 1, *offset, *length, *register),
            Self::TransportHeader(offset, length, register) => {
                payload(a, 2, *offset, *length, *register);
            }
            Self::SetTransport(offset, checksum, register) => {
                a.u32_be(2, 2);
                a.u32_be(3, *offset);
                a.u32_be(4, 2);
                a.u32_be(5, register.number());
                // NFT_PAYLOAD_CSUM_INET
                a.u32_be(6, 1);
                a.u32_be(7, *checksum);
            }
            Self::Constant(register, value) => {
                a.u32_be(1, register.number());
                a.nest(2, |a| a.put(1, value));
            }
            // NFT_FIB_RESULT_ADDRTYPE; flags: 2 destination, 1 source
            Self::DestinationKind(register) => fib(a, 2, *register),
            Self::SourceKind(register) => fib(a, 1, *register),
            Self::ConnectionState(register) => ct(a, 0, *register),
            Self::ConnectionStatus(register) => ct(a, 2, *register),
            Self::Mask(register, mask) => {
                a.u32_be(1, register.number());
                a.u32_be(2, register.number());
                a.u32_be(3, mask.len() as u32);
                a.nest(4, |a| a.put(1, mask));
                a.nest(5, |a| a.put(1, &vec![0; mask.len()]));
            }
            Self::Compare(register, operator, value) => {
                a.u32_be(1, register.number());
                a.u32_be(2, *operator as u32);
                a.nest(3, |a| a.put(1, value));
            }
            Self::Member(set, register) => {
                a.text(1, set);
                a.u32_be(2, register.number());
            }
            Self::NoMember(set, register) => {
                a.text(1, set);
                a.u32_be(2, register.number());
                a.u32_be(5, 1);
            }
            Self::Map(set, from, to) => {
                a.text(1, set);
                a.u32_be(2, from.number());
                a.u32_be(3, to.number());
            }
            Self::DestinationNat {
                family,
                address,
                port,
            } => {
                a.u32_be(1, 1);
                a.u32_be(2, *family);
                a.u32_be(3, address.number());
                a.u32_be(5, port.number());
            }
            Self::DestinationNatByOffset {
                family,
                address,
                first,
                last,
            } => {
                a.u32_be(1, 1);
                a.u32_be(2, *family);
                a.u32_be(3, address.number());
                a.u32_be(5, first.number());
                a.u32_be(6, last.number());
                a.u32_be(7, RANGE_OFFSET);
            }
            Self::SourceNat(family, address) => {
                a.u32_be(1, 0);
                a.u32_be(2, *family);
                a.u32_be(3, address.number());
            }
            Self::Masquerade | Self::Counter => {}
            Self::Verdict(verdict) => {
                // NFT_REG_VERDICT
                a.u32_be(1, 0);
                a.nest(2, |a| verdict.write(a));
            }
        }
    }
}

fn payload(a: &mut Attributes<'_>, base: u32, offset: u32, length: u32, register: Register) {
    a.u32_be(1, register.number());
    a.u32_be(2, base);
    a.u32_be(3, offset);
    a.u32_be(4, length);
}

fn fib(a: &mut Attributes<'_>, flags: u32, register: Register) {
    a.u32_be(1, register.number());
    a.u32_be(2, 3);
    a.u32_be(3, flags);
}

fn ct(a: &mut Attributes<'_>, key: u32, register: Register) {
    a.u32_be(1, register.number());
    a.u32_be(2, key);
}
