use serde::Serialize;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter, Serializer};
use std::io::{self, Write};

/// `value` as Go's `json.Marshal` writes it, with `<`, `>` and `&` escaped: messages of
/// progress, headers, log records.
pub fn to_vec<T: Serialize>(value: &T) -> Vec<u8> {
    write(value, GoFormatter { escape_html: true })
}

/// As [`to_vec`] with the line feed of Go's `json.Encoder`: events and statistics.
pub fn to_line<T: Serialize>(value: &T) -> Vec<u8> {
    let mut out = to_vec(value);
    out.push(b'\n');
    out
}

/// The body of an answer: a line without HTML escapes, as dockerd sends it.
pub fn to_body<T: Serialize>(value: &T) -> Vec<u8> {
    let mut out = write(value, GoFormatter { escape_html: false });
    out.push(b'\n');
    out
}

fn write<T: Serialize>(value: &T, formatter: GoFormatter) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    let mut serializer = Serializer::with_formatter(&mut out, formatter);
    value
        .serialize(&mut serializer)
        .expect("wire types have text keys only");
    out
}

struct GoFormatter {
    escape_html: bool,
}

impl Formatter for GoFormatter {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        let html: &[char] = if self.escape_html {
            &['<', '>', '&']
        } else {
            &[]
        };
        let special = |c: char| html.contains(&c) || matches!(c, '\u{2028}' | '\u{2029}');
        while let Some(at) = rest.find(special) {
            let (before, from) = rest.split_at(at);
            let special = from.chars().next().unwrap_or_default();
            write!(writer, "{before}\\u{:04x}", special as u32)?;
            rest = &from[special.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }

    fn write_char_escape<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        CompactFormatter.write_char_escape(writer, escape)
    }

    fn write_f64<W: ?Sized + Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        // Go writes 1 for 1.0; exponents below 1e-6 and from 1e21 on.
        let magnitude = value.abs();
        if value != 0.0 && !(1e-6..1e21).contains(&magnitude) {
            return write!(writer, "{value:e}");
        }
        write!(writer, "{value}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_as_go_escapes_it() {
        let text = String::from_utf8(to_vec(&"a<b>&\u{2028}\n\"é")).unwrap();
        assert_eq!(text, r#""a\u003cb\u003e\u0026\u2028\n\"é""#);
        assert_eq!(to_body(&"a<b>&"), b"\"a<b>&\"\n");
        assert_eq!(to_line(&1.0), b"1\n");
        assert_eq!(to_vec(&0.25), b"0.25");
    }
}
