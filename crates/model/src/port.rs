//! Ports: what a container exposes and where it is published.

use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, str::FromStr};
use thiserror::Error;

/// A transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

/// A port of a container, written `80/tcp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Port {
    /// 1 to 65535.
    pub number: u16,
    /// Transport.
    pub protocol: Protocol,
}

/// A text that names no port.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ParsePortError {
    /// The number is not one of 1 to 65535.
    #[error("invalid port number {0:?}")]
    Number(String),
    /// The protocol is not tcp, udp or sctp.
    #[error("invalid proto: {0}")]
    Protocol(String),
}

/// Where a port shall be published.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PortBinding {
    /// Address on the host; empty: all.
    pub host_ip: String,
    /// `8080`, a range `8000-8010`, or empty: an ephemeral port.
    pub host_port: String,
}

/// Ports and where they are published; `None`: exposed but not published.
pub type PortMap = BTreeMap<Port, Option<Vec<PortBinding>>>;

/// A line of a container list's port column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedPort {
    /// Address on the host, when published.
    pub host_ip: Option<String>,
    /// Port inside.
    pub container_port: u16,
    /// Port on the host, when published.
    pub host_port: Option<u16>,
    /// Transport.
    pub protocol: Protocol,
}

impl Protocol {
    /// `tcp`, `udp`, `sctp`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Protocol {
    type Err = ParsePortError;

    fn from_str(text: &str) -> Result<Self, ParsePortError> {
        match text.to_ascii_lowercase().as_str() {
            "tcp" => Ok(Self::Tcp),
            "udp" => Ok(Self::Udp),
            "sctp" => Ok(Self::Sctp),
            _ => Err(ParsePortError::Protocol(text.to_owned())),
        }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.protocol)
    }
}

impl FromStr for Port {
    type Err = ParsePortError;

    fn from_str(text: &str) -> Result<Self, ParsePortError> {
        let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let protocol = if protocol.is_empty() {
            Protocol::Tcp
        } else {
            protocol.parse()?
        };
        match number.parse() {
            Ok(number @ 1..) => Ok(Self { number, protocol }),
            _ => Err(ParsePortError::Number(number.to_owned())),
        }
    }
}

impl Serialize for Port {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Port {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_without_protocol_is_tcp() {
        let port = Port {
            number: 80,
            protocol: Protocol::Tcp,
        };
        assert_eq!("80".parse(), Ok(port));
        assert_eq!(port.to_string(), "80/tcp");
        assert_eq!(
            "53/UDP".parse(),
            Ok(Port {
                number: 53,
                protocol: Protocol::Udp
            })
        );
        assert!("0/tcp".parse::<Port>().is_err());
        assert!("70000".parse::<Port>().is_err());
        assert_eq!(
            "1/x".parse::<Port>(),
            Err(ParsePortError::Protocol("x".into()))
        );
    }
}
