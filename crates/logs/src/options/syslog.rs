//! `syslog`.

use super::Given;
use super::values::{host_port, scheme};
use crate::OptionError;
use std::path::PathBuf;

pub(super) const NAMES: [&str; 7] = [
    "syslog-address",
    "syslog-facility",
    "syslog-tls-ca-cert",
    "syslog-tls-cert",
    "syslog-tls-key",
    "syslog-tls-skip-verify",
    "syslog-format",
];

const PORT: u16 = 514;
const DAEMON: u8 = 3;

/// RFC 5424 § 6.2.1, in the order of their codes.
const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp", "", "", "", "", "local0", "local1", "local2", "local3", "local4", "local5", "local6",
    "local7",
];

/// The syslog driver's settings.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SyslogOptions {
    /// Where the receiver listens.
    pub address: SyslogAddress,
    /// The facility's code, 0 to 23.
    pub facility: u8,
    /// How messages read.
    pub format: SyslogFormat,
    /// Files of a TLS connection.
    pub tls: SyslogTls,
}

/// A receiver of syslog messages.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyslogAddress {
    /// The host's own: `/dev/log`, `/var/run/syslog` or `/var/run/log`.
    Local,
    /// A stream socket.
    Unix(PathBuf),
    /// A datagram socket.
    UnixDatagram(PathBuf),
    /// Host and port.
    Udp(String, u16),
    /// Host and port.
    Tcp(String, u16),
    /// Host and port.
    Tls(String, u16),
}

/// The form of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyslogFormat {
    /// RFC 3164 without the host's name, as local receivers like it.
    Unix,
    /// RFC 3164.
    Rfc3164,
    /// RFC 5424.
    Rfc5424,
    /// RFC 5424 with microseconds.
    Rfc5424Micro,
}

/// How to speak TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SyslogTls {
    /// `syslog-tls-ca-cert`: trusted beside the system's own.
    pub authority: Option<PathBuf>,
    /// `syslog-tls-cert`: ours.
    pub certificate: Option<PathBuf>,
    /// `syslog-tls-key`: its key.
    pub key: Option<PathBuf>,
    /// `syslog-tls-skip-verify`, with any value: the receiver is not verified.
    pub skip_verify: bool,
}

pub(super) fn parse(options: &Given) -> Result<SyslogOptions, OptionError> {
    let text = |name: &str| options.get(name).filter(|text| !text.is_empty());
    let file = |name: &str| text(name).map(PathBuf::from);
    let address = match text("syslog-address") {
        None => SyslogAddress::Local,
        Some(address) => parse_address(address)?,
    };
    let facility = match text("syslog-facility") {
        None => DAEMON,
        Some(text) => facility(text)
            .ok_or_else(|| OptionError::Refused("invalid syslog facility".to_owned()))?,
    };
    let format = match options.get("syslog-format").map(String::as_str) {
        None | Some("") => SyslogFormat::Unix,
        Some("rfc3164") => SyslogFormat::Rfc3164,
        Some("rfc5424") => SyslogFormat::Rfc5424,
        Some("rfc5424micro") => SyslogFormat::Rfc5424Micro,
        Some(_) => return Err(OptionError::Refused("Invalid syslog format".to_owned())),
    };
    Ok(SyslogOptions {
        address,
        facility,
        format,
        tls: SyslogTls {
            authority: file("syslog-tls-ca-cert"),
            certificate: file("syslog-tls-cert"),
            key: file("syslog-tls-key"),
            skip_verify: options.contains_key("syslog-tls-skip-verify"),
        },
    })
}

fn facility(text: &str) -> Option<u8> {
    let named = FACILITIES.iter().position(|name| *name == text);
    let code = match named {
        Some(code) => u8::try_from(code).ok()?,
        None => text.parse().ok()?,
    };
    (code <= 23).then_some(code)
}

fn parse_address(text: &str) -> Result<SyslogAddress, OptionError> {
    let (scheme, rest) = scheme(text);
    if let "unix" | "unixgram" = scheme {
        let path = PathBuf::from(rest);
        // dockerd looks when the container is made.
        if let Err(error) = std::fs::metadata(&path) {
            return Err(OptionError::Refused(format!(
                "stat {rest}: {}",
                crate::messages::errno(&error)
            )));
        }
        return Ok(match scheme {
            "unix" => SyslogAddress::Unix(path),
            _ => SyslogAddress::UnixDatagram(path),
        });
    }
    let make = match scheme {
        "udp" => SyslogAddress::Udp,
        "tcp" => SyslogAddress::Tcp,
        "tcp+tls" => SyslogAddress::Tls,
        other => {
            return Err(OptionError::Refused(format!(
                "unsupported scheme: '{other}'"
            )));
        }
    };
    let (host, port) = host_port(rest)
        .map_err(|reason| OptionError::Refused(format!("parse {text:?}: {reason}")))?;
    Ok(make(host, port.unwrap_or(PORT)))
}
