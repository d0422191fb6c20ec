//! The few MessagePack types that Fluentd's protocol needs.

pub(crate) fn array(out: &mut Vec<u8>, length: u8) {
    out.push(0x90 | length & 15);
}

/// Up to 65,535 members.
pub(crate) fn map(out: &mut Vec<u8>, length: usize) {
    match u8::try_from(length) {
        Ok(length @ 0..=15) => out.push(0x80 | length),
        _ => {
            out.push(0xde);
            let length = u16::try_from(length).unwrap_or(u16::MAX);
            out.extend_from_slice(&length.to_be_bytes());
        }
    }
}

/// Text, which need not be UTF-8 here.
pub(crate) fn text(out: &mut Vec<u8>, text: &[u8]) {
    match text.len() {
        length @ 0..=31 => out.push(0xa0 | length as u8),
        length @ 32..=255 => out.extend_from_slice(&[0xd9, length as u8]),
        length @ 256..=65_535 => {
            out.push(0xda);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(0xdb);
            out.extend_from_slice(&(length as u32).to_be_bytes());
        }
    }
    out.extend_from_slice(text);
}

pub(crate) fn integer(out: &mut Vec<u8>, number: i64) {
    out.push(0xd3);
    out.extend_from_slice(&number.to_be_bytes());
}

/// Forward protocol v1, § EventTime Ext Format.
pub(crate) fn event_time(out: &mut Vec<u8>, seconds: i64, nanoseconds: u32) {
    out.extend_from_slice(&[0xd7, 0]);
    out.extend_from_slice(&(seconds as u32).to_be_bytes());
    out.extend_from_slice(&nanoseconds.to_be_bytes());
}
