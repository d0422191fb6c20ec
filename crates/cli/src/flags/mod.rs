//! The command line's grammar, as spf13/pflag reads it: `-it`, `-p80:80`, `--name=x`,
//! `--flag=false`, flags between arguments unless the command stops at the first one.

mod values;

pub use values::{go_quote, parse_bool, parse_int, parse_nano_cpus};

use crate::tables::Flag;
use corten_base::text;
use thiserror::Error;

/// What the command line said.
#[derive(Debug, Default, Clone)]
pub struct Parsed {
    values: Vec<(&'static str, String)>,
    /// Positional arguments.
    pub args: Vec<String>,
    /// Notices about deprecated flags, for stderr.
    pub notices: Vec<String>,
    /// `--help` was given.
    pub help: bool,
}

/// A command line that is not understood; the texts are pflag's.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum FlagError {
    #[error("unknown flag: --{0}")]
    Unknown(String),
    #[error("unknown shorthand flag: {short:?} in -{word}")]
    UnknownShort { short: char, word: String },
    #[error("flag needs an argument: --{0}")]
    NeedsArgument(String),
    #[error("flag needs an argument: {short:?} in -{word}")]
    ShortNeedsArgument { short: char, word: String },
    #[error("bad flag syntax: {0}")]
    Syntax(String),
    #[error("invalid argument {} for {} flag: {why}", go_quote(.value), go_quote(.flag))]
    Invalid {
        value: String,
        flag: String,
        why: String,
    },
}

/// Checks a value beyond its type, for the command at hand.
pub type Check = fn(&Flag, &str) -> Result<(), String>;

/// How a command wants its line read.
pub struct Grammar<'a> {
    /// The flags it knows.
    pub flags: &'a [Flag],
    /// Whether the first positional argument ends the flags.
    pub stops_at_first_argument: bool,
    /// Further checks of values.
    pub check: Check,
}

impl Parsed {
    /// The last value of a flag.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values
            .iter()
            .rev()
            .find(|(n, _)| *n == name)
            .map(|(_, v)| v.as_str())
    }

    /// The last value of a flag, or the empty text.
    pub fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or("")
    }

    /// All values of a flag.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.values
            .iter()
            .filter(move |(n, _)| *n == name)
            .map(|(_, v)| v.as_str())
    }

    /// All values of a flag as owned texts.
    pub fn list(&self, name: &str) -> Vec<String> {
        self.all(name).map(str::to_owned).collect()
    }

    /// Whether the flag was given.
    pub fn given(&self, name: &str) -> bool {
        self.values.iter().any(|(n, _)| *n == name)
    }

    /// Value of a boolean flag whose default is false.
    pub fn is_on(&self, name: &str) -> bool {
        self.flag_or(name, false)
    }

    /// Value of a boolean flag.
    pub fn flag_or(&self, name: &str, default: bool) -> bool {
        self.get(name).and_then(parse_bool).unwrap_or(default)
    }

    /// Value of an integer flag.
    pub fn int(&self, name: &str) -> Option<i64> {
        self.get(name).and_then(parse_int)
    }

    /// Value of a size flag, in bytes; `-1` stays.
    pub fn bytes(&self, name: &str) -> Option<i64> {
        self.get(name).and_then(|v| {
            if v == "-1" {
                Some(-1)
            } else {
                text::parse_ram_bytes(v)
            }
        })
    }

    /// Value of a duration flag, in nanoseconds.
    pub fn nanoseconds(&self, name: &str) -> Option<i64> {
        self.get(name).and_then(text::parse_go_duration)
    }

    /// Values in the order of the command line.
    pub fn in_order(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.values.iter().map(|(n, v)| (*n, v.as_str()))
    }
}

/// Reads `words` (without the command's own name).
pub fn parse(grammar: &Grammar<'_>, words: &[String]) -> Result<Parsed, FlagError> {
    let mut parsed = Parsed::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == "--" {
            parsed.args.extend(words.cloned());
            break;
        }
        if let Some(long) = word.strip_prefix("--") {
            parse_long(grammar, long, &mut words, &mut parsed)?;
        } else if word.len() > 1 && word.starts_with('-') {
            parse_short(grammar, &word[1..], &mut words, &mut parsed)?;
        } else {
            parsed.args.push(word.clone());
            if grammar.stops_at_first_argument {
                parsed.args.extend(words.cloned());
                break;
            }
        }
    }
    Ok(parsed)
}

fn parse_long<'w>(
    grammar: &Grammar<'_>,
    word: &str,
    rest: &mut impl Iterator<Item = &'w String>,
    parsed: &mut Parsed,
) -> Result<(), FlagError> {
    if word.starts_with('-') || word.starts_with('=') {
        return Err(FlagError::Syntax(format!("--{word}")));
    }
    let (name, inline) = match word.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (word, None),
    };
    let Some(flag) = grammar.flags.iter().find(|f| f.name == name) else {
        if name == "help" {
            parsed.help = inline.as_deref().and_then(parse_bool).unwrap_or(true);
            return Ok(());
        }
        return Err(FlagError::Unknown(name.to_owned()));
    };
    let value = match inline {
        Some(value) => value,
        None if flag.is_bool() => "true".to_owned(),
        None => match rest.next() {
            Some(value) => value.clone(),
            None => return Err(FlagError::NeedsArgument(name.to_owned())),
        },
    };
    set(grammar, flag, value, parsed)
}

fn parse_short<'w>(
    grammar: &Grammar<'_>,
    word: &str,
    rest: &mut impl Iterator<Item = &'w String>,
    parsed: &mut Parsed,
) -> Result<(), FlagError> {
    let letters = word.char_indices();
    for (at, short) in letters {
        let after = &word[at + short.len_utf8()..];
        let Some(flag) = grammar.flags.iter().find(|f| f.short == Some(short)) else {
            if short == 'h' {
                parsed.help = true;
                parsed
                    .notices
                    .push("Flag shorthand -h has been deprecated, use --help".into());
                return Ok(());
            }
            return Err(FlagError::UnknownShort {
                short,
                word: word[at..].to_owned(),
            });
        };
        if let Some(value) = after.strip_prefix('=') {
            return set(grammar, flag, value.to_owned(), parsed);
        }
        if flag.is_bool() {
            set(grammar, flag, "true".to_owned(), parsed)?;
            continue;
        }
        if !after.is_empty() {
            return set(grammar, flag, after.to_owned(), parsed);
        }
        return match rest.next() {
            Some(value) => set(grammar, flag, value.clone(), parsed),
            None => Err(FlagError::ShortNeedsArgument {
                short,
                word: word[at..].to_owned(),
            }),
        };
    }
    Ok(())
}

fn set(
    grammar: &Grammar<'_>,
    flag: &Flag,
    value: String,
    parsed: &mut Parsed,
) -> Result<(), FlagError> {
    values::check_type(flag, &value)
        .and_then(|()| (grammar.check)(flag, &value))
        .map_err(|why| {
            let name = match flag.short {
                Some(short) => format!("-{short}, --{}", flag.name),
                None => format!("--{}", flag.name),
            };
            FlagError::Invalid {
                value: value.clone(),
                flag: name,
                why,
            }
        })?;
    if let Some((notice, instead)) = flag.deprecated {
        parsed.notices.push(format!(
            "Flag --{} has been deprecated, {notice}",
            flag.name
        ));
        parsed.values.push((instead, value));
        return Ok(());
    }
    if flag.name == "help" {
        parsed.help = parse_bool(&value).unwrap_or(true);
        return Ok(());
    }
    if flag.kind == "strings" {
        for part in value.split(',') {
            parsed.values.push((flag.name, part.to_owned()));
        }
        return Ok(());
    }
    parsed.values.push((flag.name, value));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::{Found, find};

    fn line(words: &[&str]) -> Result<Parsed, FlagError> {
        let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
        let Some((Found::Command(command), used)) = find(&words) else {
            panic!()
        };
        let stops = command.path == "container run";
        let grammar = Grammar {
            flags: &command.flags,
            stops_at_first_argument: stops,
            check: |_, _| Ok(()),
        };
        parse(&grammar, &words[used..])
    }

    #[test]
    fn bundles_values_and_the_first_argument_are_read_as_pflag_reads_them() {
        let run = line(&[
            "run",
            "-it",
            "-p80:80",
            "-p",
            "81:81",
            "-e=A=b",
            "--rm=false",
            "--name=x",
            "busybox",
            "ls",
            "-l",
            "--all",
        ])
        .unwrap();
        assert!(run.is_on("interactive") && run.is_on("tty"));
        assert!(!run.is_on("rm") && run.given("rm"));
        assert_eq!(run.list("publish"), ["80:80", "81:81"]);
        assert_eq!(run.list("env"), ["A=b"]);
        assert_eq!(run.args, ["busybox", "ls", "-l", "--all"]);
        let ps = line(&["ps", "x", "-a", "--", "-q"]).unwrap();
        assert!(ps.is_on("all") && !ps.is_on("quiet"));
        assert_eq!(ps.args, ["x", "-q"]);
    }

    #[test]
    fn what_is_not_understood_is_told_in_pflags_words() {
        for (words, text) in [
            (&["ps", "--foo"][..], "unknown flag: --foo"),
            (&["ps", "-az"], "unknown shorthand flag: 'z' in -z"),
            (&["run", "--memory"], "flag needs an argument: --memory"),
            (&["run", "-p"], "flag needs an argument: 'p' in -p"),
            (
                &["run", "-m", "x"],
                "invalid argument \"x\" for \"-m, --memory\" flag: invalid size: 'x'",
            ),
            (
                &["ps", "--all=maybe"],
                "invalid argument \"maybe\" for \"-a, --all\" flag: strconv.ParseBool: parsing \"maybe\": invalid syntax",
            ),
            (
                &["run", "--cpus", "x"],
                "invalid argument \"x\" for \"--cpus\" flag: failed to parse x as a rational number",
            ),
            (&["ps", "---x"], "bad flag syntax: ---x"),
        ] {
            assert_eq!(line(words).unwrap_err().to_string(), text);
        }
    }
}
