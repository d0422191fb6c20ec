//! Sets, maps and their elements.

use super::Verdict;
use crate::message::Attributes;

/// What a field of a key or of a value is. The number is nft's own, for its listings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataType {
    /// IPv4 address, 4 bytes.
    Ipv4 = 7,
    /// IPv6 address, 16 bytes.
    Ipv6 = 8,
    /// Transport protocol, 1 byte.
    Protocol = 12,
    /// Port, 2 bytes.
    Port = 13,
    /// Name of a link, 16 bytes.
    LinkName = 41,
}

impl DataType {
    /// Bytes it takes in a key; fields are padded to four.
    fn length(self) -> u32 {
        match self {
            Self::Ipv4 | Self::Protocol | Self::Port => 4,
            Self::Ipv6 | Self::LinkName => 16,
        }
    }

    /// Bytes it takes alone.
    fn bare_length(self) -> u32 {
        match self {
            Self::Protocol => 1,
            Self::Port => 2,
            other => other.length(),
        }
    }
}

/// A set, or a map if it has data.
#[derive(Debug, Clone)]
pub struct Set<'a> {
    /// Name in the table.
    pub name: &'a str,
    /// Fields of the key.
    pub key: &'a [DataType],
    /// Fields of the value; empty for a set.
    pub data: &'a [DataType],
    /// A map of verdicts (`data` is empty then).
    pub verdicts: bool,
    /// Whether elements are ranges.
    pub interval: bool,
}

/// What an element of a map leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ElementData {
    /// Nothing: the element of a set.
    None,
    /// A value, its fields padded to four bytes.
    Value(Vec<u8>),
    /// A verdict.
    Verdict(Verdict),
}

/// An element of a set or a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// Fields of the key, padded to four bytes each if there are several.
    pub key: Vec<u8>,
    /// Last key of a range in a set of several fields.
    pub key_end: Option<Vec<u8>>,
    /// Marks the first key behind a range in a set of one field.
    pub interval_end: bool,
    /// Value.
    pub data: ElementData,
}

impl Element {
    /// The element of a set.
    pub fn member(key: impl Into<Vec<u8>>) -> Self {
        Self {
            key: key.into(),
            key_end: None,
            interval_end: false,
            data: ElementData::None,
        }
    }

    /// The element of a map.
    pub fn pair(key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        Self {
            data: ElementData::Value(value.into()),
            ..Self::member(key)
        }
    }

    /// The element of a verdict map.
    pub fn verdict(key: impl Into<Vec<u8>>, verdict: Verdict) -> Self {
        Self {
            data: ElementData::Verdict(verdict),
            ..Self::member(key)
        }
    }

    /// The element of a set of several fields, with ranges: first and last key.
    pub fn range(first: impl Into<Vec<u8>>, last: impl Into<Vec<u8>>) -> Self {
        Self {
            key_end: Some(last.into()),
            ..Self::member(first)
        }
    }

    /// The same with other data.
    pub fn leading_to(self, value: impl Into<Vec<u8>>) -> Self {
        Self {
            data: ElementData::Value(value.into()),
            ..self
        }
    }

    /// The two elements that make a range of addresses in an interval set of one field; the
    /// first may get data.
    pub fn subnet(net: ipnet::IpNet) -> Vec<Self> {
        let (first, behind) = match net {
            ipnet::IpNet::V4(net) => {
                let behind = u32::from(net.broadcast()).checked_add(1);
                let behind = behind.map(|address| address.to_be_bytes().to_vec());
                (net.network().octets().to_vec(), behind)
            }
            ipnet::IpNet::V6(net) => {
                let behind = u128::from(net.broadcast()).checked_add(1);
                let behind = behind.map(|address| address.to_be_bytes().to_vec());
                (net.network().octets().to_vec(), behind)
            }
        };
        let end = |key| Self {
            interval_end: true,
            ..Self::member(key)
        };
        let mut range = vec![Self::member(first)];
        range.extend(behind.map(end));
        range
    }

    pub(super) fn write(&self, a: &mut Attributes<'_>) {
        a.nest(1, |a| {
            a.nest(1, |a| a.put(1, &self.key));
            if let Some(end) = &self.key_end {
                a.nest(10, |a| a.put(1, end));
            }
            if self.interval_end {
                a.u32_be(3, 1);
            }
            match &self.data {
                ElementData::None => {}
                ElementData::Value(value) => a.nest(2, |a| a.put(1, value)),
                ElementData::Verdict(verdict) => a.nest(2, |a| verdict.write(a)),
            }
        });
    }
}

const FLAG_INTERVAL: u32 = 0x4;
const FLAG_MAP: u32 = 0x8;
const FLAG_CONCAT: u32 = 0x80;
/// `NFT_DATA_VERDICT`
const VERDICT: u32 = 0xffff_ff00;

impl Set<'_> {
    pub(super) fn write(&self, table: &str, number: u32, a: &mut Attributes<'_>) {
        let is_map = self.verdicts || !self.data.is_empty();
        let ranges_of_fields = self.interval && self.key.len() > 1;
        let flag = |condition: bool, bit| if condition { bit } else { 0 };
        let flags = flag(self.interval, FLAG_INTERVAL)
            | flag(is_map, FLAG_MAP)
            | flag(ranges_of_fields, FLAG_CONCAT);
        a.text(1, table);
        a.text(2, self.name);
        a.u32_be(3, flags);
        a.u32_be(4, type_number(self.key));
        a.u32_be(5, total_length(self.key));
        if self.verdicts {
            a.u32_be(6, VERDICT);
        } else if is_map {
            a.u32_be(6, type_number(self.data));
            a.u32_be(7, total_length(self.data));
        }
        if ranges_of_fields {
            // NFTA_SET_DESC_CONCAT: the length of each field
            a.nest(9, |a| {
                a.nest(2, |a| {
                    for field in self.key {
                        a.nest(1, |a| a.u32_be(1, field.bare_length()));
                    }
                });
            });
        }
        a.u32_be(10, number);
        if self.key == [DataType::LinkName] {
            // For nft's listings only: the key is text in the host's byte order.
            let [a0, a1, a2, a3] = 1_u32.to_ne_bytes();
            a.put(13, &[0, 4, a0, a1, a2, a3]);
        }
    }
}

// nft packs the types of several fields into one number, six bits each.
fn type_number(fields: &[DataType]) -> u32 {
    fields
        .iter()
        .fold(0, |number, field| number << 6 | *field as u32)
}

fn total_length(fields: &[DataType]) -> u32 {
    match fields {
        [one] => one.bare_length(),
        many => many.iter().map(|field| field.length()).sum(),
    }
}
