//! `gelf`.

use super::values::{host_port, scheme};
use super::{COMMON, Given, SELECTION};
use crate::OptionError;

const NAMES: [&str; 5] = [
    "gelf-address",
    "gelf-compression-level",
    "gelf-compression-type",
    "gelf-tcp-max-reconnect",
    "gelf-tcp-reconnect-delay",
];

/// The gelf driver's settings.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct GelfOptions {
    /// The receiver's host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How to reach it.
    pub transport: GelfTransport,
}

/// How messages travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GelfTransport {
    /// Datagrams, in chunks where one is not enough.
    Udp(GelfCompression),
    /// A connection; messages end with a zero byte.
    Tcp {
        /// How often connecting is tried before a message is lost.
        max_reconnect: u32,
        /// Seconds between two tries.
        reconnect_delay_seconds: u32,
    },
}

/// How datagrams are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GelfCompression {
    /// Not at all.
    None,
    /// With this level, 0 to 9.
    Gzip(u32),
    /// With this level, 0 to 9.
    Zlib(u32),
}

pub(super) fn parse(options: &Given) -> Result<GelfOptions, OptionError> {
    let refused = |sentence: &str| OptionError::Refused(sentence.to_owned());
    // The address first: the meaning of the others depends on it.
    let address = options.get("gelf-address").map_or("", String::as_str);
    if address.is_empty() {
        return Err(refused("gelf-address is a required parameter"));
    }
    let (scheme, rest) = scheme(address);
    let udp = match scheme {
        "udp" => true,
        "tcp" => false,
        _ => return Err(refused("gelf: endpoint needs to be TCP or UDP")),
    };
    let (host, port) = match host_port(rest.trim_end_matches('/')) {
        Ok((host, Some(port))) if !host.is_empty() => (host, port),
        _ => {
            return Err(refused(
                "gelf: please provide gelf-address as proto://host:port",
            ));
        }
    };
    let (mut kind, mut level) = ("gzip", 1);
    let (mut max_reconnect, mut reconnect_delay_seconds) = (3, 1);
    for (name, value) in options {
        let name = name.as_str();
        let unknown = || {
            OptionError::Refused(format!(
                "unknown value {value:?} for log opt {name:?} for gelf log driver"
            ))
        };
        match name {
            "gelf-compression-level" | "gelf-compression-type" if !udp => {
                return Err(refused("compression is only supported on UDP"));
            }
            "gelf-compression-level" => {
                // zlib's levels begin at -1, which is its own choice, and -2.
                let number: i32 = value.parse().map_err(|_| unknown())?;
                level = match number {
                    0..=9 => number.unsigned_abs(),
                    -2 | -1 => 6,
                    _ => return Err(unknown()),
                };
            }
            "gelf-compression-type" => {
                kind = match value.as_str() {
                    kind @ ("gzip" | "zlib" | "none") => kind,
                    _ => return Err(unknown()),
                };
            }
            "gelf-tcp-max-reconnect" | "gelf-tcp-reconnect-delay" => {
                if udp {
                    return Err(OptionError::Refused(format!(
                        "{name:?} is only valid for TCP"
                    )));
                }
                let number = value.parse().map_err(|_| {
                    OptionError::Refused(format!("{name:?} must be a positive integer"))
                })?;
                match name {
                    "gelf-tcp-max-reconnect" => max_reconnect = number,
                    _ => reconnect_delay_seconds = number,
                }
            }
            name if NAMES.contains(&name)
                || SELECTION.contains(&name)
                || COMMON.contains(&name) => {}
            name => {
                return Err(OptionError::Unknown {
                    name: name.to_owned(),
                    driver: "gelf".to_owned(),
                });
            }
        }
    }
    let transport = match (udp, kind) {
        (false, _) => GelfTransport::Tcp {
            max_reconnect,
            reconnect_delay_seconds,
        },
        (true, "none") => GelfTransport::Udp(GelfCompression::None),
        (true, "zlib") => GelfTransport::Udp(GelfCompression::Zlib(level)),
        (true, _) => GelfTransport::Udp(GelfCompression::Gzip(level)),
    };
    Ok(GelfOptions {
        host,
        port,
        transport,
    })
}
