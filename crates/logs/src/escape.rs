//! JSON strings as Docker writes them.
//!
//! The text of a record follows Docker's own encoder (pkg jsonlog): `"`, `\`, `\n`, `\r`
//! short, every other control character as `\u00xx`, `<`, `>`, `&` as `\u00xx`, U+2028
//! and U+2029 as `\u202x`, each byte that is not UTF-8 as `\ufffd`. Attributes follow
//! Go's encoding/json, which differs in tab, backspace and form feed.

/// Bytes that are looked at together. A whole vector register or two.
const BLOCK: usize = 32;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends `text` for a record.
pub(crate) fn escape_line(out: &mut Vec<u8>, text: &[u8]) {
    // Mostly it is UTF-8, and checking is far quicker than looking at each byte.
    match std::str::from_utf8(text) {
        Ok(text) => escape_valid(out, text.as_bytes(), short_in_line),
        Err(_) => {
            for chunk in text.utf8_chunks() {
                escape_valid(out, chunk.valid().as_bytes(), short_in_line);
                for _ in chunk.invalid() {
                    out.extend_from_slice(b"\\ufffd");
                }
            }
        }
    }
}

/// Appends `text` in quotes, as Go's encoding/json does.
pub(crate) fn quote_go(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    escape_valid(out, text.as_bytes(), |byte| match byte {
        b'\t' => Some(b't'),
        8 => Some(b'b'),
        12 => Some(b'f'),
        byte => short_in_line(byte),
    });
    out.push(b'"');
}

fn short_in_line(byte: u8) -> Option<u8> {
    match byte {
        b'"' | b'\\' => Some(byte),
        b'\n' => Some(b'n'),
        b'\r' => Some(b'r'),
        _ => None,
    }
}

/// Bytes that cannot simply be copied. 0xe2 is the first of U+2028 and U+2029, and of
/// much else.
const fn is_special(byte: u8) -> bool {
    byte < 0x20 || matches!(byte, b'"' | b'\\' | b'<' | b'>' | b'&' | 0xe2)
}

fn escape_valid(out: &mut Vec<u8>, text: &[u8], short: impl Fn(u8) -> Option<u8>) {
    let mut rest = text;
    while let Some(at) = find_special(rest) {
        let (plain, tail) = rest.split_at(at);
        out.extend_from_slice(plain);
        rest = tail;
        // They often come in rows.
        while let Some(&byte) = rest.first().filter(|byte| is_special(**byte)) {
            let used = escape_one(out, byte, rest, &short);
            rest = &rest[used..];
        }
    }
    out.extend_from_slice(rest);
}

/// Appends the special byte at the beginning of `text`; how many bytes that used.
#[inline]
fn escape_one(
    out: &mut Vec<u8>,
    byte: u8,
    text: &[u8],
    short: &impl Fn(u8) -> Option<u8>,
) -> usize {
    if byte == 0xe2 {
        // UTF-8, so two more bytes are there.
        match text[..3] {
            [_, 0x80, last @ (0xa8 | 0xa9)] => {
                out.extend_from_slice(&[
                    b'\\',
                    b'u',
                    b'2',
                    b'0',
                    b'2',
                    HEX[usize::from(last & 15)],
                ]);
            }
            _ => out.extend_from_slice(&text[..3]),
        }
        return 3;
    }
    if let Some(letter) = short(byte) {
        out.extend_from_slice(&[b'\\', letter]);
    } else {
        let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
        out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
    }
    1
}

/// The first special byte. Blocks are folded without branches, which the compiler turns
/// into vector instructions.
fn find_special(text: &[u8]) -> Option<usize> {
    let (blocks, rest) = text.as_chunks::<BLOCK>();
    for (index, block) in blocks.iter().enumerate() {
        if block
            .iter()
            .fold(false, |any, &byte| any | is_special(byte))
        {
            let within = block.iter().position(|&byte| is_special(byte));
            return within.map(|within| index * BLOCK + within);
        }
    }
    let within = rest.iter().position(|&byte| is_special(byte));
    within.map(|within| blocks.len() * BLOCK + within)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &[u8]) -> String {
        let mut out = Vec::new();
        escape_line(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn records_read_like_dockers() {
        // Seen in files of dockerd 28.5.
        assert_eq!(line(b"a\tb\r\n"), r"a\u0009b\r\n");
        assert_eq!(
            line(b"<>&\\\"/\x01\x7f\n"),
            "\\u003c\\u003e\\u0026\\\\\\\"/\\u0001\x7f\\n"
        );
        let bytes = b"\xe2\x80\xa8 \xe2\x82x \xff\xfe \xc3\xa9\n";
        assert_eq!(line(bytes), "\\u2028 \\ufffd\\ufffdx \\ufffd\\ufffd é\\n");
        assert_eq!(line("–€".as_bytes()), "–€");
    }

    #[test]
    fn a_special_byte_is_found_wherever_it_stands() {
        for length in 0..100 {
            for at in 0..length {
                let mut text = vec![b'x'; length];
                text[at] = b'<';
                let plain = "x".repeat(at) + "\\u003c" + &"x".repeat(length - at - 1);
                assert_eq!(line(&text), plain);
            }
        }
    }

    #[test]
    fn attributes_read_like_gos() {
        let mut out = Vec::new();
        quote_go(&mut out, "a\tb\u{8}\u{c}<\"\u{1}é\u{2029}");
        assert_eq!(out, "\"a\\tb\\b\\f\\u003c\\\"\\u0001é\\u2029\"".as_bytes());
    }
}
