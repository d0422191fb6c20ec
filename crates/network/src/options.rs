//! Driver options of bridge networks, `com.docker.network.bridge.…` and others.

use crate::{NetworkError, messages::Refusal};
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

pub(crate) const DEFAULT: &str = "com.docker.network.bridge.default_bridge";
pub(crate) const ICC: &str = "com.docker.network.bridge.enable_icc";
pub(crate) const MASQUERADE: &str = "com.docker.network.bridge.enable_ip_masquerade";
pub(crate) const HOST_BINDING: &str = "com.docker.network.bridge.host_binding_ipv4";
pub(crate) const NAME: &str = "com.docker.network.bridge.name";
pub(crate) const MTU: &str = "com.docker.network.driver.mtu";
const INHIBIT_IPV4: &str = "com.docker.network.bridge.inhibit_ipv4";
const MODE_4: &str = "com.docker.network.bridge.gateway_mode_ipv4";
const MODE_6: &str = "com.docker.network.bridge.gateway_mode_ipv6";
const TRUSTED: &str = "com.docker.network.bridge.trusted_host_interfaces";
const HOST_4: &str = "com.docker.network.host_ipv4";
const HOST_6: &str = "com.docker.network.host_ipv6";
const PREFIX: &str = "com.docker.network.container_iface_prefix";
/// Ours: who decides what reaches published ports, `open` or `host`.
const FIREWALL: &str = "corten.network.port_firewall";

/// How packets get from outside to a network's containers, for one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum GatewayMode {
    /// Published ports are translated, outgoing traffic bears the host's address.
    #[default]
    Nat,
    /// The same, but who routes to the containers reaches all their ports.
    NatUnprotected,
    /// Nothing is translated; who routes to the containers reaches published ports.
    Routed,
    /// The bridge has no address: the containers have each other only.
    Isolated,
}

/// The options of a bridge network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BridgeOptions {
    pub icc: bool,
    pub masquerade: bool,
    /// Host address that ports are published on when none is asked for.
    pub host_binding: Option<IpAddr>,
    /// The bridge's name, if chosen.
    pub name: Option<String>,
    /// In bytes; `None` means the daemon's.
    pub mtu: Option<u32>,
    /// The bridge gets no IPv4 address.
    pub inhibit_ipv4: bool,
    pub mode_4: GatewayMode,
    pub mode_6: GatewayMode,
    /// Links of the host from which containers are reached directly.
    pub trusted: Vec<String>,
    /// Address that outgoing traffic bears instead of the link's.
    pub host_4: Option<Ipv4Addr>,
    pub host_6: Option<Ipv6Addr>,
    /// Containers' interfaces are this and a number.
    pub interface_prefix: String,
    /// Who decides what reaches published ports; `None` means the daemon's setting.
    pub firewall: Option<crate::PortFirewall>,
}

impl BridgeOptions {
    /// Reads options as given.
    pub fn parse(options: &BTreeMap<String, String>) -> Result<Self, NetworkError> {
        let text = |name: &str| options.get(name).map(String::as_str);
        let mode = |name| match text(name) {
            None | Some("" | "nat") => Ok(GatewayMode::Nat),
            Some("nat-unprotected") => Ok(GatewayMode::NatUnprotected),
            Some("routed") => Ok(GatewayMode::Routed),
            Some("isolated") => Ok(GatewayMode::Isolated),
            Some(other) => Err(bad(name, other, &format!("unknown gateway mode {other}"))),
        };
        let mtu = match text(MTU) {
            None | Some("") => None,
            Some(number) => {
                let wrong = || {
                    let reason = format!("strconv.Atoi: parsing {number:?}: invalid syntax");
                    bad(MTU, number, &reason)
                };
                Some(number.parse::<u32>().map_err(|_| wrong())?)
            }
        };
        Ok(Self {
            icc: switch(options, ICC, true)?,
            masquerade: switch(options, MASQUERADE, true)?,
            host_binding: address(options, HOST_BINDING)?,
            name: text(NAME).filter(|name| !name.is_empty()).map(Into::into),
            mtu: mtu.filter(|mtu| *mtu > 0),
            inhibit_ipv4: switch(options, INHIBIT_IPV4, false)?,
            mode_4: mode(MODE_4)?,
            mode_6: mode(MODE_6)?,
            trusted: text(TRUSTED)
                .unwrap_or_default()
                .split(':')
                .filter(|name| !name.is_empty())
                .map(Into::into)
                .collect(),
            host_4: family_address(options, HOST_4)?,
            host_6: family_address(options, HOST_6)?,
            interface_prefix: text(PREFIX)
                .filter(|name| !name.is_empty())
                .unwrap_or("eth")
                .to_owned(),
            firewall: match text(FIREWALL) {
                None => None,
                Some("open") => Some(crate::PortFirewall::Open),
                Some("host") => Some(crate::PortFirewall::Host),
                Some(other) => return Err(bad(FIREWALL, other, "it is \"open\" or \"host\"")),
            },
        })
    }

    /// The mode of one family.
    pub fn mode(&self, ipv6: bool) -> GatewayMode {
        if ipv6 { self.mode_6 } else { self.mode_4 }
    }
}

/// A switch as Go reads it.
fn switch(
    options: &BTreeMap<String, String>,
    name: &str,
    default: bool,
) -> Result<bool, NetworkError> {
    match options.get(name).map(String::as_str) {
        None => Ok(default),
        Some("1" | "t" | "T" | "TRUE" | "true" | "True") => Ok(true),
        Some("0" | "f" | "F" | "FALSE" | "false" | "False") => Ok(false),
        Some(other) => {
            let reason = format!("strconv.ParseBool: parsing {other:?}: invalid syntax");
            Err(bad(name, other, &reason))
        }
    }
}

fn address(options: &BTreeMap<String, String>, name: &str) -> Result<Option<IpAddr>, NetworkError> {
    match options.get(name).map(String::as_str) {
        None | Some("") => Ok(None),
        Some(text) => text
            .parse()
            .map(Some)
            .map_err(|_| bad(name, text, "nil ip")),
    }
}

fn family_address<T: std::str::FromStr>(
    options: &BTreeMap<String, String>,
    name: &str,
) -> Result<Option<T>, NetworkError> {
    match options.get(name).map(String::as_str) {
        None | Some("") => Ok(None),
        Some(text) => text
            .parse()
            .map(Some)
            .map_err(|_| bad(name, text, "nil ip")),
    }
}

fn bad(name: &str, value: &str, reason: &str) -> NetworkError {
    let text = format!("failed to parse {name} value: {value} ({reason})");
    NetworkError::Invalid(Refusal(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_as_docker_reads_them() {
        let read = |name: &str, value: &str| {
            BridgeOptions::parse(&[(name.to_owned(), value.to_owned())].into())
        };
        assert!(!read(ICC, "F").unwrap().icc);
        assert_eq!(read(MTU, "1400").unwrap().mtu, Some(1400));
        assert_eq!(
            read(MODE_6, "routed").unwrap().mode(true),
            GatewayMode::Routed
        );
        assert_eq!(read(TRUSTED, "vxlan.1:eth3").unwrap().trusted.len(), 2);
        assert_eq!(read("foo", "bar").unwrap(), read(PREFIX, "eth").unwrap());
        for (name, value, sentence) in [
            (
                ICC,
                "bogus",
                "strconv.ParseBool: parsing \"bogus\": invalid syntax",
            ),
            (
                MTU,
                "bogus",
                "strconv.Atoi: parsing \"bogus\": invalid syntax",
            ),
            (HOST_BINDING, "bogus", "nil ip"),
            (MODE_4, "bogus", "unknown gateway mode bogus"),
        ] {
            assert_eq!(
                read(name, value).unwrap_err().to_string(),
                format!("failed to parse {name} value: {value} ({sentence})")
            );
        }
    }
}
