//! `.dockerignore`: Docker's patterns.
//!
//! A pattern is compared with a path and with each of its parents; the last one that fits
//! decides; `!` takes a path back in. `**` stands for any number of directories.
//! Dockerfile reference § .dockerignore file; `path.Match` of Go for the rest.

use thiserror::Error;

/// A pattern that is none.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IgnoreError {
    /// Such as `[a`.
    #[error("syntax error in pattern: {0:?}")]
    Syntax(String),
    /// `!` alone.
    #[error("illegal exclusion pattern: \"!\"")]
    Exclusion,
}

/// A list of patterns in order.
#[derive(Debug, Clone, Default)]
pub struct Patterns {
    patterns: Vec<Pattern>,
}

#[derive(Debug, Clone)]
struct Pattern {
    takes_back: bool,
    /// Components of the pattern; `**` among them.
    parts: Vec<Vec<Piece>>,
    text: String,
}

#[derive(Debug, Clone, PartialEq)]
enum Piece {
    /// `*`, within one component.
    Star,
    /// `**` next to other characters: anything, within one component here.
    Question,
    Char(char),
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
    /// A whole component `**`.
    Any,
}

impl Patterns {
    /// Reads a `.dockerignore` file.
    ///
    /// # Errors
    /// Patterns that are none.
    pub fn parse_file(text: &str) -> Result<Self, IgnoreError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Self::new(lines.map(str::trim).filter(|line| !line.is_empty()))
    }

    /// Patterns one by one.
    ///
    /// # Errors
    /// Patterns that are none.
    pub fn new<'a>(lines: impl IntoIterator<Item = &'a str>) -> Result<Self, IgnoreError> {
        let patterns = lines
            .into_iter()
            .map(Pattern::parse)
            .collect::<Result<_, _>>()?;
        Ok(Self { patterns })
    }

    /// Whether there is no pattern.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// The patterns as they were written, cleaned; `!` in front.
    pub fn texts(&self) -> Vec<String> {
        let text = |it: &Pattern| match it.takes_back {
            true => format!("!{}", it.text),
            false => it.text.clone(),
        };
        self.patterns.iter().map(text).collect()
    }

    /// Whether `path` (relative, `/` between components) is left out.
    pub fn excludes(&self, path: &str) -> bool {
        let parts: Vec<&str> = path
            .split('/')
            .filter(|it| !it.is_empty() && *it != ".")
            .collect();
        let mut out = false;
        for pattern in &self.patterns {
            if pattern.takes_back == out && pattern.fits_or_above(&parts) {
                out = !pattern.takes_back;
            }
        }
        out
    }

    /// Whether something below the left-out directory `path` may be taken back in.
    pub fn may_take_back_below(&self, path: &str) -> bool {
        let parts: Vec<&str> = path.split('/').filter(|it| !it.is_empty()).collect();
        self.patterns
            .iter()
            .filter(|it| it.takes_back)
            .any(|it| it.may_fit_below(&parts))
    }

    /// Whether a pattern that leaves out may do so at `path` or below it.
    pub fn may_exclude_below(&self, path: &str) -> bool {
        let parts: Vec<&str> = path.split('/').filter(|it| !it.is_empty()).collect();
        let mut patterns = self.patterns.iter().filter(|it| !it.takes_back);
        patterns.any(|it| it.fits_or_above(&parts) || it.may_fit_below(&parts))
    }

    /// Whether `path` itself, or one of its parents, fits a pattern; there is no taking back.
    pub fn fits(&self, path: &str) -> bool {
        let parts: Vec<&str> = path.split('/').filter(|it| !it.is_empty()).collect();
        self.patterns.iter().any(|it| it.fits_or_above(&parts))
    }
}

impl Pattern {
    fn parse(line: &str) -> Result<Self, IgnoreError> {
        let (takes_back, text) = match line.strip_prefix('!') {
            Some("") => return Err(IgnoreError::Exclusion),
            Some(rest) => (true, rest.trim()),
            None => (false, line),
        };
        let mut clean: Vec<&str> = Vec::new();
        for part in text.split('/') {
            match part {
                "" | "." => {}
                ".." => drop(clean.pop()),
                part => clean.push(part),
            }
        }
        let parts = clean
            .iter()
            .map(|part| pieces(part).ok_or_else(|| IgnoreError::Syntax(text.to_owned())))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            takes_back,
            parts,
            text: clean.join("/"),
        })
    }

    /// The path or one of its parents fits.
    fn fits_or_above(&self, path: &[&str]) -> bool {
        let reached = self.reach(path);
        // `reached[n]`: the whole pattern fits the first n components.
        reached.iter().skip(1).any(|it| *it) || (path.is_empty() && self.parts.is_empty())
    }

    fn reach(&self, path: &[&str]) -> Vec<bool> {
        let mut now = vec![false; path.len() + 1];
        now[0] = true;
        for part in &self.parts {
            let mut next = vec![false; path.len() + 1];
            if part[..] == [Piece::Any] {
                let mut open = false;
                for (at, reached) in now.iter().enumerate() {
                    open |= reached;
                    next[at] = open;
                }
            } else {
                for at in 0..path.len() {
                    next[at + 1] = now[at] && component_fits(part, path[at]);
                }
            }
            now = next;
        }
        now
    }

    fn may_fit_below(&self, path: &[&str]) -> bool {
        let mut now = vec![false; path.len() + 1];
        now[0] = true;
        for part in &self.parts {
            // Everything of the path is used up and the pattern goes on.
            if now[path.len()] || part[..] == [Piece::Any] {
                return true;
            }
            let mut next = vec![false; path.len() + 1];
            for at in 0..path.len() {
                next[at + 1] = now[at] && component_fits(part, path[at]);
            }
            now = next;
        }
        false
    }
}

/// The pieces of one component.
fn pieces(text: &str) -> Option<Vec<Piece>> {
    if text == "**" {
        return Some(vec![Piece::Any]);
    }
    let mut pieces = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        pieces.push(match c {
            '*' => {
                while chars.next_if_eq(&'*').is_some() {}
                Piece::Star
            }
            '?' => Piece::Question,
            '\\' => Piece::Char(chars.next()?),
            '[' => class(&mut chars)?,
            c => Piece::Char(c),
        });
    }
    Some(pieces)
}

fn class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Piece> {
    let negated = chars.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        let from = match chars.next()? {
            ']' if !ranges.is_empty() => return Some(Piece::Class { negated, ranges }),
            ']' | '-' => return None,
            '\\' => chars.next()?,
            c => c,
        };
        let to = match chars.next_if_eq(&'-') {
            None => from,
            Some(_) => match chars.next()? {
                ']' | '-' => return None,
                '\\' => chars.next()?,
                c => c,
            },
        };
        ranges.push((from, to));
    }
}

fn component_fits(pieces: &[Piece], text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let mut now = vec![false; text.len() + 1];
    now[0] = true;
    for piece in pieces {
        let mut next = vec![false; text.len() + 1];
        if matches!(piece, Piece::Star | Piece::Any) {
            let mut open = false;
            for (at, reached) in now.iter().enumerate() {
                open |= reached;
                next[at] = open;
            }
        } else {
            for at in 0..text.len() {
                next[at + 1] = now[at] && piece_fits(piece, text[at]);
            }
        }
        now = next;
    }
    now[text.len()]
}

fn piece_fits(piece: &Piece, c: char) -> bool {
    match piece {
        Piece::Star | Piece::Any | Piece::Question => true,
        Piece::Char(own) => *own == c,
        Piece::Class { negated, ranges } => {
            ranges.iter().any(|(from, to)| (*from..=*to).contains(&c)) != *negated
        }
    }
}

/// Whether a pattern of Go's `path.Match` (with `**`) stands in `text`.
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[', '\\'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_leave_out_what_docker_leaves_out() {
        for (file, path, out) in [
            ("node_modules", "node_modules/a/b", true),
            ("node_modules", "x/node_modules", false),
            ("**/node_modules", "x/y/node_modules/z", true),
            ("*.md\n!README.md", "README.md", false),
            ("*.md\n!README.md", "a.md", true),
            ("*.md", "d/a.md", false),
            ("**/*.md", "a.md", true),
            ("**/*.md", "d/e/a.md", true),
            ("docs\n!docs/keep", "docs/keep/x", false),
            ("docs\n!docs/keep", "docs/x", true),
            ("/abs", "abs", true),
            ("a/**", "a/b", true),
            ("a/**", "a", true),
            ("temp?", "temp1", true),
            ("temp?", "temp", false),
            ("# comment\n\n x ", "x", true),
            ("*", "anything/at/all", true),
            ("*\n!src", "src/main.rs", false),
            ("[a-c]x", "bx", true),
            ("[^a-c]x", "bx", false),
        ] {
            let patterns = Patterns::parse_file(file).unwrap();
            assert_eq!(patterns.excludes(path), out, "{file:?} {path}");
        }
    }

    #[test]
    fn a_left_out_directory_is_walked_only_when_something_below_may_come_back() {
        let patterns = Patterns::parse_file("docs\nother\n!docs/a/*.md").unwrap();
        assert!(patterns.may_take_back_below("docs"));
        assert!(patterns.may_take_back_below("docs/a"));
        assert!(!patterns.may_take_back_below("docs/b"));
        assert!(!patterns.may_take_back_below("other"));
    }

    #[test]
    fn a_pattern_that_is_none_is_refused() {
        assert_eq!(
            Patterns::parse_file("!").unwrap_err(),
            IgnoreError::Exclusion
        );
        assert!(Patterns::parse_file("[a").is_err());
    }
}
