//! What stands in the kernel now, for comparison.

use super::{Element, ElementData, Family, NftSocket, SUBSYSTEM, header};
use crate::{
    NetlinkError,
    message::{self, Attributes, DUMP, REQUEST, attribute, attributes, read_text},
};

const GET_TABLE: u16 = 1;
const GET_CHAIN: u16 = 4;
const GET_RULE: u16 = 7;
const GET_ELEMENTS: u16 = 13;

/// A chain that packets come through by themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedChain {
    /// Its table.
    pub table: String,
    /// Its name.
    pub name: String,
    /// Where it hangs: a number of [`super::Hook`].
    pub hook: u32,
    /// Whether it drops what no rule decides.
    pub drop: bool,
}

impl NftSocket {
    /// The base chains of a family.
    pub fn base_chains(&mut self, family: Family) -> Result<Vec<ListedChain>, NetlinkError> {
        let mut chains = Vec::new();
        self.get(
            "listing chains",
            GET_CHAIN,
            family,
            |_| {},
            |attributes| {
                let text = |kind| attribute(attributes, kind).map(read_text);
                let number = |bytes: &[u8]| bytes.try_into().ok().map(u32::from_be_bytes);
                let hook = attribute(attributes, 4).and_then(|nest| number(attribute(nest, 1)?));
                if let (Some(table), Some(name), Some(hook)) = (text(1), text(3), hook) {
                    let policy = attribute(attributes, 5).and_then(number);
                    chains.push(ListedChain {
                        table,
                        name,
                        hook,
                        drop: policy == Some(0),
                    });
                }
            },
        )?;
        Ok(chains)
    }

    /// Names of all tables of a family.
    pub fn tables(&mut self, family: Family) -> Result<Vec<String>, NetlinkError> {
        let mut names = Vec::new();
        self.get(
            "listing tables",
            GET_TABLE,
            family,
            |_| {},
            |attributes| {
                names.extend(attribute(attributes, 1).map(read_text));
            },
        )?;
        Ok(names)
    }

    /// The chain of each rule of a table, in order.
    pub fn rules(&mut self, family: Family, table: &str) -> Result<Vec<String>, NetlinkError> {
        let mut chains = Vec::new();
        self.get(
            "listing rules",
            GET_RULE,
            family,
            |a| a.text(1, table),
            |attributes| {
                if attribute(attributes, 1).map(read_text).as_deref() == Some(table) {
                    chains.extend(attribute(attributes, 2).map(read_text));
                }
            },
        )?;
        Ok(chains)
    }

    /// The elements of a set or map; verdicts are left out.
    pub fn elements(
        &mut self,
        family: Family,
        table: &str,
        set: &str,
    ) -> Result<Vec<Element>, NetlinkError> {
        let mut elements = Vec::new();
        let fill = |a: &mut Attributes<'_>| {
            a.text(1, table);
            a.text(2, set);
        };
        self.get("listing elements", GET_ELEMENTS, family, fill, |body| {
            let list = attribute(body, 3).unwrap_or_default();
            elements.extend(attributes(list).filter_map(|(_, element)| parse(element)));
        })?;
        Ok(elements)
    }

    fn get(
        &mut self,
        name: &'static str,
        kind: u16,
        family: Family,
        fill: impl FnOnce(&mut Attributes<'_>),
        mut take: impl FnMut(&[u8]),
    ) -> Result<(), NetlinkError> {
        let mut requests = self.socket.requests();
        let sequence = requests.next(name);
        let header = header(family.number(), 0);
        let kind = SUBSYSTEM << 8 | kind;
        message::append(
            &mut requests.bytes,
            kind,
            REQUEST | DUMP,
            sequence,
            &header,
            fill,
        );
        self.socket
            .ask(requests, |_, body| take(body.get(4..).unwrap_or_default()))
    }
}

fn parse(element: &[u8]) -> Option<Element> {
    let value = |kind| attribute(element, kind).and_then(|nest| attribute(nest, 1));
    Some(Element {
        key: value(1)?.to_vec(),
        key_end: value(10).map(<[u8]>::to_vec),
        interval_end: attribute(element, 3).is_some_and(|flags| flags.last() == Some(&1)),
        data: value(2).map_or(ElementData::None, |value| {
            ElementData::Value(value.to_vec())
        }),
    })
}
