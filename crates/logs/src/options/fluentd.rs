//! `fluentd`.

use super::Given;
use super::values::{bool_at_create, go_duration_ms, host_port, scheme};
use crate::OptionError;
use std::path::PathBuf;

pub(super) const NAMES: [&str; 9] = [
    "fluentd-address",
    "fluentd-async",
    "fluentd-async-reconnect-interval",
    "fluentd-buffer-limit",
    "fluentd-max-retries",
    "fluentd-request-ack",
    "fluentd-retry-wait",
    "fluentd-sub-second-precision",
    "fluentd-write-timeout",
];

const HOST: &str = "127.0.0.1";
const PORT: u16 = 24224;
const RETRY_WAIT_MS: u64 = 1000;
/// How often dockerd tries: for as long as it lives.
const RETRIES: u64 = i32::MAX as u64;
const BUFFERED_RECORDS: u64 = 1 << 20;

/// The fluentd driver's settings.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FluentdOptions {
    /// Where the receiver listens.
    pub address: FluentdAddress,
    /// Do not wait for the receiver, not even at the start; records are dropped when too
    /// many wait.
    pub asynchronous: bool,
    /// Connect anew so often, in milliseconds; only when asynchronous.
    pub reconnect_interval_ms: Option<u64>,
    /// How many records may wait when asynchronous.
    pub buffer_records: u64,
    /// How often sending a record is tried.
    pub max_retries: u64,
    /// The pause before the first further try, in milliseconds; later ones are longer.
    pub retry_wait_ms: u64,
    /// Times with nanoseconds.
    pub sub_second: bool,
    /// Wait for the receiver's word for every record.
    pub request_ack: bool,
    /// How long sending a record may take, in milliseconds; `None`: any time.
    pub write_timeout_ms: Option<u64>,
}

/// A receiver.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FluentdAddress {
    /// Host and port.
    Tcp(String, u16),
    /// Host and port.
    Tls(String, u16),
    /// A stream socket.
    Unix(PathBuf),
}

pub(super) fn parse(options: &Given) -> Result<FluentdOptions, OptionError> {
    let refused = OptionError::Refused;
    let text = |name: &str| options.get(name).filter(|text| !text.is_empty());
    let flag = |name: &str| text(name).map_or(Ok(false), |text| bool_at_create(text));
    let address = text("fluentd-address").map_or("", String::as_str);
    let address = parse_address(address)
        .map_err(|why| refused(format!("invalid fluentd-address ({address}): {why}")))?;
    let buffer_records = match text("fluentd-buffer-limit") {
        None => BUFFERED_RECORDS,
        Some(text) => corten_base::text::parse_ram_bytes(text)
            .and_then(|count| u64::try_from(count).ok())
            .ok_or_else(|| refused(crate::messages::size(text)))?,
    };
    let duration =
        |text: &str| go_duration_ms(text).ok_or_else(|| format!("time: invalid duration {text:?}"));
    let retry_wait_ms = match text("fluentd-retry-wait") {
        None => RETRY_WAIT_MS,
        Some(text) => duration(text).map_err(refused)?,
    };
    let max_retries = match text("fluentd-max-retries") {
        None => RETRIES,
        Some(text) => text.parse().map_err(|_| {
            refused(format!(
                "strconv.ParseUint: parsing {text:?}: invalid syntax"
            ))
        })?,
    };
    let reconnect_interval_ms = match text("fluentd-async-reconnect-interval") {
        None => None,
        Some(text) => {
            let wrong = |why: String| {
                refused(format!(
                    "invalid value for fluentd-async-reconnect-interval: {why}"
                ))
            };
            let interval = duration(text).map_err(wrong)?;
            if interval != 0 && !(100..=10_000).contains(&interval) {
                return Err(wrong(format!(
                    "value ({text:?}) must be between 100ms and 10s"
                )));
            }
            Some(interval).filter(|interval| *interval > 0)
        }
    };
    let write_timeout_ms = match text("fluentd-write-timeout") {
        None => None,
        Some(text) => {
            let timeout = duration(text).map_err(|why| {
                refused(format!(
                    "invalid value for fluentd-write-timeout: value must be a duration: {why}"
                ))
            })?;
            Some(timeout).filter(|timeout| *timeout > 0)
        }
    };
    Ok(FluentdOptions {
        address,
        asynchronous: flag("fluentd-async")?,
        reconnect_interval_ms,
        buffer_records,
        max_retries,
        retry_wait_ms,
        sub_second: flag("fluentd-sub-second-precision")?,
        request_ack: flag("fluentd-request-ack")?,
        write_timeout_ms,
    })
}

fn parse_address(text: &str) -> Result<FluentdAddress, String> {
    if text.is_empty() {
        return Ok(FluentdAddress::Tcp(HOST.to_owned(), PORT));
    }
    let (scheme, rest) = scheme(text);
    let make = match scheme {
        "unix" => {
            let path = rest.trim_end_matches('/');
            return match path {
                "" => Err("path is empty".to_owned()),
                path => Ok(FluentdAddress::Unix(path.into())),
            };
        }
        "" | "tcp" => FluentdAddress::Tcp,
        "tls" => FluentdAddress::Tls,
        other => return Err(format!("unsupported scheme: '{other}'")),
    };
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let shown = if scheme.is_empty() {
        format!("tcp://{text}")
    } else {
        text.to_owned()
    };
    let (host, port) = host_port(authority).map_err(|why| format!("parse {shown:?}: {why}"))?;
    if !path.is_empty() {
        return Err("should not contain a path element".to_owned());
    }
    let host = if host.is_empty() {
        HOST.to_owned()
    } else {
        host
    };
    Ok(make(host, port.unwrap_or(PORT)))
}
