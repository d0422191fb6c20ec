//! A container's log driver and its options, as users write them.

use crate::OptionError;
use std::collections::BTreeMap;

/// A driver with its options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogOptions {
    /// Output is kept nowhere.
    None,
    /// Files of Docker's json-file format.
    JsonFile(JsonFileOptions),
}

/// What `json-file` was asked to do.
///
/// `mode=non-blocking` and `max-buffer-size` are accepted and need nothing: the writer
/// never waits for anything but the disk, and the pipe before it holds up to 1 MiB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonFileOptions {
    /// `max-size`: begin a new file at so many bytes.
    pub max_size_bytes: Option<u64>,
    /// `max-file`: how many files are kept, at least 1.
    pub max_files: u32,
    /// `compress`: older files are compressed.
    pub compress: bool,
    /// `labels`: names of labels that records carry.
    pub labels: Vec<String>,
    /// `env`: names of environment variables that records carry.
    pub env: Vec<String>,
    /// `tag`: a Go template whose result records carry, if it is not empty.
    pub tag: Option<String>,
}

impl Default for JsonFileOptions {
    fn default() -> Self {
        Self {
            max_size_bytes: None,
            max_files: 1,
            compress: false,
            labels: Vec::new(),
            env: Vec::new(),
            tag: None,
        }
    }
}

/// Checks a driver's name and options. An empty name is `json-file`.
///
/// The first error that Docker would give at the container's creation comes before those
/// it gives at the start.
pub fn parse(driver: &str, options: &BTreeMap<String, String>) -> Result<LogOptions, OptionError> {
    check_mode(options)?;
    match driver {
        // The stock client refuses options for this driver itself; dockerd ignores them.
        "none" => Ok(LogOptions::None),
        "" | "json-file" => json_file(options).map(LogOptions::JsonFile),
        other => Err(OptionError::NoDriver(other.to_owned())),
    }
}

fn check_mode(options: &BTreeMap<String, String>) -> Result<(), OptionError> {
    let non_blocking = match options.get("mode").map(String::as_str) {
        None | Some("" | "blocking") => false,
        Some("non-blocking") => true,
        Some(other) => return Err(OptionError::Mode(other.to_owned())),
    };
    match options.get("max-buffer-size") {
        Some(_) if !non_blocking => Err(OptionError::BufferWithoutMode),
        Some(size) if corten_base::text::parse_ram_bytes(size).is_none() => {
            Err(OptionError::BufferSize(size.clone()))
        }
        _ => Ok(()),
    }
}

fn json_file(options: &BTreeMap<String, String>) -> Result<JsonFileOptions, OptionError> {
    let mut parsed = JsonFileOptions::default();
    for (name, value) in options {
        match name.as_str() {
            "labels" => parsed.labels = names(value),
            "env" => parsed.env = names(value),
            "tag" => parsed.tag = Some(value.clone()).filter(|tag| !tag.is_empty()),
            "labels-regex" if !value.is_empty() => {
                return Err(OptionError::NotSupported("labels-regex"));
            }
            "env-regex" if !value.is_empty() => {
                return Err(OptionError::NotSupported("env-regex"));
            }
            // The cache of Docker's remote drivers, which json-file does not have: the
            // keys are known and mean nothing.
            "cache-disabled" | "cache-max-size" | "cache-max-file" | "cache-compress" => {}
            "max-size" | "max-file" | "compress" | "mode" | "max-buffer-size" | "labels-regex"
            | "env-regex" => {}
            _ => {
                let (name, driver) = (name.clone(), "json-file".to_owned());
                return Err(OptionError::Unknown { name, driver });
            }
        }
    }
    if let Some(text) = options.get("max-size").filter(|text| !text.is_empty()) {
        let bytes = human_size(text).ok_or_else(|| OptionError::Size(text.clone()))?;
        if bytes == 0 {
            return Err(OptionError::SizeNotPositive);
        }
        parsed.max_size_bytes = Some(bytes);
    }
    if let Some(text) = options.get("max-file") {
        let files: i64 = text
            .parse()
            .map_err(|_| OptionError::NotANumber(text.clone()))?;
        parsed.max_files = match u32::try_from(files) {
            Ok(files @ 1..) => files,
            _ if files < 1 => return Err(OptionError::TooFewFiles),
            _ => u32::MAX,
        };
    }
    if let Some(text) = options.get("compress") {
        parsed.compress = go_bool(text).ok_or_else(|| OptionError::NotABool(text.clone()))?;
        if parsed.compress && (parsed.max_files == 1 || parsed.max_size_bytes.is_none()) {
            return Err(OptionError::NothingToCompress);
        }
    }
    Ok(parsed)
}

fn names(list: &str) -> Vec<String> {
    list.split(',')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

/// go-units' FromHumanSize: decimal multiples, `10k` is 10,000.
fn human_size(text: &str) -> Option<u64> {
    let end = text.rfind(|c: char| c.is_ascii_digit() || c == '.')? + 1;
    let (number, unit) = text.split_at(end);
    let number: f64 = number.parse().ok().filter(|number| *number >= 0.0)?;
    let unit = unit.trim_start().to_ascii_lowercase();
    let unit = unit
        .strip_suffix("ib")
        .or_else(|| unit.strip_suffix('b'))
        .unwrap_or(&unit);
    let power = ["", "k", "m", "g", "t", "p"]
        .iter()
        .position(|known| *known == unit)?;
    Some((number * 1000_f64.powi(power as i32)) as u64)
}

/// Go's strconv.ParseBool.
fn go_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

impl JsonFileOptions {
    /// What every record of a container carries in `attrs`: the chosen labels and
    /// environment variables (`NAME=value`), and the expanded `tag` where one was given.
    pub fn attributes<'a>(
        &self,
        labels: impl Fn(&str) -> Option<&'a str>,
        env: &[String],
        expanded_tag: Option<&str>,
    ) -> BTreeMap<String, String> {
        let mut attributes = BTreeMap::new();
        for name in &self.labels {
            if let Some(value) = labels(name) {
                attributes.insert(name.clone(), value.to_owned());
            }
        }
        for entry in env {
            if let Some((name, value)) = entry.split_once('=')
                && self.env.iter().any(|wanted| wanted == name)
            {
                attributes.insert(name.to_owned(), value.to_owned());
            }
        }
        if let Some(tag) = expanded_tag.filter(|tag| !tag.is_empty()) {
            attributes.insert("tag".to_owned(), tag.to_owned());
        }
        attributes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(options: &[(&str, &str)]) -> Result<JsonFileOptions, String> {
        let options = options
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        match parse("json-file", &options) {
            Ok(LogOptions::JsonFile(options)) => Ok(options),
            Ok(LogOptions::None) => Err("none".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn sizes_and_files_are_read_as_docker_reads_them() {
        let options = parsed(&[("max-size", "10k"), ("max-file", "3"), ("compress", "true")]);
        let options = options.unwrap();
        assert_eq!(
            (options.max_size_bytes, options.max_files),
            (Some(10_000), 3)
        );
        assert!(options.compress);
    }

    #[test]
    fn what_docker_refuses_is_refused_with_its_sentence() {
        for (options, sentence) in [
            (
                &[("foo", "bar")][..],
                "unknown log opt 'foo' for json-file log driver",
            ),
            (&[("max-size", "0")], "max-size must be a positive number"),
            (&[("max-size", "x")], "invalid size: 'x'"),
            (&[("max-size", "-1")], "invalid size: '-1'"),
            (&[("max-file", "0")], "max-file cannot be less than 1"),
            (
                &[("max-file", "x")],
                "strconv.Atoi: parsing \"x\": invalid syntax",
            ),
            (
                &[("compress", "x")],
                "strconv.ParseBool: parsing \"x\": invalid syntax",
            ),
            (
                &[("compress", "true")],
                "compress cannot be true when max-file is less than 2 or max-size is not set",
            ),
            (&[("mode", "x")], "logger: logging mode not supported: x"),
            (
                &[("max-buffer-size", "1m")],
                "logger: max-buffer-size option is only supported with 'mode=non-blocking'",
            ),
            (
                &[("mode", "non-blocking"), ("max-buffer-size", "x")],
                "error parsing option max-buffer-size: invalid size: 'x'",
            ),
        ] {
            assert_eq!(parsed(options).unwrap_err(), sentence);
        }
    }

    #[test]
    fn records_carry_the_labels_and_variables_that_were_chosen() {
        let options = parsed(&[("labels", "a,b"), ("env", "X"), ("tag", "{{.ID}}")]).unwrap();
        let label = |name: &str| (name == "a").then_some("1");
        let env = ["X=2".to_owned(), "Y=3".to_owned()];
        let attributes = options.attributes(label, &env, Some("0123"));
        let seen: Vec<_> = attributes.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(seen, ["X=2", "a=1", "tag=0123"]);
    }
}
