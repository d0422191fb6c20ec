//! The table of the daemon's settings: dockerd's names, and which of them mean something
//! here. A setting comes from a flag or from daemon.json, never from both.

mod table;

pub use table::{SETTINGS, Setting, Shape, Support};

use Support::Only;
use serde_json::Value;
use std::{collections::BTreeMap, path::Path};
use thiserror::Error;

/// Values by key of daemon.json.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings(BTreeMap<&'static str, Value>);

/// A daemon.json or a command line that cannot be followed. `Display` is Docker's sentence
/// where it has one.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("open {path}: {reason}")]
    Open {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// The file is not JSON, or a value has another shape.
    #[error("invalid JSON: {0}")]
    Json(String),
    /// dockerd has no such keys either.
    #[error("the following directives don't match any configuration option: {0}")]
    Unknown(String),
    /// Said twice.
    #[error(
        "the following directives are specified both as a flag and in the configuration file: {0}"
    )]
    Twice(String),
    /// dockerd has it, Corten does not do it.
    #[error("{key} = {value} is a setting of dockerd that Corten does not support yet{hint}")]
    Unsupported {
        /// In daemon.json.
        key: &'static str,
        /// As JSON.
        value: String,
        /// Which values it does support.
        hint: String,
    },
}

impl Settings {
    /// The value of `key`, if it was given.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// Sets `key`.
    pub fn set(&mut self, key: &'static str, value: Value) {
        self.0.insert(key, value);
    }

    /// A boolean, or `default`.
    pub fn flag(&self, key: &str, default: bool) -> bool {
        self.get(key).and_then(Value::as_bool).unwrap_or(default)
    }

    /// A text, or nothing.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Value::as_str)
    }

    /// A number, or nothing.
    pub fn number(&self, key: &str) -> Option<i64> {
        self.get(key).and_then(Value::as_i64)
    }

    /// Texts; none when it was not given.
    pub fn list(&self, key: &str) -> Vec<String> {
        let list = self
            .get(key)
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        list.filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// Reads a daemon.json. A file that is not there is no failure unless `required`.
    pub fn read(path: &Path, required: bool) -> Result<Self, SettingsError> {
        match std::fs::read(path) {
            Ok(bytes) => Self::parse(&bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !required => {
                Ok(Self::default())
            }
            Err(error) => Err(SettingsError::Open {
                path: path.display().to_string(),
                reason: match error.kind() {
                    std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
                    _ => error.to_string(),
                },
            }),
        }
    }

    fn parse(bytes: &[u8]) -> Result<Self, SettingsError> {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::default());
        }
        let value: Value = corten_api::json::from_slice(bytes).map_err(|error| {
            SettingsError::Json(match error.to_string().as_str() {
                "unexpected EOF" => "unexpected end of JSON input".to_owned(),
                complaint => complaint.to_owned(),
            })
        })?;
        let Value::Object(file) = value else {
            let found = kind_of(&value);
            return Err(SettingsError::Json(format!(
                "json: cannot unmarshal {found} into Go value of type map[string]interface {{}}"
            )));
        };
        let mut settings = Self::default();
        let mut unknown = Vec::new();
        for (key, value) in proxies_apart(file) {
            match SETTINGS.iter().find(|setting| setting.key == key) {
                None => unknown.push(key),
                Some(setting) if setting.shape.fits(&value) => settings.set(setting.key, value),
                // dockerd reads the number of bytes too.
                Some(setting) if setting.key == "default-shm-size" && value.is_u64() => {
                    settings.set(setting.key, Value::String(value.to_string()));
                }
                Some(setting) => {
                    let (found, wanted) = (kind_of(&value), setting.shape.go_type());
                    return Err(SettingsError::Json(format!(
                        "json: cannot unmarshal {found} into Go struct field Config.{key} of type {wanted}"
                    )));
                }
            }
        }
        match unknown.is_empty() {
            true => Ok(settings),
            false => Err(SettingsError::Unknown(unknown.join(", "))),
        }
    }

    /// Puts the settings of a file to those of the command line. None may stand in both.
    pub fn merge(mut self, file: Self) -> Result<Self, SettingsError> {
        let twice: Vec<String> = file
            .0
            .iter()
            .filter_map(|(key, from_file)| {
                let from_flag = self.0.get(key)?;
                let (from_flag, from_file) = (go_text(from_flag), go_text(from_file));
                Some(format!(
                    "{key}: (from flag: {from_flag}, from file: {from_file})"
                ))
            })
            .collect();
        if !twice.is_empty() {
            return Err(SettingsError::Twice(twice.join(", ")));
        }
        self.0.extend(file.0);
        Ok(self)
    }

    /// Refuses what dockerd knows and Corten does not do.
    pub fn check_support(&self) -> Result<(), SettingsError> {
        for setting in SETTINGS {
            let (Some(value), Only(same)) = (self.get(setting.key), setting.support) else {
                continue;
            };
            let value = value.to_string();
            if !same.contains(&value.as_str()) {
                let hint = match same {
                    [] => String::new(),
                    same => format!(" (it supports {})", same.join(" and ")),
                };
                return Err(SettingsError::Unsupported {
                    key: setting.key,
                    value,
                    hint,
                });
            }
        }
        Ok(())
    }
}

/// The members of `proxies` stand for the flags of their names, as in dockerd.
fn proxies_apart(mut file: serde_json::Map<String, Value>) -> serde_json::Map<String, Value> {
    if let Some(Value::Object(proxies)) = file.get("proxies").cloned() {
        file.remove("proxies");
        file.extend(proxies);
    }
    file
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// As Go's `%v` prints it.
fn go_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(list) => {
            format!(
                "[{}]",
                list.iter().map(go_text).collect::<Vec<_>>().join(" ")
            )
        }
        Value::Object(map) => {
            let pairs = map
                .iter()
                .map(|(key, value)| format!("{key}:{}", go_text(value)));
            format!("map[{}]", pairs.collect::<Vec<_>>().join(" "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Settings, String> {
        Settings::parse(text.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_is_judged_as_dockerd_judges_it() {
        for (text, sentence) in [
            (
                r#"{"bogus":1,"foo":2}"#,
                "the following directives don't match any configuration option: bogus, foo",
            ),
            (
                r#"{"debug": "#,
                "invalid JSON: unexpected end of JSON input",
            ),
            (
                r#"{"data-root":3}"#,
                "invalid JSON: json: cannot unmarshal number into Go struct field Config.data-root of type string",
            ),
            (
                r#"{"mtu":"1"}"#,
                "invalid JSON: json: cannot unmarshal string into Go struct field Config.mtu of type int",
            ),
        ] {
            assert_eq!(parsed(text), Err(sentence.to_owned()));
        }
        assert_eq!(parsed(""), Ok(Settings::default()));
    }

    #[test]
    fn a_setting_stands_in_one_place_only() {
        let flags = parsed(r#"{"hosts":["unix:///y"],"debug":true}"#).unwrap();
        let file = parsed(r#"{"hosts":["unix:///x"],"mtu":1}"#).unwrap();
        assert_eq!(
            flags.merge(file).unwrap_err().to_string(),
            "the following directives are specified both as a flag and in the configuration file: hosts: (from flag: [unix:///y], from file: [unix:///x])"
        );
    }

    #[test]
    fn what_corten_does_not_do_is_refused_by_name() {
        let refused = parsed(r#"{"userland-proxy-path":"/x"}"#)
            .unwrap()
            .check_support();
        assert_eq!(
            refused.unwrap_err().to_string(),
            "userland-proxy-path = \"/x\" is a setting of dockerd that Corten does not support yet (it supports \"\")"
        );
        assert!(
            parsed(r#"{"live-restore":true}"#)
                .unwrap()
                .check_support()
                .is_ok()
        );
        assert!(
            parsed(r#"{"live-restore":false}"#)
                .unwrap()
                .check_support()
                .is_err()
        );
    }

    #[test]
    fn no_flag_or_key_stands_twice_in_the_table() {
        for (at, setting) in SETTINGS.iter().enumerate() {
            let later = &SETTINGS[at + 1..];
            assert!(
                later.iter().all(|other| other.key != setting.key),
                "{}",
                setting.key
            );
            let flag = setting.flag;
            assert!(
                flag.is_empty() || later.iter().all(|other| other.flag != flag),
                "{flag}"
            );
        }
    }
}
