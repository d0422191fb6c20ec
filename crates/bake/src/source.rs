//! Texts of files, places in them, and the lines that an error shows.

use std::ops::Range;

/// A part of one of the files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Span {
    /// Index of the file.
    pub file: usize,
    /// Bytes of its text.
    pub range: Range<usize>,
}

/// A file that was read.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// As it was named; `-` is standard input.
    pub name: String,
    /// What it holds.
    pub text: String,
}

impl Source {
    /// Line and column of a byte, both from 1.
    fn position(&self, byte: usize) -> (usize, usize) {
        let mut end = byte.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        let before = &self.text[..end];
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        (line, before[start..].chars().count() + 1)
    }

    /// The byte at a line and column, both from 1.
    pub fn byte(&self, line: usize, column: usize) -> usize {
        let start: usize = self
            .text
            .split_inclusive('\n')
            .take(line.saturating_sub(1))
            .map(str::len)
            .sum();
        let rest = &self.text[start..];
        let inside = rest.char_indices().nth(column.saturating_sub(1));
        start + inside.map_or(rest.len(), |(at, _)| at)
    }

    /// `name:line,column-column`, or `-line,column` where it ends on another line.
    pub fn place(&self, span: &Span) -> String {
        let (line, column) = self.position(span.range.start);
        let (last, end) = self.position(span.range.end);
        let name = &self.name;
        match line == last {
            true => format!("{name}:{line},{column}-{end}"),
            false => format!("{name}:{line},{column}-{last},{end}"),
        }
    }

    /// The lines of a span, marked, with some before and after.
    pub fn excerpt(&self, span: &Span) -> String {
        let (first, last) = (
            self.position(span.range.start).0,
            self.position(span.range.end).0,
        );
        excerpt(&self.name, &self.text, first, last).unwrap_or_default()
    }
}

/// Lines `first` to `last` of a text, marked, with some before and after, as BuildKit's
/// clients show them; nothing where the text has no such line.
pub fn excerpt(name: &str, text: &str, first: usize, last: usize) -> Option<String> {
    // The end of the last line counts as a line that may be shown, as with BuildKit.
    let lines: Vec<&str> = text.split('\n').collect();
    if first == 0 || first > lines.len() {
        return None;
    }
    let last = last.clamp(first, lines.len());
    let wanted = if first == last { 4 } else { 2 };
    let (mut start, mut end, mut around) = (first, last, 0);
    while around < wanted {
        if start > 1 {
            start -= 1;
            around += 1;
        }
        if end != lines.len() {
            end += 1;
            around += 1;
        }
        around += 1;
    }
    let mut out = format!("{name}:{first}\n--------------------\n");
    for number in start..=end {
        let mark = if (first..=last).contains(&number) {
            ">>>"
        } else {
            "   "
        };
        let line = lines[number - 1];
        out.push_str(&format!(" {number:3} | {mark} {line}\n"));
    }
    out.push_str("--------------------\n");
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let source = Source {
            name: "f".into(),
            text: "a\nbö = c\nd\n".into(),
        };
        let span = |range| Span { file: 0, range };
        assert_eq!(source.place(&span(8..9)), "f:2,6-7");
        assert_eq!(source.place(&span(2..11)), "f:2,1-3,2");
        assert_eq!(source.byte(2, 6), 8);
    }
}
