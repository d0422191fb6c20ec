//! Lines put together: continuations, comments, here documents.

use crate::{
    Directives, FILE_BYTES_MAX, Fault, Heredoc, LINE_BYTES_MAX, Location, Result,
    directive::Reader, error::Error, flags, words,
};

/// One instruction as it stands in the text.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// As it was written.
    pub keyword: String,
    /// What follows the keyword and its flags, continuation marks taken away.
    pub rest: String,
    /// `--name=value`, quotes taken away.
    pub flags: Vec<String>,
    pub heredocs: Vec<Heredoc>,
    pub location: Location,
    /// Keyword, flags and rest.
    pub text: String,
    /// The comment right above it, line by line.
    pub comments: Vec<String>,
}

/// A line of the text.
struct Source<'a> {
    number: usize,
    /// Without its end.
    text: &'a str,
    /// Without its line feed alone.
    whole: &'a str,
}

/// The whole file.
pub(crate) struct Lines {
    pub directives: Directives,
    pub lines: Vec<Line>,
    /// Instructions with an empty line in their continuation.
    pub empty_continuations: Vec<Location>,
}

/// Instructions that may have here documents.
const WITH_HEREDOC: [&str; 3] = ["ADD", "COPY", "RUN"];

pub(crate) fn lines(text: &str) -> Result<Lines> {
    if text.len() > FILE_BYTES_MAX {
        return Err(Error {
            fault: Fault::TooLarge,
            location: None,
        });
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let text = text.strip_suffix('\n').unwrap_or(text);
    // A here document keeps the carriage returns of its lines; nothing else does.
    let mut source = text.split('\n').zip(1..).map(|(line, number)| Source {
        number,
        text: line.trim_end_matches('\r'),
        whole: line,
    });
    let mut reader = Reader::new();
    let mut found = Vec::new();
    let mut empty_continuations = Vec::new();
    let mut comments = Vec::new();
    while let Some(line) = source.next() {
        let (start, first) = (line.number, line.text);
        let at = |end| Location { start, end };
        if first.len() > LINE_BYTES_MAX {
            return Err(Fault::LineTooLong.at(at(start)));
        }
        reader.line(first, start)?;
        let trimmed = first.trim_start();
        if let Some(comment) = trimmed.strip_prefix('#') {
            comments.push(comment.trim().to_owned());
            continue;
        }
        let escape = reader.directives.escape;
        let (head, mut open) = continued(trimmed, escape);
        if head.trim().is_empty() && !open {
            comments.clear();
            continue;
        }
        let mut text = head.to_owned();
        let mut end = start;
        let mut empty = false;
        while open {
            let Some(line) = source.next() else {
                break;
            };
            let next = line.text;
            end = line.number;
            if next.len() > LINE_BYTES_MAX {
                return Err(Fault::LineTooLong.at(at(end)));
            }
            if next.trim_start().starts_with('#') {
                continue;
            }
            if next.trim().is_empty() {
                empty = true;
                continue;
            }
            let (piece, more) = continued(next, escape);
            text.push_str(piece);
            open = more;
        }
        if text.trim().is_empty() {
            continue;
        }
        if empty {
            empty_continuations.push(at(end));
        }
        let (keyword, rest) = split_keyword(text.trim());
        let is_trigger = keyword.eq_ignore_ascii_case("ONBUILD");
        let (flags, rest) = flags::extract(rest, escape);
        let mut heredocs = match is_trigger {
            false => heredocs(keyword, rest, escape),
            true => {
                let (keyword, rest) = split_keyword(rest.trim());
                heredocs(keyword, flags::extract(rest, escape).1, escape)
            }
        };
        let mut body = String::new();
        for heredoc in &mut heredocs {
            loop {
                let Some(line) = source.next() else {
                    return Err(Fault::UnterminatedHeredoc.at(at(end)));
                };
                end = line.number;
                body.push('\n');
                if heredoc.take(line.whole) {
                    body.push_str(line.text);
                    break;
                }
                body.push_str(line.whole);
            }
        }
        found.push(Line {
            keyword: keyword.to_owned(),
            rest: rest.to_owned(),
            flags,
            heredocs,
            location: at(end),
            text: match is_trigger {
                // It goes into the image with all that it says.
                true => text.trim().to_owned() + &body,
                false => text.trim().to_owned(),
            },
            comments: std::mem::take(&mut comments),
        });
    }
    if found.is_empty() {
        return Err(Error {
            fault: match text.is_empty() {
                true => Fault::NoText,
                false => Fault::Empty,
            },
            location: None,
        });
    }
    Ok(Lines {
        directives: reader.directives,
        lines: found,
        empty_continuations,
    })
}

/// The here documents that an instruction begins.
fn heredocs(keyword: &str, rest: &str, escape: char) -> Vec<Heredoc> {
    let keyword = keyword.to_ascii_uppercase();
    // An array holds words, no redirections.
    if !WITH_HEREDOC.contains(&keyword.as_str())
        || !rest.contains("<<")
        || rest.trim_start().starts_with('[')
    {
        return Vec::new();
    }
    let words = words::split(rest, escape);
    words
        .iter()
        .filter_map(|word| Heredoc::begin(word, escape))
        .collect()
}

/// The line without the mark that continues it, and whether there was one.
fn continued(line: &str, escape: char) -> (&str, bool) {
    let trimmed = line.trim_end_matches([' ', '\t']);
    match trimmed.strip_suffix(escape) {
        Some(head) => (head, true),
        None => (line, false),
    }
}

fn split_keyword(text: &str) -> (&str, &str) {
    match text.find([' ', '\t', '\u{b}', '\u{c}', '\r']) {
        Some(end) => (&text[..end], text[end..].trim()),
        None => (text, ""),
    }
}
