//! Trees to text, in the style of yaml.v3 with an indent of two: keys in the order given,
//! sequences indented under their key, quotes only where they are needed.

use super::scalar::{is_unsigned, resolve};
use crate::output::Out;

/// `tree` as a document, its last line ended.
pub fn write(tree: &Out) -> String {
    let mut text = String::new();
    match tree {
        Out::Map(entries) if !entries.is_empty() => mapping(&mut text, entries, 0),
        Out::List(items) if !items.is_empty() => sequence(&mut text, items, 0),
        other => {
            inline(&mut text, other, 0);
            text.push('\n');
        }
    }
    text
}

fn indent(text: &mut String, depth: usize) {
    text.extend(std::iter::repeat_n(' ', depth));
}

fn mapping(text: &mut String, entries: &[(String, Out)], depth: usize) {
    for (number, (key, value)) in entries.iter().enumerate() {
        if number > 0 || !text.ends_with("- ") {
            indent(text, depth);
        }
        text.push_str(&quoted(key, depth, true));
        text.push(':');
        match value {
            Out::Map(entries) if !entries.is_empty() => {
                text.push('\n');
                mapping(text, entries, depth + 2);
            }
            Out::List(items) if !items.is_empty() => {
                text.push('\n');
                sequence(text, items, depth + 2);
            }
            other => {
                text.push(' ');
                inline(text, other, depth + 2);
                text.push('\n');
            }
        }
    }
}

fn sequence(text: &mut String, items: &[Out], depth: usize) {
    for (number, item) in items.iter().enumerate() {
        if number > 0 || !text.ends_with("- ") {
            indent(text, depth);
        }
        text.push_str("- ");
        match item {
            Out::Map(entries) if !entries.is_empty() => mapping(text, entries, depth + 2),
            Out::List(items) if !items.is_empty() => sequence(text, items, depth + 2),
            other => {
                inline(text, other, depth + 2);
                text.push('\n');
            }
        }
    }
}

/// What needs no lines of its own, and text of several lines.
fn inline(text: &mut String, value: &Out, depth: usize) {
    match value {
        Out::Null => text.push_str("null"),
        Out::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
        Out::Int(value) => text.push_str(&value.to_string()),
        Out::Number(value) => text.push_str(value),
        Out::Map(_) => text.push_str("{}"),
        Out::List(_) => text.push_str("[]"),
        Out::Text(value) => text.push_str(&quoted(value, depth, false)),
    }
}

/// A string in the style that yaml.v3 chooses for it.
fn quoted(value: &str, depth: usize, is_key: bool) -> String {
    let is_text = matches!(resolve(value), crate::node::Value::Text(_)) && !is_unsigned(value);
    let other = looks_like_base_60(value) || looks_like_old_bool(value) || looks_like_date(value);
    let plain = is_text && !other;
    let look = Look::at(value);
    if value.contains('\n') {
        return if !is_key && look.block {
            literal(value, depth)
        } else {
            double(value)
        };
    }
    if plain && look.plain {
        value.to_owned()
    } else if plain && look.single {
        format!("'{}'", value.replace('\'', "''"))
    } else {
        double(value)
    }
}

/// `1:30` and the like, which YAML 1.1 reads as numbers of base 60.
fn looks_like_base_60(value: &str) -> bool {
    let bytes = value.as_bytes();
    let Some(first) = bytes.first() else {
        return false;
    };
    if !(matches!(first, b'+' | b'-') || first.is_ascii_digit()) || !value.contains(':') {
        return false;
    }
    let value = value.strip_prefix(['-', '+']).unwrap_or(value);
    let mut parts = value.split(':');
    let digits =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    if !parts
        .next()
        .is_some_and(|first| digits(first) && !first.starts_with('_'))
    {
        return false;
    }
    let rest: Vec<&str> = parts.collect();
    let Some((last, between)) = rest.split_last() else {
        return false;
    };
    let sixty = |part: &str| match part.as_bytes() {
        [one] => one.is_ascii_digit(),
        [ten, one] => (b'0'..=b'5').contains(ten) && one.is_ascii_digit(),
        _ => false,
    };
    let (whole, fraction) = last.split_once('.').unwrap_or((last, ""));
    between.iter().all(|part| sixty(part))
        && sixty(whole)
        && fraction.bytes().all(|b| b.is_ascii_digit() || b == b'_')
}

/// `2001-12-14`, alone or with a time, which yaml.v3 reads as a point in time.
fn looks_like_date(value: &str) -> bool {
    let end = value.find(['T', 't', ' ']).unwrap_or(value.len());
    let parts: Vec<&str> = value[..end].split('-').collect();
    let number = |text: &str, least: usize, most: usize| {
        (least..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let is_date = matches!(parts[..], [year, month, day]
        if number(year, 4, 4) && number(month, 1, 2) && number(day, 1, 2));
    let time = value[end..].trim_start_matches(['T', 't', ' ']);
    is_date && (end == value.len() || time.split(':').take(2).all(|part| number(part, 1, 2)))
}

/// What YAML 1.1 reads as a boolean and yaml.v3 does not.
fn looks_like_old_bool(value: &str) -> bool {
    matches!(
        value,
        "y" | "Y"
            | "yes"
            | "Yes"
            | "YES"
            | "on"
            | "On"
            | "ON"
            | "n"
            | "N"
            | "no"
            | "No"
            | "NO"
            | "off"
            | "Off"
            | "OFF"
    )
}

/// Which styles a text allows.
struct Look {
    plain: bool,
    single: bool,
    block: bool,
}

impl Look {
    fn at(value: &str) -> Self {
        let chars: Vec<char> = value.chars().collect();
        let Some((first, last)) = chars.first().zip(chars.last()) else {
            return Self {
                plain: false,
                single: true,
                block: false,
            };
        };
        let special = chars.iter().any(|c| !printable(*c));
        let breaks = chars.iter().any(|c| is_break(*c));
        let pairs = || chars.windows(2);
        let space_then_break = pairs().any(|pair| pair[0] == ' ' && is_break(pair[1]));
        let break_then_space = pairs().any(|pair| is_break(pair[0]) && pair[1] == ' ');
        let edges = *first == ' ' || *last == ' ' || is_break(*first) || is_break(*last);
        let indicators =
            has_indicators(&chars) || value.starts_with("---") || value.starts_with("...");
        let trouble = special || space_then_break;
        Self {
            plain: !(indicators || breaks || edges || trouble || break_then_space),
            single: !(trouble || break_then_space),
            block: !trouble && *last != ' ',
        }
    }
}

fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn printable(c: char) -> bool {
    c == '\n'
        || ('\u{20}'..='\u{7e}').contains(&c)
        || (('\u{a0}'..='\u{fffd}').contains(&c) && c != '\u{feff}')
}

/// Characters that mean something to YAML where they stand, in block context.
fn has_indicators(chars: &[char]) -> bool {
    let followed_by_blank = |at: usize| {
        chars
            .get(at + 1)
            .is_none_or(|next| matches!(next, ' ' | '\t') || is_break(*next))
    };
    chars.iter().enumerate().any(|(at, c)| match (at, c) {
        (
            0,
            '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%'
            | '@' | '`',
        ) => true,
        (0, '?' | '-') => followed_by_blank(at),
        (_, ':') => followed_by_blank(at),
        (_, '#') => matches!(chars[at - 1], ' ' | '\t') || is_break(chars[at - 1]),
        _ => false,
    })
}

/// `|` with its chomping and, where the first line starts with a blank, its indent.
fn literal(value: &str, depth: usize) -> String {
    let mut text = "|".to_owned();
    if value.starts_with([' ', '\n']) {
        text.push('2');
    }
    let body = value.trim_end_matches('\n');
    match value.len() - body.len() {
        0 => text.push('-'),
        1 if !body.is_empty() => {}
        _ => text.push('+'),
    }
    for line in value.strip_suffix('\n').unwrap_or(value).split('\n') {
        text.push('\n');
        if !line.is_empty() {
            indent(&mut text, depth);
            text.push_str(line);
        }
    }
    text
}

fn double(value: &str) -> String {
    let mut text = "\"".to_owned();
    for c in value.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\0' => text.push_str("\\0"),
            '\u{7}' => text.push_str("\\a"),
            '\u{8}' => text.push_str("\\b"),
            '\u{b}' => text.push_str("\\v"),
            '\u{c}' => text.push_str("\\f"),
            '\u{1b}' => text.push_str("\\e"),
            '\u{85}' => text.push_str("\\N"),
            '\u{a0}' => text.push_str("\\_"),
            '\u{2028}' => text.push_str("\\L"),
            '\u{2029}' => text.push_str("\\P"),
            c if printable(c) => text.push(c),
            c if u32::from(c) <= 0xff => text.push_str(&format!("\\x{:02X}", u32::from(c))),
            c if u32::from(c) <= 0xffff => text.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => text.push_str(&format!("\\U{:08X}", u32::from(c))),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_quoted_only_where_it_must_be() {
        for (value, written) in [
            ("", "\"\""),
            ("1", "\"1\""),
            ("yes", "\"yes\""),
            ("null", "\"null\""),
            ("22:22", "\"22:22\""),
            ("127.0.0.1:80:80", "127.0.0.1:80:80"),
            ("a b", "a b"),
            ("a: b", "'a: b'"),
            ("a #b", "'a #b'"),
            ("*x", "'*x'"),
            ("it's", "it's"),
            ("'x", "'''x'"),
            (" x", "' x'"),
            ("a\tb", "\"a\\tb\""),
            ("$$HOME", "$$HOME"),
            ("-x", "-x"),
            ("- x", "'- x'"),
            ("é", "é"),
        ] {
            assert_eq!(quoted(value, 2, false), written, "{value:?}");
        }
    }

    #[test]
    fn lines_are_written_as_lines() {
        let tree = Out::Map(vec![
            ("a".into(), Out::Text("x\ny\n".into())),
            ("b".into(), Out::Text("x\n\ny".into())),
            ("c".into(), Out::Text(" x\ny\n\n".into())),
            (
                "d".into(),
                Out::List(vec![Out::Map(vec![
                    ("k".into(), Out::Int(1)),
                    ("l".into(), Out::Null),
                ])]),
            ),
            ("e".into(), Out::List(vec![])),
        ]);
        assert_eq!(
            write(&tree),
            "a: |\n  x\n  y\nb: |-\n  x\n\n  y\nc: |2+\n   x\n  y\n\nd:\n  - k: 1\n    l: null\ne: []\n"
        );
    }
}
