//! A container's log driver and its options, as users write them.

mod files;
mod fluentd;
mod gelf;
mod syslog;
mod values;

pub use files::FileOptions;
pub use fluentd::{FluentdAddress, FluentdOptions};
pub use gelf::{GelfCompression, GelfOptions, GelfTransport};
pub use syslog::{SyslogAddress, SyslogFormat, SyslogOptions, SyslogTls};

use crate::OptionError;
use std::collections::BTreeMap;
use values::{go_bool, names};

/// The drivers there are, as `docker info` lists them. `none` is not among them.
pub const DRIVERS: [&str; 6] = [
    "fluentd",
    "gelf",
    "journald",
    "json-file",
    "local",
    "syslog",
];

/// What dockerd buffers in non-blocking mode where nobody says, in bytes.
const BUFFER_BYTES: u64 = 1 << 20;

/// What was written under `--log-opt`.
type Given = BTreeMap<String, String>;

/// A driver with its options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogOptions {
    /// Output is kept nowhere.
    None,
    /// Files of Docker's json-file format. A file writer waits for nothing but the disk,
    /// and the pipe before it holds up to 1 MiB: `mode=non-blocking` needs nothing more.
    JsonFile {
        /// The files.
        files: FileOptions,
        /// What records carry.
        selection: Selection,
    },
    /// The same, rotated and compressed unless told otherwise.
    Local(FileOptions),
    /// A receiver elsewhere, and files to read back from.
    Remote(Box<RemoteOptions>),
}

/// A driver that sends records away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteOptions {
    /// Where to and how.
    pub driver: RemoteDriver,
    /// What records carry.
    pub selection: Selection,
    /// Bytes that may wait for the receiver before records are dropped; `None`: the
    /// container waits.
    pub max_buffer_bytes: Option<u64>,
    /// Files for `docker logs`; `None` with `cache-disabled`.
    pub cache: Option<FileOptions>,
}

/// A receiver.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemoteDriver {
    /// The journal, by its native protocol.
    Journald {
        /// Its datagram socket.
        socket: std::path::PathBuf,
    },
    /// RFC 3164 or 5424.
    Syslog(SyslogOptions),
    /// Fluentd's forward protocol.
    Fluentd(FluentdOptions),
    /// Graylog's format.
    Gelf(GelfOptions),
}

/// Which labels and variables records carry, and their tag.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// `labels`: names.
    pub labels: Vec<String>,
    /// `labels-regex`: a regular expression that names match somewhere.
    pub labels_regex: Option<String>,
    /// `env`: names of environment variables.
    pub env: Vec<String>,
    /// `env-regex`: as `labels-regex`.
    pub env_regex: Option<String>,
    /// `tag`: a Go template.
    pub tag: Option<String>,
}

/// Where the journal listens.
const JOURNAL: &str = "/run/systemd/journal/socket";

/// Options of every driver, and of the files that remote ones are read back from.
const COMMON: [&str; 6] = [
    "mode",
    "max-buffer-size",
    "cache-disabled",
    "cache-max-size",
    "cache-max-file",
    "cache-compress",
];

/// What the drivers that know a selection accept.
const SELECTION: [&str; 5] = ["labels", "labels-regex", "env", "env-regex", "tag"];

/// Checks a driver's name and options. An empty name is `json-file`.
///
/// The first error that Docker would give at the container's creation comes before those
/// it gives at the start.
pub fn parse(driver: &str, options: &Given) -> Result<LogOptions, OptionError> {
    if driver == "none" {
        // The stock client refuses options for this driver itself; dockerd ignores them.
        return Ok(LogOptions::None);
    }
    let driver = if driver.is_empty() {
        "json-file"
    } else {
        driver
    };
    if !DRIVERS.contains(&driver) {
        return Err(OptionError::NoDriver(driver.to_owned()));
    }
    let max_buffer_bytes = buffer(options)?;
    let cache = cache(options)?;
    let remote = |driver, max_buffer_bytes| {
        LogOptions::Remote(Box::new(RemoteOptions {
            driver,
            selection: selection(options),
            max_buffer_bytes,
            cache: cache.clone(),
        }))
    };
    match driver {
        "local" => {
            known(options, driver, &files::NAMES, &[])?;
            files::local(options).map(LogOptions::Local)
        }
        "journald" => {
            known(options, driver, &SELECTION, &[])?;
            let socket = JOURNAL.into();
            Ok(remote(RemoteDriver::Journald { socket }, max_buffer_bytes))
        }
        "syslog" => {
            known(options, driver, &SELECTION, &syslog::NAMES)?;
            let syslog = syslog::parse(options)?;
            Ok(remote(RemoteDriver::Syslog(syslog), max_buffer_bytes))
        }
        "fluentd" => {
            known(options, driver, &SELECTION, &fluentd::NAMES)?;
            let fluentd = fluentd::parse(options)?;
            Ok(remote(RemoteDriver::Fluentd(fluentd), max_buffer_bytes))
        }
        "gelf" => {
            let gelf = gelf::parse(options)?;
            Ok(remote(RemoteDriver::Gelf(gelf), max_buffer_bytes))
        }
        _ => {
            known(options, driver, &SELECTION, &files::NAMES)?;
            Ok(LogOptions::JsonFile {
                files: files::json_file(options)?,
                selection: selection(options),
            })
        }
    }
}

/// How many bytes may wait; `None` where the container waits instead.
fn buffer(options: &Given) -> Result<Option<u64>, OptionError> {
    let non_blocking = match options.get("mode").map(String::as_str) {
        None | Some("" | "blocking") => false,
        Some("non-blocking") => true,
        Some(other) => return Err(OptionError::Mode(other.to_owned())),
    };
    let size = match options.get("max-buffer-size") {
        Some(_) if !non_blocking => return Err(OptionError::BufferWithoutMode),
        Some(text) => corten_base::text::parse_ram_bytes(text)
            .and_then(|bytes| u64::try_from(bytes).ok())
            .ok_or_else(|| OptionError::BufferSize(text.clone()))?,
        None => BUFFER_BYTES,
    };
    // dockerd takes its default for zero, too.
    let size = if size == 0 { BUFFER_BYTES } else { size };
    Ok(non_blocking.then_some(size))
}

/// The files beside a remote driver. What they cannot follow is as if it were not there:
/// dockerd, too, starts such a container with its defaults.
fn cache(options: &Given) -> Result<Option<FileOptions>, OptionError> {
    if let Some(text) = options.get("cache-disabled") {
        match go_bool(text) {
            Some(true) => return Ok(None),
            Some(false) => {}
            None => {
                return Err(OptionError::Value {
                    name: "cache-disabled",
                    value: text.clone(),
                });
            }
        }
    }
    let renamed: Given = options
        .iter()
        .filter_map(|(name, value)| Some((name.strip_prefix("cache-")?.to_owned(), value.clone())))
        .collect();
    Ok(Some(
        files::local(&renamed).unwrap_or_else(|_| FileOptions::local()),
    ))
}

fn known(options: &Given, driver: &str, names: &[&str], more: &[&str]) -> Result<(), OptionError> {
    let mut all = options.keys();
    let is_known = |name: &str| {
        [&COMMON, names, more]
            .iter()
            .any(|list| list.contains(&name))
    };
    match all.find(|name| !is_known(name)) {
        None => Ok(()),
        Some(name) => Err(OptionError::Unknown {
            name: name.clone(),
            driver: driver.to_owned(),
        }),
    }
}

fn selection(options: &Given) -> Selection {
    let text = |name: &str| options.get(name).filter(|text| !text.is_empty()).cloned();
    let list = |name: &str| options.get(name).map_or_else(Vec::new, |list| names(list));
    Selection {
        labels: list("labels"),
        labels_regex: text("labels-regex"),
        env: list("env"),
        env_regex: text("env-regex"),
        tag: text("tag"),
    }
}

#[cfg(test)]
mod tests;
