//! One line of a json-file log.

use crate::Stream;
use corten_base::Timestamp;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A record, as long as the buffer that it was read into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// What was written, with its newline unless the line goes on in the next record of
    /// the stream.
    pub line: &'a [u8],
    /// Where it was written.
    pub stream: Stream,
    /// RFC 3339 with up to nine digits of a second.
    time: &'a str,
    attributes: &'a str,
}

/// Any layout of the members that JSON allows.
#[derive(Deserialize)]
struct Loose<'a> {
    #[serde(default)]
    log: String,
    #[serde(borrow)]
    stream: &'a str,
    #[serde(borrow)]
    time: &'a str,
    #[serde(borrow, default)]
    attrs: Option<&'a serde_json::value::RawValue>,
}

impl<'a> Record<'a> {
    /// Parses a line without its newline; `scratch` holds the text where it was escaped.
    pub(super) fn parse(line: &'a [u8], scratch: &'a mut Vec<u8>) -> Option<Self> {
        scratch.clear();
        // The layout in which Docker and we write; everything else takes the long way.
        match split(line, scratch) {
            Some((text, stream, attributes, time)) => {
                let line = text.unwrap_or(scratch);
                Some(Self {
                    line,
                    stream,
                    time,
                    attributes,
                })
            }
            None => Self::parse_loosely(line, scratch),
        }
    }

    fn parse_loosely(line: &'a [u8], scratch: &'a mut Vec<u8>) -> Option<Self> {
        let loose: Loose<'a> = serde_json::from_slice(line).ok()?;
        *scratch = loose.log.into_bytes();
        Some(Self {
            line: scratch,
            stream: stream(loose.stream)?,
            time: loose.time,
            attributes: loose.attrs.map_or("", |raw| raw.get()),
        })
    }

    /// When it was written; `None` where the text is no time.
    pub fn time(&self) -> Option<Timestamp> {
        self.time.parse().ok()
    }

    /// Appends the time with exactly nine digits, as `docker logs --timestamps` shows it.
    pub fn push_fixed_time(&self, out: &mut Vec<u8>) {
        let whole = self.time.strip_suffix('Z').filter(|text| text.len() >= 19);
        match whole.map(|text| text.split_at(19)) {
            Some((seconds, fraction)) if fraction.len() <= 10 => {
                out.extend_from_slice(seconds.as_bytes());
                out.push(b'.');
                let digits = fraction.trim_start_matches('.').as_bytes();
                out.extend_from_slice(digits);
                out.resize(out.len() + 9 - digits.len(), b'0');
                out.push(b'Z');
            }
            _ => {
                let time = self.time().unwrap_or_default();
                out.extend_from_slice(time.to_fixed_nano().as_bytes());
            }
        }
    }

    /// Labels, variables and tag of the record.
    pub fn attributes(&self) -> BTreeMap<String, String> {
        serde_json::from_str(self.attributes).unwrap_or_default()
    }
}

fn stream(name: &str) -> Option<Stream> {
    match name {
        "stdout" => Some(Stream::Stdout),
        "stderr" => Some(Stream::Stderr),
        _ => None,
    }
}

type Parts<'a> = (Option<&'a [u8]>, Stream, &'a str, &'a str);

/// `{"log":"…","stream":"…","attrs":{…},"time":"…"}`. The text is `None` when it had
/// escapes and was put into `scratch`.
fn split<'a>(line: &'a [u8], scratch: &mut Vec<u8>) -> Option<Parts<'a>> {
    let rest = line.strip_prefix(b"{\"log\":\"")?;
    let (text, rest) = unquote(rest, scratch)?;
    let rest = rest.strip_prefix(b",\"stream\":\"std")?;
    let (stream, rest) = match rest.get(..4)? {
        b"out\"" => (Stream::Stdout, &rest[4..]),
        b"err\"" => (Stream::Stderr, &rest[4..]),
        _ => return None,
    };
    let rest = std::str::from_utf8(rest).ok()?.strip_prefix(',')?;
    // The time stands last, and has no quotes in it.
    let rest = rest.strip_suffix("\"}")?;
    let (attributes, time) = match rest.strip_prefix("\"time\":\"") {
        Some(time) => ("", time),
        None => rest
            .strip_prefix("\"attrs\":")?
            .rsplit_once(",\"time\":\"")?,
    };
    (!time.contains('"')).then_some((text, stream, attributes, time))
}

/// The string up to its closing quote, and what follows that.
fn unquote<'a>(text: &'a [u8], scratch: &mut Vec<u8>) -> Option<(Option<&'a [u8]>, &'a [u8])> {
    let mut rest = text;
    let mut escaped = false;
    loop {
        let at = memchr::memchr2(b'"', b'\\', rest)?;
        let (plain, tail) = rest.split_at(at);
        if tail[0] == b'"' {
            if !escaped {
                return Some((Some(plain), &tail[1..]));
            }
            scratch.extend_from_slice(plain);
            return Some((None, &tail[1..]));
        }
        escaped = true;
        scratch.extend_from_slice(plain);
        let (byte, used) = match tail.get(1)? {
            b'n' => (b'\n', 2),
            b'r' => (b'\r', 2),
            b't' => (b'\t', 2),
            b'b' => (8, 2),
            b'f' => (12, 2),
            byte @ (b'"' | b'\\' | b'/') => (*byte, 2),
            b'u' => {
                let digits = std::str::from_utf8(tail.get(2..6)?).ok()?;
                let code = u32::from_str_radix(digits, 16).ok()?;
                // Surrogates come in pairs: the long way.
                let letter = char::from_u32(code)?;
                let mut utf8 = [0; 4];
                scratch.extend_from_slice(letter.encode_utf8(&mut utf8).as_bytes());
                rest = &tail[6..];
                continue;
            }
            _ => return None,
        };
        scratch.push(byte);
        rest = &tail[used..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Option<(Vec<u8>, Stream, String, usize)> {
        let mut scratch = Vec::new();
        let record = Record::parse(line.as_bytes(), &mut scratch)?;
        let mut time = Vec::new();
        record.push_fixed_time(&mut time);
        let time = String::from_utf8(time).unwrap();
        Some((
            record.line.to_vec(),
            record.stream,
            time,
            record.attributes().len(),
        ))
    }

    #[test]
    fn records_of_docker_are_understood() {
        let line = r#"{"log":"a\u0009b\r\n","stream":"stderr","attrs":{"a":"b","x":"\"}"},"time":"2026-11-21T14:47:11.70882732Z"}"#;
        assert_eq!(
            parse(line),
            Some((
                b"a\tb\r\n".to_vec(),
                Stream::Stderr,
                "2026-11-21T14:47:11.708827320Z".to_owned(),
                2
            ))
        );
        let line = r#"{"log":"x\n","stream":"stdout","time":"2026-11-21T14:47:11Z"}"#;
        assert_eq!(parse(line).unwrap().2, "2026-11-21T14:47:11.000000000Z");
    }

    #[test]
    fn another_layout_is_understood_too() {
        let line =
            r#"{"time":"2026-11-21T15:47:11.5+01:00", "stream":"stdout","log":"\ud83d\ude00\n"}"#;
        let (text, stream, time, _) = parse(line).unwrap();
        assert_eq!((text, stream), ("😀\n".as_bytes().to_vec(), Stream::Stdout));
        assert_eq!(time, "2026-11-21T14:47:11.500000000Z");
    }

    #[test]
    fn what_is_torn_or_foreign_is_no_record() {
        let line = r#"{"log":"x\n","stream":"stdout","time":"2026-11-21T14:47:11Z"}"#;
        for end in 0..line.len() {
            assert_eq!(parse(&line[..end]), None, "{}", &line[..end]);
        }
        assert_eq!(parse("\0\0\0\0"), None);
    }
}
