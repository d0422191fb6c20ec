//! Env files: `KEY=VALUE` lines with quotes, `export`, comments and variables, in the
//! dialect of Compose.

use crate::template::{self, Variables};
use std::collections::BTreeMap;

/// Variables by name.
pub type Env = BTreeMap<String, String>;

/// Why a file cannot be understood: the line, counted from 1, and what is wrong there.
#[derive(Debug, PartialEq, Eq)]
pub struct DotenvError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

/// The variables of `text`. `outside` gives those of the surroundings: they come before the
/// file's own where a value refers to one, and give the value of a key that stands alone.
pub fn parse(text: &str, outside: &dyn Fn(&str) -> Option<String>) -> Result<Env, DotenvError> {
    let mut reader = Reader {
        rest: text.trim_start_matches('\u{feff}'),
        line: 1,
        outside,
        env: Env::new(),
    };
    while reader.find_statement() {
        reader.statement()?;
    }
    // Names that begin with a digit cannot be set in any shell; Compose ignores them.
    reader
        .env
        .retain(|name, _| !name.starts_with(|first: char| first.is_ascii_digit()));
    Ok(reader.env)
}

/// The lines of a file in Docker's own format (`format: raw`, `docker run --env-file`):
/// values as they stand, with neither quotes nor variables.
pub fn parse_raw(text: &str, outside: &dyn Fn(&str) -> Option<String>) -> Result<Env, DotenvError> {
    let mut env = Env::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, value) = match line.split_once('=') {
            Some((key, value)) => (key, Some(value.to_owned())),
            None => (line.trim_end(), outside(line.trim_end())),
        };
        if key.is_empty() || key.contains(char::is_whitespace) {
            return Err(DotenvError {
                line: number + 1,
                message: format!("variable {key:?} contains whitespaces or has no name"),
            });
        }
        if let Some(value) = value {
            env.insert(key.to_owned(), value);
        }
    }
    Ok(env)
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
    outside: &'a dyn Fn(&str) -> Option<String>,
    env: Env,
}

impl Variables for Reader<'_> {
    fn value(&self, name: &str) -> Option<String> {
        (self.outside)(name).or_else(|| self.env.get(name).cloned())
    }

    fn missing(&self, _name: &str) {}
}

impl Reader<'_> {
    fn wrong(&self, message: impl Into<String>) -> DotenvError {
        DotenvError {
            line: self.line,
            message: message.into(),
        }
    }

    /// Leaves `count` bytes behind.
    fn skip(&mut self, count: usize) {
        let (passed, rest) = self.rest.split_at(count);
        self.line += passed.matches('\n').count();
        self.rest = rest;
    }

    fn skip_while(&mut self, test: impl Fn(char) -> bool) {
        let count = self.rest.find(|c| !test(c)).unwrap_or(self.rest.len());
        self.skip(count);
    }

    /// Over blank lines and comments; whether anything follows.
    fn find_statement(&mut self) -> bool {
        self.skip_while(char::is_whitespace);
        while self.rest.starts_with('#') {
            self.skip_while(|c| c != '\n');
            self.skip_while(char::is_whitespace);
        }
        !self.rest.is_empty()
    }

    fn statement(&mut self) -> Result<(), DotenvError> {
        if let Some(after) = self.rest.strip_prefix("export")
            && after.starts_with(char::is_whitespace)
        {
            self.skip("export".len());
            self.skip_while(is_blank);
        }
        let end = self
            .rest
            .find(|c: char| !(is_blank(c) || is_name(c)))
            .unwrap_or(self.rest.len());
        let first_line = self.rest.lines().next().unwrap_or_default();
        let key = self.rest[..end].trim_end().to_owned();
        match self.rest[end..].chars().next() {
            Some('=' | ':') => {
                if key.contains(' ') {
                    return Err(self.wrong("key cannot contain a space"));
                }
                self.skip(end + 1);
                self.skip_while(is_blank);
                let value = self.value_of()?;
                self.env.insert(key, value);
                Ok(())
            }
            None | Some('\n') => {
                if key.contains(' ') {
                    return Err(self.wrong("key cannot contain a space"));
                }
                if let Some(value) = (self.outside)(&key) {
                    self.env.insert(key, value);
                }
                self.skip(end);
                Ok(())
            }
            Some(other) => Err(self.wrong(format!(
                "unexpected character {:?} in variable name {first_line:?}",
                other.to_string()
            ))),
        }
    }

    fn value_of(&mut self) -> Result<String, DotenvError> {
        match self.rest.chars().next() {
            Some(quote @ ('"' | '\'')) => self.quoted(quote),
            _ => {
                let line = self.rest.split('\n').next().unwrap_or_default();
                let length = line.len();
                let value = line
                    .split(" #")
                    .next()
                    .unwrap_or_default()
                    .trim_end()
                    .to_owned();
                let filled = self.filled(&value)?;
                self.skip(length);
                Ok(filled)
            }
        }
    }

    fn quoted(&mut self, quote: char) -> Result<String, DotenvError> {
        let mut value = String::new();
        let mut escaped = false;
        for (at, c) in self.rest.char_indices().skip(1) {
            if escaped {
                if c != quote {
                    value.push('\\');
                }
                value.push(c);
                escaped = false;
            } else if c == '\\' {
                escaped = true;
            } else if c == quote {
                let value = if quote == '"' {
                    self.filled(&unescape(&value))?
                } else {
                    value
                };
                self.skip(at + 1);
                return Ok(value);
            } else {
                value.push(c);
            }
        }
        let line = self.rest.lines().next().unwrap_or_default();
        Err(self.wrong(format!("unterminated quoted value {line}")))
    }

    fn filled(&self, value: &str) -> Result<String, DotenvError> {
        template::fill(value, self).map_err(|error| self.wrong(error.to_string()))
    }
}

fn is_blank(c: char) -> bool {
    c != '\n' && c.is_whitespace()
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '[' | ']')
}

/// The escapes of a double-quoted value; `\$` becomes `$$`, which stays a dollar sign.
fn unescape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('a') => out.push('\u{7}'),
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some('v') => out.push('\u{b}'),
            Some('$') => out.push_str("$$"),
            Some(other @ ('"' | '\\')) => out.push(other),
            Some('0') => {
                let mut code = 0_u32;
                for _ in 0..3 {
                    let Some(digit) = chars.peek().and_then(|digit| digit.to_digit(8)) else {
                        break;
                    };
                    code = code * 8 + digit;
                    chars.next();
                }
                out.extend(char::from_u32(code));
            }
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<(String, String)> {
        let outside = |name: &str| (name == "OUT").then(|| "out".to_owned());
        parse(text, &outside).unwrap().into_iter().collect()
    }

    fn pair(key: &str, value: &str) -> Vec<(String, String)> {
        vec![(key.to_owned(), value.to_owned())]
    }

    #[test]
    fn values_are_read_as_compose_reads_them() {
        for (text, key, value) in [
            ("A=1", "A", "1"),
            ("export A = b c  # x", "A", "b c"),
            ("A: yaml", "A", "yaml"),
            ("A=b#c", "A", "b#c"),
            ("A='$OUT \\n'", "A", "$OUT \\n"),
            ("A=\"$OUT\\n\\$X\"", "A", "out\n$X"),
            ("A=\"two\nlines\"", "A", "two\nlines"),
            ("A=${NO:-x}", "A", "x"),
            ("OUT", "OUT", "out"),
            ("A=", "A", ""),
            ("\u{feff}A=1\n# x\n\n", "A", "1"),
        ] {
            assert_eq!(of(text), pair(key, value), "{text}");
        }
        assert_eq!(of("A=1\nB=$A$OUT\n1X=2\nC\n").len(), 2);
    }

    #[test]
    fn a_broken_line_is_named() {
        let failure = |text: &str| parse(text, &|_| None).unwrap_err();
        assert_eq!(failure("A=1\nB C=2\n").line, 2);
        assert_eq!(failure("A=1\n\n!=2\n").line, 3);
        assert_eq!(failure("A='x\n\n").message, "unterminated quoted value 'x");
    }

    #[test]
    fn raw_values_stand_as_they_are() {
        let env = parse_raw("A=\"$x\" # y\nOUT\n#c\n", &|_| Some("o".into())).unwrap();
        assert_eq!(env["A"], "\"$x\" # y");
        assert_eq!(env["OUT"], "o");
    }
}
