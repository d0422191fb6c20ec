//! The daemon's command line, in the grammar of Docker's programs (pflag): `--name value`,
//! `--name=value`, `-n value`, `-nvalue`, `-Dl debug`, `--bool`, `--bool=false`.

use crate::settings::{SETTINGS, Setting, Settings, Shape};
use serde_json::{Value, json};
use thiserror::Error;

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Print the usage and end.
    Help,
    /// Print the version and end.
    Version,
    /// Run.
    Run(Line),
}

/// The words of a command line that runs the daemon.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Line {
    /// Settings that daemon.json may have too.
    pub settings: Settings,
    /// `--config-file`, where given.
    pub config_file: Option<String>,
    /// `--validate`.
    pub validate: bool,
}

/// A command line that cannot be understood. `Display` is Docker's sentence.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum FlagError {
    /// No such long flag.
    #[error("unknown flag: --{0}")]
    Unknown(String),
    /// No such short flag.
    #[error("unknown shorthand flag: {flag:?} in -{word}")]
    UnknownShort {
        /// The letter.
        flag: char,
        /// The word it stands in, without its dash.
        word: String,
    },
    /// The value is missing.
    #[error("flag needs an argument: {0}")]
    NeedsArgument(String),
    /// The value does not fit.
    #[error("invalid argument {value:?} for {flag:?} flag: {reason}")]
    Invalid {
        /// What was given.
        value: String,
        /// `-D, --debug`.
        flag: String,
        /// Why.
        reason: String,
    },
    /// A word that is no flag.
    #[error("\"cortend\" accepts no arguments: {0:?}")]
    Argument(String),
}

/// Reads the words after the program's name.
pub fn parse(words: impl IntoIterator<Item = String>) -> Result<Command, FlagError> {
    let mut line = Line::default();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        if let Some(long) = word.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (long, None),
            };
            match name {
                "help" => return Ok(Command::Help),
                "version" => return Ok(Command::Version),
                "validate" => line.validate = value.is_none_or(|value| value == "true"),
                "config-file" => {
                    line.config_file = Some(needed(value, &mut words, "--config-file")?)
                }
                _ => {
                    let setting = SETTINGS.iter().find(|setting| setting.flag == name);
                    let setting = setting.ok_or_else(|| FlagError::Unknown(name.to_owned()))?;
                    set(
                        &mut line.settings,
                        setting,
                        value,
                        &mut words,
                        &format!("--{name}"),
                    )?;
                }
            }
        } else if let Some(letters) = word.strip_prefix('-').filter(|rest| !rest.is_empty()) {
            if let Some(command) = short_flags(letters, &mut line.settings, &mut words)? {
                return Ok(command);
            }
        } else {
            return Err(FlagError::Argument(word));
        }
    }
    Ok(Command::Run(line))
}

/// `-Dl debug`: booleans may stand together, a value ends the word.
fn short_flags(
    letters: &str,
    settings: &mut Settings,
    words: &mut impl Iterator<Item = String>,
) -> Result<Option<Command>, FlagError> {
    for (at, letter) in letters.char_indices() {
        match letter {
            'h' => return Ok(Some(Command::Help)),
            'v' => return Ok(Some(Command::Version)),
            _ => {}
        }
        let setting = SETTINGS
            .iter()
            .find(|setting| setting.short == Some(letter));
        let setting = setting.ok_or_else(|| FlagError::UnknownShort {
            flag: letter,
            word: letters.to_owned(),
        })?;
        let rest = &letters[at + letter.len_utf8()..];
        let shown = format!("{letter:?} in -{letters}");
        if setting.shape == Shape::Flag && !rest.starts_with('=') {
            set(settings, setting, None, words, &shown)?;
            continue;
        }
        let value = (!rest.is_empty()).then(|| rest.strip_prefix('=').unwrap_or(rest).to_owned());
        set(settings, setting, value, words, &shown)?;
        break;
    }
    Ok(None)
}

fn needed(
    value: Option<String>,
    words: &mut impl Iterator<Item = String>,
    shown: &str,
) -> Result<String, FlagError> {
    value
        .or_else(|| words.next())
        .ok_or_else(|| FlagError::NeedsArgument(shown.to_owned()))
}

fn set(
    settings: &mut Settings,
    setting: &'static Setting,
    value: Option<String>,
    words: &mut impl Iterator<Item = String>,
    shown: &str,
) -> Result<(), FlagError> {
    let text = match (setting.shape, value) {
        (Shape::Flag, None) => "true".to_owned(),
        (_, value) => needed(value, words, shown)?,
    };
    let invalid = |reason: String| FlagError::Invalid {
        value: text.clone(),
        flag: match setting.short {
            Some(letter) => format!("-{letter}, --{}", setting.flag),
            None => format!("--{}", setting.flag),
        },
        reason,
    };
    let value = match setting.shape {
        Shape::Flag => match text.as_str() {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Value::Bool(true),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Value::Bool(false),
            _ => {
                let reason = format!("strconv.ParseBool: parsing {text:?}: invalid syntax");
                return Err(invalid(reason));
            }
        },
        Shape::Number => match text.parse::<i64>() {
            Ok(number) => json!(number),
            Err(_) => {
                let reason = format!("strconv.ParseInt: parsing {text:?}: invalid syntax");
                return Err(invalid(reason));
            }
        },
        Shape::Text => Value::String(text.clone()),
        Shape::List | Shape::Pools => {
            let mut list = match settings.get(setting.key) {
                Some(Value::Array(list)) => list.clone(),
                _ => Vec::new(),
            };
            // The lists that pflag calls slices are divided at commas.
            match setting.key {
                "dns" | "host-gateway-ips" => list.extend(text.split(',').map(Value::from)),
                _ => list.push(Value::String(text.clone())),
            }
            Value::Array(list)
        }
        Shape::MapMap => {
            let mut drivers = match settings.get(setting.key) {
                Some(Value::Object(map)) => map.clone(),
                _ => serde_json::Map::new(),
            };
            let parts: Vec<&str> = text.splitn(3, '=').collect();
            let &[driver, option, value] = parts.as_slice() else {
                return Err(invalid(format!(
                    "invalid value {text:?} (must be in the form name=key=value)"
                )));
            };
            let options = drivers.entry(driver).or_insert_with(|| json!({}));
            if let Value::Object(options) = options {
                options.insert(option.to_owned(), Value::from(value));
            }
            Value::Object(drivers)
        }
        Shape::Map | Shape::Ulimits | Shape::Object => {
            let mut map = match settings.get(setting.key) {
                Some(Value::Object(map)) => map.clone(),
                _ => serde_json::Map::new(),
            };
            let (key, value) = text.split_once('=').unwrap_or((&text, ""));
            map.insert(key.to_owned(), Value::String(value.to_owned()));
            Value::Object(map)
        }
    };
    settings.set(setting.key, value);
    Ok(())
}

/// The usage, a line a flag.
pub fn usage() -> String {
    let mut text = String::from("Usage:  cortend [OPTIONS]\n\nThe Corten engine.\n\nOptions:\n");
    let mut line = |short: Option<char>, flag: &str, shape: &str, help: &str| {
        let short = short
            .map(|letter| format!("-{letter}, "))
            .unwrap_or("    ".to_owned());
        let name = format!("  {short}--{flag} {shape}");
        text.push_str(&format!("{name:<36} {help}\n"));
    };
    line(
        None,
        "config-file",
        "string",
        "Daemon configuration file (default \"/etc/corten/daemon.json\")",
    );
    for setting in SETTINGS.iter().filter(|setting| !setting.flag.is_empty()) {
        line(
            setting.short,
            setting.flag,
            setting.shape.name(),
            setting.help,
        );
    }
    line(None, "help", "", "Print usage");
    line(
        None,
        "validate",
        "",
        "Validate daemon configuration and exit",
    );
    line(
        Some('v'),
        "version",
        "",
        "Print version information and quit",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(str::to_owned)).map_err(|error| error.to_string())
    }

    #[test]
    fn the_forms_of_pflag_are_understood() {
        let Ok(Command::Run(line)) = parsed(
            "-Dl debug --mtu=1400 -H unix:///a --host=tcp://b --icc=false --log-opt a=b --default-network-opt bridge=x=1 --default-network-opt bridge=y=2=3",
        ) else {
            panic!("it is a line that runs the daemon");
        };
        let get = |key: &str| line.settings.get(key).cloned();
        assert_eq!(get("debug"), Some(json!(true)));
        assert_eq!(get("log-level"), Some(json!("debug")));
        assert_eq!(get("mtu"), Some(json!(1400)));
        assert_eq!(get("hosts"), Some(json!(["unix:///a", "tcp://b"])));
        assert_eq!(get("icc"), Some(json!(false)));
        assert_eq!(get("log-opts"), Some(json!({"a": "b"})));
        let options = json!({"bridge": {"x": "1", "y": "2=3"}});
        assert_eq!(get("default-network-opts"), Some(options));
    }

    #[test]
    fn what_cannot_be_understood_is_told_as_docker_tells_it() {
        for (line, sentence) in [
            ("--nope", "unknown flag: --nope"),
            ("-X", "unknown shorthand flag: 'X' in -X"),
            ("--log-level", "flag needs an argument: --log-level"),
            (
                "--mtu x",
                "invalid argument \"x\" for \"--mtu\" flag: strconv.ParseInt: parsing \"x\": invalid syntax",
            ),
            (
                "--debug=x",
                "invalid argument \"x\" for \"-D, --debug\" flag: strconv.ParseBool: parsing \"x\": invalid syntax",
            ),
            ("word", "\"cortend\" accepts no arguments: \"word\""),
        ] {
            assert_eq!(parsed(line), Err(sentence.to_owned()));
        }
    }
}
