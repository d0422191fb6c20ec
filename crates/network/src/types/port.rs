//! Ports, as asked for and as published.

use serde::{Deserialize, Serialize};
use std::{fmt, net::IpAddr};

/// Transport protocol of a published port.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP
    #[default]
    Tcp,
    /// UDP
    Udp,
    /// SCTP
    Sctp,
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

    /// The number in the IP header.
    pub fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How published traffic stands to the host's own firewall.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PortFirewall {
    /// The port is open whatever the host's INPUT rules say, as Docker does: traffic is
    /// translated and forwarded, and never is input of the host.
    #[default]
    Open,
    /// The host's INPUT rules decide (`ufw deny` holds): the host answers the port itself
    /// and copies. The container sees the host's address as the client.
    Host,
}

/// One port to publish. A range of container ports is one request a port (runs of them are
/// put together here); only the host side may be a range, of which one free port is taken.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PublishRequest {
    /// Port inside the container, 1 to 65535.
    pub container_port: u16,
    /// Protocol.
    pub protocol: Protocol,
    /// Host address; `None` means the configured default (all addresses).
    pub host_ip: Option<IpAddr>,
    /// First acceptable host port, 0 for any of the kernel's ephemeral range.
    pub host_port: u16,
    /// Last acceptable host port; equal to `host_port` unless a range was given.
    pub host_port_end: u16,
    /// `None` means the daemon's setting.
    pub firewall: Option<PortFirewall>,
}

/// A port that is published now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortBinding {
    /// Port inside the container.
    pub container_port: u16,
    /// Protocol.
    pub protocol: Protocol,
    /// Host address, `0.0.0.0` and `::` for all.
    pub host_ip: IpAddr,
    /// Host port; 0 where nothing is translated and the container's own address and port
    /// are what is reached (gateway mode `routed`).
    pub host_port: u16,
    /// Who decides what reaches it.
    #[serde(default)]
    pub firewall: PortFirewall,
    /// Whether it is reached at the container's own address, too.
    #[serde(default)]
    pub direct: bool,
}
