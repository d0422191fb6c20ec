//! Words of a command line: options with and without a value, then the rest.

use crate::error::CommandError;
use std::collections::BTreeMap;

/// An option: its long name, its letter, and whether a value follows.
pub(crate) type OptionShape = (&'static str, Option<char>, bool);

#[derive(Debug, Default)]
pub(crate) struct Arguments {
    values: BTreeMap<&'static str, Vec<String>>,
    /// What follows the options.
    pub rest: Vec<String>,
}

impl Arguments {
    /// Takes `words` apart. Options end at the first word that is none, or behind `--`.
    pub(crate) fn parse(words: &[String], shapes: &[OptionShape]) -> Result<Self, CommandError> {
        let mut parsed = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if word == "--" {
                break;
            }
            let Some(name) = word.strip_prefix('-').filter(|name| !name.is_empty()) else {
                parsed.rest.push(word.clone());
                break;
            };
            let name = name.strip_prefix('-').unwrap_or(name);
            let (name, attached) = match name.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (name, None),
            };
            let unknown = || CommandError::Usage(format!("flag provided but not defined: -{name}"));
            let fits = |shape: &&OptionShape| {
                shape.0 == name || shape.1.is_some_and(|letter| name == letter.to_string())
            };
            let &(long, _, takes_value) = shapes.iter().find(fits).ok_or_else(unknown)?;
            let value = match (takes_value, attached) {
                (false, None) => "true".to_owned(),
                (_, Some(value)) => value,
                (true, None) => words.next().cloned().ok_or_else(|| {
                    CommandError::Usage(format!("flag needs an argument: -{name}"))
                })?,
            };
            parsed.values.entry(long).or_default().push(value);
        }
        parsed.rest.extend(words.cloned());
        Ok(parsed)
    }

    /// Whether an option without a value was given.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.value(name) == Some("true")
    }

    /// The last value of an option.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name)?.last().map(String::as_str)
    }

    /// All values of an option.
    pub(crate) fn all(&self, name: &str) -> &[String] {
        self.values.get(name).map_or(&[], Vec::as_slice)
    }

    /// The last value of an option as a number.
    pub(crate) fn number<N: std::str::FromStr>(
        &self,
        name: &str,
    ) -> Result<Option<N>, CommandError> {
        let parse = |text: &str| {
            text.parse().map_err(|_| {
                CommandError::Usage(format!("invalid value {text:?} for flag -{name}"))
            })
        };
        self.value(name).map(parse).transpose()
    }

    /// Exactly the one word that the command takes.
    pub(crate) fn only(&self, command: &str) -> Result<&str, CommandError> {
        match self.rest.as_slice() {
            [one] => Ok(one),
            _ => Err(CommandError::Usage(format!(
                "{command:?} requires exactly 1 argument(s)"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_end_at_the_first_other_word() {
        let words: Vec<String> = ["-t", "--env=A=B", "-e", "C=D", "id", "-t"]
            .map(str::to_owned)
            .into();
        let shapes = [("tty", Some('t'), false), ("env", Some('e'), true)];
        let parsed = Arguments::parse(&words, &shapes).unwrap();
        assert!(parsed.has("tty"));
        assert_eq!(parsed.all("env"), ["A=B", "C=D"]);
        assert_eq!(parsed.rest, ["id", "-t"]);
        assert!(Arguments::parse(&["--nix".to_owned()], &shapes).is_err());
    }
}
