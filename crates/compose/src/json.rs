//! JSON as Go's `encoding/json` writes it: `<`, `>` and `&` are escaped, and so are the two
//! separators of lines that JavaScript does not allow in a string.

use crate::output::Out;

/// On one line.
pub fn compact(tree: &Out) -> String {
    let mut text = String::new();
    write(&mut text, tree, None);
    text
}

/// Indented by two.
pub fn pretty(tree: &Out) -> String {
    let mut text = String::new();
    write(&mut text, tree, Some(0));
    text
}

fn write(text: &mut String, tree: &Out, depth: Option<usize>) {
    match tree {
        Out::Null => text.push_str("null"),
        Out::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
        Out::Int(value) => text.push_str(&value.to_string()),
        Out::Number(value) => text.push_str(value),
        Out::Text(value) => string(text, value),
        Out::List(items) => {
            let write_item = |text: &mut String, item: &Out, depth| write(text, item, depth);
            group(text, ('[', ']'), items, depth, write_item);
        }
        Out::Map(entries) => {
            let colon = if depth.is_some() { ": " } else { ":" };
            group(
                text,
                ('{', '}'),
                entries,
                depth,
                |text, (key, value), depth| {
                    string(text, key);
                    text.push_str(colon);
                    write(text, value, depth);
                },
            );
        }
    }
}

fn group<T>(
    text: &mut String,
    (open, close): (char, char),
    items: &[T],
    depth: Option<usize>,
    each: impl Fn(&mut String, &T, Option<usize>),
) {
    text.push(open);
    let inner = depth.map(|depth| depth + 1);
    for (number, item) in items.iter().enumerate() {
        if number > 0 {
            text.push(',');
        }
        line(text, inner);
        each(text, item, inner);
    }
    if !items.is_empty() {
        line(text, depth);
    }
    text.push(close);
}

fn line(text: &mut String, depth: Option<usize>) {
    if let Some(depth) = depth {
        text.push('\n');
        text.extend(std::iter::repeat_n("  ", depth));
    }
}

fn string(text: &mut String, value: &str) {
    text.push('"');
    for c in value.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\u{8}' => text.push_str("\\b"),
            '\u{c}' => text.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                text.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c if u32::from(c) < 0x20 => text.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => text.push(c),
        }
    }
    text.push('"');
}
