//! Words of an instruction: quotes, escapes, and variables in all their forms.
//!
//! Dockerfile reference § Environment replacement; POSIX.1-2017, Shell Command Language
//! § Parameter Expansion.

use crate::pattern;
use std::collections::BTreeSet;

/// Bytes that one word may grow to: an expansion must not eat the memory.
const EXPANDED_BYTES_MAX: usize = 1 << 20;
/// Words within words (`${a:-${b:-…}}`).
const DEPTH_MAX: usize = 64;

/// Splits at blanks outside of quotes. Quotes and escapes stay in the words.
pub fn split(text: &str, escape: char) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut chars = text.trim().chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            (c, None | Some('"')) if c == escape => {
                word.push(c);
                word.extend(chars.next());
                continue;
            }
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            (c, None) if c.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            _ => {}
        }
        word.push(c);
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Quotes and escapes taken away, variables left; none when a quote is not closed.
pub(crate) fn unquote(word: &str, escape: char) -> Option<String> {
    let mut out = String::new();
    let mut chars = word.chars();
    let mut quote = None;
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            (c, None | Some('"')) if c == escape => out.extend(chars.next()),
            (c, _) => out.push(c),
        }
    }
    quote.is_none().then_some(out)
}

/// Puts variables in.
pub struct Shell<'a> {
    /// The escape character of the file.
    pub escape: char,
    /// The value of a variable, if it is set.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// Quotes stay where they are (here documents).
    pub raw_quotes: bool,
    /// Escapes stay where they are, but before `$`.
    pub raw_escapes: bool,
}

/// A word after expansion.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expanded {
    /// The text.
    pub text: String,
    /// Variables that were used and are not set.
    pub unset: BTreeSet<String>,
    /// Variables that were used.
    pub used: BTreeSet<String>,
}

impl Shell<'_> {
    /// Expands one word.
    ///
    /// # Errors
    /// BuildKit's sentence about what is wrong in it.
    pub fn expand(&self, word: &str) -> Result<Expanded, String> {
        let mut lexer = Lexer {
            shell: self,
            chars: word.chars().collect(),
            at: 0,
            found: Expanded::default(),
            depth: 0,
        };
        let text = lexer.word(None)?;
        lexer.found.text = text;
        Ok(lexer.found)
    }

    /// Expands, and splits at blanks that stand outside of quotes in the text or in a
    /// value.
    ///
    /// # Errors
    /// As [`Shell::expand`].
    pub fn expand_words(&self, text: &str) -> Result<(Vec<String>, Expanded), String> {
        let mut words = Vec::new();
        let mut all = Expanded::default();
        for word in split(text, self.escape) {
            let expanded = self.expand(&word)?;
            let quoted = word.contains(['"', '\'']);
            all.unset.extend(expanded.unset);
            all.used.extend(expanded.used);
            match quoted {
                true => words.push(expanded.text),
                false if word.contains('$') => {
                    words.extend(expanded.text.split_whitespace().map(str::to_owned));
                }
                false => words.push(expanded.text),
            }
        }
        Ok((words, all))
    }
}

struct Lexer<'s, 'a> {
    shell: &'s Shell<'a>,
    chars: Vec<char>,
    at: usize,
    found: Expanded,
    depth: usize,
}

impl Lexer<'_, '_> {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        Some(c)
    }

    /// Up to `stop`, which is left, or to the end.
    fn word(&mut self, stop: Option<char>) -> Result<String, String> {
        let mut out = String::new();
        let escape = self.shell.escape;
        loop {
            let c = match (self.peek(), stop) {
                (None, None) => return self.checked(out),
                (None, Some(stop)) => {
                    return Err(format!(
                        "unexpected end of statement while looking for matching {stop}"
                    ));
                }
                (Some(c), Some(stop)) if c == stop => return self.checked(out),
                (Some(c), _) => c,
            };
            match c {
                '\'' if !self.shell.raw_quotes => self.single(&mut out)?,
                '"' if !self.shell.raw_quotes => self.double(&mut out)?,
                '$' => {
                    let value = self.dollar()?;
                    out.push_str(&value);
                }
                c if c == escape => {
                    self.at += 1;
                    match (self.next(), self.shell.raw_escapes) {
                        (Some(next), true) if next != '$' => out.extend([escape, next]),
                        (Some(next), _) => out.push(next),
                        (None, true) => out.push(escape),
                        (None, false) => {}
                    }
                }
                c => {
                    self.at += 1;
                    out.push(c);
                }
            }
            if out.len() > EXPANDED_BYTES_MAX {
                return self.checked(out);
            }
        }
    }

    fn checked(&self, out: String) -> Result<String, String> {
        match out.len() > EXPANDED_BYTES_MAX {
            true => Err(format!(
                "the value is longer than {EXPANDED_BYTES_MAX} bytes"
            )),
            false => Ok(out),
        }
    }

    fn single(&mut self, out: &mut String) -> Result<(), String> {
        self.at += 1;
        loop {
            match self.next() {
                Some('\'') => return Ok(()),
                Some(c) => out.push(c),
                None => {
                    return Err(
                        "unexpected end of statement while looking for matching single-quote"
                            .into(),
                    );
                }
            }
        }
    }

    fn double(&mut self, out: &mut String) -> Result<(), String> {
        let escape = self.shell.escape;
        let open =
            || "unexpected end of statement while looking for matching double-quote".to_owned();
        self.at += 1;
        loop {
            match self.peek().ok_or_else(open)? {
                '"' => {
                    self.at += 1;
                    return Ok(());
                }
                '$' => {
                    let value = self.dollar()?;
                    out.push_str(&value);
                }
                c if c == escape => {
                    self.at += 1;
                    match self.next().ok_or_else(open)? {
                        // Within double quotes only these are escaped.
                        next if next == '"' || next == '$' || next == escape => out.push(next),
                        next => out.extend([escape, next]),
                    }
                }
                c => {
                    self.at += 1;
                    out.push(c);
                }
            }
        }
    }

    fn value(&mut self, name: &str) -> Option<String> {
        self.found.used.insert(name.to_owned());
        let value = (self.shell.variable)(name);
        if value.is_none() {
            self.found.unset.insert(name.to_owned());
        }
        value
    }

    fn dollar(&mut self) -> Result<String, String> {
        self.at += 1;
        if self.peek() != Some('{') {
            let name = self.name();
            return Ok(match name.is_empty() {
                true => "$".to_owned(),
                false => self.value(&name).unwrap_or_default(),
            });
        }
        self.at += 1;
        if matches!(self.peek(), None | Some('}')) {
            return Err("syntax error: bad substitution".into());
        }
        let name = self.name();
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(format!("substitutions within more than {DEPTH_MAX} others"));
        }
        let value = self.braced(&name)?;
        self.depth -= 1;
        Ok(value)
    }

    fn braced(&mut self, name: &str) -> Result<String, String> {
        let modifier = self.next().ok_or("syntax error: missing '}'")?;
        match modifier {
            '}' => Ok(self.value(name).unwrap_or_default()),
            ':' => {
                let kind = self.next().ok_or("syntax error: missing '}'")?;
                let word = self.inner()?;
                self.substitute(name, kind, word, true)
            }
            '+' | '-' | '?' => {
                let word = self.inner()?;
                self.substitute(name, modifier, word, false)
            }
            '#' | '%' => {
                let greedy = self.peek() == Some(modifier);
                if greedy {
                    self.at += 1;
                }
                let word = self.inner()?;
                let value = self.value(name).unwrap_or_default();
                Ok(match modifier {
                    '#' => pattern::trim_prefix(&word, &value, greedy),
                    _ => pattern::trim_suffix(&word, &value, greedy),
                })
            }
            '/' => {
                let all = self.peek() == Some('/');
                if all {
                    self.at += 1;
                }
                let from = self
                    .word(Some('/'))
                    .map_err(|_| "syntax error: missing '/' in ${}")?;
                self.at += 1;
                let to = self.inner()?;
                let value = self.value(name).unwrap_or_default();
                Ok(pattern::replace(&from, &to, &value, all))
            }
            other => Err(format!("unsupported modifier ({other}) in substitution")),
        }
    }

    /// What stands before the closing brace, which is taken.
    fn inner(&mut self) -> Result<String, String> {
        let word = self
            .word(Some('}'))
            .map_err(|_| "syntax error: missing '}'")?;
        self.at += 1;
        Ok(word)
    }

    fn substitute(
        &mut self,
        name: &str,
        kind: char,
        word: String,
        or_empty: bool,
    ) -> Result<String, String> {
        self.found.used.insert(name.to_owned());
        let value = (self.shell.variable)(name);
        let set = value
            .as_ref()
            .is_some_and(|value| !or_empty || !value.is_empty());
        match (kind, set) {
            ('-', true) => Ok(value.unwrap_or_default()),
            ('-', false) => Ok(word),
            ('+', true) => Ok(word),
            ('+', false) => Ok(String::new()),
            ('?', true) => Ok(value.unwrap_or_default()),
            ('?', false) if word.is_empty() => Err(format!("{name}: parameter not set")),
            ('?', false) => Err(format!("{name}: {word}")),
            (other, _) => Err(format!("unsupported modifier (:{other}) in substitution")),
        }
    }

    fn name(&mut self) -> String {
        let start = self.at;
        match self.peek() {
            Some(c) if c.is_ascii_digit() => {
                while self.peek().is_some_and(|c| c.is_ascii_digit()) {
                    self.at += 1;
                }
            }
            Some('@' | '*' | '#' | '?' | '-' | '$' | '!') => self.at += 1,
            _ => {
                while self
                    .peek()
                    .is_some_and(|c| c.is_ascii_alphanumeric() || c == '_')
                {
                    self.at += 1;
                }
            }
        }
        self.chars[start..self.at].iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(word: &str) -> Result<String, String> {
        let variable = |name: &str| match name {
            "a" => Some("foo/bar/baz".to_owned()),
            "e" => Some(String::new()),
            "v" => Some("x y".to_owned()),
            _ => None,
        };
        let shell = Shell {
            escape: '\\',
            variable: &variable,
            raw_quotes: false,
            raw_escapes: false,
        };
        shell.expand(word).map(|it| it.text)
    }

    #[test]
    fn variables_are_put_in_as_the_reference_says() {
        for (word, expected) in [
            ("$a", "foo/bar/baz"),
            ("${a}x", "foo/bar/bazx"),
            ("'$a'", "$a"),
            ("\"$v\"", "x y"),
            ("\\$a", "$a"),
            ("\"a\\nb\"", "a\\nb"),
            ("${u:-d}", "d"),
            ("${e:-d}", "d"),
            ("${e-d}", ""),
            ("${u-d}", "d"),
            ("${a:+s}", "s"),
            ("${e:+s}", ""),
            ("${e+s}", "s"),
            ("${a#*/}", "bar/baz"),
            ("${a##*/}", "baz"),
            ("${a%/*}", "foo/bar"),
            ("${a%%/*}", "foo"),
            ("${a/a/o}", "foo/bor/baz"),
            ("${a//a/o}", "foo/bor/boz"),
            ("${u:-${a%%/*}}", "foo"),
            ("$", "$"),
            ("$u$a", "foo/bar/baz"),
        ] {
            assert_eq!(expand(word).as_deref(), Ok(expected), "{word}");
        }
    }

    #[test]
    fn what_cannot_be_put_in_is_refused_with_its_sentence() {
        for (word, sentence) in [
            ("${a", "syntax error: missing '}'"),
            ("${}", "syntax error: bad substitution"),
            ("${u:?gone}", "u: gone"),
            ("${a:=x}", "unsupported modifier (:=) in substitution"),
            (
                "'x",
                "unexpected end of statement while looking for matching single-quote",
            ),
        ] {
            assert_eq!(expand(word).unwrap_err(), sentence, "{word}");
        }
    }
}
