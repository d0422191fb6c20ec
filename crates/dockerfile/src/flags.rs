//! `--name=value` between an instruction's name and its arguments.

use crate::{Fault, error::similar};

/// Splits the flags off; quotes and escapes in them are taken away.
pub(crate) fn extract(text: &str, escape: char) -> (Vec<String>, &str) {
    let mut flags = Vec::new();
    let mut rest = text.trim_start();
    while rest.starts_with("--") {
        let mut flag = String::new();
        let mut quote = None;
        let mut chars = rest.char_indices();
        let mut end = rest.len();
        while let Some((index, c)) = chars.next() {
            match (c, quote) {
                (c, None) if c.is_whitespace() => {
                    end = index;
                    break;
                }
                ('"' | '\'', None) => quote = Some(c),
                (c, Some(open)) if c == open => quote = None,
                (c, None | Some('"')) if c == escape => flag.extend(chars.next().map(|(_, c)| c)),
                (c, _) => flag.push(c),
            }
        }
        let after = rest[end..].trim_start();
        if flag == "--" {
            return (flags, after);
        }
        flags.push(flag);
        rest = after;
    }
    (flags, rest)
}

/// The flags of one instruction, taken one by one; [`Flags::finish`] refuses the rest.
pub(crate) struct Flags {
    left: Vec<(String, Option<String>)>,
    known: Vec<&'static str>,
}

type Found<T> = Result<T, Fault>;

impl Flags {
    pub fn new(flags: &[String]) -> Self {
        let split = |flag: &String| {
            let flag = flag.trim_start_matches("--");
            match flag.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (flag.to_owned(), None),
            }
        };
        Self {
            left: flags.iter().map(split).collect(),
            known: Vec::new(),
        }
    }

    /// Every value of a flag that may be repeated.
    pub fn texts(&mut self, name: &'static str) -> Found<Vec<String>> {
        self.known.push(name);
        let mut values = Vec::new();
        let mut left = Vec::new();
        for (key, value) in self.left.drain(..) {
            match (key == name, value) {
                (true, Some(value)) => values.push(value),
                (true, None) => return Err(Fault::FlagValue(name.to_owned())),
                (false, value) => left.push((key, value)),
            }
        }
        self.left = left;
        Ok(values)
    }

    pub fn text(&mut self, name: &'static str) -> Found<Option<String>> {
        let mut values = self.texts(name)?;
        match values.len() {
            0 | 1 => Ok(values.pop()),
            _ => Err(Fault::DuplicateFlag(name.to_owned())),
        }
    }

    /// `--name` or `--name=true`; none when it is not there.
    pub fn boolean(&mut self, name: &'static str) -> Found<Option<bool>> {
        for (key, value) in &mut self.left {
            if key == name && value.is_none() {
                *value = Some("true".into());
            }
        }
        let Some(value) = self.text(name)? else {
            return Ok(None);
        };
        match value.as_str() {
            "true" => Ok(Some(true)),
            "false" => Ok(Some(false)),
            _ => Err(Fault::FlagBoolean {
                name: name.to_owned(),
                value,
            }),
        }
    }

    /// Refuses what nobody took.
    pub fn finish(self) -> Found<()> {
        match self.left.into_iter().next() {
            None => Ok(()),
            Some((name, _)) => {
                let similar = similar(&name, self.known.iter().copied());
                Err(Fault::UnknownFlag { name, similar })
            }
        }
    }
}
