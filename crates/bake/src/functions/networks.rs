//! Addresses within networks (`cidr…`).

use super::{Answer, Entry, said, text, whole};
use crate::value::Value;
use ipnet::IpNet;
use std::net::IpAddr;

pub(super) const TABLE: &[Entry] = &[
    ("cidrhost", "prefix:string hostnum:number", host),
    ("cidrnetmask", "prefix:string", |it| {
        match network(&it[0])? {
            IpNet::V4(net) => said(net.netmask().to_string()),
            IpNet::V6(_) => Err("IPv6 addresses cannot have a netmask".into()),
        }
    }),
    (
        "cidrsubnet",
        "prefix:string newbits:number netnum:number",
        |it| {
            let net = network(&it[0])?;
            subnet(&net, whole(&it[1])?, whole(&it[2])?).map(|it| Value::Text(it.to_string()))
        },
    ),
    ("cidrsubnets", "prefix:string *newbits:number", subnets),
];

fn network(value: &Value) -> Result<IpNet, String> {
    let net = text(value).parse::<IpNet>();
    let net = net.map_err(|_| {
        format!(
            "invalid CIDR expression: invalid CIDR address: {}",
            text(value)
        )
    })?;
    Ok(net.trunc())
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(it) => u128::from(u32::from(it)),
        IpAddr::V6(it) => u128::from(it),
    }
}

fn address(bits: u128, like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => IpAddr::V4((bits as u32).into()),
        IpAddr::V6(_) => IpAddr::V6(bits.into()),
    }
}

fn host(it: Vec<Value>) -> Answer {
    let (net, number) = (network(&it[0])?, whole(&it[1])?);
    let free = net.max_prefix_len() - net.prefix_len();
    let room = 1u128.checked_shl(free.into()).unwrap_or(0).wrapping_sub(1);
    let distance = u128::from(number.unsigned_abs());
    let offset = if number < 0 {
        room.checked_add(1).and_then(|it| it.checked_sub(distance))
    } else {
        Some(distance)
    };
    match offset.filter(|it| *it <= room) {
        Some(offset) => said(address(bits(net.network()) | offset, net.network()).to_string()),
        None => Err(format!(
            "prefix of {} does not accommodate a host numbered {number}",
            net.prefix_len()
        )),
    }
}

fn subnet(net: &IpNet, new_bits: i64, number: i64) -> Result<IpNet, String> {
    let length = i64::from(net.prefix_len()) + new_bits;
    let max = i64::from(net.max_prefix_len());
    if new_bits < 0 || length > max {
        return Err(format!(
            "not enough remaining address space for a subnet with a prefix of {length} bits after {}",
            net.prefix_len()
        ));
    }
    let fits = new_bits >= 63 || number < (1i64 << new_bits);
    if number < 0 || !fits {
        return Err(format!(
            "prefix extension of {new_bits} does not accommodate a subnet numbered {number}"
        ));
    }
    let shift = (max - length) as u32;
    let moved = (number as u128).checked_shl(shift).unwrap_or(0);
    let at = address(bits(net.network()) | moved, net.network());
    IpNet::new(at, length as u8).map_err(|error| error.to_string())
}

/// Subnets of different sizes, one after the other.
fn subnets(it: Vec<Value>) -> Answer {
    let net = network(&it[0])?;
    let mut next = bits(net.network());
    let last = bits(net.broadcast());
    let mut all = Vec::new();
    for new_bits in &it[1..] {
        let length = i64::from(net.prefix_len()) + whole(new_bits)?;
        let max = i64::from(net.max_prefix_len());
        if length <= i64::from(net.prefix_len()) || length > max {
            return Err("must extend prefix by at least one bit, within the address".into());
        }
        let size = 1u128.checked_shl((max - length) as u32).unwrap_or(0);
        let start = next.div_ceil(size.max(1)) * size;
        if size == 0 || start > last || start + (size - 1) > last {
            return Err(format!(
                "not enough remaining address space for a subnet with a prefix of {length} bits"
            ));
        }
        all.push(Value::Text(format!(
            "{}/{length}",
            address(start, net.network())
        )));
        next = start.saturating_add(size);
    }
    Ok(Value::List(all))
}
